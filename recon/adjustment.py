"""Bundle adjustment in the solver's child process; importing this does not load pycolmap."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from recon.attempts import MIN_ANGLE

MAX_ERROR = 4.0
"""Pixels, as the mapper's own."""
RADIUS = 1e10
"""Of the trust region at first: from Ceres' own, 1e4, the focal length of little parallax creeps (a drawn 6°
orbit: 3.7 % off after 80 iterations, 0.2 after 200; from here 0.01 after 25)."""
WEIGHED = 1500
"""Points by which a focal length is weighed, and poses adjusted to it; all take up to ten times as long for
the same answer."""


def weigh_focal(model: Any, focal: float, spread: float, looks: float) -> None:
    """Let bundle adjustment choose the focal length (px), pull its choice towards what was known before,
    and adjust poses and points to that.

    Both are normal in the logarithm: the one with standard deviation `spread`, the other with the curvature
    of the logarithm of the cost, where the residuals count for `looks` independent ones.
    """
    import pycolmap

    camera = next(iter(model.cameras.values()))
    start = camera.focal_length
    few = _with_fewer_points(model)
    _adjust(few, focal_free=False)
    before, after = _adjust(few, focal_free=True)
    step = math.log(few.cameras[camera.camera_id].focal_length / start)
    gain = looks * math.log(before / after) if after > 0 else 0.0
    if step and gain > 0:
        weight = gain / step**2
        prior = math.log(focal / start) / spread**2
        step = (prior + weight * step) / (1 / spread**2 + weight)
    else:
        step = math.log(focal / start)
    few.cameras[camera.camera_id].focal_length = camera.focal_length = start * math.exp(step)
    _adjust(few, focal_free=False)
    for image in model.reg_image_ids():
        model.images[image].frame.rig_from_world = few.images[image].frame.rig_from_world
    _adjust(model, focal_free=False, poses_free=False)
    # Points that another focal length put behind a camera, or out of reach.
    pycolmap.ObservationManager(model).filter_all_points3D(MAX_ERROR, MIN_ANGLE)


def _with_fewer_points(model: Any) -> Any:
    """A copy with WEIGHED points, chosen at random, always the same."""
    few = copy.deepcopy(model)
    ids = np.array(sorted(few.points3D))
    for point in np.random.default_rng(0).permutation(ids)[WEIGHED:].tolist():
        few.delete_point3D(point)
    return few


def change_lens(model: Any, params: list[float]) -> None:
    """Give all images of a model a lens of these parameters, and adjust poses and points to it."""
    next(iter(model.cameras.values())).params = [float(value) for value in params]
    _adjust(model, focal_free=False)


def _adjust(model: Any, *, focal_free: bool, poses_free: bool = True) -> tuple[float, float]:
    """Bundle adjustment of all points, and poses; the robust cost before and after."""
    import pycolmap

    options = adjustment()
    options.refine_focal_length = focal_free
    if focal_free:
        options.ceres.solver_options.initial_trust_region_radius = RADIUS
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = 0.5
    options.ceres.solver_options.function_tolerance = 1e-5 if poses_free else 1e-4
    config = pycolmap.BundleAdjustmentConfig()
    for image in model.reg_image_ids():
        config.add_image(image)
        if not poses_free:
            config.set_constant_rig_from_world_pose(model.images[image].frame_id)
    if poses_free:
        config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    solved: Any = pycolmap.create_default_ceres_bundle_adjuster(options, config, model).solve()
    return solved.ceres_summary.initial_cost, solved.ceres_summary.final_cost


def adjustment() -> Any:
    """Poses and focal length move; what does not fit yet pulls less than its square."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions(refine_extra_params=False, print_summary=False)
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.num_threads = 1
    options.ceres.solver_options.max_num_iterations = 50
    return options
