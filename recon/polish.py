"""The last step of a solve: all cameras are adjusted at once to the matched features and to points that are
followed finely.

Features are few where the picture is soft, and are found to a third of a pixel; points followed by their look
(`recon.fine_tracks`) are many, go through most frames, and lie to a tenth. Long tracks are what
ParticleSfM (Zhao et al. 2022) gains most from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recon.agreement import angles_between
from recon.events import Listener
from recon.fine_tracks import FineTracks
from recon.scene import remove
from recon.solve import Solution, Solved, judged
from recon.solver_process import progress, run_job
from recon.types import Points

FEWEST = 100
"""Points, from which they say something."""
NOISE, OBSERVED = 0.2, 2.5
"""Pixels, and times the median miss of the points, from which an observation pulls less than its square.
Points at the rim of something nearer are off by some tenths, all the same way; generated frames bend."""
BENT = 0.3
"""Pixels at a long side of 640 by which points miss in the median, from which the frames themselves are bent,
as those of video models are: all points of a region err alike, and many of them outvote what is right."""
CLOSE, ANGLE = 1.0, 0.3
"""Pixels by which a point may miss, and degrees under which it must be seen, to be one of the scene's."""
TELLS = 1.0
"""Degrees by which the camera turns, below which the focal length stays. A camera that only shifts sees the
same with every focal length, at other depths (a drawn sideways move: 14 to 29 % off)."""
MUCH, TOLERANCE, FLAT_TOLERANCE = 4.5, 1e-5, 1e-7
"""Degrees of parallax from which the cost has a clear minimum, and the share of it by which an iteration must
lower it to be followed by another: there, and in the long valley that focal length and depth make without."""
TURNED = 3.0
"""Degrees by which no camera may have turned against the first one: then it is another solution."""


def polish(solution: Solution, fine: FineTracks, frames: int, work: Path, on_event: Listener) -> Solution:
    """The solution with better cameras and more points, or as it was where that cannot be had: the frames are
    bent, the judge calls it failed, or it became another solution.

    Args:
        frames: Of the shot.
        work: Folder of the solver's files.

    Raises:
        CameraSolveError: The solver crashed.
    """
    solved = solution.solved
    if len(fine.places) < FEWEST or not solved.points.tracks:
        return solution
    arrays, features = _observations(solved, fine)
    before = _misses(arrays, arrays["camera_from_world"], solved.lens.focal, arrays["points"])
    miss = float(np.median(before[features:]))
    if miss > BENT * max(1.0, max(solved.lens.width, solved.lens.height) / 640):
        return solution
    free = bool(_turns(solved.world_from_camera).max() >= TELLS)
    tolerance = TOLERANCE if solution.judgement.parallax_deg >= MUCH else FLAT_TOLERANCE
    result = _adjusted(arrays, max(NOISE, OBSERVED * miss), free, tolerance, work, on_event)
    if result is None:
        return solution
    poses, focal, xyz = result
    lens = replace(solved.lens, K=_with_focal(solved.lens.K, focal))
    better = replace(solved, world_from_camera=np.linalg.inv(poses), lens=lens)
    turned = float(_turns(solved.world_from_camera, better.world_from_camera).max())
    if turned > TURNED:
        return solution
    errors = _misses(arrays, poses, focal, xyz)
    moved = replace(solved.points, xyz=xyz[:features], error=errors[:features])
    of_features = moved.select(np.flatnonzero(np.isfinite(moved.error)))  # without those that were lost
    better = replace(better, points=of_features)
    judgement = judged(better, frames)
    # With less parallax by a better focal length it may be "unsure" now, and rightly so.
    if judgement.verdict == "failed" or not judgement.focal_sane:
        return solution
    if solution.judgement.verdict != judged(solved, frames).verdict:  # something else spoke against it
        judgement = replace(judgement, verdict=solution.judgement.verdict, reason=solution.judgement.reason)
    followed = _points_of(fine, better, xyz[features:], errors[features:])
    evidence = {
        **solution.evidence,
        "polished": {
            "points": len(fine.places),
            "focal_px": [round(solved.lens.focal, 2), round(focal, 2)],
            "turned_deg": round(turned, 3),
        },
    }
    better = replace(better, points=_joined(of_features, followed))
    return replace(solution, solved=better, judgement=judgement, evidence=evidence)


