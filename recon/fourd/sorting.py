"""Which tracks and pixels move by themselves: masks from flow have a rim of still things around what moves,
and lack parts of it that stand for a moment or go along with the camera.

A still point has one place in the world from which all of its pixels follow. What is left after the best such
place (the least squares of its rays' planes, Hartley & Zisserman 2004, section 12.2) tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial import KDTree

from recon.flow import project
from recon.fourd.tracks import Tracks
from recon.mask_cleaning import without_specks
from recon.raster import render
from recon.types import Gaussians, Points
from recon.views import Views

STILL = 1.0
"""Pixels, root mean square, up to which a track may be that of a still point."""
BESIDE, SAME_DEPTH = 5, 0.1
"""Still points beside a track, and the relative depth by which it may differ from theirs to be one of
them."""
REACH = 12.0
"""Pixels around a track whose mask it speaks for."""
ALIKE = 0.08
"""Difference of colour, 0..1, up to which the still scene shows the same as a frame."""
UNLIKE, AROUND = 0.15, 1 / 16
"""The same, from which a frame shows something else than the still scene; and how far around what moves, of
the long side, this belongs to it."""
CLOSE = 0.03
"""Share of what stands still that may be unlike: a still scene that fits worse tells nothing."""
SHADED, DARKEST, ALIKE_IN_SHADOW, WARMER = 3, 0.25, 0.07, 0.05
"""Pixels of the square in which a shadow is told, the least light that is left in it, the mean difference of
colour from the darkened still scene up to which it is one, and the share of the light by which more red than
blue may be left: what is left is the sky's, or as white as before."""
LEAST_LEFT = 0.3
"""Share of the masks that is left, at least."""
BALL = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


def moving_only(
    tracks: Tracks,
    moving: np.ndarray,  # [F, H, W] bool
    points: Points,
    K: np.ndarray,  # [F, 3, 3]
    camera_from_world: np.ndarray,  # [F, 4, 4]
) -> tuple[Tracks, np.ndarray]:
    """The tracks that no still point explains, and the masks without the rim that belongs to the others.
    All of them when the camera stands or only turns, which leaves nothing to tell by."""
    if len(tracks) == 0 or stands(camera_from_world):
        return tracks, moving
    misses, places = still_points(tracks, K, camera_from_world)
    # What moves along with the camera looks like a still point, but of another depth than those around it.
    still = (misses < STILL) & _among(places, tracks, points, K, camera_from_world)
    return tracks.select(~still), np.stack(
        [_trimmed(mask, tracks, still, f) for f, mask in enumerate(moving)]
    )


def stands(camera_from_world: np.ndarray) -> bool:  # [F, 4, 4]
    """Is the camera always in one place, so that nothing tells depth?"""
    centres = np.linalg.inv(camera_from_world)[:, :3, 3]
    return bool(np.ptp(centres, axis=0).max() < 1e-6)


def _among(
    places: np.ndarray, tracks: Tracks, points: Points, K: np.ndarray, camera_from_world: np.ndarray
) -> np.ndarray:
    """[P] bool: is a place as far away as the still points that are seen beside it?"""
    out = np.zeros(len(tracks), bool)
    for frame in np.unique(tracks.sown):
        own = np.flatnonzero(tracks.sown == frame)
        view = camera_from_world[frame]
        pixels, depths = project(points.xyz, K[frame], view)
        ahead = np.isfinite(pixels).all(1)
        if ahead.sum() < BESIDE:
            continue
        near = np.asarray(KDTree(pixels[ahead]).query(tracks.xy[own, frame], k=BESIDE)[1])
        depth = np.median(depths[ahead][near], axis=1)
        z = places[own] @ view[2, :3] + view[2, 3]
        out[own] = np.abs(np.log(np.maximum(z, 1e-6) / depth)) < SAME_DEPTH
    return out


