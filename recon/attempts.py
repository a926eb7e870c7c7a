"""The ways to run a mapper on a shot's matched features, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

DEFAULT_FOCAL = 1.2
"""Times the long side: COLMAP's own first guess, refined in the solve."""
GUESSED_FOCAL = 0.95
"""Times the long side, 56° of view: within a quarter of what most phones and generators have."""

WIDE_FOCAL = 0.6
"""Times the long side, 80° of view."""

Start = tuple[int, int] | None
"""Global numbers of the two frames that a mapper begins with; None leaves the choice to it."""


@dataclass(frozen=True)
class Attempt:
    """One way to run the mapper on the matched features."""

    name: str
    words: str
    """For the user: what is different about it."""
    focal: float = DEFAULT_FOCAL
    """First guess, times the long side."""
    focal_locked: bool = False
    mapper: Literal["incremental", "global"] = "incremental"
    """Places frame after frame (Schönberger & Frahm 2016), or all at once (GLOMAP, Pan et al. 2024)."""
    options: dict[str, Any] = field(default_factory=dict)
    """Merged into the options of pycolmap's pipeline for this mapper."""
    start: Start = None
    model: Path | None = None
    """Folder of a model of some of the frames, in which the others are placed; None to begin anew."""


MIN_ANGLE = 0.3
"""Degrees between rays from which a point is kept."""


def locked_options(min_angle: float = MIN_ANGLE) -> dict[str, Any]:
    """Of the incremental mapper: the lens stays as it is, and small angles (degrees) are allowed.

    Little parallax: a free focal length runs away, a locked rough guess keeps rotations right.
    """
    return {
        "mapper": {
            # Halved twice by the mapper when it finds no such pair. From 1° it began with a pair that
            # was too close, and lost the generated-looking orbit of 10°.
            "init_min_tri_angle": 4.0,
            "init_min_num_inliers": 30,
            "init_max_forward_motion": 1.0,
            "filter_min_tri_angle": min_angle,
            "abs_pose_min_num_inliers": 15,
            "abs_pose_refine_focal_length": False,
            "abs_pose_refine_extra_params": False,
        },
        "triangulation": {"min_angle": min_angle},
        "ba_refine_focal_length": False,
        "ba_refine_extra_params": False,
    }


SELDOM: dict[str, Any] = {"ba_global_frames_ratio": 1.4, "ba_global_points_ratio": 1.4}
"""Of the incremental mapper: bundle adjustment of everything after growing by 40 %, not by 10 %."""

QUICK: dict[str, Any] = {
    "ba_global_frames_ratio": 2.0,
    "ba_global_points_ratio": 2.0,
    "ba_global_max_refinements": 1,
    "ba_local_max_refinements": 1,
    "ba_local_max_num_iterations": 8,
    "ba_global_max_num_iterations": 20,
}
"""More seldom still, and not to the last digit: where a few frames far apart hold the path, and all are
adjusted together later, this takes half of the time and ends in the same cameras."""
QUICK_NEIGHBOURS = {"ba_local_num_images": 4}
"""Options of its "mapper" that go with it."""


def quick(options: dict[str, Any]) -> dict[str, Any]:
    """`options` of the incremental mapper with less adjustment between frames."""
    return {**options, **QUICK, "mapper": {**options["mapper"], **QUICK_NEIGHBOURS}}


def second_opinion(attempt: Attempt) -> Attempt:
    """The same from a wide lens: where parallax settles the focal length, both end in the same cameras."""
    return replace(attempt, name="wide", words="from a wide lens, to see whether it agrees", focal=WIDE_FOCAL)


def attempts_for(
    swept_focal: float | None, start: Start = None, model: Path | None = None
) -> tuple[Attempt, ...]:
    """What to try, until one is worth keeping.

    `swept_focal` (times the long side), `start` (numbers of two frames) and `model` (its folder) are what
    `recon.focal_sweep` found for a clip with little parallax; None for other clips.
    """
    default = Attempt("default", "COLMAP's defaults")
    focal = GUESSED_FOCAL if swept_focal is None else swept_focal
    kind = "a guess" if swept_focal is None else "the one that explains most"
    locked = Attempt(
        "locked" if swept_focal is None else "swept",
        f"focal length locked to {kind}, small angles allowed",
        focal=focal,
        focal_locked=True,
        options=locked_options(),
        start=start,
    )
    # Wins over the incremental mapper on some clips, splits others without a sign: the last resort. A free
    # focal length runs away in it too (camel, 6 times the long side).
    together = Attempt(
        "global",
        f"all frames at once, focal length locked to {kind}",
        focal=focal,
        focal_locked=True,
        mapper="global",
        options={
            "mapper": {"bundle_adjustment": {"refine_focal_length": False, "refine_extra_params": False}}
        },
    )
    if swept_focal is None:
        return default, locked, together
    # From frame to frame of little parallax a path can bend and stay bent; a few frames far apart hold it.
    grown = replace(locked, model=model, options=quick(locked.options))
    anew = replace(locked, name="anew", words="from frame to frame")
    return grown, anew, together, default
