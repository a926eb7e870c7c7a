"""Point tracks by CoTracker3 (Karaev et al. 2024), through its authors' package (not on PyPI)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recon.events import Listener, ignore
from recon.plugins.interfaces import TrackGuess
from recon.plugins.pictures import best_device, check_frames
from recon.plugins.weights import ModelInfo, PluginError, find_weights, loaded, need

MODELS = (ModelInfo("tracks", "facebook/cotracker3", "CC-BY-NC-4.0", 6),)
INSTALL = "pip install git+https://github.com/facebookresearch/co-tracker"
FILE = "scaled_offline.pth"
WINDOW = 60
"""Frames that the published offline weights look at together."""
CENTRE = np.array([0, 0.5, 0.5], np.float32)
"""CoTracker counts pixels from the centre of the first one, we from the corner of the image."""


class CoTracker3:
    """Follows points forwards and backwards through the whole clip."""

    def __init__(
        self,
        name_or_folder: str | Path = MODELS[0].repo,
        *,
        device: str | None = None,
        on_event: Listener = ignore,
    ) -> None:
        """Load the model.

        Args:
            name_or_folder: A model in the hub's cache, or a folder with `scaled_offline.pth`.
            device: Of torch; None takes CUDA when there is one.

        Raises:
            PluginError: The package `cotracker` or the weights are missing.
        """
        import torch

        package = need("cotracker.predictor", INSTALL)
        weights = find_weights(name_or_folder, MODELS)
        file = weights.folder / FILE
        if not file.is_file():
            raise PluginError(
                f"found no {FILE} in {weights.folder}; run: hf download {MODELS[0].repo} {FILE}"
            )
        self._device = device or best_device()

        def load() -> Any:
            predictor = package.CoTrackerPredictor(checkpoint=None, offline=True, v2=False, window_len=WINDOW)
            state = torch.load(file, map_location="cpu", weights_only=True)
            predictor.model.load_state_dict(state.get("model", state))
            return predictor.to(self._device).eval()

        self._predictor = loaded(weights, load)
        weights.announce("tracks", on_event)

    def tracks(
        self,
        frames: np.ndarray,  # [F, H, W, 3] uint8
        queries: np.ndarray,  # [Q, 3] frame, x, y
    ) -> TrackGuess:
        """Follow the queries; the predictor tells visible from hidden only, so confidence is 1 or 0."""
        import torch

        check_frames(frames)
        asked = torch.from_numpy(np.asarray(queries, np.float32) - CENTRE)
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float()
        with torch.inference_mode():
            xy, visible = self._predictor(
                video.to(self._device), queries=asked[None].to(self._device), backward_tracking=True
            )
        xy = xy[0].permute(1, 0, 2).cpu().numpy() + CENTRE[1:]
        visible = visible[0].permute(1, 0).cpu().numpy().astype(bool)
        within = ((xy >= 0) & (xy <= [frames.shape[2], frames.shape[1]])).all(-1)
        visible &= within
        return TrackGuess(xy, visible, visible.astype(np.float32))
