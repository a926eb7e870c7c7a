"""Small inputs for models."""

from __future__ import annotations

import numpy as np

from gen.clips import Clip
from gen.models.trajectories import Cameras, lens, trajectory


def moving(frames: int, width: int = 32, height: int = 32, seed: int = 0) -> np.ndarray:
    """[F, H, W, 3] uint8: a pattern that moves to the right."""
    pattern = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    picture = np.kron(pattern, np.ones((height // 4, width // 4, 1), np.uint8))
    return np.stack([np.roll(picture, 3 * number, axis=1) for number in range(frames)])


def still(width: int = 32, height: int = 32, seed: int = 0) -> np.ndarray:
    """[H, W, 3] uint8."""
    return moving(1, width, height, seed)[0]


def clip(frames: int, seed: int = 0, fps: float = 8) -> Clip:
    return Clip(moving(frames, seed=seed), fps)


def cameras(move: str, frames: int, side: int = 64, field_of_view: float = 60) -> Cameras:
    return Cameras(trajectory(move, frames), lens(side, side, field_of_view))
