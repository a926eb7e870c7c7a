"""The nearly level plane on which most of some points lie: the ground, a floor, a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL, LEANS = 0.94, 0.1
"""Cosine of the steepest slope (20°), and the slope that is usual."""
FEWEST = 8
"""Points that make a plane."""


@dataclass(frozen=True, repr=False)
class LevelPlane:
    """normal @ x = offset."""

    normal: np.ndarray
    """[3] unit, upwards."""
    offset: float
    on: np.ndarray
    """[N] bool, the points that lie on it."""
    reach: float
    """How far from the plane those may be."""


def level_plane(
    points: np.ndarray,  # [N, 3]
    up: np.ndarray,  # [3] unit
    camera: np.ndarray,  # [3] its centre
    rng: np.random.Generator,
    *,
    tries: int,
    tolerance: float,
    lowest: bool = False,
) -> LevelPlane | None:
    """The nearly level plane beneath a camera on which most points lie (RANSAC, Fischler & Bolles 1981),
    leant by what they say against a belief in `up`; None when fewer than FEWEST lie on any.

    Args:
        tries: Of RANSAC.
        tolerance: Distance from the plane with which a point lies on it, by the camera's height above it.
        lowest: Points beneath a plane speak against it.
    """
    if len(points) < FEWEST:
        return None
    best, reach, most = np.zeros(len(points), bool), 0.0, 0
    for _ in range(tries):
        three = points[rng.choice(len(points), 3, replace=False)]
        normal = np.cross(three[1] - three[0], three[2] - three[0])
        length = np.linalg.norm(normal)
        if abs(normal @ up) < LEVEL * length or length == 0:
            continue
        normal *= np.sign(normal @ up) / length
        above = normal @ (camera - three[0])
        if above <= 0:
            continue
        heights = (points - three[0]) @ normal
        on = np.abs(heights) < tolerance * above
        score = int(on.sum()) - (int((heights < -tolerance * above).sum()) if lowest else 0)
        if score > most:
            best, reach, most = on, tolerance * above, score
    if best.sum() < FEWEST:
        return None
    middle = points[best].mean(0)
    sides = np.linalg.svd(up[None])[2][1:]  # [2, 3], level
    aside = 2 / reach * (points[best] - middle) @ sides.T
    heights = 2 / reach * (points[best] - middle) @ up
    slopes = np.linalg.solve(aside.T @ aside + np.eye(2) / LEANS**2, aside.T @ heights)
    normal = up - slopes @ sides
    normal /= np.linalg.norm(normal)
    return LevelPlane(normal, float(normal @ middle), best, float(reach))