def still_points(
    tracks: Tracks, K: np.ndarray, camera_from_world: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """[P] pixels by which each track misses the still point that fits it best, root mean square; and those
    points [P, 3]."""
    P = K @ camera_from_world[:, :3]
    seen = tracks.seen[..., None, None]
    # Two planes for each pixel: x P3 - P1 and y P3 - P2.
    rows = tracks.xy[..., :, None] * P[None, :, 2:3] - P[None, :, :2]  # [P, F, 2, 4]
    rows = (rows * seen).reshape(len(tracks), -1, 4)
    rows /= np.maximum(np.linalg.norm(rows[..., :3], axis=-1, keepdims=True), 1e-12)
    at = np.linalg.svd(rows, full_matrices=False)[2][:, -1]  # homogeneous
    pixels = np.einsum("fij,pj->pfi", P, at)
    z = pixels[..., 2]
    off = pixels[..., :2] / np.where(np.abs(z) < 1e-9, 1e-9, z)[..., None] - tracks.xy
    squared = np.minimum((off**2).sum(-1), 1e4) * tracks.seen
    places = at[:, :3] / np.where(np.abs(at[:, 3:]) < 1e-9, 1e-9, at[:, 3:])
    return np.sqrt(squared.sum(1) / tracks.seen.sum(1)), places


def _trimmed(mask: np.ndarray, tracks: Tracks, still: np.ndarray, frame: int) -> np.ndarray:
    """[H, W] bool: the mask without the pixels whose nearest track stands still."""
    here = tracks.seen[:, frame]
    y, x = np.nonzero(mask)
    if not here.any() or len(y) == 0:
        return mask
    at = np.stack([x, y], 1) + 0.5
    distance, nearest = KDTree(tracks.xy[here, frame]).query(at)
    rim = still[here][nearest] & (distance < REACH)
    out = mask.copy()
    out[y[rim], x[rim]] = False
    return out


@dataclass(frozen=True, repr=False)
class Likeness:
    """Where a frame shows what the still scene shows, which other frames have shown too."""

    alike: np.ndarray
    """[H, W] bool, it does, lit or in a shadow."""
    unlike: np.ndarray
    """[H, W] bool, it shows something else."""


@torch.no_grad()
def likeness(still: Gaussians, views: Views, frame: int, device: str = "cpu") -> Likeness:
    """Of one frame to the still scene."""
    view = views.view(frame, device=device)
    height, width = view.image.shape[:2]
    shown = render(still, view.camera_from_world, view.K, width, height).image
    shown, seen = shown.cpu().numpy(), view.image.cpu().numpy()
    off = cv2.boxFilter(np.abs(shown - seen).max(-1), -1, (3, 3))
    shadow = in_shadow(seen, shown)
    return Likeness((off < ALIKE) | shadow, (off > UNLIKE) & ~shadow)


def without_rim(moving: np.ndarray, likenesses: list[Likeness]) -> np.ndarray:  # [F, H, W] bool
    """[F, H, W] bool: the masks without what the still scene explains at their rim. Inside, likeness may be
    by chance."""
    out = []
    for mask, found in zip(moving, likenesses, strict=True):
        left = (mask & ~_attached(found.alike, ~mask)).astype(np.uint8)
        left = cv2.morphologyEx(cv2.morphologyEx(left, cv2.MORPH_OPEN, BALL), cv2.MORPH_CLOSE, BALL) > 0
        out.append(left & mask)
    trimmed = np.stack(out)
    # A still scene that explains nearly all of it is rather one that has learned the mover.
    return trimmed if trimmed.sum() > LEAST_LEFT * moving.sum() else moving


def with_lost_parts(
    moving: np.ndarray,  # [F, H, W] bool, without a rim
    likenesses: list[Likeness],
    known: np.ndarray,  # [F, H, W] bool, where something may move at all, rim and all
) -> np.ndarray:
    """[F, H, W] bool: the masks and what is unlike the still scene beside them; as they are where the still
    scene is unlike what stands still."""
    still = ~known
    doubt = sum((found.unlike & rest).sum() for found, rest in zip(likenesses, still, strict=True))
    if doubt > CLOSE * still.sum():
        return moving
    reach = round(AROUND * max(moving.shape[1:]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    out = []
    for mask, found in zip(moving, likenesses, strict=True):
        parts = cv2.morphologyEx(found.unlike.astype(np.uint8), cv2.MORPH_OPEN, BALL) > 0
        parts &= cv2.dilate(mask.astype(np.uint8), disc) > 0
        whole = cv2.morphologyEx(_attached(parts, mask).astype(np.uint8), cv2.MORPH_CLOSE, BALL) > 0
        out.append(without_specks(whole))
    return np.stack(out)


def _attached(parts: np.ndarray, to: np.ndarray) -> np.ndarray:
    """[H, W] bool: a mask with those parts that touch it."""
    labels = cv2.connectedComponents((parts | to).astype(np.uint8), connectivity=4)[1]
    return np.isin(labels, np.unique(labels[to]))


def in_shadow(
    seen: np.ndarray,  # [H, W, 3] 0..1
    still: np.ndarray,  # [H, W, 3] the same view of the still scene
) -> np.ndarray:
    """[H, W] bool: is what is seen the still scene, darker by one factor around each pixel? A shadow keeps
    the texture of what it falls on, and lies on the ground, not on what casts it; brown legs before sand are
    darker, too, but warmer, as no shadow under the sky is."""

    def around(image: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(image, -1, (SHADED, SHADED))

    factor = around((seen * still).sum(-1)) / (around((still**2).sum(-1)) + 1e-6)
    off = around(np.abs(seen - factor[..., None] * still).max(-1))
    light = around(seen) / (around(still) + 1e-3)  # that is left, of each colour
    warmer = light[..., 0] - light[..., 2] > WARMER * factor
    return (off < ALIKE_IN_SHADOW) & (factor > DARKEST) & (factor < 1) & ~warmer
