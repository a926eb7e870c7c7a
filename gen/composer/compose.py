"""From a prompt to a scene, its cameras and its rendered frames."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from gen.composer import lighting
from gen.composer.camera_paths import MIDDLE_BEARING, CameraPath, camera_path
from gen.composer.kernel_types import Light, Pinhole, SceneArrays
from gen.composer.layout import PlacedObject, place_objects, stage, subject_points
from gen.composer.prompt import SceneRequest
from gen.composer.scene import to_arrays
from gen.composer.tracer import render_rows
from gen.composer.vocabulary import COLORS
from gen.types import GenerateRequest

BAND_ROWS = 15
"""Rows of one unit of work. The picture does not depend on it, nor on the number of threads."""


@dataclass(frozen=True)
class Composition:
    """A scene ready to render."""

    objects: list[PlacedObject]
    scene: SceneArrays
    light: Light
    path: CameraPath
    width: int
    height: int


def compose(request: GenerateRequest, wanted: SceneRequest) -> Composition:
    """Place what the prompt asks for, aim the cameras, set the stage and the light."""
    seed = hashlib.sha256(f"{request.prompt}|{request.seed}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "little"))
    done = place_objects(wanted.objects, rng)
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
    parts = [part for item in done for part in item.parts]
    parts += stage(wanted.ground, done, path, rng)
    radius = float(np.abs(subject_points(done)).max())
    light = lighting.light(wanted.light, MIDDLE_BEARING, radius)
    return Composition(done, to_arrays(ground, parts), light, path, request.width, request.height)


def render_frame(
    composition: Composition, frame: int, pool: ThreadPoolExecutor
) -> tuple[np.ndarray, np.ndarray]:
    """One frame: (rgb [H, W, 3] uint8 sRGB, depth [H, W] metres along the optical axis, inf for sky)."""
    rgb = np.zeros((composition.height, composition.width, 3), np.uint8)
    depth = np.zeros((composition.height, composition.width))
    camera: Pinhole = composition.path.pinhole(frame)
    bands = [
        pool.submit(
            render_rows,
            composition.scene,
            composition.light,
            camera,
            first,
            min(first + BAND_ROWS, composition.height),
            rgb,
            depth,
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
    render_rows(composition.scene, composition.light, composition.path.pinhole(0), 0, 0, rgb, depth)


def render_frames(composition: Composition) -> Iterator[np.ndarray]:
    """All frames in order, [H, W, 3] uint8 sRGB."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for frame in range(len(composition.path.world_from_camera)):
            yield render_frame(composition, frame, pool)[0]
