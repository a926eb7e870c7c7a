"""Points of what moves, followed through the frames by chained optical flow (DIS, Kroeger et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from recon.frame_flow import Flow, both_flows, grey, in_order, sample

STEP = 6
"""Pixels between points where a frame is sown."""
SOW_EVERY = 4
"""Frames; places that no track covers are sown in these."""
SHORTEST = 5
"""Frames that a track lives through, at least."""
LEAVE = 2
"""Pixels by which a track may leave the mask, whose outline is not exact."""


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
) -> Tracks:
    """Sow points every `step` pixels where something moves and follow them both ways, until the flow back
    does not lead home or they leave what moves."""
    count = len(images)
    looks = [grey(image) for image in images]
    pairs = list(in_order(lambda f: both_flows(looks[f], looks[f + 1]), range(count - 1)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * LEAVE + 1, 2 * LEAVE + 1))
    near = np.stack([cv2.dilate(mask.astype(np.uint8), disc) for mask in moving])
    xy, seen, sown = np.zeros((0, count, 2), np.float32), np.zeros((0, count), bool), np.zeros(0, int)
    for frame in _sowing_order(count):
        seeds = _seeds(moving[frame], xy[:, frame][seen[:, frame]], step)
        if len(seeds) == 0:
            continue
        path, alive = np.zeros((len(seeds), count, 2), np.float32), np.zeros((len(seeds), count), bool)
        path[:, frame], alive[:, frame] = seeds, True
        for f in range(frame, count - 1):
            path[:, f + 1], alive[:, f + 1] = _next(path[:, f], alive[:, f], pairs[f][0], near[f + 1])
        for f in range(frame, 0, -1):
            path[:, f - 1], alive[:, f - 1] = _next(path[:, f], alive[:, f], pairs[f - 1][1], near[f - 1])
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


def _next(
    at: np.ndarray,  # [S, 2] pixel indices
    alive: np.ndarray,  # [S] bool
    flow: Flow,
    near: np.ndarray,  # [H, W] uint8, what moves in the next frame
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and whether they are still followed, one frame on."""
    there = at + sample(flow.shift, at[None])[0]
    height, width = near.shape
    cell = np.clip(there.round().astype(int), 0, [width - 1, height - 1])
    inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(1) & (near[cell[:, 1], cell[:, 0]] > 0)
    trusted = sample(flow.ok.astype(np.float32), at[None])[0] > 0.5
    return there, alive & inside & trusted
