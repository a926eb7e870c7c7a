"""Bundle adjustment by the points that are seen most often, and again without what does not fit."""

from __future__ import annotations

import numpy as np

from recon.bundle_adjustment import Observed, World, adjusted, placed

MOST = 1500
"""Points by which cameras are adjusted, those that are seen most often; the others get their places before
these cameras. All of them (5,000 of a drawn 6° orbit) take five times as long, for a focal length as right
(five drawn clips: 0.2 to 1.9 % off, and 0.1 to 1.6 %)."""
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
    often = np.zeros(len(world.points), bool)
    often[np.argsort(-observed.seen.sum(1), kind="stable")[:MOST]] = True
    rest = observed.select(~often), world.points[~often]
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
    points[~often] = placed(found._replace(points=rest[1]), rest[0], noise)
    return found._replace(points=points)


def _fitting(observed: Observed, world: World, noise: float) -> Observed:
    """What is near enough, of points that are still seen often enough."""
    near = np.nan_to_num(observed.misses(world), nan=np.inf) < FAR_OFF * noise
    enough = near.sum(1) >= SEEN
    return observed._replace(seen=near & enough[:, None]) if enough.any() else observed
