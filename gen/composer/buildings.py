"""Buildings: each as a few primitives, in metres, standing on z = 0, facing -y."""

import math
from dataclasses import replace

import numpy as np

from gen.composer import materials
from gen.composer.scene import (
    Joint,
    Primitive,
    ball,
    box,
    jointed,
    placed,
    roll_rotation,
    tilt_rotation,
    tube,
    yaw_rotation,
)
from gen.composer.style import CREAM, DARK_WOOD, GLASS, IRON, LEAF, ROOF, STONE, WOOD, Style


def house(style: Style) -> list[Primitive]:
    """Walls, a gable roof with a chimney, door, windows, steps."""
    wall = style.surface(materials.brick, (0.66, 0.31, 0.22))
    roof, trim = materials.shingles(ROOF), materials.paint(CREAM)
    parts = [
        box((0, 0, 0.12), (1.62, 1.27, 0.12), materials.stone_blocks(STONE)),
        box((0, 0, 1.12), (1.55, 1.2, 1.0), wall),
        box((0, 0, 2.67), (1.55, 1.2, 0.55), wall, taper=(1.0, 0.0)),
        box((0.85, 0.42, 2.9), (0.2, 0.2, 0.62), wall),
        box((0.85, 0.42, 3.54), (0.25, 0.25, 0.06), materials.stone(STONE)),
        box((0, -1.2, 0.72), (0.36, 0.06, 0.62), trim),
        box((0, -1.24, 0.68), (0.28, 0.05, 0.57), materials.planks((0.24, 0.38, 0.36))),
        box((0, -1.5, 0.08), (0.5, 0.3, 0.08), materials.stone(STONE)),
        box((0, -1.42, 1.5), (0.62, 0.3, 0.16), roof, taper=(1.0, 0.25)),
    ]
    slope = math.atan2(1.1, 1.2)
    for side in (-1.0, 1.0):  # the two halves of the roof, a little proud of the gable
        parts.append(
            box((0, side * 0.7, 2.66), (1.78, 0.92, 0.06), roof, rotation=roll_rotation(-side * slope))
        )
    for x in (-0.95, 0.95):
        parts += _window((x, -1.2, 1.32), 0.0)
    for y in (-0.45, 0.5):
        parts += _window((1.55, y, 1.32), math.pi / 2) + _window((-1.55, y, 1.32), -math.pi / 2)
    parts += _window((0.0, 1.2, 1.32), math.pi)
    for x in (-1.0, 1.0):  # flower boxes
        parts.append(ball((x, -1.36, 0.3), (0.36, 0.22, 0.24), materials.foliage(LEAF)))
    return parts


def _window(center: tuple[float, float, float], yaw: float) -> list[Primitive]:
    """A window with its frame, sill and shutters in a wall that faces -y turned by `yaw`."""
    trim, shutter = materials.paint(CREAM), materials.planks((0.24, 0.38, 0.36))
    frame = [
        box((0, 0, 0), (0.3, 0.04, 0.38), trim),
        box((-0.13, -0.03, 0.0), (0.11, 0.03, 0.31), materials.stone(GLASS)),
        box((0.13, -0.03, 0.0), (0.11, 0.03, 0.31), materials.stone(GLASS)),
        box((0, -0.07, -0.41), (0.36, 0.08, 0.04), trim),
        box((-0.42, 0, 0), (0.11, 0.05, 0.38), shutter),
        box((0.42, 0, 0), (0.11, 0.05, 0.38), shutter),
    ]
    turned = placed(frame, center[0], center[1], yaw, 1.0)
    return [_raised(part, center[2]) for part in turned]


def _raised(part: Primitive, height: float) -> Primitive:
    x, y, z = part.center
    return replace(part, center=(x, y, z + height))


