"""Lens distortion: the lens of the source frames and the pinhole images that are trained on.

A splat trainer draws pinhole images, so frames of a lens that bends lines are resampled once.
Distortion is OpenCV's (k1, k2, p1, p2); pixel centres are at 0.5 everywhere here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NOTICEABLE = 0.25
"""Pixels: a lens that moves no pixel further is treated as a pinhole (below what SfM can tell)."""


@dataclass(frozen=True, repr=False)
class Lens:
    """Intrinsics and distortion shared by the frames of a shot."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    K: np.ndarray
    """[3, 3] float64, pixels."""
    distortion: tuple[float, ...] = ()
    """OpenCV (k1, k2, p1, p2), or () for none."""

    def __repr__(self) -> str:
        return f"Lens({self.width}x{self.height}, focal {self.focal:.1f} px, {self.distortion})"

    @property
    def focal(self) -> float:
        """Mean of fx and fy, pixels."""
        return float(self.K[0, 0] + self.K[1, 1]) / 2

    def scaled(self, width: int, height: int) -> Lens:
        """The same lens for frames resized to `width` x `height`."""
        scale = np.array([width / self.width, height / self.height, 1.0])
        return Lens(width, height, self.K * scale[:, None], self.distortion)

    def with_focal(self, focal: float) -> Lens:
        """The same lens, longer or shorter."""
        K = self.K.copy()
        K[[0, 1], [0, 1]] *= focal / self.focal
        return Lens(self.width, self.height, K, self.distortion)

    def distort(self, rays: np.ndarray) -> np.ndarray:
        """[..., 2] undistorted image-plane coordinates (x/z, y/z) to [..., 2] distorted ones."""
        if not any(self.distortion):
            return rays
        k1, k2, p1, p2 = self.distortion
        x, y = rays[..., 0], rays[..., 1]
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2 * r2
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )

    def undistort(self, rays: np.ndarray) -> np.ndarray:
        """The inverse of `distort`, by fixed-point iteration."""
        found = rays
        for _ in range(30 if any(self.distortion) else 0):
            found = found + rays - self.distort(found)
        return found

    def straight(self, pixels: np.ndarray) -> np.ndarray:
        """[..., 2] pixels of the distorted frame to where a lens of this focal length without distortion
        has them, from its principal point."""
        return self.focal * self.undistort((pixels.astype(float) - self.K[:2, 2]) / self.K[[0, 1], [0, 1]])

    def project(self, rays: np.ndarray) -> np.ndarray:
        """[..., 2] image-plane coordinates to [..., 2] pixels of the distorted frame."""
        return self.distort(rays) * self.K[[0, 1], [0, 1]] + self.K[:2, 2]

    def max_displacement(self) -> float:
        """How far the distortion moves a pixel of the frame's border at most, in pixels."""
        rays = (_border(self.width, self.height) - self.K[:2, 2]) / self.K[[0, 1], [0, 1]]
        return float(np.abs(self.project(rays) - (rays * self.K[[0, 1], [0, 1]] + self.K[:2, 2])).max())

    def pinhole(self) -> Lens:
        """The pinhole lens of the undistorted images: same size, widest view without blank border.

        Returns this lens (without distortion) when no pixel moves noticeably. Unlike OpenCV's
        getOptimalNewCameraMatrix it keeps the pixel aspect and the principal point.
        """
        if self.max_displacement() <= NOTICEABLE:
            return Lens(self.width, self.height, self.K)
        zooms = np.geomspace(4.0, 0.25, 400)
        # From zoomed in outwards, because past the fold of a polynomial lens "inside" returns.
        covered = [self._is_covered(zoom) for zoom in zooms]
        best = zooms[max(0, covered.index(False) - 1)] if False in covered else zooms[-1]
        low, high = best * (zooms[1] / zooms[0]), best
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (low, middle) if self._is_covered(middle) else (middle, high)
        return Lens(self.width, self.height, self._zoomed(high))

    def _zoomed(self, zoom: float) -> np.ndarray:
        K = self.K.copy()
        K[[0, 1], [0, 1]] *= zoom
        return K

    def _is_covered(self, zoom: float) -> bool:
        """Does every pixel of the zoomed pinhole image come from inside the frame?"""
        K = self._zoomed(zoom)
        rays = (_border(self.width, self.height) - K[:2, 2]) / K[[0, 1], [0, 1]]
        r2 = (rays**2).sum(-1)
        k1, k2 = self.distortion[:2]
        unfolded = (1 + 3 * k1 * r2 + 5 * k2 * r2 * r2 > 0).all()
        pixels = self.project(rays)
        inside = (pixels >= 0).all() and (pixels <= [self.width, self.height]).all()
        return bool(unfolded and inside)


def _border(width: int, height: int) -> np.ndarray:
    """[N, 2] points along the outer edge of an image, pixels."""
    x, y = np.linspace(0, width, 65), np.linspace(0, height, 65)
    sides = [(x, 0 * x), (x, 0 * x + height), (0 * y, y), (0 * y + width, y)]
    return np.concatenate([np.stack(side, -1) for side in sides])


def undistort_points(xy: np.ndarray, lens: Lens, pinhole: Lens) -> np.ndarray:
    """[N, 2] pixels of a source frame to [N, 2] pixels of the undistorted image."""
    rays = lens.undistort((xy - lens.K[:2, 2]) / lens.K[[0, 1], [0, 1]])
    return pinhole.project(rays)


def undistort_images(
    jobs: Iterable[tuple[Path, Path]], lens: Lens, pinhole: Lens, on_image: Callable[[int], None]
) -> None:
    """Resample source frames into pinhole images (8-bit PNG, Lanczos).

    Args:
        jobs: (source frame, image to write) pairs.
        lens: The lens of the source frames.
        pinhole: What `lens.pinhole()` gave.
        on_image: Called with the number of images done.
    """
    import cv2
    from PIL import Image

    centres = np.stack(np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5), axis=-1)
    rays = (centres - pinhole.K[:2, 2]) / pinhole.K[[0, 1], [0, 1]]
    # cv2.remap counts pixels from their centres, we from the image's corner.
    source = (lens.project(rays) - 0.5).astype(np.float32)

    def one(job: tuple[Path, Path]) -> None:
        with Image.open(job[0]) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        # Reflected, because the outermost half pixel and the Lanczos taps reach over the edge.
        warped = cv2.remap(
            pixels, source[..., 0], source[..., 1], cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
        )
        # Light compression: the default level costs four times the time for a tenth of the size.
        Image.fromarray(warped).save(job[1], compress_level=2)

    with ThreadPoolExecutor(max_workers=4) as pool:
        for done, _ in enumerate(pool.map(one, jobs), 1):
            on_image(done)
