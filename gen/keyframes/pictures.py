"""What is done to a warped frame before a model redraws it: colours matched, contrast, noise."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gen.clips import to_uint8

ColourSpace = Literal["LAB", "HSV", "RGB"]
Noise = Literal["perlin", "gaussian"]

NOISE_SCALE = 127.5
"""Deforum adds noise to pictures with values from -1 to 1; here they go from 0 to 255."""
PERLIN_CELLS, PERLIN_OCTAVES, PERLIN_PERSISTENCE = 8, 4, 0.5
"""Deforum's defaults: cells across the frame in the coarsest octave, octaves, how fast they weaken."""


def match_colours(
    picture: np.ndarray,  # [H, W, 3]
    reference: np.ndarray,  # [H, W, 3]
    space: ColourSpace,
) -> np.ndarray:  # [H, W, 3]
    """A picture (uint8 sRGB) with the histogram of a reference in every channel of a colour space.

    It stops colours from drifting when a model redraws its own output over and over.
    """
    import cv2

    codes = {
        "LAB": (cv2.COLOR_RGB2LAB, cv2.COLOR_LAB2RGB),
        "HSV": (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB),
    }
    if space == "RGB":
        return _match_histograms(picture, reference)
    there, back = codes[space]
    matched = _match_histograms(cv2.cvtColor(picture, there), cv2.cvtColor(reference, there))
    return cv2.cvtColor(matched, back)


def _match_histograms(picture: np.ndarray, reference: np.ndarray) -> np.ndarray:
    matched = np.empty_like(picture)
    for channel in range(picture.shape[2]):
        have = np.bincount(picture[..., channel].ravel(), minlength=256)
        want = np.bincount(reference[..., channel].ravel(), minlength=256)
        # The middle of each value's share, so that a picture matched to itself stays as it is.
        have_rank = (np.cumsum(have) - 0.5 * have) / have.sum()
        want_rank = (np.cumsum(want) - 0.5 * want) / want.sum()
        there = np.flatnonzero(want)
        values = np.interp(have_rank, want_rank[there], there)
        matched[..., channel] = np.rint(values).astype(np.uint8)[picture[..., channel]]
    return matched


def scale_contrast(picture: np.ndarray, contrast: float) -> np.ndarray:  # [H, W, 3]
    """A picture (uint8 sRGB) times a factor, as Deforum's contrast schedule means it."""
    if contrast == 1:
        return picture
    return to_uint8(picture * np.float32(contrast))


def add_noise(
    picture: np.ndarray,  # [H, W, 3]
    amount: float,
    kind: Noise,
    seed: tuple[int, ...],
) -> np.ndarray:  # [H, W, 3]
    """A picture (uint8 sRGB) with noise of standard deviation `amount` on a scale from -1 to 1.

    Gaussian noise is new in every pixel; Perlin noise is cloudy, which gives a model larger shapes to draw.
    """
    if amount == 0:
        return picture
    generator = np.random.default_rng(seed)
    if kind == "perlin":
        noise = perlin_noise(picture.shape[0], picture.shape[1], generator)[..., None]
    else:
        noise = generator.standard_normal(picture.shape, np.float32)
    return to_uint8(picture + noise * np.float32(amount * NOISE_SCALE))


def perlin_noise(height: int, width: int, generator: np.random.Generator) -> np.ndarray:  # [H, W]
    """Gradient noise in octaves, mean about 0 and standard deviation 1.

    Perlin, "Improving noise", SIGGRAPH 2002.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(PERLIN_OCTAVES):
        cells = PERLIN_CELLS * 2**octave
        total += PERLIN_PERSISTENCE**octave * _gradient_noise(height, width, cells, generator)
    return total / max(float(total.std()), 1e-6)


def _gradient_noise(height: int, width: int, cells: int, generator: np.random.Generator) -> np.ndarray:
    angles = generator.uniform(0, 2 * np.pi, (cells + 1, cells + 1)).astype(np.float32)
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None] * (cells / height)
    x = (np.arange(width, dtype=np.float32) + 0.5)[None, :] * (cells / width)
    row, column = y.astype(int), x.astype(int)
    below, right = y - row, x - column

    def corner(down: int, along: int) -> np.ndarray:
        angle = angles[row + down, column + along]
        return np.cos(angle) * (right - along) + np.sin(angle) * (below - down)

    fade_x, fade_y = (f**3 * (f * (f * 6 - 15) + 10) for f in (right, below))
    top = corner(0, 0) + fade_x * (corner(0, 1) - corner(0, 0))
    bottom = corner(1, 0) + fade_x * (corner(1, 1) - corner(1, 0))
    return top + fade_y * (bottom - top)
