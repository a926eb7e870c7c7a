"""What moves in a shot by itself, before any camera is known: a mask per frame, without learned weights.

Pass 1 of two. Dense flow over several gaps; what disagrees with the one epipolar geometry of two frames
has moved (Sampson error, Hartley & Zisserman 2004, eq. 11.9). That is precise, but blind to what
moves along its own epipolar line; `recon.rigid_flow` looks again once the cameras are solved. Before a
camera that stands or only turns there is no epipolar geometry, and what disagrees with the turn has moved.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from recon.frame_flow import (
    Flow,
    FrameFlows,
    in_order,
    lengths,
    pixel_grid,
    small_size,
    textured,
)
from recon.mask_cleaning import likely, packed, settled
from recon.mask_files import MOST, Camera, MotionMasks, read_masks, write_masks
from recon.turning import kabsch, unit_rays
from recon.types import Frames, Shot

__all__ = ["MotionMasks", "motion_masks", "read_masks", "write_masks"]

BASES = {1: (5.0, 8.0), 2: (1.0, 2.0)}
"""The smaller gap in frames, and the pixels of flow over it, in the median or in the fastest 5 %, from
which it is wide enough; the larger gap is twice as wide. Over too wide a gap a fast mover is lost, over too
small a one a slow mover hardly moves."""
SLOWEST = 4
"""Frames of the smaller gap where everything is slower still."""
ENOUGH_SEEN = 0.25
"""Share of places with trusted flow below which a pair of frames says nothing."""
THRESHOLD, SLOPE, SIGMAS = 1.0, 0.02, 5.0
"""Pixels of disagreement beyond which a pixel has moved; what is added per pixel of flow; and the least
in standard deviations of the disagreement of most pixels."""
SLOW, CLEARER, EVERY = 8.0, 0.7, 3
"""Pixels of flow in the median, up to which a fit by least median of squares (Rousseeuw 1984) is looked at;
times the median miss of the other one, below which it is the better one; and of how many places one is
enough for it."""
LOOSE, TIGHT = 1.0, 0.3
"""Pixels to which matches fit the geometry, at most and at least."""
STEP = 6
"""Pixels between the places to which geometry is fitted."""
FEWEST = 50
"""Places to which geometry is fitted, at least."""
PAIRS = 5
"""Pairs of frames looked at for each of these gaps."""
SURVEYED = (1, 2, 4, 8, 16, 32)
"""Frames over which the camera is looked at."""
STILL = 0.4
"""Pixels; the background before a camera that stands moves less."""
ENOUGH_PLANE, ENOUGH_TURN = 0.6, 0.9
"""Share of the places on one homography, and share of those that a turn explains, to call it a turn."""
ALMOST_STILL, SLIDES = 2.0, 1.35
"""Pixels of flow beyond which a turn must also explain the picture better than a slide, by this factor."""
AROUND = 0.25
"""Share of at least three sides of the frame that what is marked touches when it is rather the background."""
FOCALS = (0.5, 0.6, 0.72, 0.86, 1.0, 1.2, 1.45, 1.75, 2.1, 2.5)
"""Times the long side; tried for the turn."""


def motion_masks(
    frames: Frames,
    shot: Shot,
    *,
    flows: FrameFlows | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> MotionMasks:
    """Find what moves by itself in a shot; bitwise the same for the same frames.

    Args:
        flows: Flow between these frames that others look at too.
        on_progress: Called with the number of frames done.
    """
    flows = flows or FrameFlows(frames)
    width, height = small_size(frames.width, frames.height)
    numbers = np.array(shot.numbers, np.int64)
    masks, swapped = np.zeros((len(numbers), height, width), bool), False
    base, camera = _survey(flows, shot)
    gaps = tuple(gap for gap in (base, 2 * base) if gap < shot.frames)
    if camera == "blank" or not gaps:
        return MotionMasks(numbers, masks, "blank", False, False, gaps)
    bases = gaps_of_frames(flows, numbers, base)
    masks = _masks(flows, shot, bases, camera, None, on_progress)
    if camera == "moving" and _is_background(masks):
        again = _masks(flows, shot, bases, camera, masks, None)
        swapped = not _is_background(again)
        masks = again if swapped else masks
    return MotionMasks(numbers, masks, camera, swapped, not _is_background(masks), gaps)


def _survey(flows: FrameFlows, shot: Shot) -> tuple[int, Camera]:
    """The smaller gap that suits the speed of the flow, and what the camera does."""
    speeds: dict[int, np.ndarray] = {}
    camera: Camera = "blank"
    for gap in (gap for gap in SURVEYED if gap < shot.frames):
        starts = sorted(set(np.linspace(0, shot.frames - 1 - gap, PAIRS).round().astype(int).tolist()))
        pairs = [(shot.first + start, shot.first + start + gap) for start in starts]
        views = list(in_order(lambda pair: _view(flows, *pair), pairs))
        views = [view for view in views if view is not None]
        if not views:
            continue
        speeds[gap] = np.median([speed for speed, _ in views], axis=0)
        # The widest gap decides: there parallax is largest, and a turn looks least like a slide.
        kinds = [kind for _, kind in views if kind != "blank"]
        if kinds or camera == "blank":
            camera = max(("moving", "turning", "still"), key=kinds.count)
    return _base(speeds), camera


def smaller_gap(flows: FrameFlows, numbers: np.ndarray) -> int:
    """The gap between frames, of those in `BASES` or SLOWEST, that suits the speed of the flow between
    the frames of these numbers [F]."""
    count = len(numbers)
    speeds: dict[int, np.ndarray] = {}
    for gap in (gap for gap in BASES if gap < count):
        pairs = [(start, start + gap) for start in sorted({0, (count - 1 - gap) // 2, count - 1 - gap})]
        found = in_order(lambda pair: _matched(flows, *(numbers[i] for i in pair)), pairs)
        known = [_quantiles(*matched) for matched in found if matched is not None]
        speeds |= {gap: np.median(known, axis=0)} if known else {}
    return _base(speeds)


def gaps_of_frames(flows: FrameFlows, numbers: np.ndarray, base: int) -> np.ndarray:
    """[F] the smaller gap of each frame: `base`, or 1 where something is too fast for that, which may be
    there for a part of the shot only."""
    if base == 1 or len(numbers) < 2:
        return np.full(len(numbers), base)

    def fast(i: int) -> bool:
        flow = flows.between_halves(numbers[i], numbers[i + 1])
        matched = _trusted(flow, flows.half(numbers[i]))
        # Twice: BASES are pixels of the whole size.
        return matched is not None and bool((2 * _quantiles(*matched) >= BASES[1]).any())

    after = np.array(list(in_order(fast, range(len(numbers) - 1))))
    return np.where(np.r_[after, False] | np.r_[False, after], 1, base)


def _base(speeds: dict[int, np.ndarray]) -> int:
    return next(
        (gap for gap, least in BASES.items() if (speeds.get(gap, np.zeros(2)) >= least).any()), SLOWEST
    )


def _view(flows: FrameFlows, first: int, second: int) -> tuple[np.ndarray, Camera] | None:
    """[2] `_quantiles`, and what the camera did ("blank" where that is open); None where too little of the
    flow can be trusted."""
    matched = _matched(flows, first, second)
    if matched is None:
        return None
    height, width = flows.look(first).shape
    return _quantiles(*matched), _camera_of(*matched, width, height)


def _matched(flows: FrameFlows, first: int, second: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels [P, 2] of both frames; None where too little of the flow can be trusted."""
    return _trusted(flows.between(first, second)[0], flows.look(first))


