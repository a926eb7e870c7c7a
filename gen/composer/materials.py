"""Materials: a texture pattern, its three colours and its scale."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gen.composer.kernel_types import CHECKER, FOLIAGE, GRAIN, MASONRY, MOTTLED, PLAIN, STRIPES, TERRAIN

Color = tuple[float, float, float]
"""sRGB, 0..1."""


@dataclass(frozen=True)
class Material:
    """What a surface looks like. Patterns are solid, so they stay on the object from every side."""

    pattern: int
    base: Color
    second: Color
    accent: Color
    frequency: float
    """Features (courses of bricks, leaves, stripes, …) per metre."""
    contrast: float = 0.3
    """Strength of the fine light-and-dark detail."""
    aspect: float = 1.0
    """Masonry: length of a brick over its height."""
    gap: float = 0.1
    """Masonry: width of the joint over the height of a brick."""

    def scaled(self, scale: float) -> "Material":
        """The material of an object enlarged by `scale`."""
        return replace(self, frequency=self.frequency / scale)

    def linear_colors(self) -> np.ndarray:
        """Base, second and accent colour in linear RGB, [3, 3]."""
        srgb = np.array([self.base, self.second, self.accent])
        return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)

    def pattern_args(self) -> tuple[float, float, float, float]:
        """What the kernels read: frequency, aspect, gap, contrast."""
        return self.frequency, self.aspect, self.gap, self.contrast


def shade(color: Color, factor: float) -> Color:
    """A lighter (factor > 1) or darker colour."""
    r, g, b = (min(1.0, c * factor) for c in color)
    return r, g, b


def blend(first: Color, second: Color, amount: float) -> Color:
    """Between two colours; amount 0 gives the first."""
    r, g, b = (a + (c - a) * amount for a, c in zip(first, second, strict=True))
    return r, g, b


def paint(color: Color) -> Material:
    """Painted wood or metal: one colour, softly worn."""
    return Material(PLAIN, color, color, color, 3.0, 0.55)


def stone(color: Color) -> Material:
    """Rough stone."""
    return Material(MOTTLED, color, shade(color, 0.55), color, 3.2, 0.35)


def stone_blocks(color: Color) -> Material:
    """A wall of cut stone."""
    light = shade(color, 1.15)
    return Material(MASONRY, color, shade(color, 0.55), light, 2.6, 0.75, 1.7, 0.1)


def brick(color: Color) -> Material:
    """Bricks, every one a little different, with pale joints."""
    joint = blend(color, (0.80, 0.76, 0.69), 0.72)
    return Material(MASONRY, color, joint, blend(color, (0.30, 0.12, 0.09), 0.45), 5.0, 0.7, 2.1, 0.13)


def shingles(color: Color) -> Material:
    """Roof tiles."""
    return Material(MASONRY, color, shade(color, 0.45), shade(color, 1.45), 5.0, 0.9, 1.3, 0.14)


def planks(color: Color) -> Material:
    """Wooden boards."""
    return Material(MASONRY, color, shade(color, 0.4), shade(color, 1.3), 4.5, 0.8, 7.0, 0.1)


def tiles(color: Color, other: Color) -> Material:
    """Square floor tiles in two colours."""
    return Material(CHECKER, color, other, color, 1.0, 0.4)


def bark(color: Color) -> Material:
    """Wood with its rings and grain."""
    return Material(GRAIN, color, shade(color, 0.55), color, 5.0, 0.35)


def foliage(color: Color) -> Material:
    """Leaves or needles in clumps."""
    fresh = blend(shade(color, 1.25), (0.80, 0.78, 0.22), 0.30)
    return Material(FOLIAGE, shade(color, 0.72), fresh, color, 6.0, 0.7)


def stripes(color: Color, other: Color = (0.93, 0.91, 0.86)) -> Material:
    """Level stripes in two colours."""
    return Material(STRIPES, color, other, color, 4.0, 0.3)


def checks(color: Color, other: Color = (0.93, 0.91, 0.86)) -> Material:
    """A checkerboard in two colours."""
    return Material(CHECKER, color, other, color, 3.5, 0.3)


def terrain(base: Color, second: Color, bare: Color, contrast: float = 0.4) -> Material:
    """Ground: two colours mixed at many scales and bare patches of a third."""
    return Material(TERRAIN, base, second, bare, 1.0, contrast)


MATERIALS: dict[str, Callable[[Color], Material]] = {
    "brick": brick,
    "wood": planks,
    "stone": stone_blocks,
    "marble": stone,
    "metal": paint,
    "plaster": paint,
    "striped": stripes,
    "checkered": checks,
}
"""Surface for each material word of the vocabulary."""
