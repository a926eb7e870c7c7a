"""Which focal length do a few frames of a shot with little parallax agree with?

With little parallax a free focal length runs away in bundle adjustment (a 6° orbit: 30 to 90 % too long),
and the reprojection error hardly changes with it. What does change is how many matches any cameras can
explain: with a focal length that is too short, far things would have to be farther than infinity, and
their points are lost. So the mapper runs over a few frames with one locked focal length after another.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recon.attempts import Attempt, Start, locked_options, quick
from recon.matches import Matches
from recon.types import Shot

COUNT = 8
"""About as many frames are looked at, evenly spaced."""
FOCALS = (0.72, 0.85, 1.0, 1.2, 1.45)
"""Times the long side: 70° to 38° of view."""
SHORTER, LONGER = ((0.6, 15.0), (0.5, 3.0), (0.42, 3.0)), ((1.75, 15.0),)
"""Beyond these, each tried where the one before it is no worse than the best by so much."""
FINEST = 1.1
"""Steps beside the best one are halved until they are smaller than this."""
LOST_PX = 1.2
"""Pixels at a long side of 640 that a match counts for when its point was lost."""
WEIGHT = 120.0
"""Independent looks at the focal length that a clip is taken for: errors of generated frames are smooth
over the picture, so thousands of matches do not say more than some tens of regions."""
USUAL, SPREAD = 1.0, 0.3
"""Where the data say nothing: focal lengths times the long side are spread like this (in the logarithm)."""
FAILED = 0.6
"""Times the least share of matches that its neighbours explain, below which a trial is a failure of the
mapper and says nothing of its focal length."""
MAX_ROUGHNESS = 3.5
"""Above, the trials ended in different solutions."""
SHARPEST = 0.04
"""Spread of the logarithm at least: a trial that keeps other points makes scores jump."""
DOUBT = 2.0
"""Where nothing clear comes out, differences between trials are as much noise as news."""
SURE = 4.0
"""A focal length is determined when one that is SURE_STEP away on either side has a score worse by this."""
SURE_STEP = 1.35
MIN_ANGLE = 0.02
"""Degrees; points of smaller angles are left out."""
WIDE_STARTS, START_MATCHES = 2, 60
"""Pairs of frames far apart that are tried as a start, and the matches they need. What the mapper chooses
itself was never better (18 clips), and takes it four times as long."""
MAX_PARALLAX = 15.0
"""Degrees over the few frames; with more, a free focal length finds its place."""
MIN_PLACED = 0.75
"""Share of the few frames; with fewer the camera moves too much between them for this."""


@dataclass(frozen=True)
class Trial:
    """One focal length and what became of it."""

    focal: float
    """Times the long side."""
    reprojection_px: float
    """At a long side of 640."""
    explained: float
    placed: int
    parallax_deg: float
    start: Start
    """The pair of frames that the mapper began with."""
    model: Path | None = None
    """Folder of the model of the few frames, while the sweep's files are there."""


@dataclass(frozen=True)
class FocalSweep:
    """What the sweep found."""

    focal: float
    """Times the long side: the mean of what it may be, in the logarithm."""
    spread: float
    """Standard deviation of its logarithm."""
    start: Start
    """The pair of frames to begin with."""
    determined: bool
    """Would a third more or less be clearly worse?"""
    parallax_deg: float
    """Median over the points, between the few frames."""
    trials: tuple[Trial, ...]

    @property
    def nearest(self) -> Trial:
        """The trial whose focal length is nearest to the one found."""
        return min(self.trials, key=lambda trial: abs(math.log(trial.focal / self.focal)))

    def to_json(self) -> dict[str, object]:
        """For cameras/report.json."""
        scores = scores_of(self.trials)
        rows = zip(self.trials, scores, strict=True)
        return {
            "focal": round(self.focal, 4),
            "spread": round(self.spread, 4),
            "start": self.start,
            "determined": self.determined,
            "parallax_deg": round(self.parallax_deg, 2),
            "trials": [{"focal": round(trial.focal, 4), "score": round(score, 2)} for trial, score in rows],
        }


def score_of(squared_error: float, focal: float) -> float:
    """Less is better: the logarithm of a mean squared error, and the prior of focal lengths."""
    return WEIGHT * math.log(squared_error) + prior_of(focal)


def prior_of(focal: float) -> float:
    """What is known of focal lengths (times the long side) before any clip; in units of a score."""
    return (math.log(focal / USUAL) / SPREAD) ** 2


def scores_of(trials: tuple[Trial, ...] | list[Trial]) -> list[float]:
    """`score_of` each trial, by a mean squared error in which lost matches count."""
    most = max(trial.explained for trial in trials)
    out = []
    for trial in trials:
        lost = (most - trial.explained) * LOST_PX**2
        error = trial.explained * max(trial.reprojection_px, 0.05) ** 2 + lost
        out.append(score_of(error, trial.focal))
    return out


def sweep_attempt(focal: float, start: Start, names: list[str]) -> Attempt:
    """The mapper on the few frames of these names, with a locked focal length (times the long side)."""
    few = {"image_names": names, "max_num_models": 1, "extract_colors": False}
    # Points of small angles stay: the longer the lens, the smaller they are, which would speak against it.
    options = {**quick(locked_options(MIN_ANGLE)), **few}
    return Attempt("sweep", "", focal=focal, focal_locked=True, options=options, start=start)


