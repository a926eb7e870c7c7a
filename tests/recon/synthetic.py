"""A small scene with known truth: coloured Gaussians on a ball, seen from an arc of cameras."""

from __future__ import annotations

import numpy as np
import torch

from recon.gaussians import isotropic
from recon.pictures import to_uint8
from recon.raster import render
from recon.types import Cameras, Gaussians, Points
from recon.views import Views

WIDTH, HEIGHT, FOCAL = 96, 72, 90.0


def ball(count: int = 900, seed: int = 0, sh_degree: int = 0) -> Gaussians:
    """`count` Gaussians on a ball of radius 0.35 and as many on a wall behind it, one median
    depth away from the cameras."""
    g = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=-1)
    sphere = 0.35 * direction
    wall = torch.cat([2.4 * torch.rand(count, 2, generator=g) - 1.2, torch.full((count, 1), 0.6)], 1)
    rgb = torch.cat([0.5 + 0.45 * torch.sin(6 * direction), 0.2 + 0.6 * torch.rand(count, 3, generator=g)])
    widths = torch.cat([torch.full((count,), 0.03), torch.full((count,), 0.06)])
    return isotropic(torch.cat([sphere, wall]), widths, rgb, 0.9, sh_degree)


def arc(frames: int = 17, degrees: float = 40.0) -> Cameras:
    """Cameras on an arc around the ball, world −y up."""
    poses = np.repeat(np.eye(4)[None], frames, 0)
    for pose, angle in zip(poses, np.radians(np.linspace(-degrees / 2, degrees / 2, frames)), strict=True):
        c, s = np.cos(angle), np.sin(angle)
        pose[:3, :3] = [[c, 0, -s], [0, 1, 0], [s, 0, c]]
        pose[:3, 3] = [s, 0, -c]
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Cameras(np.arange(frames), poses, np.repeat(K[None], frames, 0), WIDTH, HEIGHT)


@torch.no_grad()
def photographs(gaussians: Gaussians, cameras: Cameras) -> list[np.ndarray]:
    """[H, W, 3] uint8 renders."""
    K = torch.tensor(cameras.K[0], dtype=torch.float32)
    poses = torch.tensor(cameras.camera_from_world, dtype=torch.float32)
    return [to_uint8(render(gaussians, pose, K, cameras.width, cameras.height).image) for pose in poses]


def views(held_out_every: int = 8) -> Views:
    """The truth as training views."""
    cameras = arc()
    return Views(photographs(ball(), cameras), cameras, held_out_every)


def sparse_points(count: int = 300, seed: int = 1) -> Points:
    """Some centres of the true Gaussians, a little off, as structure from motion would give."""
    truth = ball()
    generator = np.random.default_rng(seed)
    pick = generator.choice(len(truth), count, replace=False)
    xyz = truth.means[pick].numpy().astype(float) + generator.normal(0, 0.004, (count, 3))
    rgb = (255 * (0.5 + 0.28209479 * truth.sh[pick, 0].numpy()).clip(0, 1)).astype(np.uint8)
    return Points(xyz, rgb, np.full(count, 0.5, np.float32))
