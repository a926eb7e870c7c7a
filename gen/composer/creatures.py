"""People and animals: each as a few primitives, in metres, standing on z = 0, facing -y."""

import math

from gen.composer import materials
from gen.composer.materials import Color, Material, shade
from gen.composer.scene import (
    Joint,
    Primitive,
    Vec3,
    ball,
    box,
    jointed,
    placed,
    roll_rotation,
    tilt_rotation,
    tube,
)
from gen.composer.style import CREAM, IRON, Style

SKIN: tuple[Color, ...] = ((0.86, 0.66, 0.52), (0.70, 0.48, 0.34), (0.45, 0.29, 0.20), (0.92, 0.76, 0.64))
CLOTHES: tuple[Color, ...] = ((0.70, 0.22, 0.18), (0.20, 0.38, 0.60), (0.24, 0.46, 0.32), (0.82, 0.62, 0.22))
SKIRTS: tuple[Color, ...] = ((0.56, 0.26, 0.40), (0.24, 0.42, 0.50), (0.66, 0.36, 0.22))
HAIR: tuple[Color, ...] = ((0.22, 0.14, 0.09), (0.62, 0.42, 0.20), (0.12, 0.10, 0.10), (0.46, 0.22, 0.12))


def woman(style: Style) -> list[Primitive]:
    """A woman with long hair in a skirt."""
    parts = person(style)
    skirt = style.surface(materials.fabric, SKIRTS[style.rng.integers(len(SKIRTS))])
    hair = materials.fur(HAIR[style.rng.integers(len(HAIR))])
    return [
        *parts,
        tube((0, 0, 0.76), 0.31, 0.26, skirt, top=0.62),
        ball((0, 0.025, 1.73), (0.135, 0.135, 0.13), hair),
        ball((0, 0.085, 1.55), (0.14, 0.075, 0.2), hair),
    ]


def child(style: Style) -> list[Primitive]:
    """A child."""
    return placed(person(style), 0.0, 0.0, 0.0, 0.66)


def girl(style: Style) -> list[Primitive]:
    """A girl with long hair in a skirt."""
    return placed(woman(style), 0.0, 0.0, 0.0, 0.7)


def person(style: Style) -> list[Primitive]:
    """A person in a shirt and trousers."""
    rng = style.rng
    skin = materials.plastic(SKIN[rng.integers(len(SKIN))])
    shirt = style.surface(materials.fabric, CLOTHES[rng.integers(len(CLOTHES))])
    trousers, hair = materials.fabric((0.22, 0.25, 0.34)), materials.fur(HAIR[rng.integers(len(HAIR))])
    shoe = materials.leather((0.24, 0.15, 0.10))
    parts = [
        box((0, 0, 0.93), (0.19, 0.12, 0.1), trousers),
        box((0, 0, 1.2), (0.2, 0.125, 0.25), shirt, taper=(1.2, 1.05)),
        ball((0, 0, 1.43), (0.23, 0.13, 0.09), shirt),
        tube((0, 0, 1.52), 0.06, 0.07, skin),
        ball((0, 0, 1.68), (0.115, 0.125, 0.145), skin),
        ball((0, 0.02, 1.73), (0.125, 0.13, 0.12), hair),
        ball((0, -0.12, 1.66), (0.018, 0.025, 0.025), skin),
        box((0, 0, 1.0), (0.2, 0.13, 0.025), shoe),
    ]
    for side in (-1.0, 1.0):
        parts.append(ball((side * 0.045, -0.112, 1.69), 0.017, materials.paint(IRON)))
        arm = [
            tube((side * 0.29, 0, 1.26), 0.06, 0.2, shirt),
            tube((side * 0.3, 0, 0.95), 0.045, 0.13, skin),
            ball((side * 0.3, 0, 0.8), 0.055, skin),
        ]
        leg = [
            tube((side * 0.1, 0, 0.5), 0.075, 0.42, trousers, top=1.2),
            box((side * 0.1, -0.05, 0.05), (0.065, 0.13, 0.05), shoe),
        ]
        parts += jointed(arm, Joint("limb", (side * 0.29, 0.0, 1.44), (1.0, 0.0, 0.0), -side))
        parts += jointed(leg, Joint("limb", (side * 0.1, 0.0, 0.9), (1.0, 0.0, 0.0), side))
    return parts


def _legs(
    x: float, y: float, radius: float, height: float, surface: Material, foot: Material
) -> list[Primitive]:
    """Four legs that reach up to `height`; those across the body swing together."""
    parts = []
    for side in (-1.0, 1.0):
        for end in (-1.0, 1.0):
            leg = [
                tube((side * x, end * y, 0.5 * height), radius, 0.5 * height, surface, top=1.3),
                ball(
                    (side * x, end * y - 0.3 * radius, 0.5 * radius),
                    (1.1 * radius, 1.4 * radius, 0.6 * radius),
                    foot,
                ),
            ]
            pivot: Vec3 = (side * x, end * y, height)
            parts += jointed(leg, Joint("limb", pivot, (1.0, 0.0, 0.0), side * end))
    return parts