def tower(style: Style) -> list[Primitive]:
    """A round stone tower with battlements and a pointed roof."""
    wall = style.surface(materials.stone_blocks, (0.66, 0.60, 0.50))
    pale = materials.stone_blocks((0.72, 0.66, 0.56))
    parts = [
        tube((0, 0, 0.2), 1.15, 0.2, pale, top=0.92),
        tube((0, 0, 2.2), 0.95, 1.9, wall, top=0.86),
        tube((0, 0, 4.2), 0.84, 0.2, pale, top=1.25),
        tube((0, 0, 4.75), 0.72, 0.45, wall),
        tube((0, 0, 5.85), 0.98, 0.7, materials.shingles((0.55, 0.22, 0.17)), top=0.02),
        box((0, -0.95, 0.85), (0.28, 0.12, 0.5), materials.planks(DARK_WOOD)),
        box((0, -0.95, 1.42), (0.36, 0.14, 0.08), pale),
    ]
    for i in range(10):
        turn = 2 * math.pi * i / 10
        x, y = 0.95 * math.cos(turn), 0.95 * math.sin(turn)
        parts.append(box((x, y, 4.55), (0.13, 0.1, 0.16), pale, rotation=yaw_rotation(turn + math.pi / 2)))
    for turn, z in ((-1.2, 2.3), (0.5, 3.1), (2.2, 2.6), (3.9, 3.2)):
        x, y = 0.88 * math.cos(turn), 0.88 * math.sin(turn)
        parts.append(
            box(
                (x, y, z),
                (0.11, 0.07, 0.28),
                materials.stone(IRON),
                rotation=yaw_rotation(turn + math.pi / 2),
            )
        )
    return parts


def windmill(style: Style) -> list[Primitive]:
    """A tapering mill with a cap and four sails."""
    wall = style.surface(materials.brick, (0.72, 0.62, 0.50))
    sail, spar = materials.planks(CREAM), materials.bark(DARK_WOOD)
    parts = [
        tube((0, 0, 1.7), 1.2, 1.7, wall, top=0.62),
        tube((0, 0, 3.75), 0.86, 0.42, materials.shingles(ROOF), top=0.1),
        box((0, -1.08, 0.65), (0.32, 0.16, 0.65), materials.planks(WOOD)),
        ball((0, -1.0, 3.35), (0.16, 0.3, 0.16), spar),
    ]
    parts += _window((0, -0.92, 2.15), 0.0)[:4]
    for i in range(4):
        turn = tilt_rotation(0.35 + i * math.pi / 2)
        blade = []
        for u, half, surface in ((0.0, (0.05, 0.05, 0.95), spar), (0.24, (0.2, 0.02, 0.7), sail)):
            center = turn @ np.array([u, 0.0, 1.1]) + (0, -1.2, 3.35)
            blade.append(box(tuple(center.tolist()), half, surface, rotation=turn))
        parts += jointed(blade, Joint("rotor", (0.0, -1.2, 3.35), (0.0, 1.0, 0.0)))
    return parts


def tent(style: Style) -> list[Primitive]:
    """A ridge tent."""
    cloth = style.surface(materials.stripes, (0.78, 0.40, 0.18))
    return [
        box((0, 0, 0.75), (1.1, 0.95, 0.75), cloth, taper=(1.0, 0.0), rotation=yaw_rotation(math.pi / 2)),
        box((0, -1.08, 0.45), (0.36, 0.06, 0.45), materials.paint((0.25, 0.18, 0.14)), taper=(0.0, 1.0)),
        tube((0, -1.1, 0.78), 0.04, 0.78, materials.bark(DARK_WOOD)),
    ]


def well(style: Style) -> list[Primitive]:
    """A round stone well under a small roof."""
    wall, wood = style.surface(materials.stone_blocks, STONE), materials.bark(DARK_WOOD)
    return [
        tube((0, 0, 0.35), 0.6, 0.35, wall),
        tube((0, 0, 0.73), 0.66, 0.05, materials.stone((0.66, 0.63, 0.58))),
        tube((0, 0, 0.785), 0.48, 0.01, materials.stone((0.10, 0.14, 0.18))),
        box((-0.55, 0, 1.1), (0.06, 0.06, 0.75), wood),
        box((0.55, 0, 1.1), (0.06, 0.06, 0.75), wood),
        tube((0, 0, 1.45), 0.07, 0.5, wood, rotation=tilt_rotation(math.pi / 2)),
        box((0, 0, 2.05), (0.85, 0.62, 0.28), materials.shingles(ROOF), taper=(1.0, 0.0)),
    ]


def building(style: Style) -> list[Primitive]:
    """A tall town building."""
    wall = style.surface(materials.concrete, (0.66, 0.60, 0.52))
    front = materials.windows(wall.base)
    return [
        box((0, 0, 0.45), (1.3, 1.1, 0.45), wall),
        box((0, 0, 3.3), (1.22, 1.02, 2.4), front),
        box((0, 0, 5.8), (1.3, 1.1, 0.1), wall),
        box((0, 0, 5.96), (1.22, 1.02, 0.06), materials.pebbledash((0.46, 0.44, 0.42))),
        box((0.5, 0.3, 6.2), (0.34, 0.3, 0.2), wall),
        tube((-0.6, 0.2, 6.22), 0.24, 0.22, materials.rust((0.58, 0.32, 0.18))),
        box((0, -1.12, 0.42), (0.34, 0.06, 0.42), materials.planks(DARK_WOOD)),
        box((0, -1.2, 0.92), (0.6, 0.2, 0.05), materials.paint(ROOF)),
        box((-0.82, -1.11, 0.5), (0.3, 0.03, 0.26), materials.stone(GLASS)),
        box((0.82, -1.11, 0.5), (0.3, 0.03, 0.26), materials.stone(GLASS)),
    ]


