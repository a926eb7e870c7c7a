"""Held-out views, aligned: their poses were not refined in training, so before a score says anything about
the scene, each is brought onto the picture by Gauss-Newton steps on its pose alone, coarse to fine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.pose_refinement import apply_twists
from recon.raster import render
from recon.types import Gaussians
from recon.views import View, Views

STEPS = (3, 3, 4)
"""Gauss-Newton steps at full, half and quarter size."""
MIN_SIDE = 60
"""Pixels of the long side below which there is no coarser level."""
DAMPING = 1e-3
"""Of Levenberg and Marquardt, relative to the diagonal."""


@torch.no_grad()
def aligned(gaussians: Gaussians, views: Views, index: int, device: str = "cpu") -> View:
    """The view with the pose that explains its picture best; never a worse one than it had."""
    view = views.view(index, device=device)
    pose = view.camera_from_world.cpu().numpy().astype(np.float64)
    start, level_of = pose, [k for k in range(len(STEPS)) if max(views.size) >> k >= MIN_SIDE or k == 0]
    for level in reversed(level_of):
        part = views.view(index, level, device)
        for _ in range(STEPS[level]):
            pose = _step(gaussians, part, pose)
    best = min((start, pose), key=lambda p: float(residual(gaussians, view, p).square().sum()))
    matrix = torch.tensor(best, dtype=torch.float32, device=device)
    return replace(view, camera_from_world=matrix)


def residual(gaussians: Gaussians, view: View, pose: np.ndarray) -> torch.Tensor:
    """[H W 3] differences between render and picture, weighted by the mask."""
    height, width = view.image.shape[:2]
    matrix = torch.tensor(pose, dtype=torch.float32, device=view.image.device)
    difference = render(gaussians, matrix, view.K, width, height).image - view.image
    if view.mask is not None:
        difference = difference * view.mask[..., None].sqrt()
    return difference.flatten()


def _step(gaussians: Gaussians, view: View, pose: np.ndarray) -> np.ndarray:
    """One damped Gauss-Newton step, its derivatives from renders half a pixel away; the old pose where the
    new one is no better."""
    small = 0.5 / float(view.K[0, 0])  # radians, or median depths
    before = residual(gaussians, view, pose)
    columns = [
        residual(gaussians, view, apply_twists(row[None], pose[None])[0]) - before
        for row in small * np.eye(6)
    ]
    J = torch.stack(columns)  # [6, H W 3] per `small`
    normal = (J @ J.T).double().cpu().numpy()
    slope = (J @ before).double().cpu().numpy()
    normal += DAMPING * np.diag(np.diag(normal)) + 1e-12 * np.eye(6)
    twist = -small * np.linalg.solve(normal, slope)
    moved = apply_twists(twist[None], pose[None])[0]
    return moved if residual(gaussians, view, moved).square().sum() < before.square().sum() else pose
