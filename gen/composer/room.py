"""A room around the objects and the cameras: walls with paper and pictures, a window, a door, a lamp."""

import math
from dataclasses import dataclass, replace

import numpy as np

from gen.composer import materials
from gen.composer.camera_paths import MIDDLE_BEARING, CameraPath
from gen.composer.materials import Color, shade
from gen.composer.placed_object import PlacedObject
from gen.composer.scene import Primitive, Vec3, ball, box, placed, tube, yaw_rotation
from gen.composer.style import CREAM, DARK_WOOD, IRON, WOOD

PAPERS: tuple[Color, ...] = ((0.62, 0.66, 0.56), (0.70, 0.60, 0.48), (0.52, 0.60, 0.66), (0.72, 0.56, 0.52))
"""Of the walls, sRGB."""
PICTURES: tuple[Color, ...] = ((0.70, 0.36, 0.22), (0.26, 0.44, 0.58), (0.40, 0.52, 0.28), (0.72, 0.58, 0.26))


@dataclass(frozen=True)
class Room:
    """Walls, floor line and ceiling."""

    parts: list[Primitive]
    lamp: np.ndarray
    """[3] metres, under the ceiling."""


def room(done: list[PlacedObject], path: CameraPath, rng: np.random.Generator) -> Room:
    """A room whose back wall faces the camera of mid-path, as narrow as objects and cameras allow."""
    turn = yaw_rotation(math.radians(MIDDLE_BEARING))
    eyes = path.world_from_camera[:, :3, 3] @ turn  # seen from the front, the camera is towards -y
    corners = np.array([[o.position[0], o.position[1], 0.0] for o in done]) @ turn
    radii = np.array([o.radius for o in done])
    left = min((corners[:, 0] - radii).min() - 0.9, eyes[:, 0].min() - 0.5)
    right = max((corners[:, 0] + radii).max() + 0.9, eyes[:, 0].max() + 0.5)
    near = min((corners[:, 1] - radii).min() - 0.9, eyes[:, 1].min() - 0.5)
    far = max((corners[:, 1] + radii).max() + 0.8, eyes[:, 1].max() + 0.5)
    tops = max(o.base + o.height for o in done)
    height = max(2.7, eyes[:, 2].max() + 0.5, tops + 0.4)
    paper = materials.wallpaper(PAPERS[rng.integers(len(PAPERS))])
    parts: list[Primitive] = []
    walls = (
        ((left, far), (right, far), ("picture", "window", "picture")),
        ((left, near), (left, far), ("door", "picture", "window")),
        ((right, far), (right, near), ("picture", "window", "picture")),
        ((right, near), (left, near), ("picture", "door", "picture")),
    )
    for (x0, y0), (x1, y1), hung in walls:
        length = math.hypot(x1 - x0, y1 - y0)
        wall = _wall(length, height, paper, hung, rng)
        yaw = math.atan2(y1 - y0, x1 - x0)
        parts += placed(wall, 0.5 * (x0 + x1), 0.5 * (y0 + y1), yaw, 1.0)
    middle, half = (0.5 * (left + right), 0.5 * (near + far)), (0.5 * (right - left), 0.5 * (far - near))
    parts.append(box((*middle, height + 0.05), (half[0], half[1], 0.05), materials.concrete(CREAM)))
    lamp = np.array([0.25 * left, 0.35 * near, height - 0.32])
    glass = materials.glow((1.0, 0.95, 0.80))
    parts.append(ball((lamp[0], lamp[1], lamp[2] + 0.14), (0.34, 0.34, 0.1), glass))
    parts.append(tube((lamp[0], lamp[1], height - 0.1), 0.04, 0.1, materials.paint(IRON)))
    return Room(placed(parts, 0.0, 0.0, math.radians(MIDDLE_BEARING), 1.0), turn @ lamp)


