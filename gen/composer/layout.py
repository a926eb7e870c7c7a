"""Places the objects of a prompt: the largest in the middle, what is related to another one by it."""

import math
from dataclasses import dataclass, replace

import numpy as np

from gen.composer import relations
from gen.composer.builders import BUILDERS
from gen.composer.camera_paths import MIDDLE_BEARING
from gen.composer.motion import Motion, motion_of
from gen.composer.placed_object import PlacedObject
from gen.composer.scene import Primitive, extent, placed
from gen.composer.scene_request import ObjectRequest
from gen.composer.style import Style
from gen.composer.vocabulary import COLORS

CANDIDATES = 300
"""Places tried for each object."""
FOOTPRINT = 0.88
"""Share of the circle around an object that others stay out of; its corners do not fill the circle."""


@dataclass(frozen=True)
class Draft:
    """An object not yet placed."""

    request: ObjectRequest
    parts: list[Primitive]
    radius: float
    height: float
    """Metres, with its way and its bounces."""
    motion: Motion | None

    def at(self, x: float, y: float, yaw: float, **more: object) -> PlacedObject:
        """The object, placed at x, y in metres."""
        return PlacedObject(
            self.request,
            self.parts,
            (x, y),
            yaw,
            self.radius,
            self.height,
            motion=self.motion,
            **more,  # pyright: ignore[reportArgumentType]
        )


def place_objects(
    requests: tuple[ObjectRequest, ...], rng: np.random.Generator, seconds: float = 0.0
) -> list[PlacedObject]:
    """Every requested object, none touching, all to be seen from the front. The clip lasts `seconds`."""
    anchors = _anchors(requests)
    free = [i for i in range(len(requests)) if i not in anchors]
    drafts: list[tuple[int, Draft]] = []
    for i in free:
        drafts += [(i, _draft(requests[i], rng, seconds)) for _ in range(requests[i].count)]
    done: list[PlacedObject] = []
    by_request: dict[int, list[PlacedObject]] = {}
    for i, draft in _hero_first(drafts):
        x, y = (0.0, 0.0) if not done else _best_place(done, draft.radius, draft.height, rng)
        yaw = math.radians(rng.uniform(-14.0, 14.0) + (0.0 if not done else 0.6 * MIDDLE_BEARING))
        done.append(draft.at(x, y, yaw))
        by_request.setdefault(i, []).append(done[-1])
    waiting = sorted(anchors, key=lambda i: _depth(i, anchors))
    for i in waiting:
        by_request[i] = _place_related(requests[i], by_request[anchors[i]], done, rng, seconds)
        done += by_request[i]
    return done


def _anchors(requests: tuple[ObjectRequest, ...]) -> dict[int, int]:
    """By request: the request it is placed by. Chairs go to the table unless they are told otherwise."""
    anchors = {i: r.anchor for i, r in enumerate(requests) if r.anchor is not None}
    tables = [i for i, request in enumerate(requests) if request.kind == "table"]
    for i, request in enumerate(requests):
        if tables and request.kind == "chair" and request.motion is None and i not in anchors:
            above: int | None = tables[0]
            while above is not None and above != i:
                above = anchors.get(above)
            if above is None:
                anchors[i] = tables[0]
    return anchors


def _depth(index: int, anchors: dict[int, int]) -> int:
    """How many others have to be placed first."""
    return 1 + _depth(anchors[index], anchors) if index in anchors else 0


def _draft(
    request: ObjectRequest, rng: np.random.Generator, seconds: float, scale: float = 1.0, raised: bool = False
) -> Draft:
    color = COLORS[request.color] if request.color else None
    parts = BUILDERS[request.kind](Style(rng, color, request.material, raised))
    parts = placed(parts, 0.0, 0.0, 0.0, scale * request.scale * rng.uniform(0.93, 1.07))
    return _moving(request, parts, seconds, rng.uniform())


def _moving(request: ObjectRequest, parts: list[Primitive], seconds: float, phase: float) -> Draft:
    radius, height = extent(parts)
    if request.motion is None:
        return Draft(request, parts, radius, height, None)
    motion = motion_of(request.motion, request.kind, parts, (radius, height), seconds, phase)
    up = motion.bounce_height if motion.kind == "bounce" else 0.0
    return Draft(request, parts, radius + motion.reach(), height + up, motion)


