"""From the solver's own world to ours: −y up, median camera-to-point depth 1, scene at the origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recon.level_plane import level_plane
from recon.types import Cameras, Points

UP_PRIOR = 0.001
"""Weight of "cameras stand upright" against "their right vectors are level". At an orbit of ±30° the
prior moves up by less than half a degree; below some ±2° of turning, where the right vectors
say nothing about pitch, it decides (0.001 is the variance of right vectors over such an arc)."""
TRIES, TOLERANCE = 2000, 0.02
"""See `level_plane`. A floor may hold a tenth of the points, and one draw of three in a thousand is of it."""
FLOOR_POINTS, FLOOR, CLEAR, BENEATH = 50, 0.1, 0.6, 0.1
"""Points at least, and share of all, that lie on a floor; share on it of those within three times its
reach (points spread evenly have a third to a half of these there); and points beneath, over those on it."""


@dataclass(frozen=True, repr=False)
class Similarity:
    """x_new = scale * rotation @ x_old + translation."""

    scale: float
    rotation: np.ndarray
    """[3, 3]."""
    translation: np.ndarray
    """[3]."""

    def __repr__(self) -> str:
        return f"Similarity(scale {self.scale:.6g})"

    def points(self, xyz: np.ndarray) -> np.ndarray:
        """[..., 3] points moved."""
        return self.scale * xyz @ self.rotation.T + self.translation

    def poses(self, world_from_camera: np.ndarray) -> np.ndarray:
        """[..., 4, 4] rigid poses moved; they stay rigid, the scale goes into the translations."""
        moved = world_from_camera.copy()
        moved[..., :3, :3] = self.rotation @ world_from_camera[..., :3, :3]
        moved[..., :3, 3] = self.points(world_from_camera[..., :3, 3])
        return moved

    def to_json(self) -> dict[str, object]:
        """For scene.json."""
        return {
            "scale": self.scale,
            "rotation": self.rotation.tolist(),
            "translation": self.translation.tolist(),
        }

    @classmethod
    def from_json(cls, value: dict) -> Similarity:
        """From scene.json."""
        return cls(float(value["scale"]), np.array(value["rotation"]), np.array(value["translation"]))


def estimate_up(world_from_camera: np.ndarray) -> np.ndarray:
    """[3] unit up direction of the poses' world, from how people hold cameras.

    A camera that is held level turns about the vertical and pitches about its own right axis,
    so all right vectors lie in the horizontal plane: up is the direction most orthogonal to
    them, with the sign of the mean camera up (−y). Where the right vectors hardly spread, the
    mean camera up decides (see `UP_PRIOR`).
    """
    right = world_from_camera[:, :3, 0]
    prior = -world_from_camera[:, :3, 1].mean(axis=0)
    length = np.linalg.norm(prior)
    prior = prior / length if length > 1e-6 else -world_from_camera[0, :3, 1]
    spread = right.T @ right / len(right) + UP_PRIOR * (np.eye(3) - np.outer(prior, prior))
    up = np.linalg.eigh(spread)[1][:, 0]
    return up if up @ prior >= 0 else -up


def level_up(up: np.ndarray, world_from_camera: np.ndarray, points: Points) -> np.ndarray:
    """[3] unit up direction: that of the dominant level plane beneath the cameras (floor, ground, table), or
    `up` [3] as it is when no plane within 20° of level stands out among the points."""
    camera = np.median(world_from_camera[:, :3, 3], axis=0)
    rng = np.random.default_rng(0)
    plane = level_plane(points.xyz, up, camera, rng, tries=TRIES, tolerance=TOLERANCE, lowest=True)
    if plane is None or plane.on.sum() < max(FLOOR_POINTS, FLOOR * len(points)):
        return up
    heights = (points.xyz @ plane.normal - plane.offset) / plane.reach
    on, near, beneath = (np.sum(part) for part in (abs(heights) < 1, abs(heights) < 3, heights < -3))
    return plane.normal if on > CLEAR * near and beneath < BENEATH * on else up


def seen_depths(world_from_camera: np.ndarray, numbers: np.ndarray, points: Points) -> np.ndarray:
    """[N] z distances of points from the cameras that saw them (from all, when there are no tracks)."""
    camera_from_world = np.linalg.inv(world_from_camera)
    if points.tracks:
        of_point = np.repeat(np.arange(len(points)), [len(track) for track in points.tracks])
        seen_by = np.concatenate([track[:, 0] for track in points.tracks]).astype(np.int64)
        camera = np.searchsorted(numbers, seen_by)
        rows = camera_from_world[camera, 2]
        return np.einsum("ni,ni->n", rows[:, :3], points.xyz[of_point]) + rows[:, 3]
    homogeneous = np.concatenate([points.xyz, np.ones((len(points), 1))], axis=1)
    return (homogeneous @ camera_from_world[:, 2].T).ravel()


def find_world(
    world_from_camera: np.ndarray,  # [F, 4, 4]
    numbers: np.ndarray,  # [F]
    points: Points,
    up: np.ndarray | None = None,  # [3]
) -> Similarity:
    """The similarity into our world.

    −y is up (`up`, or estimated from cameras and floor), +z is where the first camera looks
    horizontally, the median depth of points in the cameras that see them is 1, and the median point is
    the origin. It depends on the scene only: a moved, turned or scaled input gives the same world.
    """
    if up is None:
        up = level_up(estimate_up(world_from_camera), world_from_camera, points)
    else:
        up = np.asarray(up) / np.linalg.norm(up)
    down = -up
    # Which way is "ahead" is free; a camera that looks straight down is taken by its top edge.
    for ahead in (world_from_camera[0, :3, 2], -world_from_camera[0, :3, 1], world_from_camera[0, :3, 0]):
        level = ahead - (ahead @ down) * down
        if np.linalg.norm(level) > 0.1:
            break
    z = level / np.linalg.norm(level)
    rotation = np.stack([np.cross(down, z), down, z])
    depths = seen_depths(world_from_camera, numbers, points)
    depths = depths[depths > 0]
    scale = 1.0 / float(np.median(depths)) if len(depths) else 1.0
    centre = np.median(points.xyz @ rotation.T, axis=0) if len(points) else np.zeros(3)
    return Similarity(scale, rotation, -scale * centre)


def into_world(cameras: Cameras, points: Points, similarity: Similarity) -> tuple[Cameras, Points]:
    """Cameras and points moved; reprojections stay what they were."""
    return (
        replace(cameras, world_from_camera=similarity.poses(cameras.world_from_camera)),
        replace(points, xyz=similarity.points(points.xyz)),
    )