def _wall(
    length: float, height: float, paper: materials.Material, hung: tuple[str, ...], rng: np.random.Generator
) -> list[Primitive]:
    """A wall along x whose inner face is y = 0 and looks towards -y, and what hangs on it."""
    panel, rail = materials.planks(shade(WOOD, 1.15)), materials.paint(CREAM)
    half = 0.5 * length
    parts = [
        box((0, 0.1, 0.5 * height), (half + 0.2, 0.1, 0.5 * height), paper),
        box((0, 0.0, 0.42), (half, 0.025, 0.42), panel),
        box((0, -0.02, 0.86), (half, 0.04, 0.03), rail),
        box((0, -0.02, 0.06), (half, 0.03, 0.06), rail),
        box((0, -0.02, height - 0.05), (half, 0.05, 0.05), rail),
    ]
    builders = {"window": _window, "door": _door, "picture": _picture}
    for i, what in enumerate(hung):
        x = length * ((i + 0.5) / len(hung) - 0.5)
        parts += [
            replace(part, center=(part.center[0] + x, *part.center[1:])) for part in builders[what](rng)
        ]
    return parts


def _window(rng: np.random.Generator) -> list[Primitive]:
    """A window full of sky, with curtains."""
    frame, sky = materials.paint(CREAM), materials.glow((0.78, 0.88, 0.98))
    cloth = materials.stripes(PICTURES[rng.integers(len(PICTURES))])
    parts = [box((0, -0.01, 1.62), (0.6, 0.04, 0.56), frame)]
    for x in (-0.28, 0.28):
        for z in (1.36, 1.88):
            parts.append(box((x, -0.04, z), (0.25, 0.02, 0.23), sky))
    parts += [box((x, -0.1, 1.55), (0.16, 0.035, 0.78), cloth, taper=(0.8, 1.0)) for x in (-0.72, 0.72)]
    parts.append(tube((0, -0.1, 2.35), 0.02, 1.0, materials.bark(DARK_WOOD), rotation=_LEVEL))
    return parts


def _door(rng: np.random.Generator) -> list[Primitive]:
    """A panelled door."""
    wood = materials.planks(shade(WOOD, rng.uniform(0.8, 1.1)))
    parts = [
        box((0, -0.02, 1.05), (0.55, 0.05, 1.05), materials.paint(CREAM)),
        box((0, -0.04, 1.0), (0.46, 0.05, 1.0), wood),
    ]
    parts += [
        box((x, -0.09, z), (0.17, 0.015, 0.36), materials.bark(WOOD))
        for x in (-0.22, 0.22)
        for z in (0.55, 1.45)
    ]
    return [*parts, ball((0.38, -0.12, 1.0), 0.04, materials.paint((0.80, 0.62, 0.24)))]


def _picture(rng: np.random.Generator) -> list[Primitive]:
    """A framed picture: a landscape of a few shapes."""
    sky, hill = PICTURES[rng.integers(len(PICTURES))], PICTURES[rng.integers(len(PICTURES))]
    wide, tall, z = rng.uniform(0.32, 0.55), rng.uniform(0.28, 0.4), 1.62
    center: Vec3 = (rng.uniform(-0.2, 0.2), -0.03, z)
    x = center[0]
    return [
        box(center, (wide, 0.03, tall), materials.bark(DARK_WOOD)),
        box(
            (x, -0.05, z),
            (0.88 * wide, 0.02, 0.85 * tall),
            materials.terrain(shade(sky, 1.3), sky, CREAM).scaled(0.3),
        ),
        box(
            (x, -0.065, z - 0.5 * tall),
            (0.88 * wide, 0.02, 0.35 * tall),
            materials.foliage(hill),
            taper=(0.45, 1.0),
        ),
        ball(
            (x + 0.4 * wide, -0.07, z + 0.4 * tall), (0.07, 0.02, 0.07), materials.stone((0.92, 0.82, 0.46))
        ),
    ]


_LEVEL = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""Turns a tube's own z to x."""
