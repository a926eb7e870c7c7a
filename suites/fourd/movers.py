"""What moves in the clips of `suites.fourd.scenes`: a rigid thing, a walker and a flag, each of rigid parts.

They move on a stage: metres, x to the right of the camera in mid-clip, y away from it, z up, the ground is
z = 0. Textures live in the space of each primitive, so they stay on it however its part moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gen.composer import materials
from gen.composer.kernel_types import MOTTLED
from gen.composer.materials import Color, Material, shade
from gen.composer.scene import Primitive, about, ball, box, extent, roll_rotation, tube, yaw_rotation

FPS = 24.0
COLOURS: tuple[Color, ...] = (
    (0.78, 0.22, 0.18),
    (0.18, 0.40, 0.66),
    (0.86, 0.66, 0.20),
    (0.22, 0.52, 0.36),
    (0.55, 0.26, 0.52),
    (0.20, 0.60, 0.64),
    (0.86, 0.44, 0.16),
)


@dataclass(frozen=True, repr=False)
class Mover:
    """Something that moves, through a clip."""

    primitives: tuple[tuple[int, Primitive], ...]
    """(number of its rigid part, primitive in the frame of that part)."""
    stage_from_part: np.ndarray
    """[F, parts, 4, 4], rigid."""
    height: float
    """Metres."""
    middle: float
    """Metres above the ground: what the camera looks at."""
    still: tuple[Primitive, ...] = ()
    """What belongs to it and stands still, on the stage."""

    def __post_init__(self) -> None:
        count = 1 + max(part for part, _ in self.primitives)
        if self.stage_from_part.shape[1:] != (count, 4, 4):
            raise ValueError(f"poses of {count} parts expected, found {self.stage_from_part.shape = }")


def kiosk(frames: int, seed: int, *, reach: float = 0.7) -> Mover:
    """A painted kiosk that slides `reach` metres to both sides of the middle, hops twice and turns by 50°."""
    rng = np.random.default_rng([1, seed])
    share, way = np.linspace(0.0, 1.0, frames), 1 - 2 * (seed % 2)
    hops = 0.1 * np.abs(np.sin(2 * math.pi * (share + rng.uniform())))
    turns = rng.uniform(-math.pi, math.pi) + way * math.radians(50) * share
    poses = np.tile(np.eye(4), (frames, 1, 1, 1))
    for pose, s, hop, turn in zip(poses[:, 0], share, hops, turns, strict=True):
        pose[:3, :3] = yaw_rotation(turn)
        pose[:3, 3] = way * reach * (2 * s - 1), 0.25 * math.sin(4 * s), hop
    parts = _kiosk_parts(rng)
    return Mover(tuple((0, part) for part in parts), poses, extent(parts)[1], 0.98)


def _kiosk_parts(rng: np.random.Generator) -> list[Primitive]:
    wall, trim, roof, door, blind, knob = (COLOURS[i] for i in rng.permutation(len(COLOURS))[:6])
    plank, tile = materials.planks(trim).scaled(0.7), materials.mosaic(wall).scaled(0.8)
    parts = [
        box((0, 0, 0.1), (0.6, 0.5, 0.1), plank),
        box((0, 0, 0.78), (0.54, 0.44, 0.58), tile),
        box((0, 0, 1.4), (0.62, 0.52, 0.04), plank),
        box((0, 0, 1.62), (0.62, 0.52, 0.18), materials.shingles(roof).scaled(0.7), taper=(0.3, 0.3)),
        ball((0, 0, 1.86), 0.12, materials.camouflage(knob).scaled(0.4)),
        box((-0.2, -0.45, 0.68), (0.2, 0.03, 0.44), materials.dots(door).scaled(0.45)),
        box((0.28, -0.45, 0.96), (0.17, 0.05, 0.2), materials.stripes(blind).scaled(0.4)),
        box((0.1, 0.45, 0.8), (0.28, 0.04, 0.34), materials.checks(blind, door).scaled(0.4)),
        box((-0.56, 0, 0.95), (0.03, 0.24, 0.22), materials.brick(roof).scaled(0.6)),
        tube((0.58, 0.05, 0.62), 0.22, 0.3, materials.bark(shade(knob, 0.9)).scaled(0.5)),
    ]
    return parts + [
        box((x, y, 0.78), (0.05, 0.05, 0.58), plank) for x in (-0.53, 0.53) for y in (-0.43, 0.43)
    ]


HIP, KNEE, SHOULDER, ELBOW = 0.92, 0.48, 1.42, 1.12
"""Metres above the sole."""
STEP_SECONDS, LEG_SWING, ARM_SWING, KNEE_BEND = 0.55, math.radians(26), math.radians(24), math.radians(52)
BODY, ARMS, FOREARMS, THIGHS, SHINS = 0, (1, 2), (3, 4), (5, 6), (7, 8)


def walker(frames: int, seed: int, *, radius: float = 5.0, toward: float = 12.0) -> Mover:
    """A person of nine rigid parts who walks along a circle of `radius` metres, across the picture.

    In mid-clip they walk sideways and `toward` degrees towards the camera. The lower foot is on the ground.
    """
    rng = np.random.default_rng([2, seed])
    seconds, side = (np.arange(frames) - 0.5 * (frames - 1)) / FPS, 1 - 2 * (seed % 2)
    speed = 2 * HIP * math.sin(LEG_SWING) / STEP_SECONDS
    middle = math.radians(-toward if side > 0 else 180 + toward)
    heading = middle + side * speed * seconds / radius
    curve = np.stack([np.sin(heading) - math.sin(middle), math.cos(middle) - np.cos(heading)], 1)
    at = side * radius * curve
    at -= 0.5 * (at.min(0) + at.max(0))
    primitives = _walker_parts(rng)
    shoes = [(part, primitive.corners()) for part, primitive in primitives if part in SHINS]
    poses = np.empty((frames, 9, 4, 4))
    for i, phase in enumerate(math.pi * (seconds / STEP_SECONDS + 2 * rng.uniform())):
        joints = _walker_joints(phase)
        low = min((points @ joints[part, 2, :3] + joints[part, 2, 3]).min() for part, points in shoes)
        stand = np.eye(4)
        stand[:3, :3] = yaw_rotation(heading[i] + math.pi / 2)
        stand[:3, 3] = *at[i], -low
        poses[i] = stand @ joints
    height = max(primitive.corners()[:, 2].max() for _, primitive in primitives)
    return Mover(tuple(primitives), poses, float(height), 0.9)


def _walker_joints(phase: float) -> np.ndarray:
    """Poses of the parts in the walker's own frame, facing -y, [9, 4, 4]; a phase of 2 pi is two steps."""
    poses = np.tile(np.eye(4), (9, 1, 1))
    poses[BODY] = about((0, 0, HIP), yaw_rotation(0.08 * math.sin(phase)) @ roll_rotation(0.04))
    for arm, forearm, thigh, shin, turn in zip(
        ARMS, FOREARMS, THIGHS, SHINS, (phase, phase + math.pi), strict=True
    ):
        leg = about((0, 0, HIP), roll_rotation(-LEG_SWING * math.sin(turn)))
        bend = 0.08 + KNEE_BEND * max(0.0, math.cos(turn)) ** 2
        poses[thigh], poses[shin] = leg, leg @ about((0, 0, KNEE), roll_rotation(bend))
        upper = poses[BODY] @ about((0, 0, SHOULDER), roll_rotation(ARM_SWING * math.sin(turn)))
        bend = 0.45 - 0.25 * math.sin(turn)
        poses[arm], poses[forearm] = upper, upper @ about((0, 0, ELBOW), roll_rotation(-bend))
    return poses


