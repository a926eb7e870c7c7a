"""What surrounds the objects outdoors: pebbles, plants and hills."""

import math

import numpy as np

from gen.composer import materials
from gen.composer.builders import BUILDERS
from gen.composer.camera_paths import MIDDLE_BEARING, CameraPath
from gen.composer.materials import Material
from gen.composer.placed_object import PlacedObject
from gen.composer.scene import Primitive, ball, box, placed, tube
from gen.composer.style import Style


def stage(
    ground: str, done: list[PlacedObject], path: CameraPath, rng: np.random.Generator
) -> list[Primitive]:
    """What surrounds the subject: pebbles and tufts near it, trees and hills behind it.

    They give every part of the picture something at a finite distance for structure from motion.
    """
    eyes = path.world_from_camera[:, :3, 3]
    camera_radius = float(np.linalg.norm(eyes[:, :2], axis=1).max())
    radius = max(math.hypot(*item.position) + item.radius for item in done)
    parts = _scatter(ground, done, radius, rng)
    if ground == "street":
        parts += _road_markings(camera_radius, rng)
    parts += _backdrop(ground, camera_radius, rng)
    return [part for part in parts if _in_any_view(part, path)]


def _scatter(
    ground: str, done: list[PlacedObject], radius: float, rng: np.random.Generator
) -> list[Primitive]:
    """Pebbles, and tufts where something grows, on the ground between and around the objects."""
    pebble = materials.stone((0.60, 0.57, 0.52))
    tufts = [materials.foliage(c) for c in TUFT_COLORS.get(ground, ())]
    parts: list[Primitive] = []
    for _ in range(0 if ground in PAVED else 90):
        turn, reach = rng.uniform(0.0, 2 * math.pi), (radius + 3.5) * math.sqrt(rng.uniform(0.02, 1.0))
        x, y = reach * math.cos(turn), reach * math.sin(turn)
        if any(math.hypot(x - o.position[0], y - o.position[1]) < o.radius + 0.1 for o in done):
            continue
        size = rng.uniform(0.06, 0.17)
        grows = tufts and rng.uniform() < 0.6
        surface = tufts[rng.integers(len(tufts))] if grows else pebble
        shape = (1.2 * size, 1.2 * size, 0.9 * size) if grows else (size, 0.8 * size, 0.6 * size)
        parts += placed([ball((0.0, 0.0, 0.35 * shape[2]), shape, surface)], x, y, turn, 1.0)
    return parts


def _road_markings(camera_radius: float, rng: np.random.Generator) -> list[Primitive]:
    """Broken lines, drains and mended patches, a finger's breadth above the ground."""
    paint, iron = materials.concrete((0.80, 0.79, 0.74)), materials.cobbles((0.30, 0.29, 0.28))
    parts: list[Primitive] = []
    bearing = math.radians(MIDDLE_BEARING)
    for lane in (-2.4, 2.2, 6.0):
        for i in range(-8, 9):
            x, y = 2.6 * i + 0.4 * lane, lane
            parts += placed([box((x, y, 0.0), (0.7, 0.08, 0.008), paint)], 0.0, 0.0, bearing, 1.0)
    for _ in range(40):
        x, y = rng.uniform(-1.0, 1.0, 2) * (camera_radius + 2.0)
        size = rng.uniform(0.25, 1.1)
        tone = rng.uniform(0.2, 0.46)
        patch = materials.pebbledash((tone, tone, 1.02 * tone))
        flat = box((0, 0, 0.0), (size, rng.uniform(0.2, 0.5), 0.004), patch)
        drain = tube((0, 0, 0.0), 0.3, 0.006, iron)
        parts += placed([drain if rng.uniform() < 0.2 else flat], x, y, bearing + rng.uniform(-0.2, 0.2), 1.0)
    return parts


