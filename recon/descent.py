"""One optimiser step on one view: in the C++ core on the CPU, through autograd elsewhere.

Both do the same: the loss of 3DGS with the regularisers of 3DGS-MCMC, Adam (Kingma and Ba 2015) for the
Gaussians that the view sees and only for those ("Taming 3DGS", Mallick et al. 2024), then exploration
noise. `descend_torch` runs on any device and is the twin of the core's step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from recon import mcmc, schedule
from recon.config import FitConfig
from recon.errors import TrainError
from recon.losses import photometric_loss
from recon.optimizer import Optimizer
from recon.raster import render
from recon.raster.core_step import AdamRates, CoreStep
from recon.types import Gaussians
from recon.views import View

BETA1, BETA2 = 0.9, 0.999


def bias_correction(step: int) -> float:
    """Adam's, as a factor of the step size; `step` counts from 0."""
    return math.sqrt(1 - BETA2 ** (step + 1)) / (1 - BETA1 ** (step + 1))


def adam_rates(config: FitConfig, step: int, count: int) -> AdamRates:
    """Step sizes with bias corrections; `step` counts from 0."""
    correction = bias_correction(step)
    rates = schedule.learning_rates(config, step)
    return AdamRates(
        step_sizes={name: rate * correction for name, rate in rates.items()},
        beta1=BETA1,
        beta2=BETA2,
        opacity_weight=config.opacity_weight / count,
        scale_weight=config.scale_weight / (3 * count),
        noise=mcmc.NOISE_LR * rates["means"],
        seed=schedule.seed_of(config, "noise", step) % 2**32,
    )


def background_at(config: FitConfig, step: int) -> Tensor:
    """[3] Another colour each step: dark things must become opaque, not a hole to a black nothing."""
    return torch.rand(3, generator=schedule.generator(config, "background", step))


@dataclass(frozen=True, repr=False)
class FrameGradients:
    """Room for the gradients of what belongs to the frame and not to the scene, on the CPU."""

    camera: Tensor = field(default_factory=lambda: torch.zeros(16))
    """[16] of camera_from_world [3, 4], then of fx, fy, cx, cy (pixels of the view)."""
    colour: Tensor = field(default_factory=lambda: torch.zeros(3, 4))
    """[3, 4] of `View.colour`."""


class Descent:
    """Makes the steps of one training."""

    def __init__(self, config: FitConfig, device: str) -> None:
        self.config = config
        self._core = CoreStep() if device == "cpu" else None

    def step(
        self, optimizer: Optimizer, view: View, step: int, gradients: FrameGradients | None = None
    ) -> float:
        """Step `step` (from 0) on one view; the loss before it, without regularisers. Writes `gradients`
        where given; the camera and the colours are the caller's to move."""
        gaussians = optimizer.gaussians
        rates = adam_rates(self.config, step, len(gaussians))
        degree = min(schedule.sh_degree(self.config, step), gaussians.sh_degree)
        background = background_at(self.config, step)
        if self._core is None:
            generator = schedule.generator(self.config, "noise", step)
            rest = (self.config, rates, degree, background, generator)
            return descend_torch(optimizer, view, *rest, gradients)
        return self._core(
            *(optimizer.params, optimizer.first, optimizer.second),
            *(view.image, view.camera_from_world, view.K),
            sh_degree=degree,
            background=background,
            ssim_weight=self.config.ssim_weight,
            rates=rates,
            mask=view.mask,
            colour=view.colour,
            camera_gradient=gradients.camera if gradients else None,
            colour_gradient=gradients.colour if gradients and view.colour is not None else None,
        )


