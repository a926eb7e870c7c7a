"""Is a camera solution to be trusted? Evidence in numbers, a verdict, and one sentence for the user.

The thresholds are a proposal from measurements on a handful of clips, not a
calibrated test. Known to be missed: a solution that is wrong with a small reprojection error and
plenty of parallax (agreement between independent attempts would catch it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from recon.types import Points, Verdict
from recon.undistort import Lens
from recon.world import seen_depths

MIN_FRAMES = 3
"""Two frames always fit some geometry; the third one checks it."""
MIN_PLACED = 0.5
"""Share of the frames below which a solution is of no use."""
ENOUGH_PLACED = 0.9
MIN_POINTS = 50
"""Fewer cannot hold a scene; a pure rotation leaves about none."""
ENOUGH_POINTS = 150
ENOUGH_PARALLAX = 3.0
"""Degrees, median. Below, the focal length and depth are hardly determined (a 6° orbit solved to a
focal 70 % too long with every frame placed)."""
SANE_FOCAL = (0.4, 2.5)
"""Times the long side: 103° to 23° of view. Solutions beyond are nearly always collapses."""
MAX_REPROJECTION = 1.5
"""Pixels at a long side of 640."""

ENOUGH_EXPLAINED = 0.4
"""Share of matched features. True cameras explain 0.7 to 0.9 of them, with 2 % of noise still 0.76,
with 10 % 0.19, wrong ones 0.02 (drawn clips); what is missing beside is what moves in the clip."""

ADVICE_MOVE = "move the camera sideways around a textured, still subject"


@dataclass(frozen=True)
class Judgement:
    """What a solution is worth."""

    verdict: Verdict
    reason: str
    """One sentence: what was found, and what to do when it is not good."""
    placed: int
    """Frames with a pose."""
    frames: int
    """Frames of the shot."""
    points: int
    reprojection_px: float
    """Mean over observations, pixels of the source frames."""
    parallax_deg: float
    """Median over points of the widest angle between the rays that saw it."""
    explained: float
    """Share of the matched features in the placed frames that agree with the cameras, 0..1."""
    path_per_depth: float
    """Length of the camera path over the median depth."""
    focal_px: float
    focal_sane: bool
    """Is the focal length between the bounds of `SANE_FOCAL`?"""

    @property
    def rank(self) -> int:
        """0 for "failed", 1 for "unsure", 2 for "good"."""
        return ("failed", "unsure", "good").index(self.verdict)

    def to_json(self) -> dict[str, object]:
        """For cameras/report.json."""
        return asdict(self)

    def in_words(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.placed} of {self.frames} frames placed, {self.reprojection_px:.2f} px reprojection "
            f"error, {self.parallax_deg:.1f}° parallax: {self.verdict}"
        )


def parallax_degrees(world_from_camera: np.ndarray, numbers: np.ndarray, points: Points) -> np.ndarray:
    """[M] per point the widest angle in degrees between rays to the cameras that saw it."""
    centres = world_from_camera[:, :3, 3]
    widest = np.zeros(len(points))
    for i, track in enumerate(points.tracks):
        rays = centres[np.searchsorted(numbers, track[:, 0].astype(np.int64))] - points.xyz[i]
        rays /= np.linalg.norm(rays, axis=1, keepdims=True) + 1e-300
        widest[i] = np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))
    return widest


def judge(
    world_from_camera: np.ndarray,  # [F, 4, 4]
    numbers: np.ndarray,  # [F]
    points: Points,
    lens: Lens,
    frames: int,
    explained: float = 1.0,
) -> Judgement:
    """Judge the solution of a shot of `frames` frames; any similarity of the world gives the same.

    `explained` is the share of the matched features that agree with the cameras.
    """
    placed, count = len(numbers), len(points)
    if count and points.tracks:
        lengths = np.array([len(track) for track in points.tracks])
        reprojection = float(np.average(points.error, weights=lengths))
        parallax = float(np.median(parallax_degrees(world_from_camera, numbers, points)))
        depth = float(np.median(seen_depths(world_from_camera, numbers, points)))
    else:
        reprojection, parallax, depth = 0.0, 0.0, 0.0
    path = float(np.linalg.norm(np.diff(world_from_camera[:, :3, 3], axis=0), axis=1).sum())
    long_side = max(lens.width, lens.height)
    focal = lens.focal / long_side
    focal_ok = SANE_FOCAL[0] <= focal <= SANE_FOCAL[1]

    verdict: Verdict = "good"
    reason = f"{placed} of {frames} frames placed with {count:,} points and {parallax:.1f}° of parallax"
    if placed < MIN_FRAMES or placed < MIN_PLACED * frames:
        verdict = "failed"
        reason = (
            f"{placed} of {frames} frames placed; the clip needs sideways camera movement and texture: "
            f"{ADVICE_MOVE}, or give the cameras with --cameras FILE"
        )
    elif count < MIN_POINTS:
        verdict = "failed"
        reason = (
            f"{placed} of {frames} frames placed but only {count} points found; the camera only turns or "
            f"zooms, or the scene has no texture: {ADVICE_MOVE}"
        )
    elif not focal_ok:
        verdict = "unsure"
        reason = (
            f"the focal length came out at {focal:.2f} times the long side (plausible: {SANE_FOCAL[0]} to "
            f"{SANE_FOCAL[1]}), so shapes may be stretched: {ADVICE_MOVE}, or give --cameras FILE"
        )
    elif placed < ENOUGH_PLACED * frames:
        verdict = "unsure"
        reason = (
            f"{placed} of {frames} frames placed; the scene shows only that part of the clip: "
            "cut the rest away with --start/--end, or film more slowly"
        )
    elif parallax < ENOUGH_PARALLAX:
        verdict = "unsure"
        reason = (
            f"only {parallax:.1f}° of parallax, so depth and focal length are uncertain: "
            f"{ADVICE_MOVE} by at least {ENOUGH_PARALLAX:.0f}°"
        )
    elif reprojection > MAX_REPROJECTION * max(1.0, long_side / 640):
        verdict = "unsure"
        reason = (
            f"{reprojection:.2f} px reprojection error; something moves or bends in the clip: "
            "use a still scene, or a sharper clip"
        )
    elif explained < ENOUGH_EXPLAINED:
        verdict = "unsure"
        reason = (
            f"only {100 * explained:.0f} % of the matched features agree with the cameras; much of the "
            "picture moves: use a still scene"
        )
    elif count < ENOUGH_POINTS:
        verdict = "unsure"
        reason = f"only {count} points found: use a sharper or larger clip with more texture"
    return Judgement(
        verdict,
        reason,
        placed,
        frames,
        count,
        reprojection,
        parallax,
        explained,
        path / depth if depth > 0 else 0.0,
        lens.focal,
        focal_ok,
    )