def dog(style: Style) -> list[Primitive]:
    """A dog."""
    coat = style.surface(materials.fur, (0.62, 0.42, 0.24))
    dark, light = materials.paint((0.10, 0.08, 0.08)), materials.fur(shade(coat.base, 1.5))
    parts = [
        ball((0, 0.02, 0.5), (0.19, 0.42, 0.19), coat),
        ball((0, -0.3, 0.54), (0.18, 0.18, 0.2), coat),
        tube((0, -0.42, 0.68), 0.1, 0.13, coat, rotation=roll_rotation(0.6)),
        ball((0, -0.5, 0.82), (0.15, 0.17, 0.14), coat),
        ball((0, -0.67, 0.77), (0.08, 0.13, 0.075), light),
        ball((0, -0.79, 0.8), 0.035, dark),
        tube((0, 0.5, 0.68), 0.04, 0.17, coat, 0.5, roll_rotation(-0.6)),
        tube((0, -0.4, 0.68), 0.125, 0.03, materials.paint((0.70, 0.16, 0.12)), rotation=roll_rotation(0.6)),
    ]
    for side in (-1.0, 1.0):
        parts.append(
            ball((side * 0.15, -0.46, 0.82), (0.035, 0.07, 0.13), materials.fur(shade(coat.base, 0.6)))
        )
        parts.append(ball((side * 0.065, -0.64, 0.87), 0.025, dark))
    return parts + _legs(0.11, 0.28, 0.055, 0.44, coat, light)


def cat(style: Style) -> list[Primitive]:
    """A cat with its tail up."""
    coat = style.surface(materials.stripes, (0.78, 0.50, 0.24))
    pale, dark = materials.fur(CREAM), materials.paint((0.10, 0.12, 0.08))
    parts = [
        ball((0, 0.02, 0.36), (0.14, 0.32, 0.15), coat),
        ball((0, -0.22, 0.4), (0.13, 0.13, 0.15), pale),
        ball((0, -0.34, 0.57), (0.16, 0.14, 0.135), coat),
        ball((0, -0.46, 0.53), (0.07, 0.05, 0.05), pale),
        ball((0, -0.505, 0.55), 0.018, materials.paint((0.80, 0.45, 0.45))),
        tube((0, 0.34, 0.52), 0.04, 0.2, coat, 0.85, roll_rotation(-0.35)),
        ball((0, 0.4, 0.72), (0.042, 0.06, 0.05), coat),
    ]
    for side in (-1.0, 1.0):
        parts.append(tube((side * 0.095, -0.33, 0.72), 0.06, 0.07, coat, 0.05, tilt_rotation(0.2 * side)))
        parts.append(ball((side * 0.06, -0.465, 0.6), 0.026, dark))
    return parts + _legs(0.08, 0.2, 0.042, 0.32, coat, pale)


def sheep(style: Style) -> list[Primitive]:
    """A woolly sheep."""
    rng, wool = style.rng, style.surface(materials.fur, (0.90, 0.87, 0.80))
    dark = materials.plastic((0.20, 0.17, 0.16))
    parts = [
        ball((0, 0, 0.66), (0.33, 0.5, 0.31), wool),
        ball((0, -0.58, 0.82), (0.13, 0.2, 0.14), dark),
        ball((0, -0.5, 0.95), (0.16, 0.13, 0.1), wool),
        ball((0, 0.52, 0.68), (0.08, 0.08, 0.13), wool),
    ]
    for i in range(10):
        turn, up = 2 * math.pi * i / 5 + rng.uniform(-0.2, 0.2), 0.56 if i < 5 else 0.8
        parts.append(ball((0.22 * math.cos(turn), 0.36 * math.sin(turn), up), 0.17, wool))
    for side in (-1.0, 1.0):
        parts.append(ball((side * 0.18, -0.5, 0.86), (0.09, 0.04, 0.04), dark))
        parts.append(ball((side * 0.085, -0.7, 0.87), 0.024, materials.paint(CREAM)))
    return parts + _legs(0.17, 0.27, 0.06, 0.48, dark, dark)


def duck(style: Style) -> list[Primitive]:
    """A toy duck on four wheels."""
    skin = style.surface(materials.plastic, (0.92, 0.76, 0.20))
    beak, board = materials.plastic((0.88, 0.42, 0.12)), materials.planks((0.30, 0.50, 0.42))
    parts = [
        box((0, 0, 0.16), (0.2, 0.36, 0.035), board),
        ball((0, 0.02, 0.36), (0.22, 0.33, 0.2), skin),
        tube((0, 0.3, 0.48), 0.1, 0.12, skin, 0.1, roll_rotation(-0.7)),
        ball((0, -0.2, 0.62), 0.17, skin),
        ball((0, -0.38, 0.6), (0.09, 0.1, 0.035), beak),
    ]
    for side in (-1.0, 1.0):
        parts.append(ball((side * 0.1, -0.32, 0.68), 0.03, materials.paint(IRON)))
        parts.append(
            ball((side * 0.2, 0.06, 0.38), (0.05, 0.2, 0.12), materials.plastic(shade(skin.base, 0.85)))
        )
        for end in (-1.0, 1.0):
            center: Vec3 = (side * 0.22, end * 0.24, 0.1)
            wheel = tube(
                center, 0.1, 0.03, materials.checks((0.70, 0.20, 0.16)), rotation=tilt_rotation(math.pi / 2)
            )
            parts += jointed([wheel], Joint("wheel", center, (1.0, 0.0, 0.0), 10.0))
    return parts
