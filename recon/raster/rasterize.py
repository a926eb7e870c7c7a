"""One rasterizer function, two backends: gsplat on CUDA tensors, our C++ core on CPU tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recon.raster.core import rasterize_core

if TYPE_CHECKING:
    from recon.types import Gaussians


@dataclass(frozen=True, repr=False)
class Rendering:
    """What the rasterizer returns."""

    image: Tensor  # [H, W, 3]
    alpha: Tensor  # [H, W]
    depth: Tensor | None  # [H, W] expected depth along z, world units; 0 where nothing is
    visible: Tensor  # [N] bool, Gaussians that touch the image
    info: dict[str, Any]
    """Backend statistics (CPU core: pairs, milliseconds by stage, bytes held)."""


def rasterize(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz, normalised inside
    scales: Tensor,  # [N, 3] standard deviations
    opacities: Tensor,  # [N] 0..1
    sh: Tensor,  # [N, K, 3]
    camera_from_world: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    sh_degree: int | None = None,
    background: Tensor | None = None,  # [3], black when missing
    with_depth: bool = False,
) -> Rendering:
    """Render Gaussians; differentiable in all tensors (on CUDA as far as gsplat is: not in K).

    Semantics are gsplat's `rasterization()` in classic mode with eps2d 0.3: alpha is
    min(0.999, o exp(-sigma)), alpha below 1/255 is skipped, a pixel stops when its transmittance
    would fall to 1e-4.
    """
    count = len(means)
    shapes = {
        "means": (means, (count, 3)),
        "quats": (quats, (count, 4)),
        "scales": (scales, (count, 3)),
        "opacities": (opacities, (count,)),
        "sh": (sh, (count, sh.shape[1] if sh.ndim == 3 else -1, 3)),
        "camera_from_world": (camera_from_world, (4, 4)),
        "K": (K, (3, 3)),
    }
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"expected {name} {list(shape)}, found {list(tensor.shape)}")
    if width < 1 or height < 1:
        raise ValueError(f"expected an image of at least 1x1, found {width}x{height}")
    stored = {1: 0, 4: 1, 9: 2, 16: 3}.get(sh.shape[1])
    degree = stored if sh_degree is None else sh_degree
    if stored is None or degree is None or not 0 <= degree <= stored:
        raise ValueError(f"expected sh [N, 1|4|9|16, 3] for degree {sh_degree}, found {list(sh.shape)}")
    background = torch.zeros(3, device=means.device) if background is None else background

    if means.is_cuda:
        from recon.raster.gsplat_backend import rasterize_gsplat as backend
    else:
        backend = rasterize_core
    image, alpha, depth, info = backend(
        *(means, quats, scales, opacities, sh, camera_from_world, K, width, height),
        sh_degree=degree,
        background=background,
        with_depth=with_depth,
    )
    if depth is not None:
        depth = depth / alpha.clamp_min(1e-10)
    return Rendering(image, alpha, depth, info["visible"], info)


def render(
    gaussians: Gaussians,
    camera_from_world: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    sh_degree: int | None = None,
    background: Tensor | None = None,
    with_depth: bool = False,
) -> Rendering:
    """`rasterize` on the optimiser's parameters: exponential of scales, sigmoid of opacities."""
    return rasterize(
        *(gaussians.means, gaussians.quats, gaussians.log_scales.exp(), gaussians.logit_opacities.sigmoid()),
        *(gaussians.sh, camera_from_world, K, width, height),
        sh_degree=sh_degree,
        background=background,
        with_depth=with_depth,
    )
