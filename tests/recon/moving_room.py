"""The drawn room with a panel in front that moves by itself, and where it is in each frame."""

from __future__ import annotations

import cv2
import numpy as np

from recon.types import Points
from recon.undistort import Lens
from tests.recon import textured_room


def camera_path(kind: str, frames: int) -> np.ndarray:
    """[F, 4, 4] poses: "arc20" degrees, "sideways", "forwards", "pan" or "tripod"."""
    if kind.startswith("arc"):
        return textured_room.arc(frames, float(kind[3:]))
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 1, 3] = -0.3
    share = np.linspace(0, 1, frames)
    if kind == "sideways":
        poses[:, 0, 3] = 0.4 * share - 0.2
    elif kind == "forwards":
        poses[:, 2, 3] = 0.4 * share
    elif kind == "pan":
        c, s = np.cos(0.3 * (share - 0.5)), np.sin(0.3 * (share - 0.5))
        poses[:, 0, 0], poses[:, 0, 2], poses[:, 2, 0], poses[:, 2, 2] = c, s, -s, c
    return poses


def draw(
    world_from_camera: np.ndarray,  # [4, 4]
    camera: Lens,
    pictures: list[np.ndarray],
    panels: list[tuple[float, float, float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """[H, W, 3] uint8 photograph, and [H, W] bool where panels are: upright squares before everything else,
    each (x, y, z of its middle, side), the farthest one first."""
    image = textured_room.draw(world_from_camera, camera, pictures)
    grid = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1)
    rays = (grid - camera.K[:2, 2]) / camera.K[[0, 1], [0, 1]]
    rays = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ world_from_camera[:3, :3].T
    covered = np.zeros(rays.shape[:2], bool)
    for k, (x, y, z, side) in enumerate(panels):
        t = (z - world_from_camera[2, 3]) / rays[..., 2]
        at = (world_from_camera[:2, 3] + t[..., None] * rays[..., :2] - [x, y]) / side + 0.5
        inside = ((at >= 0) & (at <= 1)).all(-1) & (t > 0)
        # As fine in the image as the room, at every size and distance.
        pixels = (at * min(1000, 2000 * side)).astype(np.float32)
        colour = cv2.remap(pictures[k][::-1, ::-1], pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR)
        image[inside] = (255 * colour[inside] * [1.0, 0.8, 0.6]).astype(np.uint8)
        covered |= inside
    return image, covered


def points_in_the_room(count: int = 200) -> Points:
    """Points on the planes, without tracks."""
    rng = np.random.default_rng(0)
    corner, u, v = (textured_room.PLANES[rng.integers(0, 4, count)][:, k] for k in range(3))
    xyz = corner + rng.random((count, 1)) * u + rng.random((count, 1)) * v
    return Points(xyz, np.zeros((count, 3), np.uint8), np.zeros(count, np.float32))
