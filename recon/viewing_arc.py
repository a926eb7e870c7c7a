"""From how far around a scene was seen: what decides how much of its gloss can be told."""

from __future__ import annotations

import numpy as np

from recon.flow import project
from recon.types import Cameras, Points

MOST_POINTS = 1000


def viewing_arc(cameras: Cameras, points: Points) -> float:
    """Degrees between the outermost cameras that look at a point, in the median over the points; 0 without
    points. Whether something stands before a point does not count."""
    if len(points) == 0 or len(cameras) < 2:
        return 0.0
    xyz = points.xyz[:: -(-len(points) // MOST_POINTS)]
    views = zip(cameras.K, cameras.camera_from_world, strict=True)
    pixels = np.stack([project(xyz, K, camera_from_world)[0] for K, camera_from_world in views], 1)
    seen = np.all((pixels > 0) & (pixels < [cameras.width, cameras.height]), axis=-1)
    xyz, seen = xyz[seen.any(1)], seen[seen.any(1)]
    if len(xyz) == 0:
        return 0.0
    away = cameras.world_from_camera[None, :, :3, 3] - xyz[:, None]
    away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-12)
    middle = (away * seen[..., None]).sum(1)
    middle /= np.maximum(np.linalg.norm(middle, axis=-1, keepdims=True), 1e-12)
    cosines = np.where(seen, np.einsum("pfi,pi->pf", away, middle), 1.0).min(1)
    return float(np.degrees(2 * np.median(np.arccos(np.clip(cosines, -1, 1)))))