def descend_torch(
    optimizer: Optimizer,
    view: View,
    config: FitConfig,
    rates: AdamRates,
    sh_degree: int,
    background: Tensor,  # [3]
    generator: torch.Generator,
    gradients: FrameGradients | None = None,
) -> float:
    """The step by autograd, on the device of the parameters."""
    leaves = leaves_of(optimizer.params)
    height, width = view.image.shape[:2]
    pose, K = (t.clone().requires_grad_(gradients is not None) for t in (view.camera_from_world, view.K))
    colour = view.colour
    if colour is not None:
        colour = colour.clone().requires_grad_(gradients is not None)
    shot = render(
        *(Gaussians(**leaves), pose, K, width, height),
        sh_degree=sh_degree,
        background=background.to(view.image.device),
    )
    loss = photometric_loss(shot.image, view.image, config.ssim_weight, view.mask, colour)
    regularisers = rates.opacity_weight * leaves["logit_opacities"].sigmoid().sum()
    regularisers = regularisers + rates.scale_weight * leaves["log_scales"].exp().sum()
    (loss + regularisers).backward()
    if gradients:
        _write(gradients, pose.grad, K.grad, None if colour is None else colour.grad)
    update(optimizer, leaves, shot.visible, rates, sh_degree)
    if rates.noise > 0:
        now = optimizer.params
        noise = mcmc.position_noise(
            *(now["quats"], now["log_scales"], now["logit_opacities"]),
            rates.noise / mcmc.NOISE_LR,
            generator,
        )
        now["means"] += noise * shot.visible[:, None]
    return loss.item()


def leaves_of(params: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same values, each to be differentiated by."""
    return {name: p.detach().requires_grad_() for name, p in params.items()}


def update(
    optimizer: Optimizer,
    leaves: dict[str, Tensor],  # parameters with their gradients
    visible: Tensor,  # [N] bool
    rates: AdamRates,
    sh_degree: int,
) -> None:
    """A step of Adam for the Gaussians that the view sees."""
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        tensors = optimizer.params[name], leaf.grad, optimizer.first[name], optimizer.second[name]
        if name == "sh":
            selective_adam_sh(*tensors, visible, rates, sh_degree)
        else:
            selective_adam(*tensors, visible, rates, rates.step_sizes[name])


def _write(
    gradients: FrameGradients,
    pose: Tensor | None,  # [4, 4]
    K: Tensor | None,  # [3, 3], None where the rasterizer has no gradient of it
    colour: Tensor | None,  # [3, 4]
) -> None:
    if pose is not None:
        gradients.camera[:12] = pose[:3].flatten().cpu()
    if K is not None:
        gradients.camera[12:] = torch.stack([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]).cpu()
    if colour is not None:
        gradients.colour.copy_(colour)


@torch.no_grad()
def selective_adam(
    parameter: Tensor,  # [N, ...] changed in place, as are the moments
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    visible: Tensor,  # [N] bool
    rates: AdamRates,
    step_size: float,
) -> None:
    """Adam on the rows that are visible; on CUDA by gsplat's fused kernel."""
    if parameter.is_cuda:
        from recon.raster.gsplat_backend import fused_adam

        fused_adam(parameter, gradient, first, second, visible, step_size, rates.beta1, rates.beta2)
        return
    rows = visible.nonzero()[:, 0]
    g = gradient[rows]
    m = first[rows].lerp(g, 1 - rates.beta1)
    v = second[rows].lerp(g * g, 1 - rates.beta2)
    parameter[rows] -= step_size * m / (v + 1e-30).sqrt()
    first[rows], second[rows] = m, v


def selective_adam_sh(
    sh: Tensor,  # [N, K, 3]
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    visible: Tensor,
    rates: AdamRates,
    sh_degree: int,
) -> None:
    """Degree 0 and those above move at different speeds, those not in use not at all."""
    for begin, end, name in ((0, 1, "sh"), (1, (sh_degree + 1) ** 2, "sh_rest")):
        if end <= begin:
            continue
        part, of, m, v = (t[:, begin:end].contiguous() for t in (sh, gradient, first, second))
        selective_adam(part, of, m, v, visible, rates, rates.step_sizes[name])
        sh[:, begin:end], first[:, begin:end], second[:, begin:end] = part, m, v


def check_finite(loss: float, step: int, folder: object) -> None:
    """A loss that is no number ends the training with a sentence."""
    if not math.isfinite(loss):
        raise TrainError(
            f"the loss is {loss} at step {step}; delete {folder} and run again, "
            "with --seed 1 if it happens twice, and please report the clip"
        )
