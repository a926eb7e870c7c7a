"""SIFT features (Lowe 2004) of the frames of a video, found once, whatever is masked afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from recon.frame_flow import grey, in_order
from recon.mask_files import at_pixels
from recon.types import Frames

IMAGE_SIZE = 640
"""Long side at which features are found: poses are as good as at 960, in under half the time."""
MOST = 2000
"""Per frame. Clips of fine texture have 5,000, which doubles the time and adds nothing; with 2,500 matching
takes a third longer."""
CONTRAST = 0.0133
"""Least contrast of a feature: with it OpenCV finds as many as COLMAP's own SIFT, three times as fast."""


@dataclass(frozen=True, repr=False)
class Features:
    """Of one frame."""

    places: np.ndarray
    """[N, 4] float32: x and y in pixels of the frame, scale in pixels, orientation in radians."""
    descriptors: np.ndarray
    """[N, 128] uint8, RootSIFT (Arandjelović & Zisserman 2012) times 512."""

    def __repr__(self) -> str:
        return f"Features({len(self.places)})"

    def outside(self, mask: Path) -> Features:
        """Those where a mask as `recon.mask_files.write_masks` writes it is white."""
        with Image.open(mask) as picture:
            use = np.asarray(picture.convert("L")) > 0
        keep = at_pixels(use, self.places[:, :2])
        return Features(self.places[keep], self.descriptors[keep])


class FrameFeatures:
    """Features of the frames of a video, remembered: a shot is solved again for each new mask of what moves.

    About a third of a megabyte for a frame.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._found: dict[int, Features] = {}

    def of(self, numbers: Sequence[int], on_progress: Callable[[int], None] | None = None) -> list[Features]:
        """Features of the frames of these global numbers; bitwise the same for the same frames.

        Args:
            on_progress: Called with the number of frames done, of those that were not looked at before.
        """
        missing = [number for number in numbers if number not in self._found]
        found = in_order(lambda number: sift(self._frames.path(number)), missing)
        for done, (number, features) in enumerate(zip(missing, found, strict=True)):
            if on_progress is not None:
                on_progress(done)
            self._found[number] = features
        return [self._found[number] for number in numbers]


def sift(path: Path) -> Features:
    """SIFT features of a picture, the MOST strongest."""
    with Image.open(path) as picture:
        image = grey(np.asarray(picture.convert("RGB")))
    height, width = image.shape
    factor = min(1.0, IMAGE_SIZE / max(height, width))
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Without "precise", places are off by a quarter of a pixel, which bundle adjustment with followed
    # points would see.
    finder = cv2.SIFT.create(nfeatures=MOST, contrastThreshold=CONTRAST, enable_precise_upscale=True)
    found, descriptors = finder.detectAndCompute(image, None)
    if descriptors is None or len(found) == 0:
        return Features(np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8))
    # OpenCV's pixels have their centres at whole numbers, COLMAP's and ours at halves.
    places = np.array([(*point.pt, point.size / 2, np.radians(point.angle)) for point in found], np.float32)
    places[:, :2] = (places[:, :2] + 0.5) * [width / image.shape[1], height / image.shape[0]]
    places[:, 2] /= factor
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-9))
    return Features(places, np.clip(np.round(512 * root), 0, 255).astype(np.uint8))
