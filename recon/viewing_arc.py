"""From how far around a scene was seen: what decides how much of its gloss can be told."""

from __future__ import annotations

import numpy as np

from recon.types import Cameras, Points

MOST_POINTS = 1000


def viewing_arc(cameras: Cameras, points: Points) -> float:
    """Degrees between the outermost cameras that look at a point, in the median over the points; 0 without
    points. Whether something stands before a point does not count."""
    if len(points) == 0 or len(cameras) < 2:
        return 0.0
    xyz = points.xyz[:: -(-len(points) // MOST_POINTS)]
    camera_from_world = cameras.camera_from_world
    local = np.einsum("fij,pj->pfi", camera_from_world[:, :3, :3], xyz) + camera_from_world[:, :3, 3]
    depth = np.maximum(local[..., 2:], 1e-9)
    pixels = np.einsum("fij,pfj->pfi", cameras.K, local)[..., :2] / depth
    seen = (local[..., 2] > 0) & ((pixels > 0) & (pixels < [cameras.width, cameras.height])).all(-1)
    xyz, seen = xyz[seen.any(1)], seen[seen.any(1)]
    if len(xyz) == 0:
        return 0.0
    away = cameras.world_from_camera[None, :, :3, 3] - xyz[:, None]
    away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-12)
    middle = (away * seen[..., None]).sum(1)
    middle /= np.maximum(np.linalg.norm(middle, axis=-1, keepdims=True), 1e-12)
    cosines = np.where(seen, np.einsum("pfi,pi->pf", away, middle), 1.0).min(1)
    return float(np.degrees(2 * np.median(np.arccos(np.clip(cosines, -1, 1)))))
