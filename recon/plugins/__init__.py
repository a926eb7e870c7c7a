"""Learned solvers that can be plugged in: cameras, depth, point tracks and masks (docs/plugins.md).

None is needed and none is imported before it is asked for. Weights are the user's to fetch.
"""

from recon.plugins.cameras import DepthAnything3, learned_cameras
from recon.plugins.depth import DepthAnything2, depth_solver, depth_weights
from recon.plugins.interfaces import (
    CameraGuess,
    CameraSolver,
    DepthGuess,
    DepthSolver,
    MaskGuess,
    MaskSolver,
    TrackGuess,
    TrackSolver,
)
from recon.plugins.masks import MovingThings
from recon.plugins.tracks import CoTracker3
from recon.plugins.weights import ModelInfo, PluginError

__all__ = [
    "CameraGuess",
    "CameraSolver",
    "CoTracker3",
    "DepthAnything2",
    "DepthAnything3",
    "DepthGuess",
    "DepthSolver",
    "MaskGuess",
    "MaskSolver",
    "ModelInfo",
    "MovingThings",
    "PluginError",
    "TrackGuess",
    "TrackSolver",
    "depth_solver",
    "depth_weights",
    "learned_cameras",
]
