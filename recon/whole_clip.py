"""The focal length that all frames of a long shot agree with, where a few of them did not tell it.

A camera that goes far sees every place from a few frames only, with as little parallax as the few frames of
`recon.focal_sweep` have; but there are many places.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recon.bundle_adjustment import worse_with
from recon.focal_sweep import SURE, SURE_STEP
from recon.focal_trials import LOOKS
from recon.joint_adjustment import adjusted_in_rounds, features_of, often_seen
from recon.solve import Solved

NOISE = 0.5
"""Pixels at a long side of 640 beyond which a feature pulls less than its square."""


def told_by_all(solved: Solved) -> Solved | None:
    """The solution with the focal length that all frames agree with; None where a third more or less would do
    as well."""
    world, observed = features_of(solved)
    noise = NOISE * max(solved.lens.width, solved.lens.height) / 640
    found = adjusted_in_rounds(world, observed, noise=noise, focal_free=True)
    if not (np.isfinite(found.focal) and np.isfinite(found.camera_from_world).all()):
        return None
    often = often_seen(observed)
    few, seen = found._replace(points=found.points[often]), observed.select(often)
    if any(LOOKS * worse_with(few, seen, noise, step) < SURE for step in (SURE_STEP, 1 / SURE_STEP)):
        return None
    kept = np.flatnonzero(np.isfinite(found.points).all(1))
    points = replace(solved.points, xyz=found.points).select(kept)
    misses = observed.select(kept).mean_misses(found._replace(points=points.xyz))
    return replace(
        solved,
        world_from_camera=np.linalg.inv(found.camera_from_world),
        lens=solved.lens.with_focal(found.focal),
        points=replace(points, error=misses),
    )
