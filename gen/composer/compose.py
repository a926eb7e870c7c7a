"""From a prompt to a scene, its cameras and its rendered frames."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from gen.composer import lighting
from gen.composer.camera_paths import MIDDLE_BEARING, CameraPath, camera_path
from gen.composer.intersection import STACK
from gen.composer.kernel_types import Light, Pinhole, SceneArrays
from gen.composer.layout import place_objects, subject_points
from gen.composer.placed_object import PlacedObject
from gen.composer.room import room
from gen.composer.scene import Primitive, carried, to_arrays, with_movers
from gen.composer.scene_request import SceneRequest
from gen.composer.stage import stage
from gen.composer.tracer import render_rows
from gen.composer.vocabulary import COLORS
from gen.types import GenerateRequest

BAND_ROWS = 15
"""Rows of one unit of work. The picture does not depend on it, nor on the number of threads."""


@dataclass(frozen=True)
class Part:
    """A part of an object that moves, or of one that does not."""

    object: int
    """Index into the objects."""
    at_rest: Primitive
    """In the object's own frame."""


@dataclass(frozen=True)
class Composition:
    """A scene ready to render."""

    objects: list[PlacedObject]
    scene: SceneArrays
    """What stands still."""
    light: Light
    path: CameraPath
    width: int
    height: int
    fps: float = 24.0
    still: tuple[Part, ...] = ()
    """Still parts of objects: the n-th has identity n + 1."""
    moving: tuple[Part, ...] = ()
    """Moving parts: the n-th has the identity of the first after the still scene, plus n."""

    def world_from_part(self, part: Part, frame: int) -> np.ndarray:
        """Where a part of an object is in a frame: world from the object's own frame, [4, 4]."""
        return self.objects[part.object].world_from_part(part.at_rest, frame / self.fps)

    def scene_at(self, frame: int) -> SceneArrays:
        """Everything where it is in a frame."""
        parts = [carried(part.at_rest, self.world_from_part(part, frame)) for part in self.moving]
        return with_movers(self.scene, parts)


def compose(request: GenerateRequest, wanted: SceneRequest) -> Composition:
    """Place what the prompt asks for, aim the cameras, set the stage and the light."""
    seed = hashlib.sha256(f"{request.prompt}|{request.seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "little"))
    done = place_objects(wanted.objects, rng, (request.frames - 1) / request.fps)
    path = camera_path(
        subject_points(done),
        move=request.camera or wanted.camera,
        frames=request.frames,
        width=request.width,
        height=request.height,
        arc_degrees=request.arc_degrees,
    )
    color = COLORS[wanted.ground_color] if wanted.ground_color else None
    ground = lighting.ground_material(wanted.ground, color, wanted.ground_material)
    parts = [(Part(i, part), item) for i, item in enumerate(done) for part in item.own_parts]
    still = tuple(part for part, item in parts if not item.part_moves(part.at_rest))
    moving = tuple(part for part, item in parts if item.part_moves(part.at_rest))
    radius = float(np.abs(subject_points(done)).max())
    standing = [carried(part.at_rest, done[part.object].world_from_part(part.at_rest, 0.0)) for part in still]
    if wanted.ground == "room":
        indoors = room(done, path, rng)
        around, light = indoors.parts, lighting.room_light(wanted.light, indoors.lamp, radius)
    else:
        around = stage(wanted.ground, done, path, rng)
        light = lighting.light(wanted.light, MIDDLE_BEARING, radius)
    scene = to_arrays(ground, standing + around)
    return Composition(done, scene, light, path, request.width, request.height, request.fps, still, moving)


def render_frame(
    composition: Composition, frame: int, pool: ThreadPoolExecutor
) -> tuple[np.ndarray, np.ndarray]:
    """One frame: (rgb [H, W, 3] uint8 sRGB, depth [H, W] metres along the optical axis, inf for sky)."""
    rgb = np.zeros((composition.height, composition.width, 3), np.uint8)
    depth = np.zeros((composition.height, composition.width))
    camera: Pinhole = composition.path.pinhole(frame)
    scene = composition.scene_at(frame)
    bands = [
        pool.submit(
            render_rows,
            scene,
            composition.light,
            camera,
            first,
            min(first + BAND_ROWS, composition.height),
            rgb,
            depth,
            np.empty(STACK, np.int64),
            np.empty((3, 3)),
        )
        for first in range(0, composition.height, BAND_ROWS)
    ]
    for band in bands:
        band.result()
    return rgb, depth


def compile_kernels(composition: Composition) -> None:
    """Compile the ray tracer, or load it from numba's cache, by rendering no rows."""
    rgb = np.zeros((composition.height, composition.width, 3), np.uint8)
    depth = np.zeros((composition.height, composition.width))
    room = np.empty(STACK, np.int64), np.empty((3, 3))
    render_rows(composition.scene, composition.light, composition.path.pinhole(0), 0, 0, rgb, depth, *room)


def render_frames(composition: Composition) -> Iterator[np.ndarray]:
    """All frames in order, [H, W, 3] uint8 sRGB."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for frame in range(len(composition.path.world_from_camera)):
            yield render_frame(composition, frame, pool)[0]
