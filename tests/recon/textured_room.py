"""A drawn clip with known cameras: textured planes seen through a lens, ray by ray."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from recon.scene import SceneFolder
from recon.types import Frames, Shot
from recon.undistort import Lens

# Planes as (corner, edge u, edge v), edges at right angles: a back wall, the ground (y down), and
# two panels before them.
PLANES = np.array(
    [
        [[-4.0, -3.0, 3.0], [8.0, 0.0, 0.0], [0.0, 6.0, 0.0]],
        [[-4.0, 1.0, -2.0], [8.0, 0.0, 0.0], [0.0, 0.0, 8.0]],
        [[-1.2, -0.8, 1.5], [0.9, 0.0, 0.5], [0.0, 1.5, 0.0]],
        [[0.4, -0.6, 1.9], [0.9, 0.0, -0.4], [0.0, 1.4, 0.0]],
    ]
)


def lens(width: int = 320, height: int = 240, focal: float = 300.0, k1: float = 0.0) -> Lens:
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Lens(width, height, K, (k1, 0.0, 0.0, 0.0) if k1 else ())


def arc(frames: int = 12, degrees: float = 30.0) -> np.ndarray:
    """[F, 4, 4] level cameras on an arc around (0, 0, 2), pitched down a little."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for pose, angle in zip(poses, np.radians(np.linspace(-degrees / 2, degrees / 2, frames)), strict=True):
        c, s, pitch = np.cos(angle), np.sin(angle), np.radians(-6 + 4 * np.sin(5 * angle))
        yaw = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        tilt = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        pose[:3, :3] = yaw @ tilt
        pose[:3, 3] = [2 * s, -0.3, 2 - 2 * c]
    return poses


def textures(seed: int = 1, finest: int = 256) -> list[np.ndarray]:
    """Noise at several scales, one picture a plane: corners at every distance."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in PLANES:
        picture = np.zeros((1024, 1024, 3), np.float32)
        for size, weight in ((16, 0.5), (64, 0.7), (256, 0.5)):
            if size > finest:
                continue
            noise = rng.random((size, size, 3)).astype(np.float32)
            picture += weight * cv2.resize(noise, (1024, 1024), interpolation=cv2.INTER_CUBIC)
        out.append(np.clip(picture / 1.7, 0, 1))
    return out


def draw(world_from_camera: np.ndarray, camera: Lens, pictures: list[np.ndarray]) -> np.ndarray:
    """[H, W, 3] uint8 photograph."""
    centres = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1)
    rays = camera.undistort((centres - camera.K[:2, 2]) / camera.K[[0, 1], [0, 1]])
    rays = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ world_from_camera[:3, :3].T
    image = np.full((camera.height, camera.width, 3), 0.5, np.float32)
    nearest = np.full(rays.shape[:2], np.inf)
    for (corner, u, v), picture in zip(PLANES, pictures, strict=True):
        normal = np.cross(u, v)
        t = (corner - world_from_camera[:3, 3]) @ normal / (rays @ normal)
        on_plane = world_from_camera[:3, 3] + t[..., None] * rays - corner
        a, b = on_plane @ u / (u @ u), on_plane @ v / (v @ v)
        hit = (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1) & (t > 0) & (t < nearest)
        size = np.array(picture.shape[1::-1])
        colour = cv2.remap(
            picture,
            (a * size[0] - 0.5).astype(np.float32),
            (b * size[1] - 0.5).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        image[hit], nearest[hit] = colour[hit], t[hit]
    return (255 * image + 0.5).astype(np.uint8)


def clip(folder: Path, camera: Lens, poses: np.ndarray, shots: tuple[Shot, ...] = ()) -> SceneFolder:
    """A scene folder whose frames are drawn."""
    pictures = textures()
    return folder_of(folder, [draw(pose, camera, pictures) for pose in poses], shots)


def folder_of(folder: Path, images: list[np.ndarray], shots: tuple[Shot, ...] = ()) -> SceneFolder:
    """A scene folder as the stage "frames" leaves it, at 8 frames per second."""
    scene = SceneFolder.create(folder)
    scene.frames_folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(scene.frames_folder / Frames.file_name(i))
    height, width = images[0].shape[:2]
    n = len(images)
    shots = shots or (Shot(0, 0, n),)
    seconds, sharpness = np.arange(n) / 8.0, np.ones(n, np.float32)
    scene.set_frames(
        Frames(scene.frames_folder, width, height, 8.0, seconds, sharpness, shots), {"path": "drawn"}
    )
    scene.mark_done("frames", "drawn", 0.0)
    return scene


def sidecar(path: Path, camera: Lens, poses: np.ndarray) -> Path:
    """The JSON that our generator writes beside a video."""
    K = camera.K
    content = {
        "format": "splatreel-video",
        "version": 1,
        "fps": 8.0,
        "frames": len(poses),
        "width": camera.width,
        "height": camera.height,
        "cameras": {
            "convention": "opencv",
            "world_up": [0, -1, 0],
            "intrinsics": {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]},
            "world_from_camera": poses.tolist(),
        },
    }
    path.write_text(json.dumps(content))
    return path
