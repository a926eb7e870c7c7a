"""The small scene with something that moves in it, and our rasterizer's pictures of it."""

from __future__ import annotations

import numpy as np
import torch
from viewer_scene import CENTRE, FOCAL, HEIGHT, WIDTH, Splats, camera_poses

from recon.fourd.motion import FOREVER, Bases, Lifetimes, Moving, Splats4D
from recon.raster import render
from recon.types import Gaussians

BALL = slice(1500, 2400)


def make_splats4d(splats: Splats) -> Splats4D:
    """The ball of the scene rolls, a part of it after the other; some of it lives for a while only."""
    rng = np.random.default_rng(3)
    parts = (splats.means, splats.quats, splats.log_scales, splats.logits, splats.sh)
    everything = Gaussians(*(torch.from_numpy(part) for part in parts))
    on = torch.zeros(len(everything), dtype=torch.bool)
    on[BALL] = True
    ball = everything.select(on)
    middle = ball.means.mean(0)
    control = Bases.count_for(0.5, 0.1)
    swing = torch.linspace(-0.5, 0.5, control)[:, None]
    quats = torch.stack([torch.cat([torch.ones(control, 1), swing * axis], 1) for axis in torch.eye(3)[:2]])
    shifts = torch.stack([middle + swing * torch.tensor(way) for way in ([0.4, -0.2, 0.0], [0.4, 0.0, -0.3])])
    share = torch.from_numpy(rng.integers(0, 256, len(ball)) / 255).float()[:, None]
    radii = torch.where(torch.arange(len(ball)) % 5 == 0, 0.1, FOREVER)
    lives = Lifetimes(torch.full((len(ball),), 0.2), radii, torch.full((len(ball),), 0.05))
    rest = Gaussians(ball.means - middle, ball.quats, ball.log_scales, ball.logit_opacities, ball.sh[:, :1])
    bases = Bases(quats, shifts, 0.0, 0.1)
    return Splats4D(everything.select(~on), Moving(rest, torch.cat([share, 1 - share], 1), bases, lives))


def rasterized(splats: Gaussians, camera: int) -> np.ndarray:
    K = torch.tensor([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    pose = torch.tensor(np.linalg.inv(camera_poses()[camera]), dtype=torch.float32)
    return render(splats, pose, K, WIDTH, HEIGHT).image.clamp(0, 1).numpy()
