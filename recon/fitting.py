"""The training loop: Gaussians fitted to images (3D Gaussian splatting, Kerbl et al. 2023), by density
control with MCMC (Kheradmand et al. 2024). One loop for the CPU core and for gsplat on CUDA.

The state after step n depends on the inputs, the config and n alone: random numbers come from
(seed, purpose, step), so that a run killed and resumed ends bitwise where an uninterrupted one ends
(on the CPU).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from recon import schedule
from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.config import FitConfig
from recon.descent import Descent, check_finite
from recon.events import Checkpointed, Evaluated, Listener, TrainStep, ignore
from recon.losses import l1_ssim, psnr
from recon.optimizer import Optimizer
from recon.raster import render
from recon.types import Gaussians
from recon.views import Views

CHECKPOINT_SECONDS = 20.0
"""At most this much work is lost when a run is killed."""


@dataclass(frozen=True)
class ViewScore:
    """How well one view is matched."""

    number: int
    """Global frame number."""
    split: str
    """ "train" or "heldout"."""
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Fit:
    """What a training returns."""

    gaussians: Gaussians
    scores: tuple[ViewScore, ...]
    seconds: float
    """Training time over all sessions, without the scoring."""


def fit(
    views: Views,
    start: Gaussians,
    config: FitConfig,
    folder: Path,
    *,
    key: str = "",
    device: str = "cpu",
    on_event: Listener = ignore,
) -> Fit:
    """Train, continuing from `folder`/checkpoint.pt when it belongs to the same `key` and config."""
    path = folder / "checkpoint.pt"
    saved = load_checkpoint(path, config, key)
    optimizer = Optimizer.restored(saved, device) if saved else Optimizer(start, device)
    first_step, spent = (saved["step"], saved["seconds"]) if saved else (0, 0.0)
    descent = Descent(config, device)
    begun = last_saved = time.perf_counter()

    def seconds() -> float:
        return spent + time.perf_counter() - begun

    def checkpoint(step: int) -> None:
        save_checkpoint(path, config, key, {"step": step, "seconds": seconds(), **optimizer.state()})
        on_event(Checkpointed(step, str(path)))

    for step in range(first_step, config.steps):
        level = schedule.pyramid_level(config, step, views.size)
        view = views.view(views.train[schedule.view_at(config, step, len(views.train))], level, device)
        loss = descent.step(optimizer, view, step)
        check_finite(loss, step + 1, folder)
        if schedule.refines(config, step + 1):
            optimizer.refine(config, step + 1, len(start))
        height, width = view.image.shape[:2]
        count = len(optimizer.gaussians)
        on_event(TrainStep(step + 1, config.steps, loss, count, width, height, seconds()))
        if time.perf_counter() - last_saved > CHECKPOINT_SECONDS:
            checkpoint(step + 1)
            last_saved = time.perf_counter()

    trained_seconds = seconds()
    if first_step < config.steps:
        checkpoint(config.steps)
    result = optimizer.gaussians
    scores = score(result, views, device)
    for split in ("train", "heldout"):
        part = [s for s in scores if s.split == split]
        if part:
            means = (sum(getattr(s, name) for s in part) / len(part) for name in ("psnr", "ssim"))
            on_event(Evaluated(config.steps, split, *means, views=len(part), seconds=trained_seconds))
    return Fit(result, scores, trained_seconds)


@torch.no_grad()
def score(gaussians: Gaussians, views: Views, device: str = "cpu") -> tuple[ViewScore, ...]:
    """PSNR and SSIM of every view at training size; renders are clipped to 0..1 first."""
    heldout = set(views.heldout)
    scores = []
    for index in range(len(views.cameras)):
        view = views.view(index, device=device)
        height, width = view.image.shape[:2]
        image = render(gaussians, view.camera_from_world, view.K, width, height).image.clamp(0, 1)
        ssim = l1_ssim(image, view.image, 1.0)[1].item()
        split = "heldout" if index in heldout else "train"
        scores.append(ViewScore(view.number, split, psnr(image, view.image), ssim))
    return tuple(scores)
