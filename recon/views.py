"""Training images with their cameras, in memory, at any level of a resolution pyramid."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recon.errors import TrainError
from recon.gaussians import scaled_intrinsics
from recon.types import Cameras


def held_out(count: int, every: int) -> list[int]:
    """Which of so many views are kept from training: the middle of each run of `every`, so that they lie
    between training views (the last one never does); none for 0."""
    return list(range(every // 2, count - 1, every)) if every else []


@dataclass(frozen=True, repr=False)
class View:
    """One image to fit."""

    number: int
    """Global frame number."""
    image: Tensor  # [H, W, 3] float 0..1
    camera_from_world: Tensor  # [4, 4]
    K: Tensor  # [3, 3] pixels of this image
    mask: Tensor | None = None  # [H, W] 0..1, weights of the pixels in the loss and the scores
    seconds: float = 0.0
    """On the clock of the clip."""
    colour: Tensor | None = None  # [3, 4] this frame's colours from those of the scene, while training


class Views:
    """The images of one shot at training size; held as uint8, handed out as float."""

    def __init__(
        self,
        images: list[np.ndarray],  # [H, W, 3] uint8
        cameras: Cameras,
        held_out_every: int,
        masks: Sequence[np.ndarray | None] | None = None,  # [H, W] uint8, 255 counts, 0 is ignored
        seconds: np.ndarray | None = None,  # [F] when each was taken; numbers of frames when missing
    ) -> None:
        if len(images) != len(cameras) or not images:
            raise TrainError(f"found {len(images)} images for {len(cameras)} cameras, expected one each")
        self.cameras = cameras
        self.seconds = cameras.numbers.astype(float) if seconds is None else np.asarray(seconds, float)
        self.pyramid = [images]
        self.masks = [list(masks or [None] * len(images))]
        self.heldout = held_out(len(images), held_out_every)
        self.train = [i for i in range(len(images)) if i not in set(self.heldout)]

    @classmethod
    def load(
        cls,
        path_of: Callable[[int], Path],
        cameras: Cameras,
        *,
        long_side: int,
        held_out_every: int,
        mask_of: Callable[[int], Path | None] | None = None,
        seconds: np.ndarray | None = None,
    ) -> Views:
        """Read the (undistorted) images of these cameras, shrunk to `long_side`, and the masks of those
        that have one (8-bit grey PNG of the image's size, 255 counts, 0 is ignored)."""
        factor = min(1.0, long_side / max(cameras.width, cameras.height))
        size = round(cameras.width * factor), round(cameras.height * factor)
        images, masks = [], []
        for number in cameras.numbers:
            path = path_of(int(number))
            try:
                with Image.open(path) as file:
                    image = file.convert("RGB")
            except OSError as error:
                raise TrainError(
                    f"{path} cannot be read ({error}); run the same command with --force cameras"
                ) from error
            if image.size != (cameras.width, cameras.height):
                raise TrainError(
                    f"{path} has {image.size} pixels, its camera {(cameras.width, cameras.height)}; "
                    "run the same command with --force cameras"
                )
            images.append(np.array(image.resize(size, Image.Resampling.BOX) if factor < 1 else image))
            masks.append(_load_mask(mask_of(int(number)) if mask_of else None, cameras, size))
        return cls(images, cameras, held_out_every, masks, seconds)

    def with_cameras(self, cameras: Cameras) -> Views:
        """The same images seen by other cameras of the same frames."""
        other = copy.copy(self)
        other.cameras = cameras
        return other

    def unmasked(self) -> Views:
        """The same images, of which every pixel counts."""
        other = copy.copy(self)
        other.masks = [[None] * len(level) for level in self.masks]
        return other

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at full training size."""
        height, width = self.pyramid[0][0].shape[:2]
        return width, height

    def level(self, level: int) -> list[np.ndarray]:
        """All images at 1 / 2^level of the training size."""
        while len(self.pyramid) <= level:
            width, height = self.size
            size = (
                max(1, round(width / 2 ** len(self.pyramid))),
                max(1, round(height / 2 ** len(self.pyramid))),
            )
            shrunk = [
                np.array(Image.fromarray(i).resize(size, Image.Resampling.BOX)) for i in self.pyramid[0]
            ]
            self.pyramid.append(shrunk)
            self.masks.append([None if m is None else shrink_mask(m, size) for m in self.masks[0]])
        return self.pyramid[level]

    def view(self, index: int, level: int = 0, device: str = "cpu") -> View:
        """One view, by its position among the cameras."""
        image = self.level(level)[index]
        height, width = image.shape[:2]
        K = scaled_intrinsics(self.cameras.K[index], self.cameras.width, self.cameras.height, width, height)
        camera_from_world = np.linalg.inv(self.cameras.world_from_camera[index])
        mask = self.masks[level][index]
        return View(
            int(self.cameras.numbers[index]),
            _as_float(image, device),
            torch.tensor(camera_from_world, dtype=torch.float32, device=device),
            torch.tensor(K, dtype=torch.float32, device=device),
            None if mask is None else _as_float(mask, device),
            float(self.seconds[index]),
        )


def shrink_mask(
    mask: np.ndarray,  # [H, W] uint8
    size: tuple[int, int],  # width, height
) -> np.ndarray:
    """A smaller mask: mean weights, but 0 wherever an ignored pixel is part of the mean colour."""
    shrunk, ignored = (
        np.array(Image.fromarray(m).resize(size, Image.Resampling.BOX))
        for m in (mask, np.where(mask == 0, 255, 0).astype(np.uint8))
    )
    return np.where(ignored > 0, np.uint8(0), shrunk)


def _load_mask(path: Path | None, cameras: Cameras, size: tuple[int, int]) -> np.ndarray | None:
    if path is None:
        return None
    try:
        with Image.open(path) as file:
            mask = np.array(file.convert("L"))
    except OSError as error:
        raise TrainError(f"{path} cannot be read ({error}); delete or replace it") from error
    if mask.shape != (cameras.height, cameras.width):
        raise TrainError(
            f"{path} has {mask.shape[::-1]} pixels, its image {(cameras.width, cameras.height)}; replace it"
        )
    return mask if size == (cameras.width, cameras.height) else shrink_mask(mask, size)


def _as_float(
    image: np.ndarray,  # [H, W, 3] or [H, W] uint8
    device: str,
) -> Tensor:
    """Float 0..1. On the CPU by numpy: torch's threads spin after an operation like this, on the
    cores where the rasterizer is about to start."""
    if device == "cpu":
        return torch.from_numpy(np.divide(image, np.float32(255), dtype=np.float32))
    return torch.from_numpy(image).to(device).div(255)
