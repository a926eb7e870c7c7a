"""Furniture and what stands on it: each as a few primitives, in metres, on z = 0, facing -y."""

import math

from gen.composer import materials
from gen.composer.materials import shade
from gen.composer.scene import Primitive, ball, box, tilt_rotation, tube, yaw_rotation
from gen.composer.style import CREAM, DARK_WOOD, IRON, LEAF, WOOD, Style


def bench(style: Style) -> list[Primitive]:
    """A park bench."""
    wood, iron = style.slats(WOOD), materials.paint(IRON)
    parts = [box((0, y, 0.46), (0.75, 0.07, 0.03), wood) for y in (-0.17, 0.0, 0.17)]
    parts += [box((0, 0.26, z), (0.75, 0.03, 0.08), wood) for z in (0.68, 0.9)]
    for x in (-0.6, 0.6):
        parts += [
            box((x, -0.16, 0.22), (0.04, 0.05, 0.22), iron),
            box((x, 0.29, 0.48), (0.04, 0.03, 0.48), iron),
        ]
    return parts


def table(style: Style) -> list[Primitive]:
    """A plain table."""
    wood, leg = style.surface(materials.planks, WOOD), style.slats(WOOD)
    parts = [box((0, 0, 0.78), (0.8, 0.52, 0.04), wood), box((0, 0, 0.7), (0.68, 0.4, 0.05), leg)]
    parts += [box((x, y, 0.37), (0.05, 0.05, 0.37), leg) for x in (-0.68, 0.68) for y in (-0.42, 0.42)]
    return parts


def chair(style: Style) -> list[Primitive]:
    """A wooden chair."""
    wood, leg = style.surface(materials.bark, WOOD), style.slats(WOOD)
    parts = [box((0, 0, 0.46), (0.26, 0.26, 0.035), wood), box((0, 0.23, 0.95), (0.26, 0.03, 0.13), wood)]
    for x in (-0.21, 0.21):
        parts += [
            box((x, -0.21, 0.22), (0.035, 0.035, 0.22), leg),
            box((x, 0.23, 0.53), (0.035, 0.03, 0.53), leg),
        ]
    return parts


def lamp(style: Style) -> list[Primitive]:
    """A standing lamp, or on something a table lamp."""
    stand = style.surface(materials.paint, (0.62, 0.46, 0.24))
    shade_cloth = materials.glow((1.02, 0.90, 0.62))
    pole, size = (0.2, 0.7) if style.raised else (0.78, 1.0)
    return [
        tube((0, 0, 0.04 * size), 0.2 * size, 0.04 * size, stand, top=0.8),
        tube((0, 0, 0.08 * size + pole), 0.03 * size, pole, stand),
        tube((0, 0, 2 * pole + 0.2 * size), 0.27 * size, 0.19 * size, shade_cloth, top=0.62),
        tube((0, 0, 2 * pole + 0.02 * size), 0.275 * size, 0.014, stand),
        tube((0, 0, 2 * pole + 0.39 * size), 0.172 * size, 0.014, stand),
    ]


def sofa(style: Style) -> list[Primitive]:
    """A sofa for three."""
    cloth = style.surface(materials.fabric, (0.30, 0.42, 0.46))
    cushion = materials.dots(shade(cloth.base, 0.8))
    parts = [
        box((0, 0, 0.26), (1.0, 0.42, 0.16), cloth),
        box((0, 0.36, 0.62), (1.0, 0.12, 0.32), cloth, taper=(1.0, 0.8)),
    ]
    parts += [
        box((x, -0.06, 0.48), (0.31, 0.34, 0.07), cloth, taper=(0.96, 0.94)) for x in (-0.64, 0.0, 0.64)
    ]
    parts += [box((x, -0.02, 0.42), (0.13, 0.44, 0.3), cloth, taper=(0.9, 1.0)) for x in (-1.06, 1.06)]
    parts += [
        box((x, y, 0.05), (0.05, 0.05, 0.05), materials.bark(DARK_WOOD))
        for x in (-0.9, 0.9)
        for y in (-0.3, 0.3)
    ]
    for x, lean in ((-0.7, -0.25), (0.66, 0.2)):
        parts.append(box((x, 0.12, 0.72), (0.2, 0.07, 0.18), cushion, rotation=tilt_rotation(lean)))
    return parts


def bed(style: Style) -> list[Primitive]:
    """A bed with its head towards +y."""
    cover = style.surface(materials.checks, (0.30, 0.44, 0.62))
    wood, linen = materials.bark(WOOD), materials.fabric(CREAM)
    parts = [
        box((0, 0, 0.24), (0.78, 1.02, 0.1), wood),
        box((0, 0, 0.42), (0.74, 0.98, 0.12), linen),
        box((0, -0.22, 0.46), (0.79, 0.8, 0.13), cover),
        box((0, 1.02, 0.6), (0.82, 0.06, 0.6), materials.planks(WOOD)),
        box((0, -1.04, 0.34), (0.82, 0.05, 0.34), materials.planks(WOOD)),
    ]
    parts += [ball((x, 0.74, 0.58), (0.32, 0.2, 0.1), linen) for x in (-0.36, 0.36)]
    return parts


