"""Training of what moves: Gaussians on shared motions beside those that stand still.

First the still ones stay as they are, then all are fitted together. One loop for the CPU core and for
gsplat; the gradients of the motions come by autograd through the skinning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon import schedule
from recon.checkpoint import Session
from recon.config import FitConfig
from recon.descent import (
    BETA1,
    BETA2,
    background_at,
    bias_correction,
    check_finite,
    leaves_of,
    selective_adam,
    update,
)
from recon.events import Listener, TrainStep, ignore
from recon.fourd.motion import Bases, Lifetimes, Moving, Splats4D, skinned, together
from recon.losses import photometric_loss
from recon.optimizer import Optimizer
from recon.raster import render
from recon.raster.core_step import NAMES, AdamRates
from recon.types import Gaussians
from recon.views import View, Views

ALONE = 0.6
"""Share of the steps in which what stands still stays as it is."""
STILL_SHARE = 0.1
"""Of the usual step sizes, for what stands still while all is fitted together."""
BASE_RATES = {"quats": 2e-3, "translations": 1e-3}
"""Step sizes of the motions, radians and median depths; they fall to a tenth."""
LIFE_RATE = 0.02
"""Step size of the logarithms of radius and fall-off of the lifetimes; of the centres in frames, tenfold."""
NOT_TRAINED = "weights", "home"
"""Of what each moving Gaussian has: its shares of the motions, and where it rested when it was lifted."""
SMOOTH = 0.002
"""Weight of the mean square acceleration of the motions (in median depths per knot²), in pixels of the
image."""
ANCHOR = 50.0
"""Weight of the square by which what moves is farther away than it was lifted, relatively, in the mean over
Gaussians and time. One camera does not see it: what is larger, farther and moves more looks the same."""
MEMORY = 0.95
"""Of that mean, from step to step."""
MOVING_SHARE = 0.25
"""Of the budget, at most, is for what moves."""
PER_PIXEL = 0.4
"""Moving Gaussians for each pixel that moves, at most."""


@dataclass(frozen=True, repr=False)
class MovingFit:
    """What the training of a moving shot returns."""

    splats: Splats4D
    seconds: float


class _State:
    """Everything that is trained, with its moments, and where what moves began."""

    def __init__(self, still: Optimizer, moving: Optimizer, bases: Bases, lifted: Bases) -> None:
        self.still, self.moving, self.bases, self.lifted = still, moving, bases, lifted
        self.farther = 0.0
        """By how much of their depth moving Gaussians were farther away than lifted, of late."""
        self.first = {name: torch.zeros_like(getattr(bases, name)) for name in BASE_RATES}
        self.second = {name: torch.zeros_like(getattr(bases, name)) for name in BASE_RATES}

    @classmethod
    def of(cls, splats: Splats4D, device: str) -> _State:
        assert splats.moving is not None
        moving, lives = splats.moving, splats.moving.lifetimes
        own = Optimizer(
            moving.gaussians,
            device,
            weights=moving.weights,
            home=moving.gaussians.means,
            centres=lives.centres,
            log_radii=lives.radii.clamp_min(1e-4).log(),
            log_sigmas=lives.sigmas.log(),
        )
        lifted, bases = (_copy(moving.bases, device) for _ in range(2))
        return cls(Optimizer(splats.still, device), own, bases, lifted)

    def splats(self) -> Splats4D:
        return Splats4D(
            self.still.gaussians, moving_of(self.moving.params, self.moving.gaussians, self.bases)
        )

    def state(self) -> dict[str, object]:
        bases = {name: getattr(self.bases, name).cpu() for name in BASE_RATES}
        return {
            "still": self.still.state(),
            "moving": self.moving.state(),
            "bases": {**bases, "start": self.bases.start, "spacing": self.bases.spacing},
            "farther": self.farther,
            "lifted": {name: getattr(self.lifted, name).cpu() for name in BASE_RATES},
            "bases_first": {name: t.cpu() for name, t in self.first.items()},
            "bases_second": {name: t.cpu() for name, t in self.second.items()},
        }

    @classmethod
    def restored(cls, saved: dict, device: str) -> _State:
        bases = Bases(
            **{name: t.to(device) if name in BASE_RATES else t for name, t in saved["bases"].items()}
        )
        state = cls(
            Optimizer.restored(saved["still"], device),
            Optimizer.restored(saved["moving"], device),
            *(bases, replace(bases, **{name: t.to(device) for name, t in saved["lifted"].items()})),
        )
        state.farther = saved["farther"]
        state.first = {name: t.to(device) for name, t in saved["bases_first"].items()}
        state.second = {name: t.to(device) for name, t in saved["bases_second"].items()}
        return state


def _copy(bases: Bases, device: str) -> Bases:
    return replace(bases, **{name: getattr(bases, name).to(device, copy=True) for name in BASE_RATES})


def moving_of(params: dict[str, Tensor], gaussians: Gaussians, bases: Bases) -> Moving:
    """From the trained tensors."""
    lives = Lifetimes(params["centres"], params["log_radii"].exp(), params["log_sigmas"].exp())
    return Moving(gaussians, params["weights"], bases, lives)


def moving_budget(config: FitConfig, views: Views, share: float) -> int:
    """How many Gaussians may move, when this share of the pixels does."""
    width, height = views.size
    budget = schedule.budget_for(config, views.size)
    return max(500, round(min(MOVING_SHARE * budget, PER_PIXEL * share * width * height)))


def fit_moving(
    views: Views,
    start: Callable[[], Splats4D],
    config: FitConfig,
    folder: Path,
    *,
    key: str = "",
    device: str = "cpu",
    look: Callable[[Gaussians], None] = lambda gaussians: None,
    on_event: Listener = ignore,
) -> MovingFit:
    """Train, continuing from `folder`/moving.pt when it belongs to the same `key` and config; steps and
    budget of the config are those of what moves."""
    session = Session(folder / "moving.pt", config, key, on_event)
    saved, steps = session.saved, config.steps
    trained = _State.restored(saved, device) if saved else _State.of(start(), device)
    start_count = saved["start_count"] if saved else len(trained.moving.gaussians)

    def state() -> dict[str, Any]:
        return {"start_count": start_count, **trained.state()}

    step = session.first_step
    while step < steps:
        index = views.train[schedule.view_at(config, step, len(views.train))]
        level = schedule.moving_level(config, step, views.size)
        view = replace(views.view(index, level, device), mask=None)
        loss = _step(trained, view, config, step)
        check_finite(loss, step + 1, folder)
        step += 1
        if schedule.refines(config, step):
            trained.moving.refine(config, step, schedule.wanted_gaussians(config, step, start_count))
        height, width = view.image.shape[:2]
        count = len(trained.still.gaussians) + len(trained.moving.gaussians)
        on_event(TrainStep(step, steps, loss, count, width, height, session.seconds))
        look(trained.still.gaussians)
        session.write_when_due(step, state)
    session.write(step, state())
    return MovingFit(trained.splats(), session.seconds)


def _step(state: _State, view: View, config: FitConfig, step: int) -> float:
    """One step on one view; the loss before it."""
    together_now = step >= ALONE * config.steps
    still = leaves_of(state.still.params) if together_now else state.still.params
    moving = leaves_of({name: p for name, p in state.moving.params.items() if name not in NOT_TRAINED})
    base_leaves = leaves_of({name: getattr(state.bases, name) for name in BASE_RATES})
    bases = replace(state.bases, **base_leaves)
    rest = Gaussians(**{name: moving[name] for name in NAMES})
    carried = moving_of({**state.moving.params, **moving}, rest, bases).at(view.seconds)
    now = together(Gaussians(**still), carried)
    height, width = view.image.shape[:2]
    background = background_at(config, step).to(view.image.device)
    shot = render(now, view.camera_from_world, view.K, width, height, background=background)
    loss = photometric_loss(shot.image, view.image, config.ssim_weight, None, view.colour)
    count = len(rest)
    regularisers = config.opacity_weight * moving["logit_opacities"].sigmoid().sum() / count
    regularisers = regularisers + config.scale_weight * moving["log_scales"].exp().sum() / (3 * count)
    jerk = base_leaves["translations"].diff(n=2, dim=1)
    regularisers = regularisers + SMOOTH * float(view.K[0, 0]) * jerk.square().sum(-1).mean()
    farther = _farther(state, carried.means, view)
    state.farther = MEMORY * state.farther + (1 - MEMORY) * farther.item()
    # The gradient of the squared mean over time: how depth changes with time is seen, and stays free.
    regularisers = regularisers + ANCHOR * 2 * state.farther * farther
    (loss + regularisers).backward()
    rates = _rates(config, step, state.bases.spacing)
    update(state.moving, moving, shot.visible[-count:], rates, 0)
    _move_bases(state, base_leaves, rates, view.seconds)
    if together_now:
        slow = {name: STILL_SHARE * rate for name, rate in rates.step_sizes.items()}
        visible = shot.visible[:-count]
        update(state.still, still, visible, replace(rates, step_sizes=slow), config.sh_degree)
    return loss.item()


def _farther(state: _State, means: Tensor, view: View) -> Tensor:
    """By how much of their depth Gaussians with these means [N, 3] are farther away than where they were
    lifted, in the mean over those before the camera."""
    params = state.moving.params
    with torch.no_grad():
        lifted, _ = skinned(params["home"], params["quats"], params["weights"], state.lifted, view.seconds)
        forward, offset = view.camera_from_world[2, :3], view.camera_from_world[2, 3]
        before = lifted @ forward + offset
        ahead = before > 1e-2
    z = means @ forward + offset
    return ((z - before) / before.clamp_min(1e-2) * ahead).sum() / ahead.sum().clamp_min(1)


def _rates(config: FitConfig, step: int, spacing: float) -> AdamRates:
    """Of everything; those of the motions are named bases.quats and bases.translations."""
    correction = bias_correction(step)
    rates = {name: rate * correction for name, rate in schedule.learning_rates(config, step).items()}
    cooled = correction * 0.1 ** (step / config.steps)
    rates |= {name: LIFE_RATE * cooled for name in ("log_radii", "log_sigmas")}
    rates["centres"] = 10 * LIFE_RATE * spacing / 3 * cooled
    rates |= {f"bases.{name}": rate * cooled for name, rate in BASE_RATES.items()}
    return AdamRates(rates, BETA1, BETA2, config.opacity_weight, config.scale_weight)


def _move_bases(state: _State, leaves: dict[str, Tensor], rates: AdamRates, seconds: float) -> None:
    """A step of Adam for the control poses that this time touches. Moved at every step, those at the ends,
    which few frames see, would be carried away by their momentum until they are seen again."""
    time = torch.tensor([seconds], device=state.bases.quats.device)
    touched = (state.bases.spline_weights(time)[0] > 0).repeat(len(state.bases))  # [K C]
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        tensors = getattr(state.bases, name), state.first[name], state.second[name]
        control, first, second = (tensor.view(-1, tensor.shape[-1]) for tensor in tensors)  # the same memory
        step_size, gradient = rates.step_sizes[f"bases.{name}"], leaf.grad.flatten(0, 1)
        selective_adam(control, gradient, first, second, touched, rates, step_size)
