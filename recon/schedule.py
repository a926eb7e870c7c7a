"""What changes while training goes on, as functions of the step alone: a resumed run sees the same."""

from __future__ import annotations

import torch

from recon.config import FitConfig

LEARNING_RATES = {"quats": 2e-3, "log_scales": 1e-2, "logit_opacities": 5e-2, "sh": 5e-3}
"""About twice those of 3DGS, for schedules a tenth as long; positions have their own, see `means_lr`."""
FINAL_MEANS_LR = 0.02
"""The positions' step size ends at this share of its start."""
REFINE_EVERY = 50
"""Steps between density control; growth stops at 60 % and moving at 85 % of the steps."""


def pyramid_level(config: FitConfig, step: int, size: tuple[int, int]) -> int:
    """0 is full size; the first 40 % of the steps run at half size, if that leaves 120 pixels."""
    return 1 if step < 0.4 * config.steps and max(size) >= 240 else 0


def sh_degree(config: FitConfig, step: int) -> int:
    """Rises by one each sixth of the steps: first the shape, then the gloss."""
    return min(config.sh_degree, 6 * step // config.steps)


def means_lr(config: FitConfig, step: int) -> float:
    """Exponential decay."""
    return config.means_lr * FINAL_MEANS_LR ** (step / config.steps)


def learning_rates(config: FitConfig, step: int) -> dict[str, float]:
    """Of every parameter at this step; "sh_rest" are the coefficients above degree 0 (a twentieth, as in
    3DGS)."""
    rates = {"means": means_lr(config, step), **LEARNING_RATES}
    return {**rates, "sh_rest": rates["sh"] / 20}


def refines(config: FitConfig, step: int) -> bool:
    """Is density control due after this step (counted from 1)?"""
    return step % REFINE_EVERY == 0 and step >= min(100, config.steps // 4) and step <= 0.85 * config.steps


def wanted_gaussians(config: FitConfig, step: int, start: int) -> int:
    """Grows geometrically from the first count to the budget, reached at 60 % of the steps."""
    share = min(1.0, step / (0.6 * config.steps))
    start = min(start, config.budget)
    return round(start * (config.budget / start) ** share)


def view_at(config: FitConfig, step: int, views: int) -> int:
    """Which of the training views step `step` (from 0) looks at: shuffled epochs."""
    epoch, place = divmod(step, views)
    return int(torch.randperm(views, generator=generator(config, "views", epoch))[place])


def seed_of(config: FitConfig, purpose: str, number: int) -> int:
    """Depends on seed, purpose and number only, never on what ran before."""
    salt = {"views": 0, "refine": 1, "noise": 2, "background": 3}[purpose]
    return (config.seed * 4 + salt) * 1_000_003 + number


def generator(config: FitConfig, purpose: str, number: int) -> torch.Generator:
    """A generator with that seed."""
    return torch.Generator().manual_seed(seed_of(config, purpose, number))
