"""Density control by Markov chain Monte Carlo: Kheradmand et al. 2024, "3D Gaussian Splatting as MCMC".

Dead Gaussians move to where living ones are, new ones are added up to a hard budget, and noise explores.
It needs no screen-space gradients, so it is the same for both rasterizers. All functions take tensors
and numbers; nothing is kept here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recon.raster.twin import rotation_matrices

DEAD_OPACITY = 0.005
"""Below this a Gaussian no longer shows (alpha < 1/255 almost everywhere)."""
NOISE_LR = 5e5
"""Noise relative to the step size of the means (section 3.1; the value of the paper's code)."""
MAX_COPIES = 51
"""A Gaussian is split into at most this many in one go; the binomials below stay exact in float64."""


def split_opacity_and_scale(
    opacities: Tensor,  # [N] 0..1
    scales: Tensor,  # [N, 3]
    copies: Tensor,  # [N] int, total number of Gaussians that take the place of one
) -> tuple[Tensor, Tensor]:
    """Opacity and scales with which n copies look like the one they replace (equation 9)."""
    n = copies.clamp(1, MAX_COPIES)
    old = opacities.double()
    new = 1 - (1 - old) ** (1 / n)
    denominator = torch.zeros_like(new)
    for i in range(1, int(n.max()) + 1):
        k = torch.arange(i, dtype=torch.float64, device=new.device)
        binomials = torch.tensor(
            [math.comb(i - 1, j) for j in range(i)], dtype=torch.float64, device=new.device
        )
        terms = binomials * (-1) ** k / (k + 1).sqrt() * new[:, None] ** (k + 1)
        denominator += torch.where(i <= n, terms.sum(1), torch.zeros_like(new))
    ratio = old / denominator.clamp_min(1e-12)
    return new.to(opacities), (ratio[:, None] * scales.double()).to(scales)


def sample_alive(
    opacities: Tensor,  # [N] 0..1, 0 for Gaussians that must not be drawn
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """[count] indices drawn with probability proportional to opacity."""
    # By the cumulative sum: torch.multinomial stops at 2^24 categories.
    cumulative = opacities.double().cpu().cumsum(0)
    draws = torch.rand(count, dtype=torch.float64, generator=generator) * cumulative[-1]
    return (
        torch.searchsorted(cumulative, draws, right=True).clamp_max(len(opacities) - 1).to(opacities.device)
    )


def position_noise(
    quats: Tensor,  # [N, 4]
    log_scales: Tensor,  # [N, 3]
    logit_opacities: Tensor,  # [N]
    learning_rate: float,
    generator: torch.Generator,
) -> Tensor:
    """[N, 3] exploration noise: shaped by each Gaussian's covariance, large only where opacity is small."""
    opacity = logit_opacities.sigmoid()
    strength = torch.sigmoid(100 * (DEAD_OPACITY - opacity)) * NOISE_LR * learning_rate
    noise = torch.randn(len(quats), 3, generator=generator).to(quats)
    moving = strength > 1e-4 * NOISE_LR * learning_rate  # the others would hardly move
    out = torch.zeros_like(noise)
    R = rotation_matrices(quats[moving])
    variance = (2 * log_scales[moving]).exp()
    shaped = (R @ (variance[..., None] * (R.mT @ (noise[moving] * strength[moving, None])[..., None])))[
        ..., 0
    ]
    out[moving] = shaped
    return out
