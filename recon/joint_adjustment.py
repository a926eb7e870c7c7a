"""Bundle adjustment of solved cameras on arrays of observations, in the solver's child process; importing
this does not load pycolmap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon.adjustment import RADIUS, adjustment

ITERATIONS = 60
MOST = 1500
"""Points by which cameras are adjusted, those that are seen most often; the others get their places before
these cameras. All of them (5,300 of a drawn 10° orbit) take 12 seconds instead of 3.4, and leave the focal
length 0.37 % off instead of 0.24; 2,000 take 5.8."""
PLACED = 10
"""Steps for that."""
FIRST_TOLERANCE = 1e-5
"""Of the first round where there are two, whose end is not the last word."""
FAR_OFF, SEEN = 3.0, 3
"""Times the noise by which an observation must miss after the first round to be left out of the second, and
the observations that a point then needs. Where parallax is small, what was matched wrongly settles wherever
the first focal length puts it, and holds that one (two drawn 10° orbits: 2.7 and 3.0 % off with it, 1.1 and
0.1 without)."""
AGAIN, SETTLED = 5, 0.01
"""Second rounds at most, and the share by which the focal length must change in one to be followed by
another: ITERATIONS are not always enough (a drawn 6° orbit with a mover: 14.8, 8.3, 4.2, 0.4, -1.5 % off)."""


def adjust_arrays(job: dict[str, Any], tell: Any) -> None:
    """Adjust poses, points and one focal length to observations in pixels without distortion, of the points
    seen most often; where the tolerance is below FIRST_TOLERANCE, to all of these and then to those that fit,
    until the focal length stays. The other points are placed before the cameras that come out.

    The file `job["arrays"]` holds camera_from_world [F, 4, 4], focal, points [P, 3] and their observations:
    rows `point`, `frame` [M], `xy` [M, 2] from the principal point. `job["result"]` gets the first three as
    adjusted, lost points as nan. `job["noise"]`: pixels beyond which an observation pulls less than its
    square; `job["focal_free"]`: whether the focal length moves, too; `job["tolerance"]`: the share of the
    cost by which an iteration must lower it to be followed by another.
    """
    tell(0, None, "adjusting all cameras together")
    with np.load(job["arrays"], allow_pickle=False) as arrays:
        start = arrays["camera_from_world"], float(arrays["focal"]), arrays["points"]
        every = _Seen(arrays["point"], arrays["frame"], arrays["xy"])
    noise, free, tolerance = job["noise"], job["focal_free"], job["tolerance"]
    often = np.zeros(len(start[2]), bool)
    often[np.argsort(-every.counts(start), kind="stable")[:MOST]] = True
    scene, seen = _with_only(start, every, often)
    scene = _adjusted(scene, seen, noise, free, max(tolerance, FIRST_TOLERANCE))
    if tolerance < FIRST_TOLERANCE:
        for _ in range(AGAIN):
            fitting, before = seen.select(seen.misses(scene) < FAR_OFF * noise), scene[1]
            enough = fitting.counts(scene) >= SEEN
            if enough.any():
                scene = _adjusted(*_with_only(scene, fitting, enough), noise, free, tolerance)
            if abs(scene[1] / before - 1) < SETTLED:
                break
    if not often.all():
        rest, seen = _with_only((scene[0], scene[1], start[2]), every, ~often)
        scene = scene[0], scene[1], np.where(often[:, None], scene[2], _placed(rest, seen, noise))
    poses, focal, points = scene
    with Path(job["result"]).open("wb") as file:
        np.savez(file, camera_from_world=poses, focal=np.array(focal), points=points)


_Scene = tuple[np.ndarray, float, np.ndarray]
"""camera_from_world [F, 4, 4], focal length in pixels, points [P, 3], nan where lost."""


@dataclass(frozen=True)
class _Seen:
    """Observations."""

    point: np.ndarray  # [M]
    frame: np.ndarray  # [M]
    xy: np.ndarray  # [M, 2] from the principal point

    def select(self, index: np.ndarray) -> _Seen:
        return _Seen(self.point[index], self.frame[index], self.xy[index])

    def counts(self, scene: _Scene) -> np.ndarray:
        """[P] observations of each point."""
        return np.bincount(self.point, minlength=len(scene[2]))

    def local(self, poses: np.ndarray, points: np.ndarray) -> np.ndarray:
        """[M, 3] the points as their frames see them, of poses [F, 4, 4] and points [P, 3]."""
        view = poses[self.frame]
        return np.einsum("mij,mj->mi", view[:, :3, :3], points[self.point]) + view[:, :3, 3]

    def misses(self, scene: _Scene) -> np.ndarray:
        """[M] pixels, nan for lost points."""
        poses, focal, points = scene
        local = self.local(poses, points)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.linalg.norm(focal * local[:, :2] / local[:, 2:] - self.xy, axis=1)


def _with_only(scene: _Scene, seen: _Seen, own: np.ndarray) -> tuple[_Scene, _Seen]:
    """Some of the points [P] bool, the others lost, and what is seen of them."""
    return (scene[0], scene[1], np.where(own[:, None], scene[2], np.nan)), seen.select(own[seen.point])


def _placed(scene: _Scene, seen: _Seen, noise: float) -> np.ndarray:
    """[P, 3] the points where they fit best before cameras that stay, each for itself: Gauss-Newton steps
    under Cauchy's loss, nan for those that come to lie behind a camera or nowhere."""
    poses, focal, points = scene
    points, R = points.copy(), poses[seen.frame, :3, :3]
    for _ in range(PLACED):
        local = seen.local(poses, points)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            at = local[:, :2] / local[:, 2:]
            off = focal * at - seen.xy
            weight = 1 / (1 + (off**2).sum(1) / noise**2)
            J = focal / local[:, 2, None, None] * (R[:, :2] - at[:, :, None] * R[:, 2:])  # [M, 2, 3]
        normal, slope = np.zeros((len(points), 3, 3)), np.zeros((len(points), 3))
        np.add.at(normal, seen.point, weight[:, None, None] * np.einsum("mki,mkj->mij", J, J))
        np.add.at(slope, seen.point, weight[:, None] * np.einsum("mki,mk->mi", J, off))
        own = np.isfinite(points).all(1) & np.isfinite(normal).all((1, 2))
        damping = 1e-6 * np.trace(normal[own], axis1=1, axis2=2) + 1e-12
        step = np.linalg.solve(normal[own] + damping[:, None, None] * np.eye(3), slope[own, :, None])
        points[own] -= step[..., 0]
    points[seen.point[~(seen.local(poses, points)[:, 2] > 0)]] = np.nan
    return points


