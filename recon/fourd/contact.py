"""How far away what moves is: where it stands on the ground of the still scene.

The ground in front of it is fitted to still points near its lowest outline; what moves is taken for an
upright board that faces the camera there, a little nearer in its middle. What is off the ground in some
frames, or hides its foot, seems too far away in them: its way through all frames is smooth, and tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import KDTree

from recon.flow import homogeneous, project
from recon.level_plane import FEWEST, level_plane
from recon.types import Points

UP = np.array([0.0, -1.0, 0.0])
"""Of the world."""
LOWEST, FEET, BESIDE = 0.04, 0.2, 6.0
"""Shares of the height of what moves, from below, where it may touch the ground and what of it is near there;
and the pixels to the side of that."""
AROUND = 0.6
"""Of its width and height: how far away from its foot points of the ground are looked for."""
WIDER = 1
"""Pixels by which outlines lie outside, in the mean: what touches the ground is dark beside it."""
TRIES, TOLERANCE = 200, 0.04
"""See `level_plane`."""
ABOVE, STIFF, LEVEL = 0.2, 100.0, 0.1
"""Weight of a frame that seems farther away than the smooth way, where one that seems nearer has 1 less this;
and of the way's bends (frames⁴) and slopes (frames²)."""
MAIN = 0.2
"""Size of a part, by that of the largest one, from which it can stand for itself."""
BULGE = 1.0
"""By how many times its lesser spread what moves comes nearer in its middle than at its outline and feet."""
HIDDEN_FOOT = 0.9
"""Depth of what stands below the picture, by that of the ground at its edge."""
GUESSED = 0.02
"""Weight of such a frame among those that see the foot."""
EDGE = 1
"""Pixels from the border within which something is cut off."""


@dataclass(frozen=True, repr=False)
class Contact:
    """Where tracks are when what moves stands on the ground."""

    depths: np.ndarray
    """[P] where each was sown, on the wall above the lowest outline; nan where unknown."""
    feet: np.ndarray
    """[P] bool, those just above the ground, whose depth is known best."""

    def select(self, index: np.ndarray) -> Contact:
        """A subset by index or mask."""
        return Contact(self.depths[index], self.feet[index])


def contact_depths(
    at: np.ndarray,  # [P, 2] pixels of tracks, where they were sown
    sown: np.ndarray,  # [P] frames
    moving: np.ndarray,  # [F, H, W] bool, what moves
    points: Points,
    K: np.ndarray,  # [F, 3, 3] pixels of the masks
    camera_from_world: np.ndarray,  # [F, 4, 4]
    seed: int = 0,
) -> Contact:
    """How far away tracks are, when what moves stands on the ground."""
    rng = np.random.default_rng(seed)
    walls = [
        _wall(mask, points, K[f], camera_from_world[f], rng) if mask.any() else None
        for f, mask in enumerate(moving)
    ]
    depths = np.array([np.median(wall.depths) if wall else np.nan for wall in walls])
    out, feet = np.full(len(at), np.nan), np.zeros(len(at), bool)
    if np.isfinite(depths).any():
        believed = np.array([GUESSED if wall is not None and wall.cut_off else 1.0 for wall in walls])
        way = np.exp(lower_envelope(np.log(depths), believed))
        for f, wall in enumerate(walls):
            own = np.flatnonzero(sown == f)
            if len(own) == 0:
                continue
            if wall is None:  # as far away as the way says
                out[own] = way[f]
            else:
                feet[own] = wall.beside(at[own], float(np.ptp(np.flatnonzero(moving[f].any(1)))))
                out[own] = way[f] / depths[f] * wall.depths_at(at[own], K[f], camera_from_world[f])
            nearer = BULGE / K[f, 0, 0] * _middle(at[own], moving[f])
            out[own] *= 1 - np.where(feet[own], 0, nearer)
    if not np.isfinite(out).any():  # no ground in sight: in front of what is around it
        around = [_around(mask, points, K[f], camera_from_world[f]) for f, mask in enumerate(moving)]
        depth = HIDDEN_FOOT * np.nanmedian(around) if np.isfinite(around).any() else np.nan
        return Contact(np.full(len(at), depth), np.ones(len(at), bool))
    out = np.where(np.isfinite(out), out, np.nanmedian(out))  # rays that miss the wall: as the others
    return Contact(out, feet if feet.any() else np.ones(len(at), bool))


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


