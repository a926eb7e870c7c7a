"""Do independent attempts at the same cameras agree?

Rotations between two cameras do not depend on the world, so nothing needs to be aligned. A mapper that turned
parts of a clip against each other has all frames placed and a small reprojection error; another one hardly
ever makes the same mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from recon.judge import ADVICE_MOVE, MIN_FRAMES, MIN_PLACED, Judgement
from recon.solve import Solved

DISAGREE = 2.0
"""Degrees. Right attempts are within some tenths of one another, also with focal lengths far apart."""


@dataclass(frozen=True)
class Agreement:
    """The attempt that comes closest to the chosen one."""

    attempt: str
    rotation_deg: float
    """Median over pairs of frames of the difference between their relative rotations."""
    frames: int
    """Placed by both."""

    def to_json(self) -> dict[str, object]:
        """For cameras/report.json."""
        return asdict(self)

    def doubt(self) -> str:
        """For the user, when they disagree."""
        return (
            f"two ways to solve the cameras differ by {self.rotation_deg:.1f}° in their rotations, so one is "
            f"wrong: {ADVICE_MOVE}"
        )


def angles_between(
    first: np.ndarray,  # [N, 3, 3] rotations
    second: np.ndarray,  # [N, 3, 3]
) -> np.ndarray:
    """[N] degrees."""
    # |A - B| = 2 sqrt(2) sin(angle / 2): exact near zero, where the arc cosine of a trace is not.
    chord = np.linalg.norm(first - second, axis=(1, 2)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.clip(chord, 0, 1)))


def rotations_apart(
    first: np.ndarray,  # [N, 3, 3] world_from_camera
    second: np.ndarray,  # [N, 3, 3] of the same cameras, in another world
) -> float:
    """Degrees, median over pairs of cameras, between their relative rotations."""
    a, b = np.array(list(combinations(range(len(first)), 2))).T
    turns = [of[a].transpose(0, 2, 1) @ of[b] for of in (first, second)]
    return float(np.median(angles_between(*turns)))


def agreement(
    chosen: Solved, others: Sequence[tuple[str, Solved, Judgement]], frames: int
) -> Agreement | None:
    """How far an attempt at a shot of `frames` frames is from the nearest of the others (name, cameras, what
    they are worth); None when none of them is worth listening to."""
    found = []
    for name, other, worth in others:
        _, mine, theirs = np.intersect1d(chosen.numbers, other.numbers, return_indices=True)
        heard = worth.verdict != "failed" and worth.focal_sane
        if heard and len(mine) >= max(MIN_FRAMES, MIN_PLACED * frames):
            apart = rotations_apart(
                chosen.world_from_camera[mine, :3, :3], other.world_from_camera[theirs, :3, :3]
            )
            found.append(Agreement(name, round(apart, 3), len(mine)))
    return min(found, key=lambda one: one.rotation_deg, default=None)
