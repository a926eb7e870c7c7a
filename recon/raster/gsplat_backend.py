"""The CUDA rasterizer: gsplat (Ye et al. 2024) behind the same function. Imported only with a GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recon.errors import TrainError
from recon.raster.core import EPS2D, NEAR_PLANE

PACKED_FROM = 1_000_000
"""Gaussians from which gsplat keeps only those in view: less memory, a little slower."""


def rasterize_gsplat(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    sh: Tensor,  # [N, K, 3]
    camera_from_world: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
    *,
    sh_degree: int,
    background: Tensor,  # [3]
    with_depth: bool,
) -> tuple[Tensor, Tensor, Tensor | None, dict[str, Any]]:
    """As `rasterize_core`, on the tensors' CUDA device."""
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise TrainError(
            "training on CUDA needs gsplat, which is not installed; run `pip install 'splatreel[cuda]'`, "
            "or train on the CPU with --device cpu"
        ) from error
    packed = len(means) > PACKED_FROM
    rendered, alpha, info = rasterization(
        means=means,
        quats=quats,
        scales=scales,
        opacities=opacities,
        colors=sh,
        viewmats=camera_from_world[None],
        Ks=K[None].to(means),
        width=width,
        height=height,
        near_plane=NEAR_PLANE,
        eps2d=EPS2D,
        sh_degree=sh_degree,
        backgrounds=None,
        render_mode="RGB+D" if with_depth else "RGB",
        packed=packed,
        rasterize_mode="classic",
    )
    alpha = alpha[0, ..., 0]
    # The background is blended here: gsplat's own would also be added to the depth channel.
    image = rendered[0, ..., :3] + (1 - alpha)[..., None] * background
    depth = rendered[0, ..., 3] if with_depth else None
    if packed:
        visible = torch.zeros(len(means), dtype=torch.bool, device=means.device)
        visible[info["gaussian_ids"].long()] = True
    else:
        visible = (info["radii"][0].reshape(len(means), -1) > 0).all(-1)
    return image, alpha, depth, {"visible": visible}


def fused_adam(
    parameter: Tensor,  # [N, ...] contiguous, changed in place, as are the moments
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    visible: Tensor,  # [N] bool
    step_size: float,
    beta1: float,
    beta2: float,
) -> None:
    """gsplat's selective Adam (of "Taming 3DGS"); bias corrections are in the step size."""
    from gsplat.cuda._wrapper import adam

    adam(parameter, gradient.contiguous(), first, second, visible, step_size, beta1, beta2, 1e-15)
