"""Colours of single frames: an affine map per training frame (exposure, white balance, flicker), known only
to the training. The scene itself keeps the mean colours of the clip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recon import schedule
from recon.config import FitConfig

BETA1, BETA2 = 0.8, 0.99
PRIOR = 0.02
"""Weight of the squared difference from no change, in the loss: without it a frame's map may explain what
is seen in that frame only."""


class ColourRefinement:
    """[F, 3, 4] affine maps from the scene's colours to those of each frame, float64."""

    def __init__(self, config: FitConfig, frames: int, train: list[int]) -> None:
        self.config, self.train = config, train
        self.maps = np.repeat(np.eye(3, 4)[None], frames, 0)
        self.moments = np.zeros((2, frames, 3, 4))
        self.visits = np.zeros(frames)

    def map(self, index: int) -> Tensor:
        """[3, 4] float32, of a training frame."""
        return torch.tensor(self.maps[index], dtype=torch.float32)

    def step(self, index: int, gradient: Tensor, step: int) -> None:
        """One Adam step on frame `index` from dL/d(map) [3, 4]; the mean of all maps stays the identity."""
        rate = schedule.colour_lr(self.config, step)
        if rate == 0:
            return
        values = gradient.numpy().astype(np.float64) + 2 * PRIOR * (self.maps[index] - np.eye(3, 4))
        self.visits[index] += 1
        moments, steps = self.moments[:, index], self.visits[index]
        moments[0] += (1 - BETA1) * (values - moments[0])
        moments[1] += (1 - BETA2) * (values**2 - moments[1])
        first, second = moments[0] / (1 - BETA1**steps), moments[1] / (1 - BETA2**steps)
        self.maps[index] -= rate * first / np.sqrt(second + 1e-30)
        self.maps[self.train] -= self.maps[self.train].mean(0) - np.eye(3, 4)

    def state(self) -> dict[str, Tensor]:
        """For the checkpoint."""
        arrays = {"maps": self.maps, "moments": self.moments, "visits": self.visits}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """From `state()`."""
        for name, tensor in state.items():
            setattr(self, name, tensor.numpy().copy())
