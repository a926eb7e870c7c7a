"""Masks of things that may move, by a panoptic segmenter through transformers: EoMT (Kerssies et al. 2025),
Mask2Former (Cheng et al. 2022) or any other that transformers counts as universal segmentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from recon.events import Listener, ignore
from recon.plugins.interfaces import MaskGuess
from recon.plugins.pictures import best_device, check_frames
from recon.plugins.weights import ModelInfo, PluginError, find_weights, loaded, need

MODELS = (
    ModelInfo("masks", "tue-mps/coco_panoptic_eomt_large_640", "MIT", 3),
    ModelInfo("masks", "facebook/mask2former-swin-small-coco-instance", "see its model card", 2),
)
INSTALL = "pip install 'splatreel[models]'"

# fmt: off
MAY_MOVE = frozenset((
    "person", "rider", "human", "bicycle", "car", "motorcycle", "motorbike", "minibike", "airplane",
    "aeroplane", "plane", "bus", "train", "truck", "lorry", "van", "boat", "ship", "animal", "bird",
    "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "frisbee", "kite",
    "skateboard", "surfboard", "snowboard", "skis", "balloon", "flag",
))
# fmt: on
"""Words of class names in COCO, ADE20K and Cityscapes."""


def may_move(label: str) -> bool:
    """Does the name of a class ("boat", "person, individual", "sports ball") mean something that moves?"""
    return label.lower() == "sports ball" or any(
        name.strip() in MAY_MOVE for name in re.split("[,;/]", label.lower().replace("_", " "))
    )


class MovingThings:
    """What may move by its kind: a parked car is masked too, a swaying tree is not."""

    def __init__(
        self,
        name_or_folder: str | Path = MODELS[0].repo,
        *,
        threshold: float = 0.5,
        device: str | None = None,
        on_event: Listener = ignore,
    ) -> None:
        """Load the model.

        Args:
            name_or_folder: A model in the hub's cache, or a folder made by `save_pretrained`.
            threshold: Score from which a segment counts, 0..1. Low, because a mask too many costs
                some features and a mask too few spoils cameras.
            device: Of torch; None takes CUDA when there is one.

        Raises:
            PluginError: transformers or the weights are missing, or it knows no class that moves.
        """
        transformers = need("transformers", INSTALL)
        weights = find_weights(name_or_folder, MODELS)
        load = transformers.AutoModelForUniversalSegmentation.from_pretrained
        self._device = device or best_device()
        self._threshold = threshold
        self._network: Any = loaded(weights, lambda: load(weights.folder)).to(self._device).eval()
        self._processor: Any = loaded(
            weights, lambda: transformers.AutoImageProcessor.from_pretrained(weights.folder)
        )
        labels: dict[int, str] = {int(i): name for i, name in self._network.config.id2label.items()}
        self._moving = {i: name for i, name in labels.items() if may_move(name)}
        if not self._moving:
            raise PluginError(
                f"{weights.name} knows {len(labels)} classes ({', '.join(list(labels.values())[:4])}, …), "
                "expected some that move, such as person; take a model trained on COCO"
            )
        weights.announce("masks", on_event)

    def masks(
        self,
        frames: np.ndarray,  # [F, H, W, 3] uint8
    ) -> MaskGuess:
        """Segment every frame by itself."""
        import torch

        check_frames(frames)
        size = frames.shape[1:3]
        inside, labels = np.zeros(frames.shape[:3], bool), []
        for mask, frame in zip(inside, frames, strict=True):
            inputs = self._processor(images=frame, return_tensors="pt").to(self._device)
            with torch.inference_mode():
                outputs = self._network(**inputs)
            (found,) = self._processor.post_process_panoptic_segmentation(
                outputs, target_sizes=[size], threshold=self._threshold
            )
            moving = [part for part in found["segments_info"] if part["label_id"] in self._moving]
            ids = [part["id"] for part in moving]
            mask[:] = np.isin(found["segmentation"].cpu().numpy(), ids)
            labels.append(tuple(sorted({self._moving[part["label_id"]] for part in moving})))
        return MaskGuess(inside, tuple(labels))
