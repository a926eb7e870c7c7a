"""How far away what moves is: where it touches the still scene."""

from __future__ import annotations

import numpy as np
import torch

from recon.raster import render
from recon.types import Gaussians
from recon.views import Views

LOWEST = 0.12
"""Share of the height of what moves, from below, where it may touch the ground."""
BELOW = (4, 10)
"""Pixels below its outline where the ground is looked at."""
FEWEST = 8
"""Columns in which the ground must be seen."""


@torch.no_grad()
def contact_depths(
    still: Gaussians,
    views: Views,
    frames: list[int],
    moving: np.ndarray,  # [F, H, W] bool, of these frames
    device: str = "cpu",
) -> np.ndarray:
    """[F] depth of the still scene just below what moves; nan where that is not in the picture.

    What is off the ground seems farther away than it is: the nearest quarter of all frames, in comparison with
    its own size, is believed by `settled`.
    """
    depths = np.full(len(frames), np.nan)
    for i, (frame, mask) in enumerate(zip(frames, moving, strict=True)):
        if not mask.any():
            continue
        view = views.view(frame, device=device)
        height, width = mask.shape
        shot = render(still, view.camera_from_world, view.K, width, height, sh_degree=0, with_depth=True)
        assert shot.depth is not None
        depths[i] = _below(mask, shot.depth.cpu().numpy(), shot.alpha.cpu().numpy())
    return depths


def _below(mask: np.ndarray, depth: np.ndarray, alpha: np.ndarray) -> float:
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    bottom = len(mask) - 1 - mask[::-1, columns].argmax(0)  # lowest pixel of each column
    low = bottom >= rows[-1] - LOWEST * (rows[-1] - rows[0] + 1)
    values = []
    for x, y in zip(columns[low], bottom[low], strict=True):
        ground = slice(y + BELOW[0], y + BELOW[1])
        seen = alpha[ground, x] > 0.9
        if y + BELOW[1] < len(mask) and seen.any():
            values.append(np.median(depth[ground, x][seen]))
    return float(np.median(values)) if len(values) >= FEWEST else np.nan
