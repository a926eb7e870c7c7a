"""The first moving Gaussians, from lifted tracks: one for every few pixels of what moves, wherever those of
other frames leave a gap."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import KDTree

from recon.flow import homogeneous
from recon.fourd.lift import Lifted
from recon.fourd.motion import FOREVER, Lifetimes, Moving, at_rest, skinned_each
from recon.gaussians import concatenate, isotropic
from recon.raster import render
from recon.views import Views

SPACING = 3
"""Pixels between the first Gaussians, at least."""
COVERED = 0.6
"""Alpha of those of other frames from which a place needs none."""
OPACITY, WIDTH = 0.7, 0.6
"""Of the first Gaussians; width in distances between them."""
NEAREST = 4
"""Tracks whose depths and motions a Gaussian blends."""
MARGIN = 4
"""Frames for which a part is there before and after its tracks are seen."""


@torch.no_grad()
def moving_gaussians(
    lifted: Lifted,
    views: Views,
    frames: list[int],
    moving: np.ndarray,  # [F, H, W] bool, of these frames
    times: np.ndarray,  # [F] seconds
    *,
    budget: int,
) -> Moving:
    """At most `budget` Gaussians.

    Args:
        frames: Positions among the views of the frames that the tracks go through.
    """
    tracks, bases = lifted.tracks, lifted.bases
    one_hot = torch.nn.functional.one_hot(torch.tensor(lifted.labels), len(bases)).float()
    when = torch.tensor(times, dtype=torch.float32)
    rest = at_rest(torch.tensor(lifted.points, dtype=torch.float32), one_hot, bases, when[tracks.sown])
    spacing = max(SPACING, math.sqrt(moving.sum((1, 2)).max() / max(1, 0.5 * budget)))
    found: Moving | None = None
    counts = tracks.seen.sum(0)
    for frame in sorted(np.unique(tracks.sown), key=lambda f: -counts[f]):
        view = views.view(frames[frame])
        height, width = view.image.shape[:2]
        mask = moving[frame]
        if found is not None:
            now = found.at(float(times[frame]))
            mask = mask & (render(now, view.camera_from_world, view.K, width, height).alpha < COVERED).numpy()
        at = _grid(mask, spacing)
        seen = np.flatnonzero(tracks.seen[:, frame])
        if len(at) == 0 or len(seen) < NEAREST:
            continue
        followed = skinned_each(rest[seen], one_hot[seen], bases, when[frame].expand(len(seen)))
        depth = (
            (followed @ view.camera_from_world[2, :3] + view.camera_from_world[2, 3]).clamp_min(1e-3).numpy()
        )
        distance, near = KDTree(tracks.xy[seen, frame]).query(at, k=NEAREST)
        share = 1 / (distance + 1.0) ** 2
        share /= share.sum(1, keepdims=True)
        z = torch.tensor((share / depth[near]).sum(1) ** -1, dtype=torch.float32)
        pixels = torch.tensor(homogeneous(at), dtype=torch.float32)
        local = (pixels @ torch.linalg.inv(view.K).T) * z[:, None]
        world_from_camera = torch.linalg.inv(view.camera_from_world)
        points = local @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
        weights = (torch.tensor(share, dtype=torch.float32)[..., None] * one_hot[seen][near]).sum(1)
        home = at_rest(points, weights, bases, when[frame].expand(len(at)))
        colours = view.image[at[:, 1].astype(int), at[:, 0].astype(int)]
        widths = WIDTH * spacing * z / view.K[0, 0]
        more = Moving(
            isotropic(home, widths, colours, OPACITY, 0),
            weights,
            bases,
            _always(len(at), float(times[frame])),
        )
        found = more if found is None else joined(found, more)
    if found is None:
        raise ValueError("expected tracks in at least one frame")
    lives = _lifetimes(lifted, found.weights.argmax(1).numpy(), times)
    found = Moving(found.gaussians, found.weights, bases, lives)
    return found if len(found) <= budget else found.select(torch.arange(budget))


def _grid(mask: np.ndarray, spacing: float) -> np.ndarray:
    """[S, 2] centres of pixels inside the mask, `spacing` pixels apart."""
    y, x = (np.arange(spacing / 2, size, spacing).astype(int) for size in mask.shape)
    at = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return at[mask[at[:, 1], at[:, 0]]] + 0.5


def _always(count: int, centre: float) -> Lifetimes:
    return Lifetimes(torch.full((count,), centre), torch.full((count,), FOREVER), torch.ones(count))


def _lifetimes(lifted: Lifted, labels: np.ndarray, times: np.ndarray) -> Lifetimes:
    """A Gaussian lives while its part is seen, and a little longer; if that is nearly always, forever."""
    frame = float(np.median(np.diff(times)))
    centres, radii = np.zeros(len(labels)), np.zeros(len(labels))
    for k in range(len(lifted.bases)):
        own, on = labels == k, lifted.labels == k
        seen = np.flatnonzero(lifted.tracks.seen[on].any(0)) if on.any() else np.arange(len(times))
        first, last = times[seen[0]], times[seen[-1]]
        always = first - times[0] <= MARGIN * frame and times[-1] - last <= MARGIN * frame
        centres[own] = 0.5 * (first + last)
        radii[own] = FOREVER if always else 0.5 * (last - first) + MARGIN * frame
    middle, half = (torch.tensor(a, dtype=torch.float32) for a in (centres, radii))
    return Lifetimes(middle, half, torch.full((len(labels),), 2 * frame))


def joined(a: Moving, b: Moving) -> Moving:
    """Both, on the same bases."""
    lives = [
        torch.cat([getattr(a.lifetimes, name), getattr(b.lifetimes, name)])
        for name in ("centres", "radii", "sigmas")
    ]
    return Moving(
        concatenate([a.gaussians, b.gaussians]), torch.cat([a.weights, b.weights]), a.bases, Lifetimes(*lives)
    )