def first_tries(matches: Matches, few: list[int]) -> list[tuple[float, Start]]:
    """Focal lengths and starts to try first; enough to see whether a sweep is needed.

    Two near frames of a scene that looks flat have two explanations (Longuet-Higgins 1986), and the mapper
    keeps the one that it begins with; frames far apart tell them apart.
    """
    wide = [
        (int(b - a), (int(a), int(b)))
        for (a, b), points in zip(matches.pairs.tolist(), matches.first, strict=True)
        if a in few and b in few and len(points) >= START_MATCHES
    ]
    starts = [pair for _, pair in sorted(wide, reverse=True)[:WIDE_STARTS]]
    return [(USUAL, start) for start in starts or [None]]


def finer(trials: list[Trial], start: Start) -> list[tuple[float, Start]]:
    """What to try next from this start; nothing when the best focal length is found to a twentieth."""
    trials = sorted((trial for trial in trials if trial.start == start), key=lambda trial: trial.focal)
    tried = [trial.focal for trial in trials]
    missing = [focal for focal in FOCALS if focal not in tried]
    if missing:
        return [(focal, start) for focal in missing]
    trials = [trial for trial in trials if trial.placed]
    scores = scores_of(trials)
    best = int(np.argmin(scores))
    focals = [trial.focal for trial in trials]
    gaps = [(focals[k], focals[k + 1]) for k in (best - 1, best) if 0 <= k < len(focals) - 1]
    between = [math.sqrt(low * high) for low, high in gaps if high / low > FINEST]
    ends = []
    for beyond, k in ((SHORTER, 0), (LONGER, -1)):
        focal, needed = next((one for one in beyond if one[0] not in tried), (0.0, -math.inf))
        ends += [focal] if scores[k] < scores[best] + needed else []
    # What was tried and not placed is not among the trials.
    return [(focal, start) for focal in (*ends, *between) if focal not in tried]


def few_frames(shot: Shot) -> list[int]:
    """Global numbers of about COUNT frames; powers of two apart, as sequential matching pairs them."""
    step = 2 ** max(0, round(math.log2(max(1, shot.frames - 1) / COUNT)))
    return list(shot.numbers)[::step]


def summed_up(trials: list[Trial], few: int) -> FocalSweep | None:
    """The best focal length; None when the few frames do not hold together or show much parallax."""
    placed = [trial for trial in trials if trial.placed >= MIN_PLACED * few]
    if not placed:
        return None
    scores = scores_of(placed)
    start = placed[int(np.argmin(scores))].start
    placed = sorted((trial for trial in placed if trial.start == start), key=lambda trial: trial.focal)
    placed = without_failures(placed)
    scores = scores_of(placed)
    best = int(np.argmin(scores))
    chosen = placed[best]
    if chosen.parallax_deg > MAX_PARALLAX or roughness(scores) > MAX_ROUGHNESS:
        return None

    def worse(side: int) -> bool:
        beyond = [
            score
            for trial, score in zip(placed, scores, strict=True)
            if side * math.log(trial.focal / chosen.focal) >= math.log(SURE_STEP) - 1e-9
        ]
        # Where nothing is that far away, what is nearer was so bad that nothing was tried there.
        return min(beyond or [scores[-1 if side > 0 else 0]]) > scores[best] + SURE

    determined = worse(1) and worse(-1)
    focal, spread = belief(placed, 1.0 if determined else DOUBT)
    return FocalSweep(focal, max(spread, SHARPEST), start, determined, chosen.parallax_deg, tuple(placed))


def without_failures(trials: list[Trial]) -> list[Trial]:
    """Without those between two that explain far more matches; in order of the focal length."""

    def failed(k: int) -> bool:
        neighbours = [trials[j].explained for j in (k - 1, k + 1) if 0 <= j < len(trials)]
        return len(neighbours) == 2 and trials[k].explained < FAILED * min(neighbours)

    return [trial for k, trial in enumerate(trials) if not failed(k)]


def roughness(scores: list[float]) -> float:
    """How far scores in order of the focal length go up and down, over what one valley needs: 1 for a valley.

    Trials that ended in different solutions tell nothing of the focal length (a room filmed at 88° of view:
    5.8, and cameras 6° wrong at the best of them; 14 other clips: 1.0 to 1.6, and 2.3).
    """
    least = min(scores)
    valley = scores[0] - least + scores[-1] - least
    return sum(abs(b - a) for a, b in itertools.pairwise(scores)) / max(valley, SURE)


def belief(trials: list[Trial], doubt: float = 1.0) -> tuple[float, float]:
    """Mean (its exponential) and standard deviation of the logarithm of the focal length.

    The score of the trials, which are in order of theirs, is twice a negative log-likelihood; between them it
    is interpolated. What they say beyond the prior is divided by `doubt`.

    The best trial alone is no better than the spacing of the trials, and is biased where the scores are
    flat on one side (four generated-looking orbits of 20°: 1.9, 1.9, 1.9 and -7 % off, the mean 0.3, 1.4,
    3.9 and -2.7 %).
    """
    at, prior = np.log([trial.focal for trial in trials]), np.array([prior_of(t.focal) for t in trials])
    scores = (np.array(scores_of(trials)) - prior) / doubt + prior
    grid = np.linspace(at[0], at[-1], 1 + 100 * (len(at) > 1))
    weights = np.exp((scores.min() - np.interp(grid, at, scores)) / 2)
    mean = np.average(grid, weights=weights)
    return float(np.exp(mean)), float(np.sqrt(np.average((grid - mean) ** 2, weights=weights)))
