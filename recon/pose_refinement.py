"""Camera poses refined together with the scene (as BARF, Lin et al. 2021, does for NeRF).

A pose is moved by small twists (rotation, translation) on the camera's side, whose gradient comes with
every training step. Steps go by the sign of the gradient and have sizes of their own (Rprop, Riedmiller and
Braun 1993): a wrong pose is pulled one way for many visits and comes far; a right one is pulled this way and
that, and stays, where Adam's steps shook it and blurred the scene.

What moves all cameras alike, a similarity of the world, is taken out of every move: the scene would follow,
and the cameras would no longer be where the solver put its world.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from recon import schedule
from recon.config import FitConfig
from recon.types import Cameras

MEAN = 0.5
"""Share of the old gradient in the mean whose sign says which way."""
FIRST, LEAST, MOST = 0.1, 0.01, 1.0
"""Of the largest step size: every number's to begin with, and its bounds."""
LONGER, SHORTER = 1.5, 0.5
"""What a step size is multiplied by when gradient and mean have the same sign, and when they have not."""
MIN_PARALLAX = 3.0
"""Degrees between the directions in which cameras see the scene, below which the focal length stays: it can
be exchanged for depth."""


class PoseRefinement:
    """The poses of one shot's cameras and what the steps keep of each training frame; float64."""

    def __init__(self, config: FitConfig, cameras: Cameras, train: list[int]) -> None:
        self.config, self.solved, self.train = config, cameras, train
        self.poses = cameras.camera_from_world
        """[F, 4, 4] camera_from_world; those of held-out frames stay as solved, see `cameras`."""
        self.pulls = np.zeros((2, len(cameras), 6))
        """Mean gradient and step size of each twist."""
        self.focal = np.zeros(3)
        """log of the focal length's factor, and the same two of it."""
        self._gauge = gauge_directions(self.poses[train])
        self._inverse = np.linalg.pinv(self._gauge)
        self._refines_focal = parallax(cameras) > MIN_PARALLAX

    def step(self, index: int, gradient: Tensor, K: Tensor, step: int) -> None:
        """One step on frame `index`, from dL/d(camera) [16] (see `FrameGradients`) of a view with
        intrinsics `K`, after step `step` (from 0)."""
        rate = schedule.pose_lr(self.config, step)
        if rate == 0:
            return
        values = gradient.numpy().astype(np.float64)
        twist = twist_gradient(values[:12].reshape(3, 4), self.poses[index])
        moves = np.zeros((len(self.train), 6))
        moves[self.train.index(index)] = -rate * _pulled(self.pulls[:, index], twist)
        moves -= (self._gauge @ (self._inverse @ moves.ravel())).reshape(moves.shape)
        self.poses[self.train] = apply_twists(moves, self.poses[self.train])
        rate = schedule.focal_lr(self.config, step)
        if rate and self._refines_focal:
            slope = values[12] * float(K[0, 0]) + values[13] * float(K[1, 1])
            self.focal[0] -= rate * float(_pulled(self.focal[1:], slope))

    def lens_scale(self) -> np.ndarray:
        """[3, 3] what intrinsics are multiplied by, element by element: the refined focal length's factor."""
        scale = np.ones((3, 3))
        scale[0, 0] = scale[1, 1] = np.exp(self.focal[0])
        return scale

    def cameras(self) -> Cameras:
        """All cameras: training frames refined, the others moved by what their neighbours were moved."""
        poses = self.solved.camera_from_world
        moves = twists_between(poses[self.train], self.poses[self.train])
        numbers = self.solved.numbers
        between = [np.interp(numbers, numbers[self.train], moves[:, k]) for k in range(6)]
        refined = apply_twists(np.stack(between, 1), poses)
        refined[self.train] = self.poses[self.train]
        K = self.solved.K * self.lens_scale()
        return replace(self.solved, world_from_camera=np.linalg.inv(refined), K=K)

    def state(self) -> dict[str, Tensor]:
        """For the checkpoint."""
        arrays = {"poses": self.poses, "pulls": self.pulls, "focal": self.focal}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """From `state()`."""
        for name, tensor in state.items():
            setattr(self, name, tensor.numpy().copy())


def _pulled(pulls: np.ndarray, gradient: np.ndarray | float) -> np.ndarray:
    """Which way against the gradient, and how far of 1; `pulls` [2, ...] are changed in place. Nothing on the
    first visit, which has nothing to compare with."""
    mean, size = pulls
    if not size.any():
        pulls[0], pulls[1] = gradient, FIRST
        return np.zeros_like(size)
    agree = np.sign(gradient) * np.sign(mean)
    pulls[1] = np.clip(size * np.where(agree > 0, LONGER, SHORTER), LEAST, MOST)
    pulls[0] = MEAN * mean + (1 - MEAN) * gradient
    return np.sign(pulls[0]) * pulls[1]


def apply_twists(
    twists: np.ndarray,  # [N, 6] rotation vector, translation
    poses: np.ndarray,  # [N, 4, 4] camera_from_world
) -> np.ndarray:
    """[N, 4, 4] poses turned and shifted on the camera's side."""
    moves = np.repeat(np.eye(4)[None], len(poses), 0)
    moves[:, :3, :3] = Rotation.from_rotvec(twists[:, :3]).as_matrix()
    moves[:, :3, 3] = twists[:, 3:]
    return moves @ poses


def twists_between(
    before: np.ndarray,  # [N, 4, 4] camera_from_world
    after: np.ndarray,  # [N, 4, 4]
) -> np.ndarray:
    """[N, 6] for which `apply_twists` leads from one to the other."""
    moves = after @ np.linalg.inv(before)
    return np.concatenate([Rotation.from_matrix(moves[:, :3, :3]).as_rotvec(), moves[:, :3, 3]], 1)


def twist_gradient(
    gradient: np.ndarray,  # [3, 4] dL/d(camera_from_world)
    pose: np.ndarray,  # [4, 4] camera_from_world
) -> np.ndarray:
    """[6] dL/d(twist) at no twist: a turn w moves every column p of the pose by w x p."""
    turn = np.cross(pose[:3].T, gradient.T).sum(0)
    return np.concatenate([turn, gradient[:, 3]])


def gauge_directions(poses: np.ndarray) -> np.ndarray:  # [N, 4, 4] camera_from_world
    """[6 N, 7] twists of all cameras that are a turn, a shift or a scaling of the world."""
    R, t = poses[:, :3, :3], poses[:, :3, 3]
    directions = np.zeros((len(poses), 6, 7))
    directions[:, :3, :3] = R
    directions[:, 3:, :3] = np.cross(t[:, None], R.transpose(0, 2, 1)).transpose(0, 2, 1)
    directions[:, 3:, 3:6] = R
    directions[:, 3:, 6] = t
    return directions.reshape(-1, 7)


def parallax(cameras: Cameras) -> float:
    """Degrees between the outermost directions from the scene's median point (the origin) to cameras."""
    directions = cameras.centres / np.linalg.norm(cameras.centres, axis=1, keepdims=True).clip(1e-9)
    mean = directions.mean(0) / max(float(np.linalg.norm(directions.mean(0))), 1e-9)
    return 2 * float(np.degrees(np.arccos((directions @ mean).clip(-1, 1)).max()))
