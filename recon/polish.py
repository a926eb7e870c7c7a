"""The last step of a solve: all cameras are adjusted at once to the matched features and to points that are
followed finely.

Features are few where the picture is soft, and are found to a third of a pixel; points followed by their look
(`recon.fine_tracks`) are many, go through most frames, and lie to a tenth. Long tracks are what
ParticleSfM (Zhao et al. 2022) gains most from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recon.agreement import angles_between
from recon.bundle_adjustment import Observed, World, placed
from recon.events import Listener, StageProgress
from recon.fine_tracks import FineTracks
from recon.joint_adjustment import adjusted_in_rounds, features_of
from recon.solve import Solution, Solved, judged
from recon.types import Points

FEWEST = 100
"""Points, from which they say something."""
NOISE, OBSERVED = 0.08, 1.0
"""Pixels, and times the median miss of the points, from which an observation pulls less than its square: the
scale that is most likely where misses are spread as Cauchy's loss has it. Points at the rim of something
nearer are off by some tenths, all the same way. (Focal lengths of eleven drawn clips, root mean square: 0.5 %
off; from 2.5 times the median 0.9 %.)"""
BENT = 0.3
"""Pixels at a long side of 640 by which points miss in the median, from which the frames themselves are bent,
as those of video models are: all points of a region err alike, and many of them outvote what is right."""
CLOSE, ANGLE = 1.0, 0.3
"""Pixels by which a point may miss, and degrees under which it must be seen, to be one of the scene's."""
TELLS = 1.0
"""Degrees by which the camera turns, below which the focal length stays. A camera that only shifts sees the
same with every focal length, at other depths (a drawn sideways move: 14 to 29 % off)."""
TURNED = 3.0
"""Degrees by which no camera may have turned against the first one: then it is another solution."""


def polish(solution: Solution, fine: FineTracks, frames: int, on_event: Listener) -> Solution:
    """The solution with better cameras and more points, or as it was where that cannot be had: the frames are
    bent, the judge calls it failed, or it became another solution.

    Args:
        frames: Of the shot.
    """
    solved = solution.solved
    if len(fine.places) < FEWEST or not solved.points.tracks:
        return solution
    world, observed = _observations(solved, fine)
    features = len(solved.points)
    miss = float(np.median(observed.mean_misses(world)[features:]))
    if _bent(solved, miss):
        return solution
    free = bool(_turns(solved.world_from_camera).max() >= TELLS)
    on_event(StageProgress("cameras", 0, None, "adjusting all cameras together"))
    found = adjusted_in_rounds(world, observed, noise=max(NOISE, OBSERVED * miss), focal_free=free)
    poses, focal, xyz = found
    if not (np.isfinite(poses).all() and np.isfinite(focal)):
        return solution
    lens = solved.lens.with_focal(focal)
    better = replace(solved, world_from_camera=np.linalg.inv(poses), lens=lens)
    turned = float(_turns(solved.world_from_camera, better.world_from_camera).max())
    if turned > TURNED:
        return solution
    errors = observed.mean_misses(found)
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


def with_followed_points(solution: Solution, fine: FineTracks) -> Solution:
    """The solution with more points, where its cameras see the followed ones; the cameras stay. As it was
    where these miss by so much that the frames are bent, or the cameras wrong."""
    solved = solution.solved
    if len(fine.places) < FEWEST:
        return solution
    observed = _followed(solved, fine)
    world = World(np.linalg.inv(solved.world_from_camera), solved.lens.focal, fine.places)
    miss = float(np.median(observed.mean_misses(world)))
    if _bent(solved, miss):
        return solution
    world = world._replace(points=placed(world, observed, max(NOISE, OBSERVED * miss)))
    more = _points_of(fine, solved, world.points, observed.mean_misses(world))
    return replace(solution, solved=replace(solved, points=_joined(solved.points, more)))


def _followed(solved: Solved, fine: FineTracks) -> Observed:
    """Where the followed points were seen."""
    seen = fine.tracks.seen
    xy = np.zeros((2, *seen.shape))
    xy[:, seen] = solved.lens.straight(fine.tracks.xy[seen]).T
    return Observed(xy, seen)


def _observations(solved: Solved, fine: FineTracks) -> tuple[World, Observed]:
    """Cameras and points, first those of the features, and where they were seen."""
    world, features = features_of(solved)
    followed = _followed(solved, fine)
    seen = np.concatenate([features.seen, followed.seen])
    observed = Observed(np.concatenate([features.xy, followed.xy], axis=1), seen)
    return world._replace(points=np.concatenate([world.points, fine.places])), observed


def _bent(solved: Solved, miss: float) -> bool:
    """Do points that miss by so many pixels say that the frames are bent?"""
    return miss > BENT * max(1.0, max(solved.lens.width, solved.lens.height) / 640)


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
