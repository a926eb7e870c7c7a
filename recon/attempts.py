"""The ways to run a mapper on a shot's matched features, tried in order.

The ladder for hard clips (focal sweeps, masks, thinned frames) goes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

DEFAULT_FOCAL = 1.2
"""Times the long side: COLMAP's own first guess, refined in the solve."""


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


ATTEMPTS: tuple[Attempt, ...] = (
    Attempt("default", "COLMAP's defaults"),
    # Little parallax: a free focal length runs away (also in the global mapper: camel, 6 times the long
    # side), a locked rough guess keeps rotations right.
    Attempt(
        "locked",
        "focal length locked to a guess, small angles allowed",
        focal=0.9,
        focal_locked=True,
        options={
            "mapper": {
                "init_min_tri_angle": 1.0,
                "init_min_num_inliers": 30,
                "init_max_forward_motion": 1.0,
                "filter_min_tri_angle": 0.3,
                "abs_pose_min_num_inliers": 15,
                "abs_pose_refine_focal_length": False,
                "abs_pose_refine_extra_params": False,
            },
            "triangulation": {"min_angle": 0.3},
            "ba_refine_focal_length": False,
            "ba_refine_extra_params": False,
        },
    ),
    # Wins over the incremental mapper on some clips, splits others without a sign: the last resort.
    Attempt(
        "global",
        "all frames at once, focal length locked to a guess",
        focal=0.9,
        focal_locked=True,
        mapper="global",
        options={
            "mapper": {"bundle_adjustment": {"refine_focal_length": False, "refine_extra_params": False}}
        },
    ),
)
"""Tried in order until one is worth keeping."""
