"""The Gaussians of a training under way, for whoever looks on: `SNAPSHOT` in the shot's folder.

Written only while somebody does, which `WATCHED` tells. The file is in the format of antimatter15/splat:
32 bytes per Gaussian, without view-dependent colour.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import numpy as np
import torch

from recon.errors import SceneFolderError
from recon.gaussians import SH_DC
from recon.scene import SNAPSHOT, WATCHED, remove, replacing
from recon.types import Gaussians

FRESH = 10.0
"""Seconds after the last touch for which somebody counts as looking."""
EVERY = 1.0
"""Seconds between snapshots at least."""
SHARE = 0.015
"""Of the time that snapshots may take."""
ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def to_splat(gaussians: Gaussians) -> np.ndarray:
    """Rows [N] of `ROW`: scales are standard deviations, quaternions wxyz, alpha the opacity."""
    rows = np.empty(len(gaussians), ROW)
    with torch.no_grad():
        unit = torch.nn.functional.normalize(gaussians.quats, dim=-1)
        colour = gaussians.sh[:, 0] * SH_DC + 0.5
        rgba = torch.cat([colour, gaussians.logit_opacities.sigmoid()[:, None]], 1)
        rows["mean"] = gaussians.means.cpu().numpy()
        rows["scale"] = gaussians.log_scales.exp().cpu().numpy()
        rows["rgba"] = (255 * rgba).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        rows["quat"] = (128 * unit + 128).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return rows


class Snapshots:
    """Writes one now and then, as a training calls it after every step; removed at the end."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / SNAPSHOT
        self.watched = folder.parent / WATCHED
        self.due = 0.0

    def __enter__(self) -> Snapshots:
        return self

    def __exit__(self, *_: object) -> None:
        remove(self.path)

    def __call__(self, gaussians: Gaussians) -> None:
        begun = time.perf_counter()
        if begun < self.due:
            return
        if self._looked_at():
            # A full disk is the training's to complain about, at its next checkpoint.
            with contextlib.suppress(SceneFolderError), replacing(self.path) as part:
                to_splat(gaussians).tofile(part)
        took = time.perf_counter() - begun
        self.due = begun + max(EVERY, took / SHARE)

    def _looked_at(self) -> bool:
        try:
            return time.time() - self.watched.stat().st_mtime < FRESH
        except OSError:
            return False
