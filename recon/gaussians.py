"""First Gaussians from sparse points, and the shell of far ones that stands in for sky and horizon."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import KDTree

from recon.errors import TrainError
from recon.types import Cameras, Gaussians, Points

SH_DC = 0.28209479177387814
"""The constant spherical harmonic: colour = 0.5 + SH_DC * sh[0]."""
FAR_SHELL_DEPTH = 6.0
"""Distance of the far shell in median depths, from the middle of the cameras."""


def gaussians_from_points(
    points: Points, sh_degree: int, *, opacity: float = 0.3, width: float = 1.0
) -> Gaussians:
    """Round Gaussians, `width` times as wide as the mean distance to three neighbours (3DGS, section 4)."""
    if len(points) < 4:
        raise TrainError(
            f"found {len(points)} points to start from, expected at least 4; "
            "the camera stage should have refused this clip, run it again with --force cameras"
        )
    means = torch.tensor(points.xyz, dtype=torch.float32)
    distances, _ = KDTree(points.xyz).query(points.xyz, k=4, workers=-1)
    widths = np.sqrt((distances[:, 1:] ** 2).mean(1))
    widths = np.clip(widths, 1e-4, np.quantile(widths, 0.98))  # a lone point must not cover the scene
    return isotropic(
        means, torch.tensor(width * widths, dtype=torch.float32), colours(points.rgb), opacity, sh_degree
    )


def colours(rgb: np.ndarray) -> torch.Tensor:
    """[M, 3] float 0..1 from [M, 3] uint8."""
    return torch.tensor(rgb, dtype=torch.float32) / 255


def isotropic(
    means: torch.Tensor,  # [N, 3]
    widths: torch.Tensor,  # [N] standard deviations
    rgb: torch.Tensor,  # [N, 3] 0..1
    opacity: float,
    sh_degree: int,
) -> Gaussians:
    """Round Gaussians of one opacity whose colour does not depend on the view."""
    count = len(means)
    sh = torch.zeros(count, (sh_degree + 1) ** 2, 3)
    sh[:, 0] = (rgb - 0.5) / SH_DC
    quats = torch.zeros(count, 4)
    quats[:, 0] = 1
    logit = float(np.log(opacity / (1 - opacity)))
    return Gaussians(means, quats, widths.log()[:, None].repeat(1, 3), torch.full((count,), logit), sh)


def far_shell(
    cameras: Cameras,
    points: Points,
    images: list[torch.Tensor],  # per camera [H, W, 3] float 0..1, any size
    sh_degree: int,
    *,
    cell: int = 12,
) -> Gaussians | None:
    """Gaussians far away behind the parts of the images where no point was found (sky, blank walls).

    Every image is cut into cells of `cell` pixels; a cell without a point near it sends one Gaussian
    along its ray to the shell. Cells of later images that an earlier one already covers are left out.
    """
    depths = np.linalg.norm(points.xyz - cameras.centres.mean(0), axis=1)
    radius = max(FAR_SHELL_DEPTH, 1.5 * float(np.quantile(depths, 0.99)))
    centre = cameras.centres.mean(0)
    means: list[np.ndarray] = []
    rgb: list[torch.Tensor] = []
    widths: list[np.ndarray] = []
    for i in range(0, len(cameras), max(1, len(cameras) // 8)):
        height, width = images[i].shape[:2]
        K = scaled_intrinsics(cameras.K[i], cameras.width, cameras.height, width, height)
        camera_from_world = np.linalg.inv(cameras.world_from_camera[i])
        seen = points.xyz @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        seen = seen[seen[:, 2] > 0.01]
        pixels = (seen @ K.T)[:, :2] / seen[:, 2:]
        y, x = np.mgrid[cell / 2 : height : cell, cell / 2 : width : cell]
        cells = np.stack([x.ravel(), y.ravel()], 1)
        lonely = KDTree(pixels).query(cells)[0] > 2 * cell if len(pixels) else np.ones(len(cells), bool)
        rays = np.concatenate([cells, np.ones((len(cells), 1))], 1) @ np.linalg.inv(K).T
        rays = rays @ cameras.world_from_camera[i, :3, :3].T
        at = _on_sphere(cameras.centres[i], rays, centre, radius)
        width_there = np.full(len(at), 0.7 * cell / K[0, 0] * radius)
        if means:
            lonely &= KDTree(np.concatenate(means)).query(at)[0] > width_there
        means.append(at[lonely])
        widths.append(width_there[lonely])
        rows, columns = cells[lonely, 1].astype(int), cells[lonely, 0].astype(int)
        rgb.append(images[i][rows, columns])
    at, width_all = np.concatenate(means), np.concatenate(widths)
    if len(at) == 0:
        return None
    as_tensor = [torch.tensor(values, dtype=torch.float32) for values in (at, width_all)]
    return isotropic(as_tensor[0], as_tensor[1], torch.cat(rgb), 0.8, sh_degree)


def _on_sphere(origin: np.ndarray, rays: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """[M, 3] where rays [M, 3] from a point inside a sphere leave it."""
    direction = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    offset = origin - centre
    along = direction @ offset
    distance = -along + np.sqrt(np.maximum(along**2 - offset @ offset + radius**2, 0))
    return origin + direction * distance[:, None]


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """All Gaussians of several sets of the same SH degree."""
    names = parts[0].tensors()
    return Gaussians(**{name: torch.cat([part.tensors()[name] for part in parts]) for name in names})


def scaled_intrinsics(K: np.ndarray, width: int, height: int, new_width: int, new_height: int) -> np.ndarray:
    """[..., 3, 3] intrinsics for another image size (pixel centres at .5, so a plain scaling)."""
    return np.diag([new_width / width, new_height / height, 1.0]) @ K
