"""What the prompt's adjectives say about an object, and the colours things usually have."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen.composer import materials
from gen.composer.material_words import MATERIAL_COLORS, MATERIALS
from gen.composer.materials import Color, Material, shade

WOOD: Color = (0.50, 0.34, 0.20)
DARK_WOOD: Color = (0.34, 0.22, 0.14)
CREAM: Color = (0.88, 0.83, 0.72)
STONE: Color = (0.58, 0.55, 0.50)
IRON: Color = (0.16, 0.17, 0.19)
ROOF: Color = (0.42, 0.25, 0.20)
GLASS: Color = (0.30, 0.42, 0.52)
LEAF: Color = (0.30, 0.46, 0.16)
NEEDLE: Color = (0.15, 0.36, 0.20)


@dataclass(frozen=True)
class Style:
    """What the prompt's adjectives say about an object, and its own random numbers."""

    rng: np.random.Generator
    color: Color | None = None
    material: str | None = None
    raised: bool = False
    """Whether it stands on something: a lamp on a table is a table lamp."""

    def surface(self, default: Callable[[Color], Material], color: Color) -> Material:
        """The main surface: as the prompt says, else as the object usually is."""
        if self.material is None:
            return default(self.color or color)
        usual = MATERIAL_COLORS.get(self.material, color)
        return MATERIALS[self.material](self.color or usual)

    def slats(self, color: Color) -> Material:
        """Thin wooden parts, too narrow for the joints of boards."""
        return (
            materials.bark(self.color or color)
            if self.material in (None, "wood")
            else self.surface(materials.bark, color)
        )

    def leaves(self, color: Color) -> Material:
        """Foliage, a little different from plant to plant, or what the prompt says."""
        if self.material is None:
            return materials.foliage(self.tint(color))
        return self.surface(materials.foliage, color)

    def tint(self, color: Color, amount: float = 0.12) -> Color:
        """The asked-for colour, or the usual one varied a little from object to object."""
        return shade(self.color or color, 1.0 + amount * float(self.rng.uniform(-1.0, 1.0)))
