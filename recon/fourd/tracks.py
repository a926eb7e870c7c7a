"""Points of what moves, followed through the frames by chained optical flow (DIS, Kroeger et al. 2016).

Where flow loses a point, it is looked for where it was going (Lucas and Kanade 1981; Bouguet 2001): a pattern
that repeats, a pair of frames between which one was kept from training.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from recon.frame_flow import Flow, flows_along, grey, sample

STEP = 6
"""Pixels between points where a frame is sown."""
SOW_EVERY = 4
"""Frames; places that no track covers are sown in these."""
SHORTEST = 5
"""Frames that a track lives through, at least."""
LEAVE = 2
"""Pixels by which a track may leave the mask, whose outline is not exact."""
WINDOW = 15
"""Pixels of the square that is compared where flow has lost a point."""
ASTRAY, HOME = 5.0, 0.7
"""Pixels from where the point was going, and from where it was when looked for backwards, beyond which what
is found is something else."""


@dataclass(frozen=True, repr=False)
class Tracks:
    """Points followed through F frames."""

    xy: np.ndarray
    """[P, F, 2] float32 pixels, the centre of the first at (0.5, 0.5); meaningful where seen."""
    seen: np.ndarray
    """[P, F] bool."""
    sown: np.ndarray
    """[P] int, the frame in which each was found."""

    def __len__(self) -> int:
        return len(self.sown)

    def __repr__(self) -> str:
        lengths = self.seen.sum(1).mean() if len(self) else 0
        return f"Tracks({len(self)} through {self.seen.shape[1]} frames, {lengths:.1f} each)"

    def select(self, index: np.ndarray) -> Tracks:
        """A subset by index or mask."""
        return Tracks(self.xy[index], self.seen[index], self.sown[index])


def follow(
    images: list[np.ndarray],  # per frame [H, W, 3] uint8
    moving: np.ndarray,  # [F, H, W] bool, where something moves
    *,
    step: int = STEP,
    seconds: np.ndarray | None = None,  # [F]
) -> Tracks:
    """Sow points every `step` pixels where something moves and follow them both ways, until the flow back
    does not lead home or they leave what moves.

    Args:
        seconds: Of the frames. With them points are followed by finer flow, and looked for where they were
            going when it loses them.
    """
    count, fine = len(images), seconds is not None
    looks = [grey(image) for image in images]
    pairs = flows_along(looks, fine=fine)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * LEAVE + 1, 2 * LEAVE + 1))
    near = np.stack([cv2.dilate(mask.astype(np.uint8), disc) for mask in moving])
    xy, seen, sown = np.zeros((0, count, 2), np.float32), np.zeros((0, count), bool), np.zeros(0, int)
    for frame in _sowing_order(count):
        seeds = _seeds(moving[frame], xy[:, frame][seen[:, frame]], step)
        if len(seeds) == 0:
            continue
        path, alive = np.zeros((len(seeds), count, 2), np.float32), np.zeros((len(seeds), count), bool)
        path[:, frame], alive[:, frame] = seeds, True
        for way, last in ((1, count - 1), (-1, 0)):
            for f in range(frame, last, way):
                to, before = f + way, f - way
                flow = pairs[f][0] if way > 0 else pairs[f - 1][1]
                there, trusted = _flowed(path[:, f], flow)
                if seconds is not None and 0 <= before < count:
                    lost = np.flatnonzero(alive[:, f] & alive[:, before] & ~trusted)
                    stride = (seconds[to] - seconds[f]) / (seconds[f] - seconds[before])
                    going = path[lost, f] + np.float32(stride) * (path[lost, f] - path[lost, before])
                    found, ok = _looked_for(looks[f], looks[to], path[lost, f], going)
                    there[lost[ok]], trusted[lost[ok]] = found[ok], True
                path[:, to] = there
                alive[:, to] = alive[:, f] & trusted & _inside(there, near[to])
        long = alive.sum(1) >= min(SHORTEST, count)
        xy, seen = np.concatenate([xy, path[long]]), np.concatenate([seen, alive[long]])
        sown = np.concatenate([sown, np.full(long.sum(), frame)])
    return Tracks(xy + np.float32(0.5), seen, sown)


def _sowing_order(count: int) -> list[int]:
    """From the middle outwards: long tracks first."""
    middle = count // 2
    frames = {*range(middle % SOW_EVERY, count, SOW_EVERY), count - 1}
    return sorted(frames, key=lambda frame: abs(frame - middle))


def _seeds(mask: np.ndarray, taken: np.ndarray, step: int) -> np.ndarray:
    """[S, 2] float32 pixel indices inside the mask and not near those taken [M, 2]."""
    y, x = np.mgrid[step // 2 : mask.shape[0] : step, step // 2 : mask.shape[1] : step]
    at = np.stack([x.ravel(), y.ravel()], 1)
    at = at[mask[at[:, 1], at[:, 0]]]
    if len(taken) and len(at):
        at = at[KDTree(taken).query(at)[0] > 0.75 * step]
    return at.astype(np.float32)


def _flowed(at: np.ndarray, flow: Flow) -> tuple[np.ndarray, np.ndarray]:
    """Pixel indices [S, 2] one frame on, and whether the flow there is trusted."""
    there = at + sample(flow.shift, at[None])[0]
    return there, sample(flow.ok.astype(np.float32), at[None])[0] > 0.5


def _inside(at: np.ndarray, near: np.ndarray) -> np.ndarray:
    """[S] bool, pixel indices [S, 2] in the picture and on what moves [H, W]."""
    height, width = near.shape
    cell = np.clip(at.round().astype(int), 0, [width - 1, height - 1])
    return ((at >= 0) & (at <= [width - 1, height - 1])).all(1) & (near[cell[:, 1], cell[:, 0]] > 0)


def _looked_for(
    here: np.ndarray,  # [H, W] uint8
    there: np.ndarray,  # [H, W] uint8
    at: np.ndarray,  # [S, 2] pixel indices
    going: np.ndarray,  # [S, 2] where they should be
) -> tuple[np.ndarray, np.ndarray]:
    """Pixel indices [S, 2] in the next frame, and whether they were found there."""
    if len(at) == 0:
        return going, np.zeros(0, bool)
    found, forth = _lucas_kanade(here, there, at, going)
    home, back = _lucas_kanade(there, here, found, at)
    near = np.linalg.norm(found - going, axis=1) < ASTRAY
    return found, forth & back & near & (np.linalg.norm(home - at, axis=1) < HOME)


def _lucas_kanade(
    a: np.ndarray, b: np.ndarray, at: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        *(a, b, at[:, None], guess[:, None].copy()),
        winSize=(WINDOW, WINDOW),
        maxLevel=1,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return found[:, 0], status[:, 0] > 0
