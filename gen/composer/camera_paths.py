"""Camera paths around a scene: exact poses, framed so that every object stays in the picture.

Moves through space carry parallax, because the video is meant to be reconstructed: a dolly also swings
a little to the side. Those of `gen.types.MOVES_IN_PLACE` have none, as their names say.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gen.composer.kernel_types import Pinhole
from gen.composer.scene import roll_rotation, yaw_rotation

ARC_DEGREES_PER_FRAME = 2.4
"""Default swing per frame. COLMAP follows it on every prompt tried; at 8 degrees it loses frames."""
ORBIT_DEGREES_PER_FRAME = 4.0
FIELD_OF_VIEW = 46.0
"""Across the longer side of the frame, degrees."""
ZOOM = 1.6
"""Longest over shortest focal length of a zoom."""
TURN_IN_VIEW = 10.0
"""Degrees off the target up to which a camera that turns in place still has the objects in view."""
FILL = 0.93
"""Share of the half frame that the objects may reach to."""
MIDDLE_BEARING = 24.0
"""Where the camera stands in mid-path: degrees from the front (-y) of the scene towards +x."""


@dataclass(frozen=True)
class CameraPath:
    """The cameras of a clip."""

    world_from_camera: np.ndarray
    """[F, 4, 4], OpenCV axes, metres."""
    focal: np.ndarray
    """[F] pixels, both axes; all the same unless the move is a zoom."""
    cx: float
    """Principal point, pixels; the centre of the top-left pixel is (0.5, 0.5)."""
    cy: float
    move: str
    arc_degrees: float
    """Swing around the scene, or turn in place, over the whole clip."""
    target: tuple[float, float, float]
    """The point the camera looks at in mid-path, metres."""

    def to_json(self) -> dict[str, Any]:
        """The "cameras" of a sidecar. In a zoom, fx and fy are lists of a number per frame."""
        zooms = bool(np.ptp(self.focal) > 0)
        focal = self.focal.tolist() if zooms else float(self.focal[0])
        return {
            "convention": "opencv",
            "world_up": [0, 0, 1],
            "intrinsics": {"fx": focal, "fy": focal, "cx": self.cx, "cy": self.cy},
            "world_from_camera": self.world_from_camera.tolist(),
        }

    def pinhole(self, frame: int) -> Pinhole:
        """One frame's camera for the kernels."""
        pose = np.ascontiguousarray(self.world_from_camera[frame])
        return Pinhole(pose, float(self.focal[frame]), self.cx, self.cy)


@dataclass(frozen=True)
class _Station:
    """Where a camera stands, relative to the target, and how it is turned from looking there."""

    swing: float
    """Part of the arc, -0.5 to 0.5."""
    elevation: float
    """Degrees."""
    reach: float = 1.0
    """Distance over the distance that fits all objects."""
    pan: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0
    """Parts of the arc: to the left, up and clockwise."""
    zoom: float = 1.0
    """Focal length over the usual one."""


MOVES: dict[str, Callable[[float], _Station]] = {
    "arc": lambda u: _Station(u - 0.5, 14.5 + 4.0 * math.sin(2 * math.pi * u - 0.8)),
    "orbit": lambda u: _Station(u - 0.5, 16.0 + 4.0 * math.sin(2 * math.pi * u)),
    "orbit_left": lambda u: _Station(0.5 - u, 16.0),
    "orbit_right": lambda u: _Station(u - 0.5, 16.0),
    "spiral": lambda u: _Station(u - 0.5, 9.0 + 26.0 * u),
    "dolly_in": lambda u: _Station(u - 0.5, 15.0 + 2.0 * math.sin(math.pi * u), 1.3 - 0.3 * u),
    "dolly_out": lambda u: _Station(u - 0.5, 15.0 + 2.0 * math.sin(math.pi * u), 1.0 + 0.3 * u),
    "crane": lambda u: _Station(u - 0.5, 8.0 + 30.0 * u),
    "crane_up": lambda u: _Station(u - 0.5, 8.0 + 30.0 * u),
    "crane_down": lambda u: _Station(u - 0.5, 38.0 - 30.0 * u),
    "truck_left": lambda u: _Station(0.5 - u, 14.0 + 1.5 * math.sin(math.pi * u)),
    "truck_right": lambda u: _Station(u - 0.5, 14.0 + 1.5 * math.sin(math.pi * u)),
    "pan_left": lambda u: _Station(0.0, 14.0, pan=u - 0.5),
    "pan_right": lambda u: _Station(0.0, 14.0, pan=0.5 - u),
    "tilt_up": lambda u: _Station(0.0, 14.0, tilt=u - 0.5),
    "tilt_down": lambda u: _Station(0.0, 14.0, tilt=0.5 - u),
    "roll_cw": lambda u: _Station(0.0, 14.0, roll=u - 0.5),
    "roll_ccw": lambda u: _Station(0.0, 14.0, roll=0.5 - u),
    "zoom_in": lambda u: _Station(0.0, 14.0, zoom=ZOOM**u),
    "zoom_out": lambda u: _Station(0.0, 14.0, zoom=ZOOM ** (1.0 - u)),
    "static": lambda u: _Station(0.0, 14.0),
}
"""Each move as a function of time u from 0 to 1."""

