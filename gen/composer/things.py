"""Street furniture, vessels and toys: each as a few primitives, in metres, standing on z = 0, facing -y."""

import math

from gen.composer import materials
from gen.composer.materials import shade
from gen.composer.scene import (
    Joint,
    Primitive,
    ball,
    box,
    jointed,
    roll_rotation,
    tilt_rotation,
    tube,
    yaw_rotation,
)
from gen.composer.style import CREAM, DARK_WOOD, IRON, STONE, WOOD, Style


def fence(style: Style) -> list[Primitive]:
    """A short run of picket fence."""
    wood = style.slats(CREAM) if style.material else materials.paint(style.color or CREAM)
    parts = [box((0, 0.04, z), (1.2, 0.03, 0.05), wood) for z in (0.3, 0.62)]
    for i in range(7):
        x = -1.08 + 0.36 * i
        parts += [
            box((x, 0, 0.38), (0.09, 0.03, 0.38), wood),
            box((x, 0, 0.82), (0.09, 0.03, 0.06), wood, (0, 1)),
        ]
    return parts


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


def streetlamp(style: Style) -> list[Primitive]:
    """A street lamp."""
    iron = style.surface(materials.paint, IRON)
    return [
        tube((0, 0, 0.12), 0.2, 0.12, iron, top=0.6),
        tube((0, 0, 1.2), 0.075, 1.1, iron, top=0.7),
        tube((0, 0, 2.34), 0.1, 0.06, iron, top=1.8),
        box((0, 0, 2.56), (0.14, 0.14, 0.18), materials.glow((1.0, 0.88, 0.58)), taper=(1.35, 1.35)),
        box((0, 0, 2.82), (0.24, 0.24, 0.09), iron, taper=(0.1, 0.1)),
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
        parts.append(ball((side * 0.11, -0.23, 1.66), 0.065, eye))
        arm = [tube((side * 0.5, 0, 1.0), 0.085, 0.32, dark), ball((side * 0.5, 0, 0.64), 0.12, tin)]
        leg = [
            tube((side * 0.18, 0, 0.3), 0.1, 0.28, dark),
            box((side * 0.18, -0.06, 0.07), (0.14, 0.22, 0.07), tin),
        ]
        parts += jointed(arm, Joint("limb", (side * 0.5, 0.0, 1.3), (1.0, 0.0, 0.0), -side))
        parts += jointed(leg, Joint("limb", (side * 0.18, 0.0, 0.6), (1.0, 0.0, 0.0), side))
    return parts


def statue(style: Style) -> list[Primitive]:
    """A figure on a pedestal."""
    rock = style.surface(materials.marble, (0.82, 0.80, 0.75))
    base = [
        box((0, 0, 0.1), (0.55, 0.55, 0.1), materials.granite(STONE)),
        box((0, 0, 0.55), (0.42, 0.42, 0.36), rock, taper=(0.9, 0.9)),
        box((0, 0, 0.95), (0.46, 0.46, 0.05), rock),
    ]
    figure = [
        tube((0, 0, 1.42), 0.3, 0.42, rock, top=0.62),
        tube((0, 0, 2.1), 0.19, 0.28, rock, top=1.3),
        ball((0, 0, 2.36), (0.26, 0.17, 0.12), rock),
        tube((0, 0, 2.5), 0.07, 0.08, rock),
        ball((0, 0, 2.7), (0.14, 0.15, 0.18), rock),
        tube((0.34, -0.1, 2.5), 0.06, 0.26, rock, rotation=tilt_rotation(0.5)),
        tube((-0.27, -0.06, 2.1), 0.06, 0.26, rock, rotation=tilt_rotation(0.2)),
    ]
    return base + figure


def fountain(style: Style) -> list[Primitive]:
    """A round fountain with two basins."""
    wall = style.surface(materials.stone_blocks, (0.70, 0.66, 0.58))
    water = materials.ice((0.28, 0.50, 0.60))
    return [
        tube((0, 0, 0.2), 1.2, 0.2, wall),
        tube((0, 0, 0.43), 1.26, 0.04, materials.stone(wall.base)),
        tube((0, 0, 0.472), 1.08, 0.006, water),
        tube((0, 0, 0.8), 0.18, 0.4, wall, top=0.8),
        tube((0, 0, 1.22), 0.22, 0.12, wall, top=2.6),
        tube((0, 0, 1.342), 0.5, 0.004, water),
        tube((0, 0, 1.5), 0.09, 0.18, wall),
        ball((0, 0, 1.72), 0.15, wall),
    ]


def mailbox(style: Style) -> list[Primitive]:
    """A letter box on a post."""
    tin = style.surface(materials.paint, (0.20, 0.34, 0.58))
    return [
        box((0, 0, 0.5), (0.06, 0.06, 0.5), materials.bark(WOOD)),
        box((0, 0, 1.1), (0.17, 0.3, 0.13), tin),
        tube((0, 0, 1.23), 0.17, 0.3, tin, rotation=roll_rotation(math.pi / 2)),
        box((0, -0.305, 1.12), (0.11, 0.01, 0.02), materials.paint(IRON)),
        box((0.185, 0.05, 1.34), (0.012, 0.02, 0.16), materials.paint((0.75, 0.16, 0.12))),
        box((0.185, -0.03, 1.45), (0.012, 0.1, 0.05), materials.paint((0.75, 0.16, 0.12))),
    ]


def sign(style: Style) -> list[Primitive]:
    """A signpost with three arms."""
    wood, post = style.surface(materials.planks, (0.72, 0.58, 0.36)), materials.bark(DARK_WOOD)
    parts = [tube((0, 0, 1.05), 0.06, 1.05, post), ball((0, 0, 2.12), 0.09, post)]
    for z, turn in ((1.85, 0.2), (1.52, 2.6), (1.2, -0.5)):
        rotation = yaw_rotation(turn)
        center = rotation @ (0.4, -0.07, 0.0)
        parts.append(box((center[0], center[1], z), (0.42, 0.025, 0.12), wood, rotation=rotation))
    return parts