def _trusted(flow: Flow, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    here, there, seen = _places(flow, textured(picture))
    return None if len(here) < FEWEST or seen < ENOUGH_SEEN else (here, there)


def _quantiles(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """[2] length of the flow, in the median and of the fastest 5 %."""
    return np.quantile(lengths(there - here), [0.5, 0.95])


def _places(flow: Flow, use: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """[P, 2] pixels, [P, 2] where flow leads, and the share of all places that they are."""
    at = (slice(STEP // 2, None, STEP), slice(STEP // 2, None, STEP))
    good = (flow.ok & use)[at]
    here = pixel_grid(*flow.ok.shape)[at][good]
    return here, here + flow.shift[at][good], float(good.sum() / max(1, use[at].sum()))


def _camera_of(here: np.ndarray, there: np.ndarray, width: int, height: int) -> Camera:
    """What the camera did between two frames, by matches [P, 2]."""
    if (np.linalg.norm(there - here, axis=1) < STILL).mean() > ENOUGH_PLANE:
        return "still"
    _, fits = cv2.findHomography(here, there, cv2.USAC_MAGSAC, 1.0)
    if fits is None or fits.mean() < ENOUGH_PLANE:
        return "moving"
    a, b = here[fits.ravel() > 0].astype(float), there[fits.ravel() > 0].astype(float)
    size, length = max(width, height), float(np.median(np.linalg.norm(b - a, axis=1)))
    turn = min((_turn_error(a, b, focal * size, width, height) for focal in FOCALS), key=np.median)
    if (turn < THRESHOLD + SLOPE * length).mean() < ENOUGH_TURN:
        return "moving"
    # A wall that slides by looks like a turn seen through a very long lens.
    slide = float(np.median(np.linalg.norm(_similarity(a, b) - b, axis=1)))
    unclear = length > ALMOST_STILL and slide < SLIDES * float(np.median(turn))
    return "blank" if unclear else "turning"


def _turn_error(a: np.ndarray, b: np.ndarray, focal: float, width: int, height: int) -> np.ndarray:
    """[P] pixels between b and where the best turn of a camera moves a."""
    first, second = (unit_rays(points, focal, width, height) for points in (a, b))
    turned = first @ kabsch(first, second).T
    return np.linalg.norm(focal * turned[:, :2] / turned[:, 2:] + [width / 2, height / 2] - b, axis=1)


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[P, 2] a, moved, turned and scaled in the plane to lie nearest to b."""
    p, q = (points[:, 0] + 1j * points[:, 1] for points in (a, b))
    factor = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean())
    moved = factor * (p - p.mean()) + q.mean()
    return np.stack([moved.real, moved.imag], 1)


def _masks(
    flows: FrameFlows,
    shot: Shot,
    bases: np.ndarray,  # [F] the smaller gap of each frame
    camera: Camera,
    fit: np.ndarray | None,  # [F, h, w] bool: where the geometry is fitted, None for everywhere
    on_progress: Callable[[int], None] | None,
) -> np.ndarray:
    """[F, h, w] bool."""

    def compare(i: int) -> list[tuple[int, tuple[np.ndarray, np.ndarray], Flow, Flow]]:
        return [
            (
                j,
                *_compare(
                    *(flows, shot.first + i, shot.first + j),
                    camera,
                    None if fit is None else (fit[i], fit[j]),
                ),
            )
            for j in (i + bases[i], i + 2 * bases[i])
            if j < shot.frames
        ]

    waiting: dict[int, list[np.ndarray]] = {}
    soft: list[np.ndarray] = []
    links: dict[tuple[int, int], np.ndarray] = {}
    for i, rows in enumerate(in_order(compare, range(shot.frames))):
        for j, errors, forth, back in rows:
            waiting.setdefault(i, []).append(errors[0])
            waiting.setdefault(j, []).append(errors[1])
            if j - i == bases[i]:
                links[i, j], links[j, i] = packed(forth), packed(back)
        soft.append(likely(waiting.pop(i, []), flows.look(shot.first + i)))
        if on_progress is not None:
            on_progress(i + 1)
    return np.array([settled(soft, links, i, bases[i]) for i in range(shot.frames)])


def _compare(
    flows: FrameFlows,
    first: int,
    second: int,
    camera: Camera,
    outside: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[tuple[np.ndarray, np.ndarray], Flow, Flow]:
    """For each of two frames how far its pixels disagree with the geometry of the pair, where 1 is the
    threshold ([h, w] float16, NaN where nothing is known); and the flows."""
    a, b, (forth, back) = flows.look(first), flows.look(second), flows.between(first, second)
    sharp = textured(a), textured(b)
    here, there, seen = _places(forth, sharp[0] if outside is None else sharp[0] & outside[0])
    nothing = np.full(a.shape, np.nan, np.float16)
    if len(here) < FEWEST or seen < ENOUGH_SEEN:
        return (nothing, nothing), forth, back
    found = _fit(here, there, camera)
    if found is None:
        return (nothing, nothing), forth, back
    model, sigma = found
    error = _error(model, camera)
    threshold = max(THRESHOLD, SIGMAS * sigma)
    grid = pixel_grid(*a.shape)
    out = []
    for flow, use, ahead in ((forth, sharp[0], True), (back, sharp[1], False)):
        goal = grid + flow.shift
        distance = error(grid, goal) if ahead else error(goal, grid)
        ratio = distance / (threshold + SLOPE * lengths(flow.shift))
        out.append(np.where(flow.ok & use, np.minimum(ratio, 100), np.nan).astype(np.float16))
    return (out[0], out[1]), forth, back


def _fit(here: np.ndarray, there: np.ndarray, camera: Camera) -> tuple[np.ndarray, float] | None:
    """[3, 3] what matches [P, 2] of a still scene obey (MAGSAC++, Barath et al. 2020), and the standard
    deviation in pixels of those that do; None without any."""

    def spread(model: np.ndarray) -> float:
        return 1.4826 * float(np.median(_error(model, camera)(here, there)))

    # A geometry that fits a mover, too, misses what hardly flows by less than the tolerance.
    slow = camera == "moving" and np.median(lengths(there - here)) <= SLOW
    other = _epipolar(here[::EVERY], there[::EVERY], cv2.FM_LMEDS, LOOSE) if slow else None
    beyond = np.inf if other is None else spread(other)
    model, sigma, tolerance = None, np.inf, LOOSE
    for _ in range(2):  # a mover fits into the slack of a loose first fit
        model = _obeyed(here, there, camera, tolerance)
        sigma = np.inf if model is None else spread(model)
        if other is not None and beyond < CLEARER * sigma:
            model, sigma = other, beyond
        if model is None:
            return None
        tolerance = float(np.clip(3 * sigma, TIGHT, LOOSE))
    assert model is not None
    return model, sigma


def _obeyed(here: np.ndarray, there: np.ndarray, camera: Camera, tolerance: float) -> np.ndarray | None:
    """[3, 3] to `tolerance` pixels."""
    if camera == "still":
        return np.eye(3)
    if camera == "turning":
        return cv2.findHomography(here, there, cv2.USAC_MAGSAC, tolerance)[0]
    return _epipolar(here, there, cv2.USAC_MAGSAC, tolerance)


def _epipolar(here: np.ndarray, there: np.ndarray, method: int, tolerance: float) -> np.ndarray | None:
    """[3, 3] fundamental matrix of matches [P, 2]; None without any."""
    try:
        found = cv2.findFundamentalMat(here, there, method, tolerance, 0.999, 2000)[0]
    except cv2.error:  # OpenCV 5.0 asserts on some matches without any model.
        return None
    return None if found is None else found[:3]


def _error(model: np.ndarray, camera: Camera) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Pixels [...] by which matches [..., 2] miss the model."""

    def transfer(here: np.ndarray, there: np.ndarray) -> np.ndarray:
        moved = here @ model[:, :2].T.astype(np.float32) + model[:, 2].astype(np.float32)
        return lengths(moved[..., :2] / moved[..., 2:] - there)

    def sampson(here: np.ndarray, there: np.ndarray) -> np.ndarray:
        # One coordinate after another: sums over an axis of two cost numpy ten times as much.
        (x, y), (u, v) = np.moveaxis(here, -1, 0), np.moveaxis(there, -1, 0)
        # And Python's numbers: numpy's own would make doubles of the pixels.
        a, b, c = (p * x + q * y + r for p, q, r in model.tolist())
        d, e = (p * u + q * v + r for p, q, r in model.T[:2].tolist())
        return np.abs(a * u + b * v + c) / np.sqrt(a * a + b * b + d * d + e * e + 1e-30)

    return sampson if camera == "moving" else transfer


def _is_background(masks: np.ndarray) -> bool:
    """Do masks [F, h, w] look like what is behind a mover: most of the frame, or its border all around?"""
    share, edge = masks.mean(), 8
    sides = [masks[:, :edge], masks[:, -edge:], masks[:, :, :edge], masks[:, :, -edge:]]
    covered = sorted(float(side.mean()) for side in sides)
    return bool(share > MOST or (covered[1] > AROUND and np.mean(covered) > 1.5 * share))
