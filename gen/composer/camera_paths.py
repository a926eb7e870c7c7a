"""Camera paths around a scene: exact poses, framed so that every object stays in the picture.

Every move carries parallax, because the video is meant to be reconstructed: a dolly also swings a
little to the side, and a pan is a truck (the camera moves sideways instead of turning in place).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen.composer.kernel_types import Pinhole

ARC_DEGREES_PER_FRAME = 2.4
"""Default swing per frame. COLMAP follows it on every prompt tried; at 8 degrees it loses frames."""
ORBIT_DEGREES_PER_FRAME = 4.0
FIELD_OF_VIEW = 46.0
"""Across the longer side of the frame, degrees."""
FILL = 0.93
"""Share of the half frame that the objects may reach to."""
MIDDLE_BEARING = 24.0
"""Where the camera stands in mid-path: degrees from the front (-y) of the scene towards +x."""


@dataclass(frozen=True)
class CameraPath:
    """The cameras of a clip."""

    world_from_camera: np.ndarray
    """[F, 4, 4], OpenCV axes, metres."""
    focal: float
    """Pixels, both axes."""
    cx: float
    """Principal point, pixels; the centre of the top-left pixel is (0.5, 0.5)."""
    cy: float
    move: str
    arc_degrees: float
    """Swing around the scene over the whole clip."""
    target: tuple[float, float, float]
    """The point all cameras look at, metres."""

    def to_json(self) -> dict[str, object]:
        """The "cameras" of a sidecar."""
        return {
            "convention": "opencv",
            "world_up": [0, 0, 1],
            "intrinsics": {"fx": self.focal, "fy": self.focal, "cx": self.cx, "cy": self.cy},
            "world_from_camera": self.world_from_camera.tolist(),
        }

    def pinhole(self, frame: int) -> Pinhole:
        """One frame's camera for the kernels."""
        return Pinhole(np.ascontiguousarray(self.world_from_camera[frame]), self.focal, self.cx, self.cy)


@dataclass(frozen=True)
class _Station:
    """Where a camera stands, relative to the target."""

    swing: float
    """Part of the arc, -0.5 to 0.5."""
    elevation: float
    """Degrees."""
    reach: float = 1.0
    """Distance over the distance that fits all objects."""


MOVES: dict[str, Callable[[float], _Station]] = {
    "arc": lambda u: _Station(u - 0.5, 14.5 + 4.0 * math.sin(2 * math.pi * u - 0.8)),
    "orbit": lambda u: _Station(u - 0.5, 16.0 + 4.0 * math.sin(2 * math.pi * u)),
    "spiral": lambda u: _Station(u - 0.5, 9.0 + 26.0 * u),
    "dolly_in": lambda u: _Station(u - 0.5, 15.0 + 2.0 * math.sin(math.pi * u), 1.3 - 0.3 * u),
    "dolly_out": lambda u: _Station(u - 0.5, 15.0 + 2.0 * math.sin(math.pi * u), 1.0 + 0.3 * u),
    "crane": lambda u: _Station(u - 0.5, 8.0 + 30.0 * u),
    "truck_left": lambda u: _Station(0.5 - u, 14.0 + 1.5 * math.sin(math.pi * u)),
    "truck_right": lambda u: _Station(u - 0.5, 14.0 + 1.5 * math.sin(math.pi * u)),
}
"""Each move as a function of time u from 0 to 1."""

NARROW_ARCS: dict[str, float] = {
    "dolly_in": 32.0,
    "dolly_out": 32.0,
    "crane": 32.0,
    "truck_left": 50.0,
    "truck_right": 50.0,
}
"""Largest default swing of moves that are not mainly an arc, degrees."""


def default_arc_degrees(move: str, frames: int) -> float:
    """Swing of a move when the request does not say: as long as neighbouring frames stay close."""
    per_frame = ORBIT_DEGREES_PER_FRAME if move == "orbit" else ARC_DEGREES_PER_FRAME
    longest = NARROW_ARCS.get(move, 360.0 * (frames - 1) / frames)
    return min(per_frame * (frames - 1), longest)


def camera_path(
    subject: np.ndarray,
    *,
    move: str,
    frames: int,
    width: int,
    height: int,
    arc_degrees: float | None = None,
) -> CameraPath:
    """A path around `subject`: points [N, 3] in metres that should stay in view in every frame."""
    arc = default_arc_degrees(move, frames) if arc_degrees is None else arc_degrees
    focal = 0.5 * max(width, height) / math.tan(math.radians(FIELD_OF_VIEW) / 2)
    low, high = subject.min(0), subject.max(0)
    target = 0.5 * (low + high)
    target[2] = low[2] + 0.46 * (high[2] - low[2])
    stations = [MOVES[move](i / (frames - 1)) for i in range(frames)]
    half_frame = np.array([0.5 * width, 0.5 * height]) / focal * FILL
    for _ in range(3):  # fit the distance, then centre the subject, and again
        near = 0.5 * float(np.linalg.norm(high - low)) + 0.5
        far = 30.0 * near
        for _ in range(30):
            distance = 0.5 * (near + far)
            poses = _poses(stations, arc, distance, target)
            near, far = (near, distance) if _sees_all(poses, subject, half_frame) else (distance, far)
        target = target + _off_center(_poses(stations, arc, far, target), subject)
    poses = _poses(stations, arc, 1.02 * far, target)
    return CameraPath(poses, focal, 0.5 * width, 0.5 * height, move, arc, tuple(target.tolist()))


def _poses(stations: list[_Station], arc: float, distance: float, target: np.ndarray) -> np.ndarray:
    """World-from-camera of every station, [F, 4, 4]."""
    bearing = np.radians([MIDDLE_BEARING + arc * s.swing for s in stations])
    elevation = np.radians([s.elevation for s in stations])
    reach = distance * np.array([s.reach for s in stations])
    towards_camera = np.stack(
        [np.sin(bearing) * np.cos(elevation), -np.cos(bearing) * np.cos(elevation), np.sin(elevation)], axis=1
    )
    return look_at(target + reach[:, None] * towards_camera, target)


def _in_cameras(world_from_camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 3] in the axes of every camera, [F, N, 3]."""
    return (points[None] - world_from_camera[:, None, :3, 3]) @ world_from_camera[:, :3, :3]


def _sees_all(world_from_camera: np.ndarray, points: np.ndarray, half_frame: np.ndarray) -> bool:
    """Whether points [N, 3] project within +-half_frame (tangents of angles) in every camera."""
    local = _in_cameras(world_from_camera, points)
    in_front = local[..., 2].min() > 0.3
    return bool(in_front and (np.abs(local[..., :2]) <= half_frame * local[..., 2:]).all())


def _off_center(world_from_camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far the target should move so that the points [N, 3] sit centred on average, metres."""
    local = _in_cameras(world_from_camera, points)
    seen = local[..., :2] / local[..., 2:]
    middle = 0.5 * (seen.min(1) + seen.max(1)) * local[..., 2].mean(1, keepdims=True)
    return (world_from_camera[:, :3, :2] @ middle[..., None])[..., 0].mean(0)


def look_at(eyes: np.ndarray, target: np.ndarray) -> np.ndarray:
    """World-from-camera [F, 4, 4] with OpenCV axes (x right, y down, z forward), eyes [F, 3], level."""
    forward = (target - eyes) / np.linalg.norm(target - eyes, axis=1, keepdims=True)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    poses = np.tile(np.eye(4), (len(eyes), 1, 1))
    poses[:, :3, :] = np.stack([right, np.cross(forward, right), forward, eyes], axis=2)
    return poses
