"""The rasterizer in plain PyTorch, any dtype: the oracle of the C++ core's tests, far too slow to train.

Every pixel meets every Gaussian; there are no tiles and no early exit, autograd does the gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recon.raster.core import EPS2D, NEAR_PLANE

MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE = 0.999, 1 / 255, 1e-4


def rotation_matrices(quats: Tensor) -> Tensor:
    """[N, 3, 3] from quaternions [N, 4] wxyz of any length."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1, eps=1e-12).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def sh_colours(
    degree: int,
    directions: Tensor,  # [N, 3] unit
    sh: Tensor,  # [N, K, 3]
) -> Tensor:
    """[N, 3] colours, shifted by 0.5 and clamped at 0 as in 3DGS."""
    x, y, z = directions.unbind(-1)
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree > 0:
        basis += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if degree > 1:
        basis += [
            *(1.0925484305920792 * x * y, -1.0925484305920792 * y * z),
            0.31539156525252005 * (3 * z * z - 1),
            *(-1.0925484305920792 * x * z, 0.5462742152960396 * (x * x - y * y)),
        ]
    if degree > 2:
        basis += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (5 * z * z - 1),
            0.3731763325901154 * z * (5 * z * z - 3),
            -0.4570457994644658 * x * (5 * z * z - 1),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    weights = torch.stack(basis, -1)
    return ((weights[..., None] * sh[:, : len(basis)]).sum(1) + 0.5).clamp_min(0)


def project(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    camera_from_world: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel positions [N, 2], 2D covariances with dilation [N, 2, 2], depths [N] (EWA splatting)."""
    R, t = camera_from_world[:3, :3], camera_from_world[:3, 3]
    camera = means @ R.T + t
    x, y, z = camera.unbind(-1)
    z = torch.where(z > NEAR_PLANE, z, torch.ones_like(z))  # the others are dropped later
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    border_x, border_y = 0.15 * width / fx, 0.15 * height / fy
    ratio_x = (x / z).clamp(-(cx / fx + border_x), (width - cx) / fx + border_x)
    ratio_y = (y / z).clamp(-(cy / fy + border_y), (height - cy) / fy + border_y)
    zero = torch.zeros_like(z)
    rows = [fx / z, zero, -fx * ratio_x / z, zero, fy / z, -fy * ratio_y / z]
    J = torch.stack(rows, -1).unflatten(-1, (2, 3))
    A = J @ R @ rotation_matrices(quats) @ torch.diag_embed(scales)
    covariance = A @ A.mT + EPS2D * torch.eye(2, dtype=means.dtype)
    pixels = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)
    return pixels, covariance, camera[:, 2]


def rasterize_twin(
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
) -> tuple[Tensor, Tensor, Tensor]:
    """Image [H, W, 3], alpha [H, W] and depth summed with the blending weights [H, W]."""
    pixels, covariance, depths = project(means, quats, scales, camera_from_world, K, width, height)
    centre = -camera_from_world[:3, :3].T @ camera_from_world[:3, 3]
    directions = torch.nn.functional.normalize(means - centre, dim=-1, eps=1e-12)
    colours = sh_colours(sh_degree, directions, sh)
    order = torch.argsort(depths.detach().float(), stable=True)
    order = order[(depths[order] > NEAR_PLANE) & (opacities[order] >= MIN_ALPHA)]
    conic = torch.linalg.inv(covariance[order])

    rows = []
    for row in range(height):
        at = torch.stack([torch.arange(width) + 0.5, torch.full((width,), row + 0.5)], -1).to(means.dtype)
        offset = at[:, None] - pixels[order]  # [W, N, 2]
        sigma = 0.5 * torch.einsum("wni,nij,wnj->wn", offset, conic, offset)
        alpha = (opacities[order] * torch.exp(-sigma)).clamp_max(MAX_ALPHA)
        alpha = torch.where(alpha >= MIN_ALPHA, alpha, torch.zeros_like(alpha))
        after = torch.cumprod(1 - alpha, -1)
        before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], -1)
        weight = torch.where(after > MIN_TRANSMITTANCE, alpha * before, torch.zeros_like(alpha))
        channels = torch.cat(
            [colours[order], torch.ones_like(colours[order][:, :1]), depths[order, None]], -1
        )
        rows.append(weight @ channels)
    out = torch.stack(rows)
    image, alpha, depth = out[..., :3], out[..., 3], out[..., 4]
    return image + (1 - alpha)[..., None] * background, alpha, depth
