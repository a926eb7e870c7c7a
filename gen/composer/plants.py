"""Plants, rocks and a snowman: each as a few primitives, in metres, standing on z = 0, facing -y."""

import math

from gen.composer import materials
from gen.composer.materials import blend
from gen.composer.scene import Primitive, ball, box, roll_rotation, tilt_rotation, tube, yaw_rotation
from gen.composer.style import DARK_WOOD, IRON, LEAF, NEEDLE, STONE, WOOD, Style


def tree(style: Style) -> list[Primitive]:
    """A broad-leaved tree: a trunk and a crown of leafy clumps."""
    rng, leaves = style.rng, style.leaves(LEAF)
    parts = [
        tube((0, 0, 0.7), 0.2, 0.7, materials.bark(WOOD), top=0.65),
        ball((0, 0, 2.05), (0.85, 0.85, 0.72), leaves),
    ]
    start = rng.uniform(0, 2 * math.pi)
    for i in range(5):
        turn = start + 2 * math.pi * i / 5 + rng.uniform(-0.2, 0.2)
        size = rng.uniform(0.46, 0.6)
        parts.append(
            ball(
                (0.62 * math.cos(turn), 0.62 * math.sin(turn), rng.uniform(1.65, 2.1)),
                (size, size, 0.88 * size),
                leaves,
            )
        )
    parts.append(ball((rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), 2.6), (0.55, 0.55, 0.48), leaves))
    return parts


def pine(style: Style) -> list[Primitive]:
    """A conifer: tiers of cones that droop and shrink upwards."""
    rng, tiers = style.rng, 5
    needles = style.leaves(NEEDLE)
    parts = [tube((0, 0, 0.3), 0.16, 0.35, materials.bark(DARK_WOOD), top=0.8)]
    for i in range(tiers):
        u = i / (tiers - 1)
        lean = tilt_rotation(rng.uniform(-0.05, 0.05)) @ yaw_rotation(rng.uniform(0, 6.28))
        parts.append(
            tube((0, 0, 0.85 + 0.5 * i), 0.95 - 0.58 * u, 0.5 - 0.08 * u, needles, top=0.12, rotation=lean)
        )
    return parts


def bush(style: Style) -> list[Primitive]:
    """A low round bush."""
    leaves, rng = style.leaves(blend(LEAF, NEEDLE, 0.35)), style.rng
    parts = [ball((0, 0, 0.35), (0.5, 0.48, 0.42), leaves)]
    for side in (-1.0, 1.0):
        parts.append(ball((side * 0.35, rng.uniform(-0.2, 0.2), 0.26), (0.34, 0.34, 0.3), leaves))
    return parts


def cactus(style: Style) -> list[Primitive]:
    """A saguaro with two arms."""
    green = (0.30, 0.48, 0.24)
    ribs = materials.Material(materials.STRIPES, style.color or green, (0.22, 0.38, 0.18), green, 7.0, 0.6)
    skin = ribs if style.material is None else style.surface(materials.stone, green)
    parts = [tube((0, 0, 0.85), 0.24, 0.85, skin), ball((0, 0, 1.7), (0.24, 0.24, 0.2), skin)]
    for side, z in ((-1.0, 0.8), (1.0, 1.1)):
        parts += [
            tube((side * 0.36, 0, z), 0.13, 0.28, skin, rotation=tilt_rotation(math.pi / 2)),
            ball((side * 0.6, 0, z), 0.14, skin),
            tube((side * 0.6, 0, z + 0.28), 0.135, 0.28, skin),
            ball((side * 0.6, 0, z + 0.56), 0.135, skin),
        ]
    return parts


def mushroom(style: Style) -> list[Primitive]:
    """A toadstool with spots."""
    cap = style.surface(materials.stone, (0.76, 0.18, 0.13))
    parts = [
        tube((0, 0, 0.4), 0.19, 0.4, materials.stone((0.90, 0.85, 0.74)), top=0.75),
        ball((0, 0, 0.82), (0.58, 0.58, 0.34), cap),
    ]
    spot = materials.stone((0.92, 0.89, 0.82))
    for i in range(9):
        turn, up = 2.4 * i, 0.25 + 0.65 * ((0.37 * i) % 1.0)
        ring = math.sqrt(1 - up * up)
        parts.append(
            ball((0.56 * ring * math.cos(turn), 0.56 * ring * math.sin(turn), 0.82 + 0.33 * up), 0.07, spot)
        )
    return parts


