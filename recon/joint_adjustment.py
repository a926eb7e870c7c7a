"""Bundle adjustment of solved cameras on arrays of observations, in the solver's child process; importing
this does not load pycolmap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recon.adjustment import adjustment

ITERATIONS = 60
RADIUS = 1e10
"""Of the trust region at first: from Ceres' own, 1e4, the focal length of little parallax creeps (a drawn 6°
orbit: 3.7 % off after 80 iterations, 0.2 after 200; from here 0.01 after 25)."""


def adjust_arrays(job: dict[str, Any], tell: Any) -> None:
    """Adjust poses, points and one focal length to observations in pixels without distortion.

    The file `job["arrays"]` holds camera_from_world [F, 4, 4], focal, points [P, 3] and their observations:
    rows `point`, `frame` [M], `xy` [M, 2] from the principal point. `job["result"]` gets the first three as
    adjusted. `job["noise"]`: pixels beyond which an observation pulls less than its square;
    `job["focal_free"]`: whether the focal length moves, too; `job["tolerance"]`: the share of the cost by
    which an iteration must lower it to be followed by another.
    """
    import pycolmap

    tell(0, None, "adjusting all cameras together")
    with np.load(job["arrays"], allow_pickle=False) as arrays:
        poses, points, focal = arrays["camera_from_world"], arrays["points"], float(arrays["focal"])
        point, frame, xy = arrays["point"], arrays["frame"], arrays["xy"]
    model = pycolmap.Reconstruction()
    camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=1, height=1, params=[focal, 0, 0], camera_id=1)
    model.add_camera_with_trivial_rig(camera)
    order = np.lexsort((point, frame))
    point, frame, xy = point[order], frame[order], xy[order]
    first = np.searchsorted(frame, np.arange(len(poses) + 1))
    for f, pose in enumerate(poses):
        seen = [pycolmap.Point2D(at) for at in xy[first[f] : first[f + 1]]]
        image = pycolmap.Image(name=str(f), points2D=seen, camera_id=1, image_id=f + 1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    place = np.arange(len(point)) - first[frame]  # among the observations of the frame
    by_point = np.argsort(point, kind="stable")
    cuts = np.searchsorted(point[by_point], np.arange(len(points) + 1))
    ids = []
    for p, at in enumerate(points):
        track = pycolmap.Track()
        for row in by_point[cuts[p] : cuts[p + 1]]:
            track.add_element(int(frame[row]) + 1, int(place[row]))
        ids.append(model.add_point3D(at, track, np.zeros(3, np.uint8)))
    options = adjustment()
    options.refine_focal_length = job["focal_free"]
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = job["noise"]
    options.ceres.solver_options.max_num_iterations = ITERATIONS
    options.ceres.solver_options.initial_trust_region_radius = RADIUS
    options.ceres.solver_options.function_tolerance = job["tolerance"]
    pycolmap.bundle_adjustment(model, options)
    moved = np.tile(np.eye(4), (len(poses), 1, 1))
    moved[:, :3] = [model.images[f + 1].cam_from_world().matrix() for f in range(len(poses))]
    gone = np.full(3, np.nan)  # a point that came to lie behind a camera
    with Path(job["result"]).open("wb") as file:
        np.savez(
            file,
            camera_from_world=moved,
            focal=np.array(model.cameras[1].params[0]),
            points=np.array([model.points3D[i].xyz if i in model.points3D else gone for i in ids]).reshape(
                -1, 3
            ),
        )