NARROW_ARCS: dict[str, float] = {
    **dict.fromkeys(("dolly_in", "dolly_out", "crane", "crane_up", "crane_down"), 32.0),
    **dict.fromkeys(("truck_left", "truck_right"), 50.0),
    **dict.fromkeys(("pan_left", "pan_right"), 18.0),
    **dict.fromkeys(("tilt_up", "tilt_down"), 10.0),
    **dict.fromkeys(("roll_cw", "roll_ccw"), 24.0),
    **dict.fromkeys(("zoom_in", "zoom_out", "static"), 0.0),
}
"""Largest default swing or turn of moves that are not mainly an arc, degrees."""


def default_arc_degrees(move: str, frames: int) -> float:
    """Swing of a move when the request does not say: as long as neighbouring frames stay close."""
    per_frame = ORBIT_DEGREES_PER_FRAME if move.startswith("orbit") else ARC_DEGREES_PER_FRAME
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
    # A camera that turns far in place has the objects in view in mid-path only.
    seeing = [s for s in stations if arc * max(abs(s.pan), abs(s.tilt)) <= TURN_IN_VIEW] or [MOVES[move](0.5)]
    zooms = np.array([[s.zoom] for s in seeing])
    half_frame = np.array([0.5 * width, 0.5 * height]) / (focal * zooms) * FILL
    for _ in range(3):  # fit the distance, then centre the subject, and again
        near = 0.5 * float(np.linalg.norm(high - low)) + 0.5
        far = 30.0 * near
        for _ in range(30):
            distance = 0.5 * (near + far)
            fits = _sees_all(_poses(seeing, arc, distance, target), subject, half_frame)
            near, far = (near, distance) if fits else (distance, far)
        target = target + _off_center(_poses(seeing, arc, far, target), subject)
    poses = _poses(stations, arc, 1.02 * far, target)
    focals = focal * np.array([s.zoom for s in stations])
    return CameraPath(poses, focals, 0.5 * width, 0.5 * height, move, arc, tuple(target.tolist()))


def _poses(stations: list[_Station], arc: float, distance: float, target: np.ndarray) -> np.ndarray:
    """World-from-camera of every station, [F, 4, 4]."""
    bearing = np.radians([MIDDLE_BEARING + arc * s.swing for s in stations])
    elevation = np.radians([s.elevation for s in stations])
    reach = distance * np.array([s.reach for s in stations])
    towards_camera = np.stack(
        [np.sin(bearing) * np.cos(elevation), -np.cos(bearing) * np.cos(elevation), np.sin(elevation)], axis=1
    )
    poses = look_at(target + reach[:, None] * towards_camera, target)
    for pose, station in zip(poses, stations, strict=True):
        pan, tilt, roll = (math.radians(arc * part) for part in (station.pan, station.tilt, station.roll))
        pose[:3, :3] = yaw_rotation(pan) @ pose[:3, :3] @ roll_rotation(tilt) @ yaw_rotation(roll)
    return poses


def _in_cameras(world_from_camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 3] in the axes of every camera, [F, N, 3]."""
    return (points[None] - world_from_camera[:, None, :3, 3]) @ world_from_camera[:, :3, :3]


def _sees_all(world_from_camera: np.ndarray, points: np.ndarray, half_frame: np.ndarray) -> bool:
    """Whether points [N, 3] project within +-half_frame [F, 2] (tangents of angles) in every camera."""
    local = _in_cameras(world_from_camera, points)
    in_front = local[..., 2].min() > 0.3
    return bool(in_front and (np.abs(local[..., :2]) <= half_frame[:, None] * local[..., 2:]).all())


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