def flower(style: Style) -> list[Primitive]:
    """A large stylised flower."""
    petal = style.surface(materials.stone, (0.88, 0.45, 0.50))
    leaf = materials.foliage(LEAF)
    parts = [
        tube((0, 0, 0.4), 0.045, 0.4, leaf),
        ball((0, -0.03, 0.84), (0.11, 0.09, 0.11), materials.stone((0.90, 0.68, 0.2))),
    ]
    for i in range(6):
        turn = math.pi * i / 3
        parts.append(
            ball((0.17 * math.cos(turn), 0.0, 0.84 + 0.17 * math.sin(turn)), (0.11, 0.045, 0.11), petal)
        )
    for side in (-1.0, 1.0):
        parts.append(ball((side * 0.14, 0, 0.2), (0.16, 0.05, 0.07), leaf))
    return parts


def rock(style: Style) -> list[Primitive]:
    """A few boulders leaning on each other."""
    rng, surface = style.rng, style.surface(materials.stone, STONE)
    parts = []
    for i in range(3):
        size = 0.5 if i == 0 else rng.uniform(0.24, 0.36)
        turn, reach = rng.uniform(0, 6.28), 0.0 if i == 0 else rng.uniform(0.4, 0.5)
        shape = (size * rng.uniform(0.9, 1.2), size, size * rng.uniform(0.65, 0.85))
        parts.append(ball((reach * math.cos(turn), reach * math.sin(turn), 0.45 * size), shape, surface))
    return parts


def snowman(style: Style) -> list[Primitive]:
    """Three snowballs, a hat, a scarf and a carrot."""
    rng = style.rng
    white = (0.95, 0.96, 0.98)
    snow = materials.Material(materials.MOTTLED, white, (0.74, 0.80, 0.88), white, 2.6, 0.2)
    snow = snow if style.material is None else style.surface(materials.stone, white)
    felt, coal = materials.stone(style.color or IRON), materials.paint((0.08, 0.08, 0.09))
    parts = [ball((0, 0, z), (r, r, 0.94 * r), snow) for z, r in ((0.5, 0.56), (1.22, 0.42), (1.8, 0.3))]
    parts += [
        tube((0, 0, 1.55), 0.33, 0.07, materials.stripes((0.72, 0.16, 0.13))),
        tube((0, 0, 2.06), 0.36, 0.03, felt),
        tube((0, 0, 2.25), 0.23, 0.18, felt, top=1.08),
        tube(
            (0, -0.42, 1.8), 0.06, 0.16, materials.stone((0.92, 0.5, 0.14)), 0.1, roll_rotation(math.pi / 2)
        ),
    ]
    for x in (-0.1, 0.1):
        parts.append(ball((x, -0.27, 1.9), 0.045, coal))
    for z in (1.08, 1.28):
        parts.append(ball((0, -0.41, z), 0.05, coal))
    for side in (-1.0, 1.0):
        lean = tilt_rotation(side * rng.uniform(0.9, 1.2))
        parts.append(
            box((side * 0.62, 0, 1.38), (0.025, 0.025, 0.32), materials.bark(DARK_WOOD), rotation=lean)
        )
    return parts


def pumpkin(style: Style) -> list[Primitive]:
    """A ribbed pumpkin."""
    skin = style.surface(materials.stone, (0.86, 0.46, 0.12))
    parts = []
    for i in range(8):
        turn = 2 * math.pi * i / 8
        parts.append(ball((0.2 * math.cos(turn), 0.2 * math.sin(turn), 0.3), (0.22, 0.22, 0.3), skin))
    return [*parts, tube((0, 0, 0.62), 0.05, 0.1, materials.bark(DARK_WOOD), 0.7, tilt_rotation(0.2))]
