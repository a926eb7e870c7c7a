"""How others let Gaussians move, in our own trainer: what `suites.fourd.suite` compares with.

All start from the same cameras, the same still scene, the same masks, and the same points in space at every
instant; they train for as many steps with the same loss. What differs is how a Gaussian moves:

- "per frame": each frame has Gaussians of its own, warm-started from those of the frame before
  (Luiten et al. 2024, "Dynamic 3D Gaussians", without its physical priors);
- "cubic": a cubic path and a Gaussian window of opacity each (Li et al. 2024, "Spacetime Gaussian
  Feature Splatting", without its features);
- "linear": a straight path and a lifetime each (Wang et al. 2025, "FreeTimeGS").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recon import schedule
from recon.config import FitConfig
from recon.descent import BETA1, BETA2, background_at, bias_correction, leaves_of, update
from recon.fourd.fit import ALONE, STILL_SHARE
from recon.fourd.motion import Moving, together
from recon.gaussians import concatenate
from recon.losses import photometric_loss
from recon.optimizer import Optimizer
from recon.raster import render
from recon.raster.core_step import NAMES, AdamRates
from recon.types import Gaussians
from recon.views import View, Views

Scene = Callable[[float], Gaussians]
"""Everything there is at a time in seconds."""
INSTANTS = 8
"""Of the clip from which Gaussians with paths of their own start."""
WINDOW_RATE, PATH_RATE = 0.02, 1e-3
"""Step sizes of the logarithm of the window; and of the paths, in median depths over the clip's length."""


@dataclass(frozen=True)
class Paths:
    """Gaussians on polynomial paths: mean + sum over d of coefficient[d] x^d with x = (t - centre) / length,
    and opacity times exp(-(x / width)²)."""

    params: dict[str, Tensor]
    """Of `Gaussians`, with `paths` [N, D, 3], `centres` [N] seconds and `log_widths` [N]."""
    length: float
    """Seconds of the clip."""

    def at(self, time: float) -> Gaussians:
        """Differentiable in everything."""
        own = Gaussians(**{name: self.params[name] for name in NAMES})
        x = (time - self.params["centres"]) / self.length
        powers = torch.stack([x ** (d + 1) for d in range(self.params["paths"].shape[1])], 1)
        means = own.means + (powers[..., None] * self.params["paths"]).sum(1)
        window = torch.exp(-((x / self.params["log_widths"].exp()) ** 2))
        opacities = (own.logit_opacities.sigmoid() * window).clamp(1e-7, 1 - 1e-6)
        return replace(own, means=means, logit_opacities=torch.logit(opacities))


def with_paths(degree: int, views: Views, still: Gaussians, first: Moving, config: FitConfig) -> Scene:
    """Train Gaussians on polynomial paths.

    Args:
        first: Where Gaussians are at every instant; only a few instants of it are taken.
        config: Steps and budget are those of what moves.
    """
    times = views.seconds[views.train]
    length = float(times[-1] - times[0])
    generator = torch.Generator().manual_seed(config.seed)
    sets, centres = [], []
    for time in np.linspace(times[0], times[-1], INSTANTS):
        count = min(len(first), config.budget // INSTANTS)
        chosen = torch.randperm(len(first), generator=generator)[:count]
        with torch.no_grad():
            sets.append(first.select(chosen).at(float(time)))
        centres.append(torch.full((count,), float(time)))
    gaussians = concatenate(sets)
    more = {
        "paths": torch.zeros(len(gaussians), degree, 3),
        "centres": torch.cat(centres),
        "log_widths": torch.full((len(gaussians),), 1 / INSTANTS).log(),
    }
    own, rest = Optimizer(gaussians, "cpu", **more), Optimizer(still, "cpu")
    for step in range(config.steps):
        index = views.train[schedule.view_at(config, step, len(views.train))]
        view = replace(views.view(index, schedule.moving_level(config, step, views.size)), mask=None)
        leaves = leaves_of({name: p for name, p in own.params.items() if name != "centres"})
        path = Paths({**own.params, **leaves}, length)
        _descend(rest, own, leaves, path.at(view.seconds), view, config, step)
        if schedule.refines(config, step + 1):
            own.refine(config, step + 1, config.budget)
    path, ground = Paths(own.params, length), rest.gaussians
    return lambda time: together(ground, path.at(time))


def frame_by_frame(views: Views, still: Gaussians, first: Moving, config: FitConfig) -> Scene:
    """Train Gaussians for each frame, from those of the frame before."""
    order = sorted(views.train, key=lambda i: views.seconds[i])
    with torch.no_grad():
        own = Optimizer(first.at(float(views.seconds[order[0]])), "cpu")
    found: dict[float, Gaussians] = {}
    each = max(1, config.steps // len(order))
    rest = Optimizer(still, "cpu")
    for i in order:
        view = replace(views.view(i, 0), mask=None)
        for turn in range(each):
            leaves = leaves_of(own.params)
            # Each frame anneals for itself; what stands still is that of all frames and stays.
            step = int(turn / each * ALONE * config.steps)
            _descend(rest, own, leaves, Gaussians(**leaves), view, config, step)
        found[view.seconds] = Gaussians(**{name: own.params[name].clone() for name in NAMES})
    ground = rest.gaussians
    return lambda time: together(ground, found[min(found, key=lambda t: abs(t - time))])


def _descend(
    rest: Optimizer,
    own: Optimizer,
    leaves: dict[str, Tensor],
    now: Gaussians,
    view: View,
    config: FitConfig,
    step: int,
) -> None:
    """One step, as `recon.fourd.fit` makes it: the still scene joins in late and slowly."""
    joint = step >= ALONE * config.steps
    still = leaves_of(rest.params) if joint else rest.params
    height, width = view.image.shape[:2]
    shot = render(
        *(together(Gaussians(**still), now), view.camera_from_world, view.K, width, height),
        background=background_at(config, step),
    )
    loss = photometric_loss(shot.image, view.image, config.ssim_weight, None, view.colour)
    count = len(now)
    loss = loss + config.opacity_weight * leaves["logit_opacities"].sigmoid().sum() / count
    (loss + config.scale_weight * leaves["log_scales"].exp().sum() / (3 * count)).backward()
    correction = bias_correction(step)
    rates = {name: rate * correction for name, rate in schedule.learning_rates(config, step).items()}
    cooled = correction * 0.1 ** (step / config.steps)
    rates |= {"paths": PATH_RATE * cooled, "log_widths": WINDOW_RATE * cooled}
    given = AdamRates(rates, BETA1, BETA2, config.opacity_weight, config.scale_weight)
    update(own, leaves, shot.visible[-count:], given, 0)
    if joint:
        slow = {name: STILL_SHARE * rate for name, rate in rates.items()}
        update(rest, still, shot.visible[:-count], replace(given, step_sizes=slow), config.sh_degree)
