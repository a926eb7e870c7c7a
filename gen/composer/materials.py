"""Materials: a texture pattern, its three colours and its scale."""

from dataclasses import dataclass, replace

import numpy as np

from gen.composer.kernel_types import (
    CHECKER,
    COBBLES,
    DOTS,
    FOLIAGE,
    GLOW,
    GRAIN,
    MASONRY,
    MOTTLED,
    PANES,
    PLAIN,
    STRIPES,
    TERRAIN,
    VEINS,
    WEAVE,
)

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


def marble(color: Color) -> Material:
    """Polished marble: clouds with veins through them."""
    return Material(VEINS, color, shade(color, 0.6), shade(color, 0.82), 2.2, 0.2)


def concrete(color: Color) -> Material:
    """Cast concrete."""
    return Material(MOTTLED, shade(color, 1.08), shade(color, 0.66), color, 2.0, 0.55)


def granite(color: Color) -> Material:
    """Fine-grained stone with light and dark crystals."""
    return Material(MOTTLED, shade(color, 1.35), shade(color, 0.3), color, 7.0, 0.5)


def clay(color: Color) -> Material:
    """Fired clay."""
    return Material(MOTTLED, color, shade(color, 0.78), color, 2.2, 0.4)


def rust(color: Color) -> Material:
    """Iron that has rusted in patches."""
    return Material(TERRAIN, color, shade(color, 0.5), (0.34, 0.36, 0.38), 2.4, 0.45)


def cobbles(color: Color) -> Material:
    """Round stones set close together."""
    return Material(COBBLES, color, shade(color, 0.5), shade(color, 1.25), 5.0, 0.5)


def pebbledash(color: Color) -> Material:
    """Small pebbles in mortar."""
    return Material(COBBLES, color, shade(color, 0.7), shade(color, 0.6), 8.0, 0.4)


def thatch(color: Color) -> Material:
    """Bundles of straw."""
    return Material(MASONRY, color, shade(color, 0.6), shade(color, 1.25), 3.0, 1.0, 0.15, 0.03)


def fabric(color: Color) -> Material:
    """Coarsely woven cloth."""
    return Material(WEAVE, color, shade(color, 0.62), color, 9.0, 0.4)


def leather(color: Color) -> Material:
    """Creased leather."""
    return Material(COBBLES, color, shade(color, 0.8), shade(color, 1.05), 12.0, 0.3)


def cardboard(color: Color) -> Material:
    """Corrugated cardboard."""
    return Material(STRIPES, color, shade(color, 0.86), color, 11.0, 0.35)


def bamboo(color: Color) -> Material:
    """Canes side by side, with their knots."""
    return Material(MASONRY, color, shade(color, 0.45), shade(color, 1.2), 2.6, 0.6, 0.3, 0.05)


def dots(color: Color, other: Color = (0.93, 0.91, 0.86)) -> Material:
    """Round dots on a ground of another colour."""
    return Material(DOTS, color, other, color, 3.6, 0.3)


def mosaic(color: Color) -> Material:
    """Small square stones of many shades."""
    return Material(PANES, shade(color, 1.2), (0.82, 0.79, 0.72), shade(color, 0.35), 6.0, 0.9, 1.0, 0.14)


def windows(wall: Color, glass: Color = (0.26, 0.34, 0.42)) -> Material:
    """A front of a tall building: rows of windows in a wall."""
    return Material(PANES, glass, wall, shade(glass, 1.7), 1.35, 0.5, 0.85, 0.42)


def moss(color: Color) -> Material:
    """Stone overgrown with moss."""
    return Material(TERRAIN, color, shade(color, 0.55), (0.46, 0.44, 0.40), 2.0, 0.5)


def ice(color: Color) -> Material:
    """Cracked ice."""
    return Material(VEINS, color, (0.97, 0.98, 1.0), shade(color, 0.75), 1.8, 0.2)


def sandstone(color: Color) -> Material:
    """Layers of sand."""
    return Material(STRIPES, color, shade(color, 0.8), color, 5.0, 0.5)


def plastic(color: Color) -> Material:
    """Plastic or rubber with scuffs."""
    return Material(MOTTLED, color, shade(color, 0.86), color, 1.6, 0.3)


def fur(color: Color) -> Material:
    """Short fur or wool in locks."""
    return Material(FOLIAGE, shade(color, 0.85), shade(color, 1.12), color, 7.0, 0.45)


def logs(color: Color) -> Material:
    """Round timbers, one on the other."""
    return Material(MASONRY, color, shade(color, 0.3), shade(color, 1.25), 3.4, 0.8, 40.0, 0.14)


def wallpaper(color: Color) -> Material:
    """Wallpaper with a small repeated figure, a little worn."""
    return Material(DOTS, color, shade(color, 1.13), color, 5.5, 0.5)


def camouflage(color: Color) -> Material:
    """Patches of three tones."""
    return Material(TERRAIN, color, shade(color, 0.45), blend(color, (0.55, 0.45, 0.28), 0.7), 2.2, 0.3)


def glow(color: Color) -> Material:
    """A lamp's glass or a bright window; colours above 1 shine."""
    return Material(GLOW, color, color, color, 3.0, 0.12)
