"""What is refined besides the Gaussians: poses and colours of the training frames; and the file with the
refined cameras."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recon.colour import ColourRefinement
from recon.config import FitConfig
from recon.descent import FrameGradients
from recon.errors import FormatError
from recon.pose_refinement import PoseRefinement
from recon.scene import write_json
from recon.types import Cameras
from recon.views import View

REFINED = "refined_cameras.json"
"""Beside a shot's splat.ply."""


class Refinement:
    """Poses and colours of one training, each as far as the config asks for it."""

    def __init__(self, config: FitConfig, cameras: Cameras, train: list[int]) -> None:
        self.solved = cameras
        self.poses = PoseRefinement(config, cameras, train) if config.refine_poses else None
        self.colours = ColourRefinement(config, len(cameras), train) if config.refine_colours else None
        self.gradients = FrameGradients() if self.poses or self.colours else None
        """Where a training step writes; None when nothing is refined."""

    def applied(self, view: View, index: int) -> View:
        """A training view as it is now believed to have been taken."""
        if self.poses:
            pose = torch.tensor(self.poses.poses[index], dtype=torch.float32).to(view.K.device)
            scale = torch.tensor(self.poses.lens_scale(), dtype=torch.float32).to(view.K.device)
            view = replace(view, camera_from_world=pose, K=view.K * scale)
        if self.colours:
            view = replace(view, colour=self.colours.map(index).to(view.K.device))
        return view

    def step(self, view: View, index: int, step: int) -> None:
        """Move what belongs to the frame by `gradients`, after step `step` (from 0) on `view`."""
        if self.gradients and self.poses:
            self.poses.step(index, self.gradients.camera, view.K, step)
        if self.gradients and self.colours:
            self.colours.step(index, self.gradients.colour, step)

    def cameras(self) -> Cameras:
        """As refined so far."""
        return self.poses.cameras() if self.poses else self.solved

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Tensors only, for the checkpoint."""
        parts = {"poses": self.poses, "colours": self.colours}
        return {name: part.state() for name, part in parts.items() if part}

    def restore(self, state: dict[str, dict[str, Tensor]]) -> None:
        """From `state()`."""
        for name, part in (("poses", self.poses), ("colours", self.colours)):
            if part:
                part.restore(state[name])


def write_refined(path: Path, cameras: Cameras) -> None:
    """Poses and intrinsics as training left them; everything else stays in the solution."""
    frames = [
        {"number": int(number), "world_from_camera": pose.tolist(), "K": K.tolist()}
        for number, pose, K in zip(cameras.numbers, cameras.world_from_camera, cameras.K, strict=True)
    ]
    write_json(path, {"about": "cameras refined by training; OpenCV axes", "frames": frames})


def refined(path: Path, solved: Cameras) -> Cameras:
    """The solved cameras with refined poses and intrinsics, or as they are when the file is not there.

    Raises:
        FormatError: The file is damaged or belongs to other frames.
    """
    if not path.exists():
        return solved
    try:
        frames = json.loads(path.read_text())["frames"]
        names = ("number", "world_from_camera", "K")
        numbers, poses, K = (np.array([frame[name] for frame in frames]) for name in names)
        if not np.array_equal(numbers, solved.numbers):
            raise ValueError(f"{len(numbers)} other frames")
        return replace(solved, world_from_camera=poses, K=K)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is damaged ({error}); run the same command with --force train") from error
