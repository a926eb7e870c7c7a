"""Settings of the trainer: presets first, then the few numbers that matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recon.errors import TrainError

Preset = Literal["preview", "standard", "best"]
Motion = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides the result of a training, besides its inputs."""

    steps: int = 2400
    """Optimiser steps; fewer when the held-out score becomes flat."""
    budget: int = 60_000
    """The number of Gaussians never exceeds this; images smaller than `long_side` get fewer."""
    long_side: int = 480
    """Long side of the training images in pixels (never larger than the frames)."""
    sh_degree: int = 3
    """Degree of the spherical harmonics, 0..3; raised from 0 during the first half."""
    seed: int = 0
    dense: bool = True
    """Start from points triangulated by optical flow where the camera moves enough, not from sparse ones."""
    ssim_weight: float = 0.2
    """Share of 1 - SSIM in the loss; the rest is L1."""
    opacity_weight: float = 0.01
    """Weight of the mean opacity in the loss: unneeded Gaussians fade (3DGS-MCMC, section 3.4)."""
    scale_weight: float = 0.01
    """Weight of the mean scale in the loss."""
    means_lr: float = 1.6e-3
    """Step size of the positions in median depths; falls to 2 % of it."""
    refine_poses: bool = True
    """Refine the poses of the training frames (and the focal length) together with the scene."""
    refine_colours: bool = False
    """Let every training frame have an affine colour map of its own, for clips that flicker."""
    motion: Motion = "auto"
    """Whether what moves is fitted too ("auto" and "on": when something does; "on" says so when nothing
    does), or left out ("off")."""
    depth_model: str = ""
    """Name or folder of a learned model of depth, for how far away what moves is (docs/plugins.md)."""
    held_out_every: int = 8
    """Every n-th frame is kept from training to judge the result; 0 trains on all."""

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("budget", 100), ("long_side", 32), ("held_out_every", 0)):
            if getattr(self, name) < low:
                raise TrainError(f"{name} is {getattr(self, name)}, expected at least {low}")
        if not 0 <= self.sh_degree <= 3:
            raise TrainError(f"sh_degree is {self.sh_degree}, expected 0, 1, 2 or 3")


PRESETS: dict[Preset, FitConfig] = {
    "preview": FitConfig(steps=900, budget=20_000, long_side=320, sh_degree=1, dense=False),
    "standard": FitConfig(),
    "best": FitConfig(steps=6000, budget=200_000, long_side=960),
}


def config_for(preset: Preset, **changes: int | float | str | None) -> FitConfig:
    """A preset with some fields changed; None keeps the preset's value."""
    return replace(PRESETS[preset], **{k: v for k, v in changes.items() if v is not None})
