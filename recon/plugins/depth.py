"""Depth of single frames by Depth Anything V2 (Yang et al. 2024), through transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from recon.events import Listener, ignore
from recon.plugins.cameras import MODELS as DA3_MODELS
from recon.plugins.cameras import DepthAnything3
from recon.plugins.interfaces import DepthGuess, DepthSolver
from recon.plugins.pictures import best_device, check_frames, network_size, to_frame_size, to_network
from recon.plugins.weights import ModelInfo, PluginError, Weights, find_weights, loaded, need

MODELS = (
    ModelInfo("depth", "depth-anything/Depth-Anything-V2-Small-hf", "Apache-2.0", 1),
    ModelInfo("depth", "depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0", 1.5),
    ModelInfo("depth", "depth-anything/Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0", 3),
    ModelInfo("depth", "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf", "Apache-2.0", 1),
)
INSTALL = "pip install 'splatreel[models]'"
LONG_SIDE = 686
"""A short side of 518 at 4:3, for which the model was trained."""


class DepthAnything2:
    """Depth of each frame by itself: no scale in common, and it flickers."""

    def __init__(
        self,
        name_or_folder: str | Path = MODELS[0].repo,
        *,
        long_side: int = LONG_SIDE,
        device: str | None = None,
        on_event: Listener = ignore,
    ) -> None:
        """Load the model.

        Args:
            name_or_folder: A model in the hub's cache, or a folder made by `save_pretrained`.
            long_side: Pixels that the network sees; more costs memory with its square.
            device: Of torch; None takes CUDA when there is one.

        Raises:
            PluginError: transformers or the weights are missing, or it is another kind of model.
        """
        transformers = need("transformers", INSTALL)
        weights = find_weights(name_or_folder, MODELS)
        config = loaded(weights, lambda: transformers.AutoConfig.from_pretrained(weights.folder))
        if config.model_type != "depth_anything":
            raise PluginError(
                f"{weights.name} is a model of kind {config.model_type!r}, expected 'depth_anything' "
                f"such as {MODELS[0].repo}"
            )
        load = transformers.AutoModelForDepthEstimation.from_pretrained
        self._device = device or best_device()
        self._network: Any = loaded(weights, lambda: load(weights.folder)).to(self._device).eval()
        self._metric = config.depth_estimation_type == "metric"
        self._patch, self._long_side = int(config.patch_size), long_side
        weights.announce("depth", on_event)

    def depth(
        self,
        frames: np.ndarray,  # [F, H, W, 3] uint8
    ) -> DepthGuess:
        """Depth of every frame; without a confidence, which the model does not give."""
        import torch

        check_frames(frames)
        height, width = frames.shape[1:3]
        images = to_network(frames, network_size(width, height, self._long_side, self._patch))
        with torch.inference_mode():
            # One by one: a clip at once would need memory in proportion.
            maps = torch.cat(
                [self._network(image[None].to(self._device)).predicted_depth for image in images]
            )
        found = to_frame_size(maps, width, height).clip(min=0)
        if self._metric:
            return DepthGuess(1 / found.clip(min=1e-3), None, "metres")
        return DepthGuess(found, None, "frame")


def depth_weights(name_or_folder: str) -> tuple[Weights, type[DepthAnything2] | type[DepthAnything3]]:
    """Where a model of depth lies, and what runs it, without loading it.

    Raises:
        PluginError: There is no such model.
    """
    weights = find_weights(name_or_folder, (*MODELS, *DA3_MODELS))
    content = loaded(weights, lambda: json.loads((weights.folder / "config.json").read_text()))
    return weights, DepthAnything2 if content.get("model_type") == "depth_anything" else DepthAnything3


def depth_solver(name_or_folder: str, on_event: Listener = ignore) -> DepthSolver:
    """A loaded model of depth: Depth Anything 3, whose depths are of one world, or V2.

    Raises:
        PluginError: There is no such model, or it cannot be loaded.
    """
    return depth_weights(name_or_folder)[1](name_or_folder, on_event=on_event)
