"""Vehicles: each as a few primitives, in metres, standing on z = 0, their fronts towards +x."""

import math

from gen.composer import materials
from gen.composer.scene import Joint, Primitive, Vec3, ball, box, jointed, roll_rotation, tube
from gen.composer.style import CREAM, GLASS, IRON, Style

HEADLIGHT, TAIL_LIGHT = (0.95, 0.90, 0.70), (0.60, 0.08, 0.06)


def _wheel(center: Vec3, radius: float, side: float) -> list[Primitive]:
    """A tyre and a hub with spokes to see it turn; `side` is +1 or -1 along y."""
    x, y, z = center
    axle = roll_rotation(math.pi / 2)
    hub, spoke = materials.paint((0.72, 0.72, 0.70)), materials.paint((0.30, 0.30, 0.32))
    parts = [
        tube(center, radius, 0.09, materials.stone((0.12, 0.12, 0.13)), rotation=axle),
        tube((x, y + 0.06 * side, z), 0.56 * radius, 0.05, hub, rotation=axle),
        box((x, y + 0.11 * side, z), (0.5 * radius, 0.012, 0.09 * radius), spoke),
        box((x, y + 0.11 * side, z), (0.09 * radius, 0.012, 0.5 * radius), spoke),
    ]
    return jointed(parts, Joint("wheel", center, (0.0, 1.0, 0.0), 1.0 / radius))


def car(style: Style) -> list[Primitive]:
    """A small car, its front towards +x."""
    body = style.surface(materials.paint, (0.74, 0.17, 0.13))
    glass, chrome = materials.stone(GLASS), materials.paint((0.62, 0.62, 0.62))
    parts = [
        box((0, 0, 0.42), (1.12, 0.5, 0.2), body, taper=(0.97, 0.92)),
        box((0, 0, 0.64), (1.06, 0.46, 0.04), body, taper=(0.92, 0.9)),
        box((-0.1, 0, 0.86), (0.66, 0.44, 0.2), glass, taper=(0.72, 0.84)),
        box((-0.1, 0, 1.08), (0.49, 0.38, 0.035), body, taper=(0.9, 0.9)),
        box((-0.1, 0, 0.86), (0.05, 0.455, 0.2), body, taper=(1.0, 0.84)),
        box((1.12, 0, 0.3), (0.06, 0.5, 0.07), chrome),
        box((-1.12, 0, 0.3), (0.06, 0.5, 0.07), chrome),
    ]
    for y in (-0.33, 0.33):
        parts.append(ball((1.1, y, 0.48), (0.05, 0.1, 0.09), materials.paint((0.95, 0.90, 0.70))))
        parts.append(ball((-1.1, y, 0.48), (0.05, 0.1, 0.07), materials.paint((0.60, 0.08, 0.06))))
    for x in (-0.66, 0.68):
        for side in (-1.0, 1.0):
            parts += _wheel((x, side * 0.46, 0.25), 0.25, side)
    return parts


def truck(style: Style) -> list[Primitive]:
    """A lorry with a closed box."""
    body = style.surface(materials.paint, (0.20, 0.40, 0.62))
    load, glass = materials.concrete((0.80, 0.77, 0.70)), materials.stone(GLASS)
    parts = [
        box((0, 0, 0.42), (1.75, 0.5, 0.08), materials.paint(IRON)),
        box((-0.5, 0, 1.22), (1.22, 0.62, 0.72), load),
        box((-0.5, 0, 1.3), (1.0, 0.63, 0.24), materials.checks(body.base)),
        box((-0.5, 0, 0.53), (1.24, 0.64, 0.05), materials.paint(IRON)),
        box((-0.5, 0, 1.91), (1.24, 0.64, 0.05), body),
        box((1.22, 0, 0.86), (0.46, 0.58, 0.4), body),
        box((1.18, 0, 1.42), (0.42, 0.56, 0.2), glass, taper=(0.82, 0.95)),
        box((1.14, 0, 1.65), (0.37, 0.54, 0.04), body),
        box((1.7, 0, 0.42), (0.06, 0.56, 0.1), materials.paint((0.62, 0.62, 0.62))),
        box((1.69, 0, 0.8), (0.02, 0.34, 0.16), materials.stripes((0.2, 0.2, 0.22), (0.6, 0.6, 0.6))),
    ]
    for y in (-0.44, 0.44):
        parts.append(ball((1.68, y, 0.68), (0.05, 0.08, 0.08), materials.paint(HEADLIGHT)))
        parts.append(box((-1.73, y, 0.56), (0.02, 0.08, 0.05), materials.paint(TAIL_LIGHT)))
    for x in (-1.1, -0.4, 1.2):
        for side in (-1.0, 1.0):
            parts += _wheel((x, side * 0.5, 0.33), 0.33, side)
    return parts


def bus(style: Style) -> list[Primitive]:
    """A town bus."""
    body, glass = style.surface(materials.paint, (0.82, 0.56, 0.14)), materials.stone(GLASS)
    parts = [
        box((0, 0, 0.62), (2.1, 0.62, 0.36), body),
        box((0, 0, 1.26), (2.06, 0.6, 0.28), glass),
        box((0, 0, 1.66), (2.08, 0.61, 0.12), body, taper=(0.97, 0.9)),
        box((0, 0, 0.92), (2.115, 0.625, 0.05), materials.paint(CREAM)),
        box((2.1, 0, 0.4), (0.05, 0.6, 0.08), materials.paint(IRON)),
    ]
    for i in range(7):
        parts.append(box((-1.95 + 0.65 * i, 0, 1.26), (0.05, 0.615, 0.29), body))
    for y in (-0.42, 0.42):
        parts.append(ball((2.09, y, 0.6), (0.05, 0.1, 0.1), materials.paint(HEADLIGHT)))
        parts.append(box((-2.1, y, 0.6), (0.02, 0.08, 0.08), materials.paint(TAIL_LIGHT)))
    for x in (-1.3, 1.35):
        for side in (-1.0, 1.0):
            parts += _wheel((x, side * 0.58, 0.32), 0.32, side)
    return parts


def rocket(style: Style) -> list[Primitive]:
    """A storybook rocket on its fins."""
    skin = style.surface(materials.checks, (0.80, 0.22, 0.16))
    white, fin = materials.concrete((0.88, 0.87, 0.84)), materials.paint((0.72, 0.16, 0.12))
    parts = [
        tube((0, 0, 0.35), 0.3, 0.14, materials.paint(IRON), top=0.6),
        tube((0, 0, 1.0), 0.42, 0.55, white, top=1.24),
        tube((0, 0, 2.0), 0.52, 0.45, skin, top=0.94),
        tube((0, 0, 2.95), 0.49, 0.52, white, top=0.5),
        ball((0, 0, 3.46), (0.245, 0.245, 0.42), fin),
        tube((0, -0.46, 2.55), 0.19, 0.06, fin, rotation=roll_rotation(math.pi / 2)),
        tube((0, -0.49, 2.55), 0.14, 0.06, materials.stone(GLASS), rotation=roll_rotation(math.pi / 2)),
    ]
    for side in (-1.0, 1.0):
        parts.append(box((side * 0.55, 0, 0.5), (0.32, 0.05, 0.5), fin, taper=(0.35, 1.0)))
        parts.append(box((0, side * 0.55, 0.5), (0.05, 0.32, 0.5), fin, taper=(1.0, 0.35)))
    return parts
