"""How other programs write the pose of a camera, and how each becomes OpenCV's `world_from_camera`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np

from recon.camera_files import OPENGL
from recon.errors import FormatError

Axes = Literal["opencv", "opengl", "unity", "opencv-inverse", "opengl-inverse"]
"""How the poses of a file are to be read; "inverse" where a file has it the other way round than its format
says (camera_from_world in a transforms.json, world_from_camera in a COLMAP model)."""

AXES: tuple[Axes, ...] = get_args(Axes)

IN_WORDS: dict[Axes, str] = {
    "opencv": "with OpenCV axes (y down, z forwards)",
    "opengl": "with OpenGL axes (y up, z backwards)",
    "unity": "with Unity's left-handed axes (y up, z forwards)",
    "opencv-inverse": "as inverted matrices with OpenCV axes (y down, z forwards)",
    "opengl-inverse": "as inverted matrices with OpenGL axes (y up, z backwards)",
}

UNITY = np.diag([1.0, -1.0, 1.0, 1.0])
"""Mirrors y, of cameras and world alike: a left-handed world becomes a right-handed one."""


def world_from_camera(
    poses: np.ndarray,  # [F, 4, 4]
    axes: Axes,
) -> np.ndarray:
    """[F, 4, 4] rigid poses in OpenCV's camera axes from rigid poses that are to be read as `axes`."""
    if axes == "unity":
        return UNITY @ poses @ UNITY
    if axes.endswith("-inverse"):
        poses = np.linalg.inv(poses)
    return poses @ OPENGL if axes.startswith("opengl") else poses


def named(value: object, path: Path) -> Axes:
    """The axes that a file names with its "convention".

    Raises:
        FormatError: A name that we do not know.
    """
    for axes in AXES:
        if value == axes:
            return axes
    raise FormatError(f'{path}: found "convention": {value!r}, expected one of {", ".join(AXES)}')
