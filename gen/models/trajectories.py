"""Exact camera paths from the first frame's camera on, for models that follow cameras.

Axes are OpenCV's (x right, y down, z forward); the first camera is the world, and what it looks at lies at a
given distance in front of it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.errors import GenerateError

DISTANCE = 3.0
"""Metres to the subject, where nobody says: models with cameras were trained on metric ones."""
FIELD_OF_VIEW = 60.0
"""Degrees across the width: an ordinary camera's."""
DEGREES = {"orbit": 45.0, "pan": 25.0, "tilt": 15.0, "roll": 20.0}
"""Default turn over the clip; an arc that models can hold."""
REACH = {"dolly": 0.4, "truck": 0.4, "crane": 0.4}
"""Default way, parts of the distance."""


@dataclass(frozen=True)
class Cameras:
    """Where the camera is in every frame."""

    world_from_camera: np.ndarray
    """[F, 4, 4] float32."""
    intrinsics: tuple[float, float, float, float]
    """fx, fy, cx, cy in pixels; the centre of the top-left pixel is (0.5, 0.5)."""
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)
    """In the world."""

    def __post_init__(self) -> None:
        if self.world_from_camera.ndim != 3 or self.world_from_camera.shape[1:] != (4, 4):
            raise ValueError(f"world_from_camera is {self.world_from_camera.shape}, expected [F, 4, 4]")

    def first(self, frames: int) -> Cameras:
        """Those of the first frames."""
        return replace(self, world_from_camera=self.world_from_camera[:frames])

    def to_json(self) -> dict[str, Any]:
        """The "cameras" of a sidecar."""
        return {
            "convention": "opencv",
            "world_up": list(self.up),
            "intrinsics": dict(zip(("fx", "fy", "cx", "cy"), self.intrinsics, strict=True)),
            "world_from_camera": self.world_from_camera.astype(float).tolist(),
        }


def trajectory(
    move: str,
    frames: int,
    *,
    degrees: float | None = None,
    distance: float = DISTANCE,
) -> np.ndarray:
    """`world_from_camera` [F, 4, 4] float32 of a move at even speed; the first camera is the identity.

    `degrees` is the whole turn of an orbit, pan, tilt or roll; others go a part of `distance` (metres).
    Raises `GenerateError` for a move that no path of a camera is: a zoom.
    """
    poses = np.tile(np.eye(4), (frames, 1, 1))
    kind, _, side = move.partition("-")
    if degrees is not None and kind not in DEGREES:
        raise GenerateError(
            f"A turn of {degrees:g} degrees was asked for, but a {move} does not turn: leave the degrees out."
        )
    if move == "static":
        return poses.astype(np.float32)
    sign = 1.0 if side in ("left", "up", "in", "cw") else -1.0
    u = np.linspace(0, 1, frames)
    subject = np.array([0.0, 0.0, distance])
    if kind in DEGREES:
        angles = sign * math.radians(DEGREES[kind] if degrees is None else degrees) * u
        axis = {"orbit": 1, "pan": 1, "tilt": 0, "roll": 2}[kind]
        # A camera that orbits to the left turns to the right; a pan to the left turns to the left.
        turns = _turns(axis, -angles if kind == "pan" else angles)
        poses[:, :3, :3] = turns
        if kind == "orbit":
            poses[:, :3, 3] = subject - turns @ subject
        return poses.astype(np.float32)
    if kind not in REACH:
        raise GenerateError(
            f'The camera move is "{move}", which changes the lens and not the place of the camera, but this '
            f"model follows places: use dolly-{side} instead."
        )
    way = REACH[kind] * distance * u
    directions = {"dolly": (0.0, 0.0, 1.0), "truck": (-1.0, 0.0, 0.0), "crane": (0.0, -1.0, 0.0)}
    poses[:, :3, 3] = way[:, None] * sign * np.array(directions[kind])
    if kind == "crane":  # it keeps looking at the subject
        poses[:, :3, :3] = _turns(0, -sign * np.arctan(way / distance))
    return poses.astype(np.float32)


def lens(width: int, height: int, field_of_view: float = FIELD_OF_VIEW) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy in pixels of a lens with so many degrees across the width."""
    if not 5 <= field_of_view <= 150:
        raise GenerateError(
            f"The field of view is {field_of_view:g} degrees, but 5 to 150 were expected: 60 is usual."
        )
    focal = 0.5 * width / math.tan(math.radians(field_of_view) / 2)
    return focal, focal, 0.5 * width, 0.5 * height


def read_cameras(path: Path, width: int, height: int) -> Cameras:
    """The cameras of a sidecar, for pictures of another size; relative to its first one.

    Raises `GenerateError` for a file that holds none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cameras, scale = content["cameras"], width / content["width"]
        poses = np.array(cameras["world_from_camera"], float).reshape(-1, 4, 4)
        inside = cameras["intrinsics"]
        fx, fy = float(inside["fx"]), float(inside["fy"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenerateError(
            f'"{path}" has no cameras that can be read ({error}), but the .json beside a generated video was '
            f"expected: name a camera move instead."
        ) from error
    up = np.array(cameras.get("world_up", (0.0, -1.0, 0.0)), float)
    relative = np.linalg.inv(poses[0]) @ poses
    return Cameras(
        relative.astype(np.float32),
        (fx * scale, fy * scale, 0.5 * width, 0.5 * height),
        tuple((poses[0, :3, :3].T @ up).tolist()),
    )


def _turns(axis: int, angles: np.ndarray) -> np.ndarray:  # [F, 3, 3]
    """Right-handed rotations around an axis."""
    turns = np.tile(np.eye(3), (len(angles), 1, 1))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    c, s = np.cos(angles), np.sin(angles)
    turns[:, a, a], turns[:, a, b], turns[:, b, a], turns[:, b, b] = c, -s, s, c
    return turns
