"""Does the flow of a shot follow from its solved cameras and one still scene? A test of cameras, and masks.

The depth of a pixel comes from its flow to some frames, and is tested on its flow to another one that had
no part in it: cameras that are wrong, or things that move, cannot explain what they were not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recon.frame_flow import (
    SIZE,
    Flow,
    FrameFlows,
    in_order,
    lengths,
    pixel_grid,
    sample,
    small_size,
    textured,
)
from recon.mask_cleaning import likely, median, packed, settled, with_hysteresis
from recon.mask_files import MOST, MotionMasks
from recon.motion import gaps_of_frames, smaller_gap
from recon.types import Frames, Points
from recon.undistort import Lens
from recon.world import seen_depths

REFERENCES = 12
"""Frames whose flow is tested; they are spread over the shot."""
EXPLAINED, EXPLAINED_SLOPE = 1.5, 0.05
"""Pixels at a long side of 640, and share of the length of the flow, that cameras may be off."""
MOVED, SLOPE = 1.0, 0.02
"""Pixels beyond which something moved (where twice as much is near), and what is added per pixel of flow."""
SIGMAS = 5.0
"""Least distance, in standard deviations of the misses of most pixels, to have moved: cameras of a poor clip
miss everywhere."""
TESTED_STEP, MASKED_STEP = 4, 2
"""Pixels between the places where the flow is tested, and where masks are made."""
ROUNDS = 4
"""Of reweighting, in which partners that do not fit lose their say in the depth."""
PRIOR = 0.05
"""Pixels of flow; how strongly depth tends to the mean of the scene where there is no parallax."""
FLOOR_PX = 0.3
"""Pixels; scale of the robust weights."""


@dataclass(frozen=True, repr=False)
class StaticFlow:
    """How much of the flow one still scene explains."""

    explained: float
    """Share of the trusted flow of all frames tested, 0..1."""
    per_frame: np.ndarray
    """[R] the same for each frame tested."""
    numbers: np.ndarray
    """[R] int64, their global numbers."""
    turn_only: float
    """Share that the rotations alone explain, 0..1: near `explained`, the test says nothing of the
    translations."""
    gaps: tuple[int, ...]
    """Placed frames between the frames compared."""

    def __repr__(self) -> str:
        return f"StaticFlow({self.explained:.3f} explained, {self.turn_only:.3f} by turns alone)"


@dataclass(frozen=True, repr=False)
class _Scene:
    """Frames and cameras at the size at which flow runs."""

    pictures: FrameFlows
    numbers: np.ndarray  # [F]
    step: int  # pixels between the places looked at, [p, q] of them
    rays: np.ndarray  # [h, w, 3] float32, z = 1, of every pixel
    camera_from_world: np.ndarray  # [F, 4, 4]
    lens: Lens
    nearness: float  # 1 / median depth

    def look(self, i: int) -> np.ndarray:
        """[h, w] uint8 of the i-th placed frame."""
        return self.pictures.look(self.numbers[i])

    def places(self, field: np.ndarray) -> np.ndarray:
        """[p, q, ...] values of [h, w, ...] at the places looked at."""
        return field[self.step // 2 :: self.step, self.step // 2 :: self.step]

    def partners(self, i: int, gaps: tuple[int, ...]) -> list[int]:
        count = len(self.camera_from_world)
        return [i + sign * gap for gap in gaps for sign in (-1, 1) if 0 <= i + sign * gap < count]


def static_flow(
    frames: Frames,
    numbers: np.ndarray,  # [F]
    world_from_camera: np.ndarray,  # [F, 4, 4]
    lens: Lens,
    points: Points,
    *,
    masks: MotionMasks | None = None,
    references: int = REFERENCES,
    flows: FrameFlows | None = None,
) -> StaticFlow:
    """The static-flow test: what share of the flow follows from these cameras and a still scene.

    Args:
        numbers: Global numbers of the placed frames, increasing.
        lens: Of the frames on disk, which are not undistorted.
        points: Sparse points, for the scale of depth; any similarity of the world gives the same.
        masks: Where things move; not tested there.
        references: Frames tested at most.
        flows: Flow between these frames that others look at too.

    Returns:
        Shares of 0 when there are fewer than three frames, or no flow to be trusted.
    """
    scene = _scene_of(frames, flows, numbers, world_from_camera, lens, points, TESTED_STEP)
    gaps = _gaps(scene)
    chosen = sorted(set(np.linspace(0, len(numbers) - 1, references).round().astype(int).tolist()))
    chosen = [i for i in chosen if len(scene.partners(i, gaps)) >= 2]

    def test(i: int) -> tuple[int, int, int]:
        usable = textured(scene.look(i))
        if masks is not None:
            usable = usable & ~masks.of(int(numbers[i]), usable.shape[1], usable.shape[0])
        usable, good, turned, total = scene.places(usable), 0, 0, 0
        away = _flows_from(scene, i, gaps)
        for j, (miss, still_miss) in _misses(scene, i, away).items():
            tested = usable & scene.places(away[j].ok) & np.isfinite(miss)
            length = lengths(scene.places(away[j].shift))
            allowed = np.maximum(EXPLAINED * SIZE / 640, EXPLAINED_SLOPE * length)
            good += int((tested & (miss < allowed)).sum())
            turned += int((tested & (still_miss < allowed)).sum())
            total += int(tested.sum())
        return good, turned, total

    counts = np.array(list(in_order(test, chosen))).reshape(-1, 3)
    good, turned, total = counts.sum(0)
    per_frame = counts[:, 0] / np.maximum(1, counts[:, 2])
    return StaticFlow(
        float(good / max(1, total)), per_frame, numbers[chosen], float(turned / max(1, total)), gaps
    )


def rigid_masks(
    frames: Frames,
    numbers: np.ndarray,  # [F]
    world_from_camera: np.ndarray,  # [F, 4, 4]
    lens: Lens,
    points: Points,
    *,
    first: MotionMasks | None = None,
    flows: FrameFlows | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> MotionMasks:
    """Pass 2 of the motion masks: what flows otherwise than a still scene before the solved cameras.

    Args:
        numbers: Global numbers of the placed frames, increasing.
        lens: Of the frames on disk.
        first: Masks of pass 1. What they mark stays where nothing here speaks against it; they also
            stand for frames that were not placed.
        flows: Flow between these frames that others look at too.
        on_progress: Called with the number of frames done.
    """
    scene = _scene_of(frames, flows, numbers, world_from_camera, lens, points, MASKED_STEP)
    gaps, count = _gaps(scene), len(numbers)
    bases = gaps_of_frames(scene.pictures, numbers, gaps[0])
    height, width = scene.rays.shape[:2]
    coarse = scene.places(scene.rays).shape[:2]
    rows, columns = (
        np.minimum(np.arange(full) // scene.step, few - 1)
        for full, few in zip((height, width), coarse, strict=True)
    )

    def compare(i: int) -> tuple[np.ndarray, dict[tuple[int, int], np.ndarray]]:
        near = gaps if bases[i] == gaps[0] else (int(bases[i]), 2 * int(bases[i]))
        away, picture = _flows_from(scene, i, near), scene.look(i)
        sharp, errors = textured(picture), []
        for j, (miss, _) in _misses(scene, i, away).items():
            known = scene.places(away[j].ok & sharp) & np.isfinite(miss)
            sigma = 1.4826 * float(np.median(miss[known])) if known.any() else 0.0
            threshold = max(MOVED, SIGMAS * sigma)
            ratio = miss / (threshold + SLOPE * lengths(scene.places(away[j].shift)))
            ratio = np.where(known, np.minimum(ratio, 100), np.nan).astype(np.float32)
            errors.append(with_hysteresis(ratio)[rows][:, columns])
        links = {(i, j): packed(flow) for j, flow in away.items() if abs(i - j) == bases[i]}
        soft = likely(errors, picture)
        if first is not None and errors:
            before = first.of(int(numbers[i]), width, height)
            still = (median(np.array(errors)) < 0.5) & np.isfinite(errors).any(0)
            soft = np.where(before & ~still, 255, soft).astype(np.uint8)
        return soft, links

    soft: list[np.ndarray] = []
    links: dict[tuple[int, int], np.ndarray] = {}
    for i, (one, its_links) in enumerate(in_order(compare, range(count))):
        soft.append(one)
        links |= its_links
        if on_progress is not None:
            on_progress(i + 1)
    found = {int(numbers[i]): settled(soft, links, i, bases[i]) for i in range(count)}
    every = sorted({*found, *(first.numbers.tolist() if first is not None else ())})
    for number in every:
        if number not in found and first is not None:
            found[number] = first.of(number, width, height)
    masks = np.array([found[number] for number in every]).reshape(-1, height, width)
    believed = bool(masks.mean() < MOST) if len(masks) else False
    camera = first.camera if first is not None else "moving"
    return MotionMasks(np.array(every, np.int64), masks, camera, trusted=believed, gaps=gaps)


def _scene_of(
    frames: Frames,
    flows: FrameFlows | None,
    numbers: np.ndarray,  # [F]
    world_from_camera: np.ndarray,  # [F, 4, 4]
    lens: Lens,
    points: Points,
    step: int,
) -> _Scene:
    width, height = small_size(frames.width, frames.height)
    small = lens.scaled(width, height)
    at = (pixel_grid(height, width) + 0.5 - small.K[:2, 2]) / small.K[[0, 1], [0, 1]]
    rays = np.concatenate([small.undistort(at), np.ones((height, width, 1))], -1).astype(np.float32)
    depths = seen_depths(world_from_camera, numbers, points) if len(points) else np.ones(1)
    depths = depths[depths > 0]
    nearness = 1 / float(np.median(depths)) if len(depths) else 1.0
    pictures = flows or FrameFlows(frames)
    return _Scene(pictures, numbers, step, rays, np.linalg.inv(world_from_camera), small, nearness)


def _gaps(scene: _Scene) -> tuple[int, ...]:
    base = smaller_gap(scene.pictures, scene.numbers)
    return tuple(gap for gap in (base, 2 * base) if gap < len(scene.camera_from_world)) or (1,)


def _flows_from(scene: _Scene, i: int, gaps: tuple[int, ...]) -> dict[int, Flow]:
    """Flow from frame i to each partner."""
    at = scene.numbers
    return {j: scene.pictures.between(at[i], at[j])[0] for j in scene.partners(i, gaps)}


def _misses(scene: _Scene, i: int, flows: dict[int, Flow]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Per partner [p, q] pixels between flow and what the depth from the *other* partners predicts, NaN
    where those know nothing; and what the rotation alone predicts."""
    terms = {j: _terms(scene, i, j, flow) for j, flow in flows.items()}
    out = {}
    for j, (turned, moved, goal, _) in terms.items():
        others = [terms[k] for k in terms if k != j]
        nearness = _nearness(scene, others)
        miss = lengths(_project(scene, turned + nearness[..., None] * moved) - goal)
        miss[~np.any([ok for *_, ok in others] or [np.zeros(miss.shape, bool)], axis=0)] = np.nan
        out[j] = miss, lengths(_project(scene, turned) - goal)
    return out


