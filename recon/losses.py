"""Photometric loss and scores. On the CPU they run in the C++ core, elsewhere in torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from recon.raster.core import l1_ssim_core

C1, C2 = 0.01**2, 0.03**2


def ssim_map(
    x: Tensor,  # [H, W, 3]
    y: Tensor,  # [H, W, 3]
) -> Tensor:
    """[3, H, W] structural similarity (Wang et al. 2004): 11 x 11 Gaussian window of sigma 1.5, zero
    padding, as 3DGS computes it. Plain torch, any dtype: the twin of the core's fused loss."""
    taps = torch.exp(-((torch.arange(11, device=x.device, dtype=x.dtype) - 5) ** 2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    a, b = x.permute(2, 0, 1)[:, None], y.permute(2, 0, 1)[:, None]  # channels as a batch
    maps = torch.cat([a, b, a * a, b * b, a * b], 1).flatten(0, 1)[:, None]
    maps = conv2d(maps, taps.view(1, 1, 11, 1), padding=(5, 0))
    maps = conv2d(maps, taps.view(1, 1, 1, 11), padding=(0, 5)).view(3, 5, *x.shape[:2])
    mean_a, mean_b, aa, bb, ab = maps.unbind(1)
    numerator = (2 * mean_a * mean_b + C1) * (2 * (ab - mean_a * mean_b) + C2)
    spread = (mean_a**2 + mean_b**2 + C1) * (aa - mean_a**2 + bb - mean_b**2 + C2)
    return numerator / spread


def l1_ssim(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    ssim_weight: float,
) -> tuple[Tensor, Tensor]:
    """The loss of 3DGS, (1 - w) L1 + w (1 - SSIM), and the mean SSIM."""
    if image.device.type == "cpu" and image.dtype == torch.float32:
        return l1_ssim_core(image, target, ssim_weight)
    ssim = ssim_map(image, target).mean()
    loss = (1 - ssim_weight) * (image - target).abs().mean() + ssim_weight * (1 - ssim)
    return loss, ssim.detach()


def psnr(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
) -> float:
    """Peak signal-to-noise ratio in dB for values in 0..1; 100 dB when they are equal."""
    error = torch.mean((image - target) ** 2).item()
    return -10 * math.log10(max(error, 1e-10))
