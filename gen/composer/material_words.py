"""The surface that each material word of the vocabulary stands for."""

from collections.abc import Callable

from gen.composer import materials
from gen.composer.materials import Color, Material

MATERIALS: dict[str, Callable[[Color], Material]] = {
    "brick": materials.brick,
    "wood": materials.planks,
    "stone": materials.stone_blocks,
    "marble": materials.marble,
    "metal": materials.paint,
    "plaster": materials.paint,
    "striped": materials.stripes,
    "checkered": materials.checks,
    "concrete": materials.concrete,
    "granite": materials.granite,
    "clay": materials.clay,
    "rust": materials.rust,
    "cobblestone": materials.cobbles,
    "pebble": materials.pebbledash,
    "straw": materials.thatch,
    "fabric": materials.fabric,
    "leather": materials.leather,
    "cardboard": materials.cardboard,
    "bamboo": materials.bamboo,
    "dotted": materials.dots,
    "mosaic": materials.mosaic,
    "mossy": materials.moss,
    "ice": materials.ice,
    "sandstone": materials.sandstone,
    "plastic": materials.plastic,
    "fur": materials.fur,
    "log": materials.logs,
    "shingled": materials.shingles,
    "camouflage": materials.camouflage,
}

MATERIAL_COLORS: dict[str, Color] = {
    "brick": (0.62, 0.36, 0.27),
    "wood": (0.58, 0.41, 0.26),
    "stone": (0.62, 0.58, 0.52),
    "marble": (0.88, 0.86, 0.82),
    "metal": (0.56, 0.58, 0.60),
    "concrete": (0.60, 0.59, 0.57),
    "granite": (0.50, 0.47, 0.46),
    "clay": (0.72, 0.42, 0.28),
    "rust": (0.58, 0.30, 0.16),
    "cobblestone": (0.54, 0.52, 0.49),
    "pebble": (0.62, 0.58, 0.52),
    "straw": (0.78, 0.64, 0.34),
    "leather": (0.42, 0.25, 0.15),
    "cardboard": (0.70, 0.54, 0.36),
    "bamboo": (0.74, 0.66, 0.36),
    "mossy": (0.36, 0.46, 0.20),
    "ice": (0.66, 0.82, 0.92),
    "sandstone": (0.80, 0.64, 0.44),
    "log": (0.46, 0.31, 0.19),
    "camouflage": (0.40, 0.44, 0.26),
}
"""Usual colours of materials that have one, sRGB."""