def _observations(solved: Solved, fine: FineTracks) -> tuple[dict[str, np.ndarray], int]:
    """Arrays for `recon.joint_adjustment`, first those of the features' points; and how many these are."""
    rows = np.concatenate(solved.points.tracks)
    lengths = [len(track) for track in solved.points.tracks]
    point, frame = np.nonzero(fine.tracks.seen)
    followed = fine.tracks.xy[point, frame]
    features = len(lengths)
    return {
        "camera_from_world": np.linalg.inv(solved.world_from_camera),
        "focal": np.array(solved.lens.focal),
        "points": np.concatenate([solved.points.xyz, fine.places]),
        "point": np.concatenate([np.repeat(np.arange(features), lengths), features + point]),
        "frame": np.concatenate([np.searchsorted(solved.numbers, rows[:, 0].astype(int)), frame]),
        "xy": solved.lens.straight(np.concatenate([rows[:, 1:], followed])),
    }, features


def _adjusted(
    arrays: dict[str, np.ndarray],
    noise: float,
    focal_free: bool,
    tolerance: float,
    work: Path,
    on_event: Listener,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """camera_from_world [F, 4, 4], focal length in pixels, points [P, 3], nan for lost ones; None
    when they are no numbers."""
    given, found = work / ".adjust.npz", work / ".adjusted.npz"
    try:
        with given.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        files = {"arrays": str(given), "result": str(found)}
        job = {"kind": "adjust", **files, "noise": noise, "focal_free": focal_free, "tolerance": tolerance}
        run_job(job, work, progress(on_event))
        with np.load(found, allow_pickle=False) as result:
            out = result["camera_from_world"], float(result["focal"]), result["points"]
    finally:
        remove(given)
        remove(found)
    sane = out[1] > 0 and np.isfinite(out[0]).all()  # points may be lost
    return out if sane else None


def _misses(
    arrays: dict[str, np.ndarray],
    camera_from_world: np.ndarray,  # [F, 4, 4]
    focal: float,
    points: np.ndarray,  # [P, 3]
) -> np.ndarray:
    """[P] float32 mean pixels by which points miss their observations."""
    point, frame = arrays["point"], arrays["frame"]
    view = camera_from_world[frame]
    local = np.einsum("mij,mj->mi", view[:, :3, :3], points[point]) + view[:, :3, 3]
    at = focal * local[:, :2] / np.where(local[:, 2:] > 1e-9, local[:, 2:], 1e-9)
    miss = np.minimum(np.linalg.norm(at - arrays["xy"], axis=1), 1e3)
    count = np.maximum(np.bincount(point, minlength=len(points)), 1)
    return (np.bincount(point, miss, len(points)) / count).astype(np.float32)


def _turns(world_from_camera: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """[F] degrees by which cameras turn against the first one; or by which that differs from others."""
    turns = world_from_camera[0, :3, :3].T @ world_from_camera[:, :3, :3]
    than = np.eye(3) if others is None else others[0, :3, :3].T @ others[:, :3, :3]
    return angles_between(turns, np.broadcast_to(than, turns.shape))


def _points_of(fine: FineTracks, solved: Solved, xyz: np.ndarray, errors: np.ndarray) -> Points:
    """The followed points that are placed well, with the tracks by which they were."""
    seen, numbers = fine.tracks.seen, solved.numbers
    centres = solved.world_from_camera[:, :3, 3]
    last = seen.shape[1] - 1 - seen[:, ::-1].argmax(1)
    rays = [centres[of] - xyz for of in (seen.argmax(1), last)]
    cosine = (rays[0] * rays[1]).sum(1) / np.maximum(np.prod(np.linalg.norm(rays, axis=2), 0), 1e-12)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    good = np.flatnonzero((errors < CLOSE) & (angle > ANGLE))  # not the lost ones
    tracks = tuple(
        np.concatenate([numbers[seen[p], None], fine.tracks.xy[p, seen[p]]], 1).astype(np.float32)
        for p in good
    )
    return Points(xyz[good], fine.rgb[good], errors[good], tracks)


def _joined(a: Points, b: Points) -> Points:
    xyz, rgb, error = (np.concatenate([getattr(a, n), getattr(b, n)]) for n in ("xyz", "rgb", "error"))
    return Points(xyz, rgb, error, (*a.tracks, *b.tracks))


def _with_focal(K: np.ndarray, focal: float) -> np.ndarray:
    out = K.copy()
    out[[0, 1], [0, 1]] *= focal / (0.5 * (K[0, 0] + K[1, 1]))
    return out
