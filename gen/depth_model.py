"""Depth of pictures from a learned model of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.errors import GenerateError

METRIC_MODELS = frozenset({"glpn", "zoedepth", "depth_pro"})
"""Their output grows with distance, whatever their configuration says."""
NEAREST = 1e-3
"""Metres; a metric model's depth is never taken for less."""


@dataclass(frozen=True)
class DepthModel:
    """A network that sees depth in single pictures."""

    processor: Any
    network: Any
    device: str
    is_metric: bool
    """Whether its output is metres, growing with distance, and not disparity, growing with nearness."""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The network's output for a picture [H, W, 3] uint8 in the network's own size, [h, w] float32."""
        import torch

        inputs = self.processor(images=picture, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return self.network(**inputs).predicted_depth[0].float().cpu().numpy()

    def nearness(self, output: np.ndarray) -> np.ndarray:
        """The network's output, in whatever size, as numbers that grow with nearness: disparities."""
        return 1 / np.maximum(output, NEAREST) if self.is_metric else output


def load_depth_model(name: str | Path, *, offline: bool = True, device: str | None = None) -> DepthModel:
    """A depth model by folder or name, such as depth-anything/Depth-Anything-V2-Small-hf.

    Only safetensors are read, and nothing is fetched unless `offline` is false. Without a `device` the GPU is
    taken if there is one. Raises `GenerateError` if the model cannot be loaded.
    """
    try:
        import torch
        from transformers import (  # pyright: ignore[reportMissingImports]
            AutoImageProcessor,
            AutoModelForDepthEstimation,
        )
    except ImportError as error:
        raise GenerateError(
            "A depth model needs transformers, which is not installed: run pip install '.[gen]' in "
            "a checkout."
        ) from error
    try:
        processor = AutoImageProcessor.from_pretrained(str(name), local_files_only=offline)
        network = AutoModelForDepthEstimation.from_pretrained(
            str(name), local_files_only=offline, use_safetensors=True
        )
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).split("\n")[0][:160]
        raise GenerateError(
            f'The depth model "{name}" could not be loaded ({reason}): give a folder '
            f'with its files in safetensors, or fetch them first, as in "hf download {name}".'
        ) from error
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    config = network.config
    kind = getattr(config, "depth_estimation_type", "relative")
    is_metric = config.model_type in METRIC_MODELS or kind == "metric"
    return DepthModel(processor, network.to(device).eval(), device, is_metric)
