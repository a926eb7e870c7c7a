"""Held-out views, aligned: their poses were not refined in training, so before a score says anything about
the scene, each is brought onto the picture by Levenberg-Marquardt steps on its pose alone, coarse to fine.

Coarse means that differences of the full picture are averaged over squares. A render of fewer pixels would
not do: the rasterizer's low-pass filter is wider there, and the best pose another (by 2 pixels at a quarter).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import interpolate

from recon.pose_refinement import apply_twists
from recon.raster import render
from recon.types import Gaussians
from recon.views import View, Views

LEVELS = 3, 2, 1, 0
"""Squares of 2^level pixels; from an eighth of the size a view is found that is off by some ten pixels."""
MIN_SIDE = 30
"""Squares along the long side of a picture, at least."""
STEPS = 6
"""At each level, at most."""
DAMPING, LEAST_DAMPING = 1e-3, 1e-4
"""Of Levenberg and Marquardt, relative to the diagonal; tenfold after a step that is worse."""
TRIES = 4
"""Of one step, with ever more damping."""
ENOUGH = 1e-3
"""Relative gain of a step below which a level has ended."""


@torch.no_grad()
def aligned(gaussians: Gaussians, views: Views, index: int, device: str = "cpu") -> View:
    """The view with the pose that explains its picture best; never a worse one than it had."""
    view = views.view(index, device=device)
    start = pose = view.camera_from_world.cpu().numpy().astype(np.float64)
    for level in LEVELS:
        if max(views.size) >> level >= MIN_SIDE or level == 0:
            pose = _descended(gaussians, view, pose, level)
    best = min((start, pose), key=lambda p: _sum(residual(gaussians, view, p)))
    matrix = torch.tensor(best, dtype=torch.float32, device=device)
    return replace(view, camera_from_world=matrix)


def residual(gaussians: Gaussians, view: View, pose: np.ndarray, level: int = 0) -> torch.Tensor:
    """[h w 3] differences between render and picture, weighted by the mask, in the mean over squares of
    2^`level` pixels."""
    height, width = view.image.shape[:2]
    matrix = torch.tensor(pose, dtype=torch.float32, device=view.image.device)
    difference = render(gaussians, matrix, view.K, width, height).image - view.image
    if view.mask is not None:
        difference = difference * view.mask[..., None].sqrt()
    if level:
        size = max(1, height >> level), max(1, width >> level)
        difference = interpolate(difference.permute(2, 0, 1)[None], size=size, mode="area")
    return difference.flatten()


def _descended(gaussians: Gaussians, view: View, pose: np.ndarray, level: int) -> np.ndarray:
    """The pose after the steps of one level, their derivatives from renders half a square away."""
    small = 0.5 * 2**level / float(view.K[0, 0])  # radians, or median depths
    here, damping = residual(gaussians, view, pose, level), DAMPING
    for _ in range(STEPS):
        before = here
        around = apply_twists(small * np.eye(6), np.repeat(pose[None], 6, 0))
        J = torch.stack([residual(gaussians, view, near, level) - here for near in around])  # per `small`
        normal = (J @ J.T).double().cpu().numpy()
        slope = (J @ here).double().cpu().numpy()
        for _ in range(TRIES):
            damped = normal + damping * np.diag(np.diag(normal)) + 1e-12 * np.eye(6)
            twist = -small * np.linalg.solve(damped, slope)
            moved = apply_twists(twist[None], pose[None])[0]
            there = residual(gaussians, view, moved, level)
            if _sum(there) < _sum(here):
                pose, here, damping = moved, there, max(damping / 10, LEAST_DAMPING)
                break
            damping *= 10
        if _sum(here) > (1 - ENOUGH) * _sum(before):
            break
    return pose


def _sum(residuals: torch.Tensor) -> float:
    return float(residuals.square().sum())
