"""Files of known cameras: our sidecar, a transforms.json, a COLMAP model or RealEstate10K text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon.camera_axes import Axes, named
from recon.camera_files import OPENGL, read_transforms
from recon.colmap_files import read_colmap
from recon.errors import FormatError
from recon.types import Frames
from recon.undistort import Lens

SIDECAR = "splatreel-video"
FORMATS = "a sidecar, a transforms.json, a COLMAP folder or a RealEstate10K text file"


@dataclass(frozen=True, repr=False)
class Found:
    """What a file holds, before it is known which frame is which."""

    path: Path
    names: tuple[str, ...]
    """[P] of the images, as written."""
    poses: np.ndarray
    """[P, 4, 4] as written, as `world_from_camera` if the format does not deceive; to be read as `axes`."""
    lenses: tuple[Lens, ...]
    """[P]."""
    axes: Axes
    fps: float | None = None
    """Pose i is that at i / fps seconds; None when the names have to tell."""
    up: np.ndarray | None = None
    """[3] direction in the file's world."""
    says_axes: bool = False
    """Can the file itself name its axes (as a "convention")?"""

    def __repr__(self) -> str:
        return f"Found({len(self.names)} poses in {self.path}, {self.axes})"


def read_file(path: Path, frames: Frames, axes: Axes | None = None) -> Found:
    """Read known cameras, to be read as `axes` (None: as the file or else its format says).

    Raises:
        FormatError: No known format, or a file that does not keep to it.
    """
    if not path.exists():
        raise FormatError(f"{path} does not exist; expected {FORMATS}")
    if path.is_dir() and not (path / "transforms.json").is_file():
        model = read_colmap(path)
        return Found(path, model.names, model.world_from_camera, model.lenses, axes or "opencv")
    if path.suffix.lower() == ".txt":
        return _read_realestate10k(path, frames, axes or "opencv")
    file = path / "transforms.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise FormatError(f"{file} is not JSON ({error}); expected {FORMATS}") from error
    if isinstance(content, dict) and content.get("format") == SIDECAR:
        return _read_sidecar(file, content, axes)
    known = read_transforms(file)
    axes = axes or named(content.get("convention", "opengl"), file)
    as_written = known.world_from_camera @ OPENGL
    return Found(file, known.names, as_written, known.lenses, axes, says_axes=True)


def _read_realestate10k(path: Path, frames: Frames, axes: Axes) -> Found:
    """Poses and lenses; line i is frame i of the video.

    A line holds a time, fx fy cx cy in widths and heights of the image, two unused values and
    camera_from_world in rows (Zhou et al. 2018, google.github.io/realestate10k). It says nothing of the
    image's size, so the lens fits frames of any shape: a resized clip has fx ≠ fy in pixels.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if lines and "//" in lines[0][0]:
            del lines[0]  # the address of the video
        rows = np.array(lines, float)
        if rows.ndim != 2 or rows.shape[1] != 19 or not np.isfinite(rows).all():
            raise ValueError(f"{len(lines)} lines, not all of 19 numbers")
        camera_from_world = np.tile(np.eye(4), (len(rows), 1, 1))
        camera_from_world[:, :3] = rows[:, 7:].reshape(-1, 3, 4)
        poses = np.linalg.inv(camera_from_world)
    except (OSError, ValueError) as error:  # UnicodeDecodeError and LinAlgError are ValueErrors
        raise FormatError(
            f"{path}: {error}; expected a RealEstate10K file (an address, then 19 numbers a line); "
            "a COLMAP text model is given by its folder"
        ) from error
    size = np.array([frames.width, frames.height, frames.width, frames.height])
    lenses = []
    for fx, fy, cx, cy in rows[:, 1:5] * size:
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        lenses.append(Lens(frames.width, frames.height, K))
    return Found(path, tuple(map(str, range(len(poses)))), poses, tuple(lenses), axes)


def _read_sidecar(path: Path, content: dict[str, Any], axes: Axes | None) -> Found:
    try:
        cameras = content["cameras"]
        poses = np.array(cameras["world_from_camera"], float)
        inside, fps = cameras["intrinsics"], float(content["fps"])
        size = int(content["width"]), int(content["height"])
        # In a zoom each number is a list of one per frame.
        each = [np.broadcast_to(np.array(inside[n], float), len(poses)) for n in ("fx", "fy", "cx", "cy")]
        lenses = tuple(
            Lens(*size, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]))
            for fx, fy, cx, cy in zip(*each, strict=True)
        )
        up = np.array(cameras["world_up"], float) if "world_up" in cameras else None
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not np.isfinite(poses).all():
            raise ValueError(f"world_from_camera of shape {poses.shape}")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{path}: found {type(error).__name__} ({error}), expected the cameras of a splatreel sidecar; "
            "generate the clip again, or solve without --cameras"
        ) from error
    axes = axes or named(cameras.get("convention", "opencv"), path)
    names = tuple(map(str, range(len(poses))))
    return Found(path, names, poses, lenses, axes, fps, up, says_axes=True)