PAVED = ("floor", "plaza", "street")
"""Grounds that are swept."""
TUFT_COLORS: dict[str, tuple[materials.Color, ...]] = {
    "grass": ((0.34, 0.48, 0.14), (0.46, 0.54, 0.20), (0.62, 0.58, 0.26)),
    "autumn": ((0.62, 0.40, 0.12), (0.55, 0.48, 0.18)),
    "desert": ((0.52, 0.50, 0.28),),
    "dirt": ((0.50, 0.50, 0.24), (0.60, 0.52, 0.28)),
}
"""Low plants between the objects."""

BACKDROPS: dict[str, tuple[tuple[str, ...], Material]] = {
    "grass": (("pine", "tree", "tree"), materials.foliage((0.36, 0.46, 0.22))),
    "autumn": (("autumn_tree", "autumn_tree", "pine"), materials.foliage((0.56, 0.42, 0.18))),
    "desert": (("rock", "rock", "cactus"), materials.stone((0.74, 0.50, 0.34))),
    "sand": (("rock", "bush"), materials.stone((0.76, 0.66, 0.50))),
    "snow": (("pine", "pine", "pine"), materials.stone((0.88, 0.91, 0.96))),
    "floor": (("pillar", "pillar"), materials.stone((0.66, 0.60, 0.54))),
    "street": (("building", "building", "streetlamp", "tree"), materials.stone((0.50, 0.52, 0.50))),
    "plaza": (("house", "tree", "tree", "statue"), materials.stone((0.62, 0.57, 0.50))),
    "dirt": (("tree", "rock", "bush"), materials.foliage((0.46, 0.46, 0.24))),
}
"""Kinds that stand in the distance on each ground, and what the hills behind them are made of."""


def _backdrop(ground: str, camera_radius: float, rng: np.random.Generator) -> list[Primitive]:
    """A ring of trees or rocks outside the camera's path, then two rings of hills."""
    kinds, hill = BACKDROPS[ground]
    parts: list[Primitive] = []
    ring, count = camera_radius + 3.0, 44
    for i in range(count):
        turn = 2 * math.pi * (i + rng.uniform(-0.4, 0.4)) / count
        reach = ring * rng.uniform(1.0, 1.7)
        kind = kinds[rng.integers(len(kinds))]
        orange = (0.74, 0.42, 0.12) if rng.uniform() < 0.5 else (0.70, 0.26, 0.12)
        style = Style(rng, orange) if kind == "autumn_tree" else Style(rng)
        built = BUILDERS["tree" if kind == "autumn_tree" else kind](style)
        scale = rng.uniform(0.8, 1.25) * (1.6 if kind == "rock" else 1.0)
        parts += placed(built, reach * math.cos(turn), reach * math.sin(turn), rng.uniform(0, 6.28), scale)
    coarse = hill.scaled(5.0)
    for far, height, number in ((2.6, 0.22, 11), (4.2, 0.42, 9)):
        for i in range(number):
            turn = 2 * math.pi * (i + rng.uniform(-0.3, 0.3)) / number
            reach = far * ring * rng.uniform(0.95, 1.1)
            width, up = 0.8 * far * ring * rng.uniform(0.7, 1.1), height * ring * rng.uniform(0.6, 1.2)
            dome = ball((0.0, 0.0, -0.15 * up), (0.6 * width, width, up), coarse)
            parts += placed([dome], reach * math.cos(turn), reach * math.sin(turn), turn, 1.0)
    return parts


def _in_any_view(part: Primitive, path: CameraPath) -> bool:
    """Whether a part's bounding sphere is inside the view of any camera, with room for its shadow."""
    center = np.array(part.center)
    radius = 1.5 * max(part.half_size) + 0.5
    for pose, focal in zip(path.world_from_camera, path.focal, strict=True):
        half_width = path.cx / focal
        x, _, z = (center - pose[:3, 3]) @ pose[:3, :3]
        if z > -radius and abs(x) < half_width * max(z, 0.0) + radius * math.hypot(1.0, half_width):
            return True
    return False
