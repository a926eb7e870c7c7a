"""Pictures of the result: source beside render, and a short orbit as a video."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from recon.fourd.motion import Splats4D
from recon.raster import render
from recon.scene import replacing
from recon.types import Cameras
from recon.views import Views

ORBIT_FRAMES, ORBIT_FPS = 72, 24


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """[H, W, 3] uint8 from float 0..1."""
    return (image.clamp(0, 1) * 255 + 0.5).byte().cpu().numpy()


@torch.no_grad()
def write_side_by_side(folder: Path, splats: Splats4D, views: Views, device: str = "cpu") -> list[Path]:
    """For every held-out view (or every eighth, if none is held out): source left, render right."""
    paths = []
    for index in views.heldout or views.train[::8]:
        view = views.view(index, device=device)
        height, width = view.image.shape[:2]
        gaussians = splats.at(view.seconds)
        image = render(gaussians, view.camera_from_world, view.K, width, height).image
        path = folder / f"{view.number:05d}.png"
        with replacing(path) as part:
            Image.fromarray(np.hstack([to_uint8(view.image), to_uint8(image)])).save(part)
        paths.append(path)
    return paths


def orbit_path(cameras: Cameras, frames: int = ORBIT_FRAMES) -> np.ndarray:
    """[frames, 4, 4] world_from_camera: along the filmed path and back, swinging a little off it, so that
    the picture shows depth without leaving the part of the scene that was seen."""
    t = np.arange(len(cameras), dtype=float)
    swing = 2 * np.pi * np.arange(frames) / frames
    poses = np.repeat(np.eye(4)[None], frames, 0)
    if len(cameras) > 1:
        along = (len(cameras) - 1) * (0.5 - 0.5 * np.cos(swing))
        # A few knots smooth the shake of a hand-held path.
        knots = np.unique(np.linspace(0, len(cameras) - 1, min(len(cameras), 8)).round().astype(int))
        rotation = RotationSpline(t[knots], Rotation.from_matrix(cameras.world_from_camera[knots, :3, :3]))
        poses[:, :3, :3] = rotation(along).as_matrix()
        poses[:, :3, 3] = CubicSpline(t[knots], cameras.centres[knots])(along)
    else:
        poses[:] = cameras.world_from_camera[0]
    extent = float(np.linalg.norm(np.ptp(cameras.centres, axis=0)))
    amplitude = np.clip(0.1 * extent, 0.01, 0.06)  # median depths
    offset = amplitude * np.stack([np.sin(swing), 0.5 * np.sin(2 * swing), np.zeros(frames)], 1)
    poses[:, :3, 3] += np.einsum("fij,fj->fi", poses[:, :3, :3], offset)
    # Turn back to the point one median depth ahead (small angles about x and y).
    turn = np.stack([offset[:, 1], -offset[:, 0], np.zeros(frames)], 1)
    poses[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_rotvec(turn).as_matrix()
    return poses


@torch.no_grad()
def write_orbit(
    path: Path,
    splats: Splats4D,
    cameras: Cameras,
    size: tuple[int, int],
    seconds: np.ndarray,  # [F] when the cameras were there
) -> None:
    """Render the orbit to an mp4 of about this size (width, height); what moves goes as it did on the way
    there and goes back on the way back."""
    width, height = (max(2, side // 2 * 2) for side in size)
    K = np.diag([width / cameras.width, height / cameras.height, 1]) @ np.median(cameras.K, axis=0)
    poses = np.linalg.inv(orbit_path(cameras))
    intrinsics = torch.tensor(K, dtype=torch.float32, device=splats.still.means.device)
    along = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(poses)) / len(poses))
    times = np.interp(along, np.linspace(0, 1, len(seconds)), seconds)

    def frame(i: int) -> np.ndarray:
        gaussians = splats.at(float(times[i]))
        camera_from_world = torch.tensor(poses[i], dtype=torch.float32, device=intrinsics.device)
        return to_uint8(render(gaussians, camera_from_world, intrinsics, width, height).image)

    write_video(path, frame, len(poses), ORBIT_FPS)


def write_video(path: Path, frame: Callable[[int], np.ndarray], count: int, fps: float) -> None:
    """H.264 mp4 from frames [H, W, 3] uint8 of even size."""
    with replacing(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.options = {"crf": "18", "preset": "veryfast", "movflags": "+faststart"}
        stream.pix_fmt = "yuv420p"
        for i in range(count):
            picture = frame(i)
            if i == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
