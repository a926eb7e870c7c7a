"""Places the objects of a prompt on the ground and sets the stage around them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen.composer import buildings, materials, plants, things
from gen.composer.camera_paths import MIDDLE_BEARING, CameraPath
from gen.composer.materials import Material
from gen.composer.prompt import ObjectRequest
from gen.composer.scene import Primitive, ball, extent, placed
from gen.composer.style import Style
from gen.composer.vocabulary import COLORS

BUILDERS: dict[str, Callable[[Style], list[Primitive]]] = {
    "house": buildings.house,
    "tower": buildings.tower,
    "windmill": buildings.windmill,
    "tent": buildings.tent,
    "well": buildings.well,
    "fence": things.fence,
    "car": things.car,
    "bench": things.bench,
    "table": things.table,
    "chair": things.chair,
    "lamp": things.lamp,
    "barrel": things.barrel,
    "box": things.crate,
    "ball": things.toy_ball,
    "cone": things.traffic_cone,
    "pillar": things.pillar,
    "robot": things.robot,
    "tree": plants.tree,
    "pine": plants.pine,
    "bush": plants.bush,
    "cactus": plants.cactus,
    "mushroom": plants.mushroom,
    "flower": plants.flower,
    "rock": plants.rock,
    "snowman": plants.snowman,
}
"""How to build each object of the vocabulary."""

CANDIDATES = 300
"""Places tried for each object."""
FOOTPRINT = 0.88
"""Share of the circle around an object that others stay out of; its corners do not fill the circle."""

Draft = tuple[ObjectRequest, list[Primitive], float, float]
"""An object not yet placed: request, parts, radius and height in metres."""


@dataclass(frozen=True)
class PlacedObject:
    """One object on the ground."""

    request: ObjectRequest
    parts: list[Primitive]
    position: tuple[float, float]
    """Metres."""
    yaw: float
    """Radians; 0 faces -y."""
    radius: float
    """Of the circle around its footprint, metres."""
    height: float
    """Metres."""

    def describe(self) -> dict[str, object]:
        """For the sidecar."""
        return {
            "kind": self.request.kind,
            "color": self.request.color,
            "material": self.request.material,
            "position": [round(v, 4) for v in self.position],
            "yaw_degrees": round(math.degrees(self.yaw), 2),
            "radius": round(self.radius, 4),
            "height": round(self.height, 4),
        }


def place_objects(requests: tuple[ObjectRequest, ...], rng: np.random.Generator) -> list[PlacedObject]:
    """Every requested object, the largest in the middle, none touching, all to be seen from the front."""
    drafts: list[Draft] = []
    for request in requests:
        for _ in range(request.count):
            color = COLORS[request.color] if request.color else None
            parts = BUILDERS[request.kind](Style(rng, color, request.material))
            parts = placed(parts, 0.0, 0.0, 0.0, request.scale * rng.uniform(0.93, 1.07))
            drafts.append((request, parts, *extent(parts)))
    drafts = _hero_first(drafts)
    done: list[PlacedObject] = []
    for request, parts, radius, height in drafts:
        x, y = (0.0, 0.0) if not done else _best_place(done, radius, height, rng)
        yaw = math.radians(rng.uniform(-14.0, 14.0) + (0.0 if not done else 0.6 * MIDDLE_BEARING))
        done.append(PlacedObject(request, placed(parts, x, y, yaw, 1.0), (x, y), yaw, radius, height))
    return done


def _hero_first(drafts: list[Draft]) -> list[Draft]:
    """The object named first leads, unless another dwarfs it; then the rest by size."""

    def size(draft: Draft) -> float:
        return draft[2] * draft[3]

    by_size = sorted(drafts, key=size, reverse=True)
    hero = drafts[0] if size(drafts[0]) > 0.3 * size(by_size[0]) else by_size[0]
    return [hero, *(draft for draft in by_size if draft is not hero)]


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
            rings += [(x + rx, y + ry, 0.0), (x + 0.6 * rx, y + 0.6 * ry, item.height)]
    return np.array(rings)


def stage(
    ground: str, done: list[PlacedObject], path: CameraPath, rng: np.random.Generator
) -> list[Primitive]:
    """What surrounds the subject: pebbles and tufts near it, trees and hills behind it.

    They give every part of the picture something at a finite distance for structure from motion.
    """
    eyes = path.world_from_camera[:, :3, 3]
    camera_radius = float(np.linalg.norm(eyes[:, :2], axis=1).max())
    radius = max(math.hypot(*item.position) + item.radius for item in done)
    parts = _scatter(ground, done, radius, rng)
    parts += _backdrop(ground, camera_radius, rng)
    return [part for part in parts if _in_any_view(part, path)]


def _scatter(
    ground: str, done: list[PlacedObject], radius: float, rng: np.random.Generator
) -> list[Primitive]:
    """Pebbles, and tufts where something grows, on the ground between and around the objects."""
    pebble = materials.stone((0.60, 0.57, 0.52))
    tufts = [materials.foliage(c) for c in TUFT_COLORS.get(ground, ())]
    parts: list[Primitive] = []
    for _ in range(0 if ground == "floor" else 90):
        turn, reach = rng.uniform(0.0, 2 * math.pi), (radius + 3.5) * math.sqrt(rng.uniform(0.02, 1.0))
        x, y = reach * math.cos(turn), reach * math.sin(turn)
        if any(math.hypot(x - o.position[0], y - o.position[1]) < o.radius + 0.1 for o in done):
            continue
        size = rng.uniform(0.06, 0.17)
        grows = tufts and rng.uniform() < 0.6
        surface = tufts[rng.integers(len(tufts))] if grows else pebble
        shape = (1.2 * size, 1.2 * size, 0.9 * size) if grows else (size, 0.8 * size, 0.6 * size)
        parts += placed([ball((0.0, 0.0, 0.35 * shape[2]), shape, surface)], x, y, turn, 1.0)
    return parts


TUFT_COLORS: dict[str, tuple[materials.Color, ...]] = {
    "grass": ((0.34, 0.48, 0.14), (0.46, 0.54, 0.20), (0.62, 0.58, 0.26)),
    "autumn": ((0.62, 0.40, 0.12), (0.55, 0.48, 0.18)),
    "desert": ((0.52, 0.50, 0.28),),
}
"""Low plants between the objects."""

BACKDROPS: dict[str, tuple[tuple[str, ...], Material]] = {
    "grass": (("pine", "tree", "tree"), materials.foliage((0.36, 0.46, 0.22))),
    "autumn": (("autumn_tree", "autumn_tree", "pine"), materials.foliage((0.56, 0.42, 0.18))),
    "desert": (("rock", "rock", "cactus"), materials.stone((0.74, 0.50, 0.34))),
    "sand": (("rock", "bush"), materials.stone((0.76, 0.66, 0.50))),
    "snow": (("pine", "pine", "pine"), materials.stone((0.88, 0.91, 0.96))),
    "floor": (("pillar", "pillar"), materials.stone((0.66, 0.60, 0.54))),
}
"""Kinds that stand in the distance on each ground, and what the hills behind them are made of."""


def _backdrop(ground: str, camera_radius: float, rng: np.random.Generator) -> list[Primitive]:
    """A ring of trees or rocks outside the camera's path, then two rings of hills."""
    kinds, hill = BACKDROPS[ground]
    parts: list[Primitive] = []
    ring, count = camera_radius + 3.0, 44
    for i in range(count):
        turn = 2 * math.pi * (i + rng.uniform(-0.4, 0.4)) / count
        reach = ring * rng.uniform(1.0, 1.7)
        kind = kinds[rng.integers(len(kinds))]
        orange = (0.74, 0.42, 0.12) if rng.uniform() < 0.5 else (0.70, 0.26, 0.12)
        style = Style(rng, orange) if kind == "autumn_tree" else Style(rng)
        built = BUILDERS["tree" if kind == "autumn_tree" else kind](style)
        scale = rng.uniform(0.8, 1.25) * (1.6 if kind == "rock" else 1.0)
        parts += placed(built, reach * math.cos(turn), reach * math.sin(turn), rng.uniform(0, 6.28), scale)
    coarse = hill.scaled(5.0)
    for far, height, number in ((2.6, 0.22, 11), (4.2, 0.42, 9)):
        for i in range(number):
            turn = 2 * math.pi * (i + rng.uniform(-0.3, 0.3)) / number
            reach = far * ring * rng.uniform(0.95, 1.1)
            width, up = 0.8 * far * ring * rng.uniform(0.7, 1.1), height * ring * rng.uniform(0.6, 1.2)
            dome = ball((0.0, 0.0, -0.15 * up), (0.6 * width, width, up), coarse)
            parts += placed([dome], reach * math.cos(turn), reach * math.sin(turn), turn, 1.0)
    return parts


def _in_any_view(part: Primitive, path: CameraPath) -> bool:
    """Whether a part's bounding sphere is inside the view of any camera, with room for its shadow."""
    center = np.array(part.center)
    radius = 1.5 * max(part.half_size) + 0.5
    half_width = path.cx / path.focal
    for pose in path.world_from_camera:
        x, _, z = (center - pose[:3, 3]) @ pose[:3, :3]
        if z > -radius and abs(x) < half_width * max(z, 0.0) + radius * math.hypot(1.0, half_width):
            return True
    return False
