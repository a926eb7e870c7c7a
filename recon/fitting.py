"""The training loop: Gaussians fitted to images (3D Gaussian splatting, Kerbl et al. 2023), by density
control with MCMC (Kheradmand et al. 2024). One loop for the CPU core and for gsplat on CUDA.

The state after step n depends on the inputs, the config and n alone: random numbers come from
(seed, purpose, step), so that a run killed and resumed ends bitwise where an uninterrupted one ends
(on the CPU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recon import schedule
from recon.alignment import aligned
from recon.checkpoint import Session
from recon.config import FitConfig
from recon.descent import Descent, check_finite
from recon.events import Evaluated, Listener, Notice, TrainStep, ignore
from recon.fourd.motion import Splats4D
from recon.losses import masked_ssim, psnr
from recon.optimizer import Optimizer
from recon.raster import render
from recon.refinement import Refinement
from recon.types import Cameras, Gaussians
from recon.views import View, Views

SPLITS = "train", "heldout", "heldout_aligned"
"""Of scores; a held-out view has two: at the pose it was solved with, and aligned."""
FLAT_EVALUATIONS, FLAT_DB = 2, 0.01
"""Training ends when so many evaluations in a row gain less than this many dB of held-out PSNR."""


@dataclass(frozen=True)
class ViewScore:
    """How well one view is matched."""

    number: int
    """Global frame number."""
    split: str
    """ "train", "heldout" or "heldout_aligned"."""
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Fit:
    """What a training returns."""

    gaussians: Gaussians
    cameras: Cameras
    """The views' cameras, refined where the config asks for it."""
    scores: tuple[ViewScore, ...]
    seconds: float
    """Training time over all sessions, without the scoring."""


def fit(
    views: Views,
    start: Gaussians | Callable[[], Gaussians],
    config: FitConfig,
    folder: Path,
    *,
    key: str = "",
    device: str = "cpu",
    look: Callable[[Gaussians], None] = lambda gaussians: None,
    on_event: Listener = ignore,
) -> Fit:
    """Train, continuing from `folder`/checkpoint.pt when it belongs to the same `key` and config.

    `start` may be a function; it is only called when there is no checkpoint. `look` sees the Gaussians after
    each step (and keeps no reference). Training ends before `config.steps` when the held-out score has
    become flat.
    """
    session = Session(folder / "checkpoint.pt", config, key, on_event)
    saved = session.saved
    if saved:
        optimizer = Optimizer.restored(saved, device)
    else:
        optimizer = Optimizer(start() if callable(start) else start, device)
    refinement = Refinement(config, views.cameras, views.train)
    if saved:
        refinement.restore(saved["refinement"])
    start_count = saved["start_count"] if saved else len(optimizer.gaussians)
    heldout: list[float] = saved["heldout"] if saved else []  # PSNR of the evaluations during training
    descent = Descent(config, device)

    def state() -> dict[str, Any]:
        numbers = {"start_count": start_count, "heldout": heldout}
        return {**numbers, **optimizer.state(), "refinement": refinement.state()}

    step = session.first_step
    while step < config.steps and not is_flat(heldout):
        level = schedule.pyramid_level(config, step, views.size)
        index = views.train[schedule.view_at(config, step, len(views.train))]
        view = refinement.applied(views.view(index, level, device), index)
        loss = descent.step(optimizer, view, step, refinement.gradients)
        check_finite(loss, step + 1, folder)
        refinement.step(view, index, step)
        step += 1
        if schedule.refines(config, step):
            optimizer.refine(config, step, schedule.wanted_gaussians(config, step, start_count))
        height, width = view.image.shape[:2]
        count = len(optimizer.gaussians)
        on_event(TrainStep(step, config.steps, loss, count, width, height, session.seconds))
        look(optimizer.gaussians)
        if schedule.evaluates(config, step) and views.heldout:
            now = views.with_cameras(refinement.cameras())
            event = mean_score(score(optimizer.gaussians, now, device, views.heldout), step, session.seconds)
            heldout.append(event.psnr)
            on_event(event)
        session.write_when_due(step, state)

    trained_seconds = session.seconds
    session.write(step, state())
    if step < config.steps:
        on_event(Notice(f"training ended after {step} of {config.steps} steps: the held-out score is flat"))
    result = optimizer.gaussians
    cameras = refinement.cameras()
    scores = score(result, views.with_cameras(cameras), device, align=True)
    for split in SPLITS:
        part = [s for s in scores if s.split == split]
        if part:
            on_event(mean_score(part, step, trained_seconds))
    return Fit(result, cameras, scores, trained_seconds)


def is_flat(heldout: Sequence[float]) -> bool:
    """Has the held-out PSNR gained nothing worth waiting for in the last FLAT_EVALUATIONS evaluations?"""
    if len(heldout) <= FLAT_EVALUATIONS:
        return False
    return max(heldout[-FLAT_EVALUATIONS:]) < max(heldout[:-FLAT_EVALUATIONS]) + FLAT_DB


def mean_score(scores: Sequence[ViewScore], step: int, seconds: float) -> Evaluated:
    """The mean over views of one split."""
    psnr_mean, ssim_mean = (sum(getattr(s, name) for s in scores) / len(scores) for name in ("psnr", "ssim"))
    return Evaluated(step, scores[0].split, psnr_mean, ssim_mean, views=len(scores), seconds=seconds)


@torch.no_grad()
def score(
    splats: Gaussians | Splats4D,
    views: Views,
    device: str = "cpu",
    only: Sequence[int] | None = None,
    *,
    align: bool = False,
) -> tuple[ViewScore, ...]:
    """PSNR and SSIM of every view (or of those at `only`) at training size; renders are clipped to 0..1.
    `align` scores held-out views a second time, with their poses aligned (`recon.alignment`)."""
    heldout = set(views.heldout)
    scores = []
    for index in range(len(views.cameras)) if only is None else only:
        split = "heldout" if index in heldout else "train"
        gaussians = splats.at(float(views.seconds[index])) if isinstance(splats, Splats4D) else splats
        scores.append(score_view(gaussians, views.view(index, device=device), split))
        if align and index in heldout:
            scores.append(score_view(gaussians, aligned(gaussians, views, index, device), "heldout_aligned"))
    return tuple(scores)


def score_view(gaussians: Gaussians, view: View, split: str) -> ViewScore:
    """PSNR and SSIM of one view, over the pixels that count."""
    height, width = view.image.shape[:2]
    image = render(gaussians, view.camera_from_world, view.K, width, height).image.clamp(0, 1)
    scores = psnr(image, view.image, view.mask), masked_ssim(image, view.image, view.mask)
    return ViewScore(view.number, split, *scores)
