"""What changes while training goes on, as functions of the step alone: a resumed run sees the same."""

from __future__ import annotations

from bisect import bisect_right

import torch

from recon.config import FitConfig

LEARNING_RATES = {"quats": 2e-3, "log_scales": 4e-2, "logit_opacities": 5e-2, "sh": 2e-2, "sh_rest": 1e-3}
"""Two to eight times those of 3DGS, for schedules a tenth as long; "sh_rest" are the coefficients above
degree 0. Positions have their own, see `means_lr`."""
COOL_DOWN, COOLED = 0.7, 0.1
"""From this share of the steps on, all step sizes but the positions' fall in a line to this share."""
FINAL_MEANS_LR = 0.02
"""The positions' step size ends at this share of its start."""
COARSE = 0.15
"""With poses to refine, this share of the steps runs at quarter size."""
POSE_FROM, POSE_LR = 0.05, (4e-3, 1e-5)
"""Poses are refined from this share of the steps on, when the colours are roughly there; the largest step
size, first and last."""
FOCAL_LR = 3e-5
COLOUR_FROM, COLOUR_LR = 0.1, (5e-3, 2e-4)
SH_ARCS = (20.0, 45.0, 90.0)
"""Degrees around a scene from which spherical harmonics of degree 1, 2 and 3 are worth having."""
MIN_BUDGET = 2000
REFINE_EVERY = 50
"""Steps between density control; growth stops at 30 % and moving at 85 % of the steps."""


def pyramid_level(config: FitConfig, step: int, size: tuple[int, int]) -> int:
    """0 is full size; the first 40 % of the steps run at half size, if that leaves 120 pixels, and the
    first of those at quarter size when poses are refined: what is blurred is found from farther away."""
    if config.refine_poses and step < COARSE * config.steps and max(size) >= 240:
        return 2
    return 1 if step < 0.4 * config.steps and max(size) >= 240 else 0


def moving_level(config: FitConfig, step: int, size: tuple[int, int]) -> int:
    """The same for what moves."""
    return 1 if step < 0.3 * config.steps and max(size) >= 240 else 0


def pose_lr(config: FitConfig, step: int) -> float:
    """Radians, and median depths: nothing at first, then an exponential decay."""
    return _decayed(config, step, POSE_FROM, *POSE_LR)


def focal_lr(config: FitConfig, step: int) -> float:
    """Of the logarithm of the focal length, in the second half."""
    return FOCAL_LR if 2 * step >= config.steps else 0.0


def colour_lr(config: FitConfig, step: int) -> float:
    """Of the frames' colour maps: nothing at first, then an exponential decay."""
    return _decayed(config, step, COLOUR_FROM, *COLOUR_LR)


def _decayed(config: FitConfig, step: int, start: float, first: float, last: float) -> float:
    """0 before the share `start` of the steps, then exponentially from `first` to `last`."""
    share = (step / config.steps - start) / (1 - start)
    return first * (last / first) ** share if share >= 0 else 0.0


def sh_degree(config: FitConfig, step: int) -> int:
    """Rises by one each sixth of the steps: first the shape, then the gloss."""
    return min(config.sh_degree, 6 * step // config.steps)


def sh_degree_for(config: FitConfig, arc: float) -> int:
    """The highest degree for a scene seen from so many degrees around: beyond what it was seen from, higher
    degrees say anything (a 10° orbit at degree 3 had red skies 5° off it)."""
    return min(config.sh_degree, bisect_right(SH_ARCS, arc))


def means_lr(config: FitConfig, step: int) -> float:
    """Exponential decay."""
    return config.means_lr * FINAL_MEANS_LR ** (step / config.steps)


def learning_rates(config: FitConfig, step: int) -> dict[str, float]:
    """Of every parameter at this step."""
    late = max(0.0, (step / config.steps - COOL_DOWN) / (1 - COOL_DOWN))
    share = 1 - (1 - COOLED) * late
    return {"means": means_lr(config, step), **{name: share * rate for name, rate in LEARNING_RATES.items()}}


def refines(config: FitConfig, step: int) -> bool:
    """Is density control due after this step (counted from 1)?"""
    return step % REFINE_EVERY == 0 and step >= min(100, config.steps // 4) and step <= 0.85 * config.steps


def evaluates(config: FitConfig, step: int) -> bool:
    """Are the held-out views looked at after this step (counted from 1)? Five times in the second half."""
    every = max(1, config.steps // 10)
    return config.steps // 2 <= step < config.steps and step % every == 0


def wanted_gaussians(config: FitConfig, step: int, start: int) -> int:
    """Grows geometrically from the first count to the budget, reached at 30 % of the steps."""
    share = min(1.0, step / (0.3 * config.steps))
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


def budget_for(config: FitConfig, size: tuple[int, int]) -> int:
    """The budget for images of this width and height: `config.budget` at 16:9 and full `long_side`, in
    proportion fewer for smaller images, which cannot tell more Gaussians apart."""
    share = size[0] * size[1] / (config.long_side**2 * 9 / 16)
    return min(config.budget, max(MIN_BUDGET, round(config.budget * share)))