def bookshelf(style: Style) -> list[Primitive]:
    """A bookcase full of books."""
    rng, wood = style.rng, style.surface(materials.planks, WOOD)
    parts = [box((x, 0, 0.95), (0.03, 0.17, 0.95), wood) for x in (-0.56, 0.56)]
    parts += [box((0, 0, z), (0.56, 0.17, 0.025), wood) for z in (0.06, 0.5, 0.94, 1.38, 1.88)]
    parts.append(box((0, 0.15, 0.95), (0.56, 0.015, 0.92), materials.bark(DARK_WOOD)))
    for shelf in (0.085, 0.525, 0.965, 1.405):
        x = -0.52
        while x < 0.44:
            thick, tall = rng.uniform(0.03, 0.055), rng.uniform(0.13, 0.18)
            parts.append(box((x + thick, -0.02, shelf + tall), (thick, 0.12, tall), _cover(style)))
            x += 2 * thick + 0.004
    return parts


def _cover(style: Style) -> materials.Material:
    """The binding of a book."""
    colors = (
        (0.62, 0.20, 0.16),
        (0.18, 0.34, 0.52),
        (0.26, 0.42, 0.26),
        (0.78, 0.62, 0.26),
        (0.40, 0.26, 0.36),
        CREAM,
    )
    return materials.stripes(colors[style.rng.integers(len(colors))], (0.80, 0.70, 0.45))


def book(style: Style) -> list[Primitive]:
    """A pile of large books."""
    parts, z = [], 0.0
    for i in range(4):
        half = (0.3 - 0.03 * i, 0.22 - 0.02 * i, 0.045)
        turn = style.rng.uniform(-0.25, 0.25)
        plain = style.color is None and style.material is None
        cover = _cover(style) if plain else style.surface(materials.leather, (0.45, 0.26, 0.16))
        pages = materials.cardboard((0.90, 0.87, 0.78))
        block = (half[0] + 0.008, half[1] - 0.015, half[2] - 0.014)
        parts.append(box((0, 0, z + half[2]), half, cover, rotation=yaw_rotation(turn)))
        parts.append(box((0, 0, z + half[2]), block, pages, rotation=yaw_rotation(turn)))
        z += 2 * half[2]
    return parts


def cup(style: Style) -> list[Primitive]:
    """A large cup on a saucer."""
    china = style.surface(materials.dots, (0.30, 0.46, 0.64))
    parts = [
        tube((0, 0, 0.02), 0.26, 0.02, china, top=1.15),
        tube((0, 0, 0.2), 0.13, 0.16, china, top=1.45),
        tube((0, 0, 0.361), 0.165, 0.002, materials.stone((0.28, 0.16, 0.09))),
    ]
    for i in range(5):  # the handle
        turn = math.pi * (i - 2) / 5
        parts.append(ball((0.16 + 0.1 * math.cos(turn), 0, 0.21 + 0.1 * math.sin(turn)), 0.036, china))
    return parts


def vase(style: Style) -> list[Primitive]:
    """A bellied vase."""
    glaze = style.surface(materials.stripes, (0.20, 0.40, 0.56))
    return [
        tube((0, 0, 0.12), 0.14, 0.12, glaze, top=1.75),
        tube((0, 0, 0.36), 0.245, 0.12, glaze, top=0.6),
        tube((0, 0, 0.53), 0.147, 0.05, glaze, top=0.75),
        tube((0, 0, 0.62), 0.11, 0.04, glaze, top=1.5),
        tube((0, 0, 0.661), 0.14, 0.002, materials.stone((0.10, 0.10, 0.12))),
    ]


def plant(style: Style) -> list[Primitive]:
    """A potted plant."""
    rng = style.rng
    pot = (
        style.surface(materials.clay, (0.72, 0.42, 0.28))
        if style.material
        else materials.clay((0.72, 0.42, 0.28))
    )
    leaf = materials.foliage(style.tint(LEAF))
    parts = [
        tube((0, 0, 0.17), 0.16, 0.17, pot, top=1.35),
        tube((0, 0, 0.34), 0.235, 0.035, pot),
        tube((0, 0, 0.371), 0.2, 0.004, materials.stone((0.25, 0.18, 0.12))),
        tube((0, 0, 0.55), 0.035, 0.2, materials.bark(WOOD)),
        ball((0, 0, 0.86), (0.28, 0.28, 0.26), leaf),
    ]
    for i in range(6):
        turn = math.pi * i / 3 + rng.uniform(-0.2, 0.2)
        x, y, size = 0.24 * math.cos(turn), 0.24 * math.sin(turn), rng.uniform(0.15, 0.2)
        parts.append(ball((x, y, rng.uniform(0.72, 1.02)), size, leaf))
    return parts


def television(style: Style) -> list[Primitive]:
    """A television on a low board, showing a test picture."""
    case, board = style.surface(materials.paint, IRON), materials.planks(WOOD)
    parts = [
        box((0, 0, 0.25), (0.72, 0.22, 0.2), board),
        box((0, 0, 0.47), (0.25, 0.12, 0.02), case),
        box((0, 0, 0.52), (0.05, 0.04, 0.05), case),
        box((0, 0, 0.96), (0.66, 0.045, 0.4), case),
    ]
    colors = (
        (0.9, 0.9, 0.86),
        (0.8, 0.76, 0.2),
        (0.2, 0.7, 0.72),
        (0.25, 0.65, 0.28),
        (0.68, 0.25, 0.62),
        (0.75, 0.2, 0.18),
        (0.2, 0.26, 0.68),
    )
    for i, color in enumerate(colors):
        parts.append(box((-0.53 + 0.1767 * i, -0.05, 0.97), (0.0885, 0.006, 0.34), materials.glow(color)))
    parts += [box((x, y, 0.025), (0.04, 0.04, 0.025), case) for x in (-0.6, 0.6) for y in (-0.15, 0.15)]
    return parts
