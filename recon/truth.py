"""How far solved cameras are from the true ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.agreement import rotations_apart
from recon.errors import CameraSolveError
from recon.known_cameras import KnownCameras, read_known
from recon.types import Cameras, Frames
from recon.world import Similarity


def read_truth(path: Path, frames: Frames, source_fps: float | None = None) -> KnownCameras:
    """True cameras of the frames on disk, from any file of known cameras (`recon.known_cameras.FORMATS`).

    Raises:
        FormatError: No known format, or poses that cannot be matched with the frames.
    """
    return read_known(path, frames, source_fps)


def align(source: np.ndarray, target: np.ndarray) -> Similarity:
    """The similarity that moves points [N, 3] nearest to others in the least squares (Umeyama 1991).

    Points on a line or all in one place are fine: what they leave free (a turn about the line, a
    scale) is chosen as small as can be.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    u, strength, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    rotation = (u * sign) @ vt
    spread = float((a**2).sum())
    scale = float((strength * sign).sum()) / spread if spread > 1e-18 else 1.0
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def pose_error(cameras: Cameras, truth: KnownCameras) -> dict[str, float | None]:
    """Compare solved cameras with the true ones of the same frames.

    Returns:
        "ate_percent": RMS distance of camera centres after the best similarity, in percent of the
            bounding-box diagonal of the true path (None for a true path without extent).
        "rotation_deg": median over camera pairs of the error of their relative rotation.
        "focal_percent": error of the lens' focal length.
        "cameras": how many were compared.

    Raises:
        CameraSolveError: Fewer than two frames in common.
    """
    numbers, mine, true = np.intersect1d(cameras.numbers, truth.numbers, return_indices=True)
    if len(numbers) < 2:
        raise CameraSolveError(
            f"found {len(numbers)} frames with both a solved and a true camera, expected at least 2; "
            "use the truth of this clip"
        )
    found, wanted = cameras.world_from_camera[mine], truth.world_from_camera[true]
    centres = wanted[:, :3, 3]
    extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
    moved = align(found[:, :3, 3], centres).points(found[:, :3, 3])
    ate = float(np.sqrt(((moved - centres) ** 2).sum(axis=1).mean()))
    K = cameras.K[0] if cameras.lens_K is None else cameras.lens_K
    focal = (K[0, 0] + K[1, 1]) / 2
    return {
        "ate_percent": 100 * ate / extent if extent > 1e-12 else None,
        "rotation_deg": rotations_apart(found[:, :3, :3], wanted[:, :3, :3]),
        "focal_percent": float(100 * abs(focal / truth.lens.focal - 1)),
        "cameras": float(len(numbers)),
    }
