"""How far away what moves is: where it stands on the ground of the still scene.

The ground in front of it is fitted to still points near its lowest outline; what moves is taken for an
upright board that faces the camera there. What is off the ground in some frames seems too far away in
them: its size, which stays the same, tells.
"""

from __future__ import annotations

import numpy as np

from recon.flow import homogeneous, project
from recon.types import Points

UP = np.array([0.0, -1.0, 0.0])
"""Of the world."""
LOWEST = 0.1
"""Share of the height of what moves, from below, where it may touch the ground."""
AROUND = 0.6
"""Of its width and height: how far away from its foot points of the ground are looked for."""
TRIES, TOLERANCE = 200, 0.04
"""Of RANSAC, and the relative error of depth with which a point lies on the ground."""
FEWEST = 8
"""Points that make a ground."""
BELIEVED = 0.5
"""Quantile of the sizes, over the frames, that is believed."""
HIDDEN_FOOT = 0.9
"""Depth of what stands below the picture, by that of the ground at its edge."""
EDGE = 2
"""Pixels from the border within which something is cut off."""


def contact_depths(
    at: np.ndarray,  # [P, 2] pixels of tracks, where they were sown
    sown: np.ndarray,  # [P] frames
    moving: np.ndarray,  # [F, H, W] bool, what moves
    points: Points,
    K: np.ndarray,  # [F, 3, 3] pixels of the masks
    camera_from_world: np.ndarray,  # [F, 4, 4]
    seed: int = 0,
) -> np.ndarray:
    """[P] depth of each track on the board that stands where what moves touches the ground; nan without
    one."""
    rng = np.random.default_rng(seed)
    feet = [
        _foot(mask, points, K[f], camera_from_world[f], rng) if mask.any() else None
        for f, mask in enumerate(moving)
    ]
    depths = np.array([foot[1] if foot else np.nan for foot in feet])
    heights = np.array([_height(mask) for mask in moving])
    sizes = depths * heights
    known = np.isfinite(sizes)
    if known.any():
        believed = np.quantile(sizes[known], BELIEVED)
        depths = np.where(known, np.minimum(depths, 1.02 * believed / heights), depths)
    out = np.full(len(at), np.nan)
    for f, foot in enumerate(feet):
        own = np.flatnonzero(sown == f)
        if foot is not None and len(own):
            out[own] = _on_board(at[own], foot[0], depths[f], K[f], camera_from_world[f])
    if not np.isfinite(out).any():  # no ground in sight: in front of what is around it
        around = [_around(mask, points, K[f], camera_from_world[f]) for f, mask in enumerate(moving)]
        depth = HIDDEN_FOOT * np.nanmedian(around) if np.isfinite(around).any() else np.nan
        return np.full(len(at), depth)
    return np.where(np.isfinite(out), out, np.nanmedian(out))  # frames whose foot is unknown: as the others


def _around(mask: np.ndarray, points: Points, K: np.ndarray, camera_from_world: np.ndarray) -> float:
    """Depth of the nearer ones among the still points beside what moves; nan when none is there."""
    if not mask.any():
        return np.nan
    pixels, z = project(points.xyz, K, camera_from_world)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low = np.array([columns[0], rows[0]]) - 20
    high = np.array([columns[-1], rows[-1]]) + 20
    near = ((pixels > low) & (pixels < high)).all(1)
    return float(np.quantile(z[near], 0.25)) if near.sum() >= FEWEST else np.nan


def _height(mask: np.ndarray) -> float:
    """Pixels; nan for what is cut off above or below."""
    rows = np.flatnonzero(mask.any(1))
    if len(rows) == 0 or rows[0] < EDGE or rows[-1] >= len(mask) - EDGE:
        return np.nan
    return float(rows[-1] - rows[0] + 1)


def _foot(
    mask: np.ndarray,  # [H, W] bool
    points: Points,
    K: np.ndarray,
    camera_from_world: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float] | None:
    """Pixel [2] of the lowest part and the depth of the ground there."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    bottom = len(mask) - 1 - mask[::-1, columns].argmax(0)
    tall = rows[-1] - rows[0] + 1
    low = bottom >= rows[-1] - LOWEST * tall
    foot = np.array([np.median(columns[low]), np.median(bottom[low])]) + 0.5
    pixels, z = project(points.xyz, K, camera_from_world)
    wide, reach = columns[-1] - columns[0] + 1, AROUND * max(tall, 40)
    near = (np.abs(pixels[:, 0] - foot[0]) < wide / 2 + reach) & (pixels[:, 1] > foot[1] - 0.3 * reach)
    near &= (pixels[:, 1] < foot[1] + reach) & (pixels > 0).all(1) & (pixels < mask.shape[::-1]).all(1)
    near = np.flatnonzero(near)
    near = near[~mask[pixels[near, 1].astype(int), pixels[near, 0].astype(int)]]
    if len(near) < FEWEST:
        return None
    # Before a plane, nearness is linear in the pixels; the ground is nearer further down.
    rows_of = homogeneous((pixels[near] - foot) / 100)
    nearness = 1 / z[near]
    best = np.zeros(len(near), bool)
    for _ in range(TRIES):
        three = rng.choice(len(near), 3, replace=False)
        if abs(np.linalg.det(rows_of[three])) < 1e-3:
            continue
        plane = np.linalg.solve(rows_of[three], nearness[three])
        if plane[1] <= 0 or plane[2] <= 0:
            continue
        on = np.abs(rows_of @ plane - nearness) < TOLERANCE * nearness
        best = on if on.sum() > best.sum() else best
    if best.sum() < FEWEST:
        return None
    plane = np.linalg.lstsq(rows_of[best], nearness[best], rcond=None)[0]
    if plane[2] <= 0:
        return None
    cut_off = rows[-1] >= len(mask) - EDGE
    return foot, float(1 / plane[2]) * (HIDDEN_FOOT if cut_off else 1.0)


def _on_board(
    at: np.ndarray, foot: np.ndarray, depth: float, K: np.ndarray, camera_from_world: np.ndarray
) -> np.ndarray:
    """[p] depths at which rays meet an upright plane that faces the camera, through a foot at a depth."""
    forward = camera_from_world[2, :3]
    normal = forward - (forward @ UP) * UP
    if np.linalg.norm(normal) < 0.3:  # seen from above
        normal = forward
    normal = camera_from_world[:3, :3] @ normal
    inverse = np.linalg.inv(K)
    through = inverse @ np.append(foot, 1) * depth
    along = homogeneous(at) @ inverse.T @ normal
    return (through @ normal) / np.where(along > 1e-3, along, np.nan)
