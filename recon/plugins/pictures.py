"""Frames as a network wants them, and its answers back at the size of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from recon.types import Frames

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's colours, which DINOv2 was trained with."""


def read_frames(
    frames: Frames,
    numbers: np.ndarray,  # [F] global frame numbers
) -> np.ndarray:
    """[F, H, W, 3] uint8 of the frames on disk."""
    images = np.empty((len(numbers), frames.height, frames.width, 3), np.uint8)
    for image, number in zip(images, numbers.tolist(), strict=True):
        with Image.open(frames.path(number)) as picture:
            image[:] = np.asarray(picture.convert("RGB"))
    return images


def check_frames(frames: np.ndarray) -> None:
    """Complain about anything but [F, H, W, 3] uint8."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"expected frames [F, H, W, 3] uint8, found {frames.shape} {frames.dtype}")


def network_size(width: int, height: int, long_side: int, patch: int) -> tuple[int, int]:
    """(width, height) with about this long side, both multiples of `patch`, nearest to the same shape."""
    scale = long_side / max(width, height)

    def side(pixels: int) -> int:
        return max(patch, int(np.floor(round(pixels * scale) / patch + 0.5)) * patch)

    return side(width), side(height)


def to_network(
    frames: np.ndarray,  # [F, H, W, 3] uint8
    size: tuple[int, int],
) -> Tensor:
    """[F, 3, height, width] float32, resized to `size` (width, height) and with normalised colours."""
    import cv2
    import torch

    shrinks = size[0] < frames.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = np.stack([cv2.resize(frame, size, interpolation=how) for frame in frames])
    images = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255
    return (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def to_frame_size(maps: Tensor, width: int, height: int) -> np.ndarray:
    """[F, h, w] to [F, height, width] float32, bilinear."""
    import torch

    grown = torch.nn.functional.interpolate(
        maps[:, None].float(), size=(height, width), mode="bilinear", align_corners=False
    )
    return grown[:, 0].cpu().numpy()


def best_device() -> str:
    """ "cuda" when there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