def _place_related(
    request: ObjectRequest,
    anchors: list[PlacedObject],
    done: list[PlacedObject],
    rng: np.random.Generator,
    seconds: float,
) -> list[PlacedObject]:
    """All objects of a request, shared out among the objects it is placed by."""
    relation = request.relation or "beside"
    raised = relation == "on" or anchors[0].carrier is not None
    drafts = [_draft(request, rng, seconds, raised=raised) for _ in range(request.count)]
    for scale in relations.SCALES if relation in ("on", "under") else (1.0,):
        fitted = [
            draft
            if scale == 1.0
            else _moving(request, placed(draft.parts, 0, 0, 0, scale), seconds, 0.37 * i % 1.0)
            for i, draft in enumerate(drafts)
        ]
        found: list[PlacedObject] = []
        for i, draft in enumerate(fitted):
            anchor = anchors[i % len(anchors)]
            item = _related(draft, relation, anchor, i // len(anchors), done + found, rng)
            if item is None:
                break
            found.append(item)
        if len(found) == len(fitted):
            if scale < 0.75:
                smaller = f"The {request.kind} is drawn at {scale:.0%} of its size to fit {relation}"
                found[0] = replace(found[0], note=f"{smaller} the {anchors[0].request.kind}.")
            return found
    found = []
    for i, draft in enumerate(drafts):
        anchor = anchors[i % len(anchors)]
        if relation == "on":
            small = min(1.0, 0.8 * anchor.radius / draft.radius)
            draft = _moving(request, placed(draft.parts, 0, 0, 0, small), seconds, 0.0)
            x, y, z = relations.summit(anchor, done + found)
            found.append(draft.at(x, y, anchor.yaw, base=z - 0.03 * draft.height, carrier=anchor))
            continue
        item = _related(draft, "front", anchor, i // len(anchors), done + found, rng)
        assert item is not None
        note = f"There is no room under the {anchor.request.kind}, so the {request.kind} is in front of it."
        found.append(replace(item, note=note))
    return found


def _related(
    draft: Draft,
    relation: str,
    anchor: PlacedObject,
    number: int,
    done: list[PlacedObject],
    rng: np.random.Generator,
) -> PlacedObject | None:
    """The `number`-th object by an anchor, or None if there is no room on it or under it."""
    yaw = anchor.yaw + math.radians(rng.uniform(-20.0, 20.0))
    if relation == "on":
        spot = relations.flat_top(anchor, done, draft.radius, anchor.position)
        return None if spot is None else draft.at(spot[0], spot[1], yaw, base=spot[2], carrier=anchor)
    if anchor.carrier is not None and relation != "under":  # beside a vase on a table is on the table
        aim = relations.spot_around(anchor, relation, [], draft.radius, draft.height, number)
        spot = relations.flat_top(anchor.carrier, done, draft.radius, aim)
        if spot is not None:
            return draft.at(spot[0], spot[1], yaw, base=spot[2], carrier=anchor.carrier)
    if relation == "under":
        spot = relations.room_below(anchor, done, draft.radius, draft.height)
        return None if spot is None else draft.at(*spot, yaw)
    if draft.request.kind == "chair" and anchor.request.kind == "table" and relation == "beside":
        return draft.at(*relations.seat_at_table(anchor, number))
    x, y = relations.spot_around(anchor, relation, done, draft.radius, draft.height, number)
    return draft.at(x, y, math.radians(rng.uniform(-14.0, 14.0) + 0.6 * MIDDLE_BEARING))


def _hero_first(drafts: list[tuple[int, Draft]]) -> list[tuple[int, Draft]]:
    """The object named first leads, unless another dwarfs it; then the rest by size."""

    def size(item: tuple[int, Draft]) -> float:
        return item[1].radius * item[1].height

    by_size = sorted(drafts, key=size, reverse=True)
    hero = drafts[0] if size(drafts[0]) > 0.3 * size(by_size[0]) else by_size[0]
    return [hero, *(item for item in by_size if item is not hero)]


def _best_place(
    done: list[PlacedObject], radius: float, height: float, rng: np.random.Generator
) -> tuple[float, float]:
    """The best of random places: close to the others; tall things behind, low things in front."""
    centers = np.array([o.position for o in done])
    radii = np.array([o.radius for o in done])
    heights = np.array([o.height for o in done])
    spread = float((np.linalg.norm(centers, axis=1) + radii).max()) + 2.2 * radius + 0.6
    wanted_depth = 0.45 if height < 0.55 * heights.max() else -0.2
    bearings = np.radians(MIDDLE_BEARING + np.array([-26.0, 0.0, 26.0]))
    fronts = np.stack([np.sin(bearings), -np.cos(bearings)], axis=1)  # [3, 2] towards the camera
    sides = np.stack([np.cos(bearings), np.sin(bearings)], axis=1)
    best, best_cost = (spread, 0.0), math.inf
    for _ in range(CANDIDATES):
        turn, reach = rng.uniform(0.0, 2 * math.pi), spread * math.sqrt(rng.uniform(0.0, 1.0))
        point = np.array([reach * math.cos(turn), reach * math.sin(turn)])
        gaps = np.linalg.norm(centers - point, axis=1) - FOOTPRINT * (radii + radius)
        if gaps.min() < 0.1:
            continue
        offset = centers - point
        in_front = offset @ fronts.T < 0  # [others, 3]
        overlap = np.clip(1.15 - np.abs(offset @ sides.T) / (0.8 * (radii + radius))[:, None], 0.0, 1.0)
        hides = overlap * in_front * np.clip(height / heights - 0.3, 0.0, 1.0)[:, None]
        hidden = overlap * ~in_front * np.clip(heights / height - 0.3, 0.0, 1.0)[:, None]
        cost = 3.2 * reach / spread + abs(float(point @ fronts[1]) / spread - wanted_depth)
        cost += (1.4 * hides + 1.6 * hidden).sum() / len(bearings) + rng.uniform(0.0, 0.15)
        if cost < best_cost:
            best, best_cost = (float(point[0]), float(point[1])), cost
    return best


def subject_points(done: list[PlacedObject]) -> np.ndarray:
    """Points [N, 3] around every object that the cameras must keep in view, metres."""
    rings = []
    for item in done:
        x, y = item.position
        for turn in np.linspace(0.0, 2 * math.pi, 8, endpoint=False):
            rx, ry = 0.85 * item.radius * math.cos(turn), 0.85 * item.radius * math.sin(turn)
            rings += [(x + rx, y + ry, item.base), (x + 0.6 * rx, y + 0.6 * ry, item.base + item.height)]
    return np.array(rings)
