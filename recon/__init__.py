"""Stages 2 and 3 of splatreel: a video becomes frames, cameras and Gaussian splats in a scene folder.

    from recon import config_for, reconstruct
    scene = reconstruct(Path("clip.mp4"), Path("scene"), config_for("preview"))

Names are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recon.cameras import place_cameras
    from recon.config import FitConfig, config_for
    from recon.errors import ReconError
    from recon.evaluation import evaluate
    from recon.fitting import fit
    from recon.pipeline import reconstruct
    from recon.raster import rasterize, render
    from recon.scene import SceneFolder
    from recon.splat_ply import read_splat_ply, write_splat_ply
    from recon.splitting import split
    from recon.summary import print_summary
    from recon.terminal import Terminal
    from recon.training import train
    from recon.types import Cameras, Chunk, Frames, Gaussians, Points, Shot

# torch's OpenMP threads spin after each of their jobs and keep our rasterizer's threads from running: six
# times slower when another program uses a core. Has to be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    **dict.fromkeys(("Cameras", "Chunk", "Frames", "Gaussians", "Points", "Shot"), "recon.types"),
    **dict.fromkeys(("FitConfig", "config_for"), "recon.config"),
    **dict.fromkeys(("rasterize", "render"), "recon.raster"),
    **dict.fromkeys(("read_splat_ply", "write_splat_ply"), "recon.splat_ply"),
    "ReconError": "recon.errors",
    "SceneFolder": "recon.scene",
    "Terminal": "recon.terminal",
    "evaluate": "recon.evaluation",
    "fit": "recon.fitting",
    "place_cameras": "recon.cameras",
    "print_summary": "recon.summary",
    "reconstruct": "recon.pipeline",
    "split": "recon.splitting",
    "train": "recon.training",
}

__all__ = [
    "Cameras",
    "Chunk",
    "FitConfig",
    "Frames",
    "Gaussians",
    "Points",
    "ReconError",
    "SceneFolder",
    "Shot",
    "Terminal",
    "config_for",
    "evaluate",
    "fit",
    "place_cameras",
    "print_summary",
    "rasterize",
    "read_splat_ply",
    "reconstruct",
    "render",
    "split",
    "train",
    "write_splat_ply",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'recon' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