def _terms(
    scene: _Scene, i: int, j: int, flow: Flow
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A place at nearness q (1 / depth) is on the ray `turned` [p, q, 3] + q `moved` [3] of frame j, and the
    flow says it is at the pixel index `goal` [p, q, 2], where it can be trusted [p, q]."""
    relative = scene.camera_from_world[j] @ np.linalg.inv(scene.camera_from_world[i])
    goal = scene.places(pixel_grid(*flow.ok.shape) + flow.shift)
    turned = scene.places(scene.rays) @ relative[:3, :3].T.astype(np.float32)
    return turned, relative[:3, 3].astype(np.float32), goal, scene.places(flow.ok)


def _nearness(
    scene: _Scene, terms: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """[p, q] 1 / depth, never behind the camera: least squares over the partners, reweighted (Cauchy)."""
    shape = scene.places(scene.rays).shape[:2]
    nearness = np.full(shape, scene.nearness, np.float32)
    focal = scene.lens.focal
    lines = []
    for turned, moved, goal, ok in terms:
        at, z = sample(scene.rays, goal), turned[..., 2]
        # (turned + q moved) is parallel to the ray through the goal: linear in q, in x and in y.
        slopes = [focal * (moved[axis] - at[..., axis] * moved[2]) for axis in (0, 1)]
        rests = [focal * (at[..., axis] * z - turned[..., axis]) for axis in (0, 1)]
        lines.append((*slopes, *rests, z, moved[2], ok))
    for _ in range(ROUNDS):
        top = np.full(shape, PRIOR**2 / scene.nearness, np.float32)
        bottom = np.full(shape, (PRIOR / scene.nearness) ** 2, np.float32)
        for a, b, u, v, z, dz, ok in lines:
            depth = np.maximum(z + nearness * dz, 0.05)
            miss = (a * nearness - u) ** 2 + (b * nearness - v) ** 2
            weight = ok / (depth**2 + miss / FLOOR_PX**2)
            top += weight * (a * u + b * v)
            bottom += weight * (a * a + b * b)
        nearness = np.maximum(top / bottom, 0).astype(np.float32)
    return nearness


def _project(scene: _Scene, at: np.ndarray) -> np.ndarray:
    """[p, q, 2] pixel indices of points [p, q, 3] in the camera, NaN behind it."""
    z = np.where(at[..., 2:] > 1e-3, at[..., 2:], np.nan)
    return scene.lens.project(at[..., :2] / z) - 0.5