def _walker_parts(rng: np.random.Generator) -> list[tuple[int, Primitive]]:
    coat, sleeve, trousers, sack, hat, shoe = (COLOURS[i] for i in rng.permutation(len(COLOURS))[:6])
    skin = materials.clay((0.80, 0.58, 0.44)).scaled(0.3)
    hair = materials.fur((0.30, 0.18, 0.10)).scaled(0.4)
    cloth, leg = materials.camouflage(sleeve).scaled(0.35), materials.fabric(trousers).scaled(0.7)
    body = [
        box((0, 0, 1.2), (0.21, 0.16, 0.29), materials.mosaic(coat).scaled(0.55), taper=(1.15, 0.95)),
        box((0, 0, 0.86), (0.24, 0.2, 0.1), materials.dots(coat).scaled(0.4), taper=(0.85, 0.85)),
        box((0, 0, 0.98), (0.22, 0.175, 0.025), materials.stripes(hat, shoe).scaled(0.2)),
        box((0, 0.25, 1.22), (0.19, 0.11, 0.23), materials.checks(sack, hat).scaled(0.35), taper=(0.9, 0.8)),
        tube((0, 0, 1.52), 0.065, 0.06, skin),
        ball((0, 0, 1.67), (0.125, 0.14, 0.155), skin),
        ball((0, 0.03, 1.69), (0.132, 0.135, 0.15), hair),
        ball((0, -0.14, 1.65), (0.02, 0.03, 0.03), skin),
        tube((0, 0, 1.78), 0.2, 0.015, materials.stripes(hat).scaled(0.3)),
        tube((0, 0, 1.84), 0.14, 0.06, materials.stripes(hat, coat).scaled(0.15), top=0.8),
    ]
    parts = [(BODY, part) for part in body]
    parts += [
        (BODY, ball((x, -0.125, 1.69), 0.018, materials.paint((0.1, 0.1, 0.12)))) for x in (-0.05, 0.05)
    ]
    for i, x in enumerate((-1.0, 1.0)):
        boot = materials.leather(shade(shoe, 0.6)).scaled(0.6)
        parts += [
            (ARMS[i], ball((0.29 * x, 0, SHOULDER), 0.095, cloth)),
            (ARMS[i], tube((0.3 * x, 0, 0.5 * (SHOULDER + ELBOW)), 0.075, 0.17, cloth)),
            (
                FOREARMS[i],
                tube((0.3 * x, 0, ELBOW - 0.12), 0.068, 0.15, materials.stripes(sleeve).scaled(0.22)),
            ),
            (FOREARMS[i], ball((0.3 * x, 0, ELBOW - 0.3), (0.05, 0.065, 0.075), skin)),
            (THIGHS[i], tube((0.12 * x, 0, 0.5 * (HIP + KNEE)), 0.105, 0.25, leg, top=1.15)),
            (SHINS[i], tube((0.12 * x, 0, 0.5 * (KNEE + 0.06)), 0.08, 0.23, leg, top=1.2)),
            (SHINS[i], box((0.12 * x, -0.06, 0.06), (0.075, 0.16, 0.06), boot, taper=(0.9, 0.8))),
        ]
    return parts


