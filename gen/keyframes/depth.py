"""Depth of a picture from a learned model, for cameras that move through it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gen.depth_model import load_depth_model
from gen.keyframes.warps import UNITS_PER_DEPTH

Closeness = Callable[[np.ndarray], np.ndarray]
"""Maps a picture [H, W, 3] uint8 to [H, W] float32: 1 for the nearest, 0 for the farthest."""

OUTLIERS = 1.0
"""Percent of pixels at either end that do not stretch the range of depths."""


def closeness_from(name: str) -> Closeness:
    """What a depth model of transformers sees, by folder or name; see `load_depth_model`."""
    model = load_depth_model(name)

    def closeness(picture: np.ndarray) -> np.ndarray:
        import cv2

        output = cv2.resize(model(picture), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return scaled_closeness(model.nearness(output))

    return closeness


def scaled_closeness(closeness: np.ndarray) -> np.ndarray:  # [H, W]
    """Closeness in any unit, scaled to 0..1. A flat one becomes 1 everywhere: a wall."""
    far, near = np.percentile(closeness, (OUTLIERS, 100 - OUTLIERS))
    if not near - far > 1e-9 * max(abs(near), 1e-9):
        return np.ones(closeness.shape, np.float32)
    return np.clip((closeness - far) / (near - far), 0, 1).astype(np.float32)


def depth_between(
    closeness: np.ndarray,  # [H, W]
    near: float,
    far: float,
) -> np.ndarray:  # [H, W]
    """Depths from closeness 0..1, with the nearest and farthest in Deforum's units of translation."""
    inverse = UNITS_PER_DEPTH * ((1 - closeness) / max(far, near) + closeness / near)
    return (1 / inverse).astype(np.float32)
