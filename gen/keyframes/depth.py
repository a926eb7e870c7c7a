"""Depth of a picture from a learned model, for cameras that move through it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gen.errors import GenerateError
from gen.keyframes.warps import UNITS_PER_DEPTH

Closeness = Callable[[np.ndarray], np.ndarray]
"""Maps a picture [H, W, 3] uint8 to [H, W] float32: 1 for the nearest, 0 for the farthest."""

METRIC_MODELS = frozenset({"glpn", "zoedepth", "depth_pro"})
"""Their output grows with distance; that of the others grows with closeness."""
OUTLIERS = 1.0
"""Percent of pixels at either end that do not stretch the range of depths."""


def load_depth_model(name: str) -> Closeness:
    """A depth model of transformers, by folder or name, such as depth-anything/Depth-Anything-V2-Small-hf.

    Nothing is downloaded. Raises `GenerateError` if it cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation
    except ImportError as error:
        raise GenerateError(
            "A depth model needs transformers, which is not installed: run pip install 'splatreel[gen]'."
        ) from error
    try:
        processor = AutoImageProcessor.from_pretrained(name, local_files_only=True)
        model = AutoModelForDepthEstimation.from_pretrained(name, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise GenerateError(
            f'The depth model "{name}" could not be loaded ({str(error).splitlines()[0]}): give the folder '
            f'with its files, or fetch them first, as in "hf download {name}".'
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    config = model.config
    is_metric = config.model_type in METRIC_MODELS or getattr(config, "depth_estimation_type", "") == "metric"

    def closeness(picture: np.ndarray) -> np.ndarray:
        import cv2

        with torch.inference_mode():
            inputs = processor(images=picture, return_tensors="pt").to(device)
            depth = model(**inputs).predicted_depth[0].float().cpu().numpy()
        depth = cv2.resize(depth, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return scaled_closeness(1 / np.maximum(depth, 1e-6) if is_metric else depth)

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