def _adjusted(scene: _Scene, seen: _Seen, noise: float, focal_free: bool, tolerance: float) -> _Scene:
    import pycolmap

    poses, focal, points = scene
    model = pycolmap.Reconstruction()
    camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=1, height=1, params=[focal, 0, 0], camera_id=1)
    model.add_camera_with_trivial_rig(camera)
    seen = seen.select(np.lexsort((seen.point, seen.frame)))
    first = np.searchsorted(seen.frame, np.arange(len(poses) + 1))
    for f, pose in enumerate(poses):
        here = [pycolmap.Point2D(at) for at in seen.xy[first[f] : first[f + 1]]]
        image = pycolmap.Image(name=str(f), points2D=here, camera_id=1, image_id=f + 1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    place = np.arange(len(seen.point)) - first[seen.frame]  # among the observations of the frame
    by_point = np.argsort(seen.point, kind="stable")
    cuts = np.searchsorted(seen.point[by_point], np.arange(len(points) + 1))
    ids = np.full(len(points), -1)
    for p in np.flatnonzero(np.isfinite(points).all(1)):
        track = pycolmap.Track()
        for row in by_point[cuts[p] : cuts[p + 1]]:
            track.add_element(int(seen.frame[row]) + 1, int(place[row]))
        ids[p] = model.add_point3D(points[p], track, np.zeros(3, np.uint8))
    options = adjustment()
    options.refine_focal_length = focal_free
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = noise
    options.ceres.solver_options.max_num_iterations = ITERATIONS
    options.ceres.solver_options.initial_trust_region_radius = RADIUS
    options.ceres.solver_options.function_tolerance = tolerance
    pycolmap.bundle_adjustment(model, options)
    moved = np.tile(np.eye(4), (len(poses), 1, 1))
    moved[:, :3] = [model.images[f + 1].cam_from_world().matrix() for f in range(len(poses))]
    found = np.full((len(points), 3), np.nan)
    for p in np.flatnonzero(ids >= 0):
        if int(ids[p]) in model.points3D:  # else it came to lie behind a camera
            found[p] = model.points3D[int(ids[p])].xyz
    return moved, float(model.cameras[1].params[0]), found