def lower_envelope(values: np.ndarray, believed: np.ndarray | float = 1.0) -> np.ndarray:
    """[F] a smooth curve along the lower ones of values [F], nan where unknown, with weights [F] (asymmetric
    least squares: Eilers and Boelens 2005, "Baseline correction with asymmetric least squares smoothing")."""
    known = np.isfinite(values)
    middle = values[known].mean()
    y = np.where(known, values - middle, 0)
    slopes, bends = (np.diff(np.eye(len(y)), order, axis=0) for order in (1, 2))
    penalty = LEVEL * slopes.T @ slopes + STIFF * bends.T @ bends
    prior = known * believed
    weights, curve = prior, y
    for _ in range(20):
        curve = np.linalg.solve(np.diag(weights) + penalty, weights * y)
        before, weights = weights, prior * np.where(y > curve, ABOVE, 1 - ABOVE)
        if (weights == before).all():
            break
    return curve + middle


def _main_parts(mask: np.ndarray) -> np.ndarray:
    """[H, W] bool: the mask without small parts: nothing stands on what may be a stain on the ground."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(labels, 1 + np.flatnonzero(areas >= MAIN * areas.max())) if count > 2 else mask


def _middle(at: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[p] how far in the middle of a mask pixels [p, 2] are, from 0 to its lesser spread in pixels."""
    inside = np.argwhere(mask)[:, ::-1]
    spread = inside.std(0)
    off = (at - inside.mean(0)) / (spread + 1.0)
    return spread.min() * (1 - np.clip((off**2).sum(1) / 4, 0, 1))


@dataclass(frozen=True, repr=False)
class _Wall:
    """Where what moves stands on the ground, from left to right."""

    feet: np.ndarray
    """[C, 2] pixels of its lowest outline, by columns."""
    depths: np.ndarray
    """[C] of the ground there."""
    cut_off: bool
    """By the lower border of the picture: the foot is not seen."""

    def beside(self, at: np.ndarray, tall: float) -> np.ndarray:
        """[p] bool: is a pixel just above a foot, that is seen, of what is so many pixels tall?"""
        if self.cut_off:
            return np.zeros(len(at), bool)
        distance, nearest = KDTree(self.feet[:, :1]).query(at[:, :1])
        return (distance < BESIDE) & (at[:, 1] > self.feet[nearest, 1] - FEET * tall)

    def depths_at(self, at: np.ndarray, K: np.ndarray, camera_from_world: np.ndarray) -> np.ndarray:
        """[p] depths at which rays meet the upright planes that face the camera, each through the foot in
        the ray's column."""
        forward = camera_from_world[2, :3]
        normal = forward - (forward @ UP) * UP
        if np.linalg.norm(normal) < 0.3:  # seen from above
            normal = forward
        normal = camera_from_world[:3, :3] @ normal
        inverse = np.linalg.inv(K)
        columns = self.feet[:, 0]
        depths, rows = (np.interp(at[:, 0], columns, of) for of in (self.depths, self.feet[:, 1]))
        feet = np.stack([at[:, 0].clip(columns[0], columns[-1]), rows], 1)
        through = depths * (homogeneous(feet) @ inverse.T @ normal)
        along = homogeneous(at) @ inverse.T @ normal
        return through / np.where(along > 1e-3, along, np.nan)


def _wall(
    mask: np.ndarray,  # [H, W] bool
    points: Points,
    K: np.ndarray,
    camera_from_world: np.ndarray,
    rng: np.random.Generator,
) -> _Wall | None:
    """Of one frame; None where no ground is seen around the foot."""
    mask = _main_parts(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    bottom = len(mask) - 1 - mask[::-1, columns].argmax(0)
    tall = rows[-1] - rows[0] + 1
    low = bottom >= rows[-1] - LOWEST * tall
    feet = np.stack([columns[low], bottom[low] - WIDER], 1) + 0.5
    foot, reach = np.median(feet, 0), AROUND * max(tall, 40)
    pixels, z = project(points.xyz, K, camera_from_world)
    near = np.abs(pixels[:, 0] - foot[0]) < np.ptp(columns) / 2 + reach
    near &= (pixels[:, 1] > foot[1] - 0.3 * reach) & (pixels[:, 1] < foot[1] + reach)
    near = np.flatnonzero(near & (pixels > 0).all(1) & (pixels < mask.shape[::-1]).all(1) & (z > 0))
    near = near[~mask[pixels[near, 1].astype(int), pixels[near, 0].astype(int)]]
    camera = np.linalg.inv(camera_from_world)
    ground = level_plane(points.xyz[near], UP, camera[:3, 3], rng, tries=TRIES, tolerance=TOLERANCE)
    if ground is None:
        return None
    rays = homogeneous(feet) @ np.linalg.inv(K).T @ camera[:3, :3].T
    rising = rays @ ground.normal
    depths = (ground.offset - ground.normal @ camera[:3, 3]) / np.where(np.abs(rising) < 1e-6, -1e-6, rising)
    on = (depths > 0) & (depths < 2 * np.quantile(z[near], 0.9))
    cut_off = bool(rows[-1] >= len(mask) - EDGE)
    return _Wall(feet[on], (HIDDEN_FOOT if cut_off else 1.0) * depths[on], cut_off) if on.any() else None
