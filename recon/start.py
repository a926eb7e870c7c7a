"""The first Gaussians of a shot: dense points where flow finds them, else sparse ones, else a far shell."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from scipy.spatial import KDTree

from recon.config import FitConfig
from recon.dense import dense_points
from recon.events import Listener, Notice, ignore
from recon.gaussians import concatenate, far_shell, gaussians_from_points
from recon.types import Cameras, Gaussians, Points
from recon.views import Views

DENSE_SHARE = 0.5
"""Dense points asked for, as a share of the budget: density control needs the rest for detail."""
DENSE_WIDTH = 0.6
"""Standard deviation of a first Gaussian by the distance of its neighbours; wider ones blur, narrower
ones leave gaps."""
DENSE_OPACITY = 0.5
HOLE = 2.0
"""A sparse point stays where dense ones are this many times farther away than from each other."""


def first_gaussians(
    views: Views, points: Points, config: FitConfig, *, on_event: Listener = ignore
) -> Gaussians:
    """At most `config.budget` Gaussians from the training views; the same for the same input and seed."""
    images = [views.level(0)[i] for i in views.train]
    cameras = views.cameras.at(views.train)
    dense = _dense(images, cameras, points, config, on_event) if config.dense else None
    if dense:
        points = fill_holes(dense, points)  # the dense ones first
        start = gaussians_from_points(points, config.sh_degree, opacity=DENSE_OPACITY)
        start.log_scales[: len(dense)] += math.log(DENSE_WIDTH)
    else:
        start = gaussians_from_points(points, config.sh_degree)
    shell = far_shell(cameras, points, [torch.tensor(i) / 255 for i in images], config.sh_degree)
    start = concatenate([start, shell]) if shell else start
    if len(start) > config.budget:
        generator = torch.Generator().manual_seed(config.seed)
        start = start.select(torch.randperm(len(start), generator=generator)[: config.budget].sort().values)
    return start


def _dense(
    images: list[np.ndarray],  # per camera [H, W, 3] uint8
    cameras: Cameras,
    sparse: Points,
    config: FitConfig,
    on_event: Listener,
) -> Points | None:
    """Dense points, or None with a sentence why there are none."""
    begun = time.perf_counter()
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:  # its wheel needs libraries of the system
        libraries = "on Debian and Ubuntu: apt install libgl1 libegl1 libx11-6"
        text = (
            f"dense points: none, Open3D cannot be loaded ({error}; {libraries}); starting from sparse ones"
        )
        on_event(Notice(text, warning=True))
        return None
    found = dense_points(images, cameras, sparse, target=round(DENSE_SHARE * config.budget))
    if len(found.points) == 0:
        on_event(Notice("dense points: none, the camera moves too little for it; starting from sparse ones"))
        return None
    seconds = time.perf_counter() - begun
    on_event(Notice(f"dense points: {len(found.points):,} from {found.pairs} frame pairs ({seconds:.1f} s)"))
    return found.points


def fill_holes(dense: Points, sparse: Points) -> Points:
    """The dense points, and those sparse points that are not among them."""
    tree = KDTree(dense.xyz)
    spacing = tree.query(dense.xyz, k=4, workers=-1)[0][:, 1:].mean(1)
    distance, nearest = tree.query(sparse.xyz, workers=-1)
    lonely = distance > HOLE * spacing[nearest]
    return Points(
        np.concatenate([dense.xyz, sparse.xyz[lonely]]),
        np.concatenate([dense.rgb, sparse.rgb[lonely]]),
        np.concatenate([dense.error, sparse.error[lonely]]),
    )
