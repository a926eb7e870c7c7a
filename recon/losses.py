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


def photometric_loss(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    ssim_weight: float,
    mask: Tensor | None = None,  # [H, W] 0..1
    colour: Tensor | None = None,  # [3, 4]
) -> Tensor:
    """`l1_ssim` of the render in the frame's colours, where the mask lets it count: there is no difference
    where the mask is 0, and gradients are multiplied by it. The twin of the core's `splat_loss`."""
    if colour is not None:
        image = image @ colour[:, :3].T + colour[:, 3]
    if mask is not None:
        weight, shown = mask[..., None], image.detach()
        target = torch.where(weight > 0, shown + weight * (target - shown), shown)
        image = shown + weight * (image - shown)
    return l1_ssim(image, target, ssim_weight)[0]


def masked_ssim(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    mask: Tensor | None,  # [H, W] 0..1
) -> float:
    """Mean SSIM over the pixels that count; ignored ones do not enter the windows of their neighbours."""
    if mask is None:
        return l1_ssim(image, target, 1.0)[1].item()
    target = torch.where(mask[..., None] > 0, target, image)
    return ((ssim_map(image, target).mean(0) * mask).sum() / mask.sum().clamp_min(1e-6)).item()


def psnr(
    image: Tensor,  # [H, W, 3]
    target: Tensor,  # [H, W, 3]
    mask: Tensor | None = None,  # [H, W] 0..1
) -> float:
    """Peak signal-to-noise ratio in dB for values in 0..1, over the pixels that count; at most 100 dB."""
    squared = (image - target) ** 2
    if mask is None:
        error = torch.mean(squared).item()
    else:
        error = ((squared.mean(-1) * mask).sum() / mask.sum().clamp_min(1e-6)).item()
    return -10 * math.log10(max(error, 1e-10))
