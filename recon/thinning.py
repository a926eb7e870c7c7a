"""Which frames of a long shot are enough to solve it; the others are placed in their model afterwards."""

from __future__ import annotations

import itertools

from recon.matches import Matches
from recon.solve import LONG_SHOT
from recon.types import Shot

FEWEST = 24
"""Keyframes at least; about as many frames as the mapper does in seconds."""
STRIDES = (16, 8, 4, 2)
"""Powers of two, as sequential matching pairs frames at such distances only."""
MATCHES, LINKED = 60, 0.8
"""Verified matches that link two keyframes, and the share of neighbours that are linked. Where the camera
is too fast for them, frames between are placed from the model's two sides."""


def keyframes(shot: Shot, matches: Matches) -> list[int]:
    """Global numbers of frames evenly spaced, as few as hang together; [] when all are needed, and for a
    short shot.

    What is a small enough step is a question of what can still be matched: 24 pixels between frames of a
    long side of 640 are no trouble, and half a pixel is where triangulation has nothing to hold on to.
    """
    counts = {
        (int(a), int(b)): len(points) for (a, b), points in zip(matches.pairs, matches.first, strict=True)
    }
    if shot.frames <= LONG_SHOT:
        return []
    for stride in STRIDES:
        few = list(shot.numbers)[::stride]
        linked = [counts.get(pair, 0) >= MATCHES for pair in itertools.pairwise(few)]
        if len(few) >= FEWEST and sum(linked) >= LINKED * len(linked):
            return few
    return []