def church(style: Style) -> list[Primitive]:
    """A small church: a nave and a tower with a spire."""
    wall, roof = style.surface(materials.stone_blocks, (0.80, 0.75, 0.66)), materials.shingles(ROOF)
    parts = [
        box((0.5, 0, 1.0), (1.6, 0.95, 1.0), wall),
        box((0.5, 0, 2.5), (1.7, 1.08, 0.5), roof, taper=(1.0, 0.0)),
        box((-1.3, 0, 1.7), (0.62, 0.62, 1.7), wall),
        box((-1.3, 0, 3.45), (0.7, 0.7, 0.07), materials.stone(STONE)),
        box((-1.3, 0, 4.3), (0.66, 0.66, 0.8), roof, taper=(0.03, 0.03)),
        box((-1.3, 0, 5.25), (0.03, 0.03, 0.2), materials.paint(IRON)),
        box((-1.3, 0, 5.3), (0.12, 0.03, 0.03), materials.paint(IRON)),
        box((-1.3, -0.63, 0.55), (0.3, 0.05, 0.55), materials.planks(DARK_WOOD)),
    ]
    parts += [
        tube((-1.3, y, 2.7), 0.24, 0.05, materials.paint(CREAM), rotation=roll_rotation(math.pi / 2))
        for y in (-0.61, 0.61)
    ]
    for y in (-0.96, 0.96):
        for x in (-0.2, 0.5, 1.2, 1.8):
            parts.append(box((x, y, 1.05), (0.15, 0.04, 0.42), materials.mosaic((0.34, 0.44, 0.66))))
    return parts


def pyramid(style: Style) -> list[Primitive]:
    """A stepped pyramid."""
    wall = style.surface(materials.stone_blocks, (0.80, 0.66, 0.44))
    parts = [
        box((0, 0, 0.2 + 0.4 * i), (1.9 - 0.36 * i, 1.9 - 0.36 * i, 0.2), wall, taper=(0.96, 0.96))
        for i in range(5)
    ]
    for i in range(10):  # stairs at the front
        half = 0.5 * (2.1 - 0.18 * i)
        parts.append(box((0, -half, 0.1 + 0.2 * i), (0.34, half, 0.1), materials.stone(wall.base)))
    return parts


def arch(style: Style) -> list[Primitive]:
    """A round arch on two piers."""
    wall = style.surface(materials.stone_blocks, (0.72, 0.66, 0.56))
    parts = [box((x, 0, 0.75), (0.3, 0.36, 0.75), wall) for x in (-1.05, 1.05)]
    parts += [box((x, 0, 1.52), (0.36, 0.42, 0.06), materials.stone(wall.base)) for x in (-1.05, 1.05)]
    for i in range(9):
        turn = math.pi * (i + 0.5) / 9
        center = (1.05 * math.cos(turn), 0.0, 1.58 + 1.05 * math.sin(turn))
        parts.append(
            box(
                center, (0.21, 0.36, 0.3), wall, taper=(1.35, 1.0), rotation=tilt_rotation(math.pi / 2 - turn)
            )
        )
    return parts


def bridge(style: Style) -> list[Primitive]:
    """A humped footbridge along x."""
    wall, deck = style.surface(materials.stone_blocks, (0.66, 0.60, 0.52)), materials.planks(WOOD)
    parts = [box((x, 0, 0.22), (0.32, 0.62, 0.22), wall, taper=(0.8, 1.0)) for x in (-1.75, 1.75)]
    for i in range(9):
        turn = math.radians(-40 + 10 * i)
        x, z = 2.75 * math.sin(turn), 2.75 * math.cos(turn) - 1.75
        parts.append(box((x, 0, z), (0.26, 0.55, 0.07), deck, rotation=tilt_rotation(turn)))
        for y in (-0.55, 0.55):
            parts.append(box((x, y, z + 0.5), (0.27, 0.05, 0.05), wall, rotation=tilt_rotation(turn)))
            parts.append(box((x, y, z + 0.22), (0.04, 0.04, 0.26), wall))
    return parts