COLUMNS, ROWS, CELL = 32, 21, 0.058
"""Of the flag: its cells, and their size in metres."""
WAVES = ((0.44, 4.2, 1.0, 1.3), (0.24, 7.5, -2.0, 2.0), (0.18, 2.6, 4.0, 0.9))
"""Sines that travel to the free end: radians of slope, radians per metre along and up, and hertz."""


def flag(frames: int, seed: int) -> Mover:
    """A painted flag on a pole, in cells that are rigid; its rows keep their length."""
    rng = np.random.default_rng([3, seed])
    length, tall = COLUMNS * CELL, ROWS * CELL
    u, v = np.meshgrid((np.arange(COLUMNS) + 0.5) * CELL, (np.arange(ROWS) + 0.5) * CELL, indexing="ij")
    phases = rng.uniform(0, 2 * math.pi, len(WAVES))
    poses = np.tile(np.eye(4), (frames, COLUMNS * ROWS, 1, 1))
    for frame, pose in enumerate(poses):
        angle = np.zeros_like(u)
        for (size, along, up, hertz), phase in zip(WAVES, phases, strict=True):
            angle += size * np.sin(along * u + up * v - 2 * math.pi * hertz * frame / FPS + phase)
        angle *= 0.25 + 0.95 * np.sqrt(u / length)
        x, y = (CELL * (np.cumsum(f(angle), axis=0) - 0.5 * f(angle)) for f in (np.cos, np.sin))
        along = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(u)], -1)
        up = np.stack([np.gradient(x, CELL, axis=1), np.gradient(y, CELL, axis=1), np.ones_like(u)], -1)
        normal = np.cross(up, along)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        turn = np.stack([along, normal, np.cross(along, normal)], -1)
        pose[:, :3, :3] = turn.reshape(-1, 3, 3)
        pose[:, :3, 3] = np.stack([x - 0.45 * length, y, v + 0.75], -1).reshape(-1, 3)
    size = (0.54 * CELL, 0.008, 0.56 * CELL)
    cells = [box((0.0, 0.0, 0.0), size, material) for material in _flag_paint(u, v, rng)]
    wood = materials.bark((0.55, 0.42, 0.28))
    pole = tube((-0.45 * length - 0.05, 0.0, 1.1), 0.045, 1.1, wood)
    return Mover(tuple(enumerate(cells)), poses, tall, 1.3, (pole,))


def _flag_paint(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> list[Material]:
    """Patches, a slanted stripe, a disc and a ring, with cells that differ a little; one material a cell."""
    colours = rng.permutation(len(COLOURS))
    index = colours[((u // 0.31).astype(int) * 2 + (v // 0.3).astype(int) * 3) % 4]
    middle = np.hypot(u - rng.uniform(0.7, 1.1), v - rng.uniform(0.5, 0.7))
    index = np.where(np.abs(u - 1.3 * v - rng.uniform(-0.1, 0.4)) < 0.1, colours[4], index)
    index = np.where(middle < 0.42, colours[5], index)
    index = np.where(middle < 0.27, colours[6], index)
    tones = rng.uniform(0.62, 1.15, index.size)
    paints = [shade(COLOURS[i], tone) for i, tone in zip(index.ravel(), tones, strict=True)]
    return [Material(MOTTLED, c, shade(c, 0.72), c, 14.0, 0.35) for c in paints]
