"""Vehicles, furniture and toys: each as a few primitives, in metres, standing on z = 0, facing -y."""

import math

from gen.composer import materials
from gen.composer.materials import shade
from gen.composer.scene import Primitive, ball, box, roll_rotation, tube
from gen.composer.style import CREAM, GLASS, IRON, WOOD, Style


def fence(style: Style) -> list[Primitive]:
    """A short run of picket fence."""
    wood = style.slats((0.80, 0.76, 0.68)) if style.material else materials.paint(style.color or CREAM)
    parts = [box((0, 0.04, z), (1.2, 0.03, 0.05), wood) for z in (0.3, 0.62)]
    for i in range(7):
        x = -1.08 + 0.36 * i
        parts += [
            box((x, 0, 0.38), (0.09, 0.03, 0.38), wood),
            box((x, 0, 0.82), (0.09, 0.03, 0.06), wood, (0, 1)),
        ]
    return parts


def car(style: Style) -> list[Primitive]:
    """A small car, its front towards +x."""
    body = style.surface(materials.paint, (0.74, 0.17, 0.13))
    glass, rubber = materials.stone(GLASS), materials.stone((0.12, 0.12, 0.13))
    hub, chrome = materials.paint((0.72, 0.72, 0.70)), materials.paint((0.62, 0.62, 0.62))
    axle = roll_rotation(math.pi / 2)
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
            parts.append(tube((x, side * 0.46, 0.25), 0.25, 0.09, rubber, rotation=axle))
            parts.append(tube((x, side * 0.52, 0.25), 0.13, 0.05, hub, rotation=axle))
    return parts


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
    """A table with a bowl of fruit."""
    wood, leg = style.surface(materials.planks, WOOD), style.slats(WOOD)
    parts = [box((0, 0, 0.78), (0.75, 0.48, 0.04), wood)]
    parts += [box((x, y, 0.37), (0.05, 0.05, 0.37), leg) for x in (-0.64, 0.64) for y in (-0.38, 0.38)]
    parts.append(tube((0.1, 0, 0.87), 0.13, 0.06, materials.stone((0.75, 0.72, 0.66)), top=1.7))
    for x, y, color in (
        (0.05, -0.05, (0.75, 0.2, 0.12)),
        (0.18, 0.02, (0.9, 0.6, 0.12)),
        (0.07, 0.1, (0.45, 0.6, 0.15)),
    ):
        parts.append(ball((x, y, 0.95), 0.085, materials.stone(color)))
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
    """A street lamp."""
    iron = style.surface(materials.paint, IRON)
    return [
        tube((0, 0, 0.12), 0.2, 0.12, iron, top=0.6),
        tube((0, 0, 1.2), 0.075, 1.1, iron, top=0.7),
        tube((0, 0, 2.34), 0.1, 0.06, iron, top=1.8),
        box((0, 0, 2.56), (0.14, 0.14, 0.18), materials.paint((0.98, 0.88, 0.60)), taper=(1.35, 1.35)),
        box((0, 0, 2.82), (0.24, 0.24, 0.09), iron, taper=(0.1, 0.1)),
    ]


def barrel(style: Style) -> list[Primitive]:
    """A wooden barrel with iron hoops."""
    wood, iron = style.surface(materials.planks, (0.55, 0.36, 0.20)), materials.paint(IRON)
    parts = [tube((0, 0, 0.23), 0.33, 0.23, wood, top=1.16), tube((0, 0, 0.69), 0.383, 0.23, wood, top=0.86)]
    parts += [tube((0, 0, z), r, 0.035, iron) for z, r in ((0.12, 0.365), (0.8, 0.37))]
    return parts


def crate(style: Style) -> list[Primitive]:
    """A wooden crate with a frame of battens."""
    side = style.surface(materials.planks, (0.66, 0.48, 0.28))
    batten = materials.bark(shade(side.base, 0.75))
    parts = [box((0, 0, 0.5), (0.47, 0.47, 0.47), side)]
    for x in (-0.46, 0.46):
        parts += [box((x, y, 0.5), (0.06, 0.06, 0.5), batten) for y in (-0.46, 0.46)]
        parts += [box((x, 0, z), (0.06, 0.42, 0.06), batten) for z in (0.06, 0.94)]
        parts += [box((0, x, z), (0.42, 0.06, 0.06), batten) for z in (0.06, 0.94)]
    return parts


def toy_ball(style: Style) -> list[Primitive]:
    """A ball."""
    return [ball((0, 0, 0.5), 0.5, style.surface(materials.stripes, (0.80, 0.22, 0.15)))]


def traffic_cone(style: Style) -> list[Primitive]:
    """A striped cone on a foot."""
    skin = style.surface(materials.stripes, (0.90, 0.42, 0.12))
    return [
        box((0, 0, 0.04), (0.42, 0.42, 0.04), materials.paint(skin.base)),
        tube((0, 0, 0.63), 0.34, 0.55, skin, top=0.14),
    ]


def pillar(style: Style) -> list[Primitive]:
    """A round pillar with its base and capital."""
    rock = style.surface(materials.stone, (0.80, 0.76, 0.68))
    pale = materials.stone((0.74, 0.70, 0.62))
    return [
        box((0, 0, 0.09), (0.48, 0.48, 0.09), pale),
        tube((0, 0, 0.25), 0.42, 0.07, pale, top=0.85),
        tube((0, 0, 1.3), 0.34, 1.0, rock, top=0.88),
        tube((0, 0, 2.38), 0.32, 0.08, pale, top=1.35),
        box((0, 0, 2.54), (0.48, 0.48, 0.08), pale),
    ]


def robot(style: Style) -> list[Primitive]:
    """A tin robot."""
    tin = style.surface(materials.paint, (0.56, 0.62, 0.64))
    dark, eye = materials.paint(IRON), materials.paint((0.95, 0.75, 0.25))
    parts = [
        box((0, 0, 0.95), (0.36, 0.24, 0.38), tin, taper=(1.12, 1.1)),
        box((0, -0.26, 1.0), (0.2, 0.03, 0.16), materials.checks((0.85, 0.35, 0.15))),
        box((0, 0, 1.62), (0.27, 0.23, 0.22), tin),
        tube((0, 0, 1.38), 0.1, 0.07, dark),
        tube((0, 0, 1.95), 0.025, 0.14, dark),
        ball((0, 0, 2.1), 0.07, materials.paint((0.80, 0.18, 0.12))),
    ]
    for side in (-1.0, 1.0):
        parts += [
            ball((side * 0.11, -0.23, 1.66), 0.065, eye),
            tube((side * 0.5, 0, 1.0), 0.085, 0.32, dark),
            ball((side * 0.5, 0, 0.64), 0.12, tin),
            tube((side * 0.18, 0, 0.3), 0.1, 0.28, dark),
            box((side * 0.18, -0.06, 0.07), (0.14, 0.22, 0.07), tin),
        ]
    return parts
