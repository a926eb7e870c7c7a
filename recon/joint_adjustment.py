"""Bundle adjustment by the points that are seen most often, and again without what does not fit."""

from __future__ import annotations

import numpy as np

from recon.bundle_adjustment import Observed, World, adjusted, placed
from recon.solve import Solved

MOST, ENOUGH = 45_000, 60
"""Observations by which cameras are adjusted, of the points that are seen most often, and those that each
frame has at least, where there are any; the other points get their places before these cameras. All of them
(93,000 of a drawn 6° orbit) take five times as long, for a focal length as right (five drawn clips: 0.1 to
1.8 % off, and 0.1 to 1.6 %)."""
FAR_OFF, SEEN = 3.0, 3
"""Times the noise by which an observation must miss after a round to be left out of the next, and the
observations that a point then needs. Where parallax is small, what was matched wrongly settles wherever
the first focal length puts it, and holds that one (two drawn 10° orbits: 2.7 and 3.0 % off with it, 1.1 and
0.1 without)."""
ROUNDS, SETTLED = 5, 0.01
"""More rounds at most, and the share by which one must change the focal length to be followed by another."""


def adjusted_in_rounds(world: World, observed: Observed, *, noise: float, focal_free: bool) -> World:
    """All that `adjusted` does, by some of the points; the others are placed before these cameras.

    Args:
        noise: Pixels beyond which an observation pulls less than its square.
    """
    often = often_seen(observed)
    own = observed.select(often)
    found = world._replace(points=world.points[often])
    found = adjusted(found, own, noise=noise, focal_free=focal_free)
    for _ in range(ROUNDS):
        before = found.focal
        found = adjusted(found, _fitting(own, found, noise), noise=noise, focal_free=focal_free)
        if abs(found.focal / before - 1) < SETTLED:
            break
    points = np.empty(world.points.shape)
    points[often] = found.points
    points[~often] = placed(found._replace(points=world.points[~often]), observed.select(~often), noise)
    return found._replace(points=points)


def often_seen(observed: Observed) -> np.ndarray:
    """[P] bool: points with MOST of the observations at most, and ENOUGH in each frame."""
    counts = observed.seen.sum(1)
    order = np.argsort(-counts, kind="stable")
    often = np.zeros(len(counts), bool)
    often[order[np.cumsum(counts[order]) <= MOST]] = True
    for frame in np.flatnonzero(observed.seen[often].sum(0) < ENOUGH):
        often[order[observed.seen[order, frame]][:ENOUGH]] = True
    return often


def features_of(solved: Solved) -> tuple[World, Observed]:
    """Cameras and points of a solution, and where these were seen."""
    points, tracks = solved.points, solved.points.tracks
    rows = np.concatenate(tracks)
    point = np.repeat(np.arange(len(points)), [len(track) for track in tracks])
    frame = np.searchsorted(solved.numbers, rows[:, 0].astype(int))
    seen = np.zeros((len(points), len(solved.numbers)), bool)
    xy = np.zeros((2, *seen.shape))
    seen[point, frame] = True
    # The first, where a point was seen twice in a frame.
    xy[:, point[::-1], frame[::-1]] = solved.lens.straight(rows[::-1, 1:]).T
    world = World(np.linalg.inv(solved.world_from_camera), solved.lens.focal, points.xyz)
    return world, Observed(xy, seen)


def _fitting(observed: Observed, world: World, noise: float) -> Observed:
    """What is near enough, of points that are still seen often enough."""
    near = np.nan_to_num(observed.misses(world), nan=np.inf) < FAR_OFF * noise
    enough = near.sum(1) >= SEEN
    return observed._replace(seen=near & enough[:, None]) if enough.any() else observed
