"""The cameras of a shot: one way after another, until one is worth keeping, and a verdict with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.agreement import DISAGREE, agreement
from recon.attempts import Attempt, attempts_for, second_opinion
from recon.errors import CameraSolveError
from recon.events import Listener, Notice, StageProgress
from recon.features import FrameFeatures
from recon.focal_sweep import MAX_PARALLAX, FocalSweep
from recon.focal_trials import focal_belief, forget_trials, sweep_focal
from recon.judge import ADVICE_MOVE, ENOUGH_PLACED, MIN_FRAMES, Judgement
from recon.matching import find_matches
from recon.probe import Probe, probe
from recon.solve import Solution, Solved, judged, mapping_job, run_model_job, time_limit
from recon.solver_process import STAGE
from recon.thinning import keyframes
from recon.turning import Turned, dome, fit_turning
from recon.types import Frames, Shot
from recon.undistort import Lens
from recon.whole_clip import told_by_all

ADVICE = f"{ADVICE_MOVE}, or give the cameras with --cameras FILE"
GUESSED_FOCAL = (
    f"the clip does not tell the focal length, so a guess was taken and depth may be stretched: {ADVICE}"
)
FOCAL_BEFORE_A_STILL_CAMERA = 1.0
"""Times the long side; nothing in such a clip tells."""
KEPT = 0.9
"""Share of the matches that a few frames explained, of which all frames must explain as many."""
BETTER_THAN_NOTHING = 0.6
"""Share of the matches that turning cameras must explain to be the answer when all else failed."""


class Unsolved(CameraSolveError):
    """No attempt was worth keeping."""

    def __init__(self, message: str, attempts: list[dict[str, Any]], evidence: dict[str, Any]) -> None:
        super().__init__(message)
        self.attempts = attempts
        """Rows for cameras/report.json."""
        self.evidence = evidence
        """What else was found out about the shot, for cameras/report.json."""


def solve_cameras(
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    features: FrameFeatures | None = None,
    masks: Path | None = None,
    chain: bool = False,
    seed: int = 0,
    on_event: Listener,
    meanwhile: Callable[[], None] = lambda: None,
) -> Solution:
    """Solve the cameras of a shot.

    A camera that stands still or only turns gets a scene too: what it saw, on a sphere around it.

    Args:
        work: Folder for the feature database and the solver's log.
        features: Of these frames, when they were looked at before.
        masks: What moves, as `recon.motion.write_masks` makes it: no features there.
        chain: Match only frames that follow each other. What the camera follows is seen in all frames, the
            rest in a few: from frame to frame the rest has more matches, over many frames it has none.
        seed: Of every random choice; the same seed gives bitwise the same result, unless an attempt
            ran into its time limit (the report says so).
        meanwhile: Called before the first attempt, whose mapper keeps one core busy.

    Raises:
        Unsolved: No attempt placed a usable share of the frames.
        CameraSolveError: The solver crashed while it looked for features.
    """
    work.mkdir(parents=True, exist_ok=True)
    look = probe(frames, shot)
    evidence: dict[str, Any] = {"probe": look.to_json()}
    if look.kind == "still":
        return _still(frames, shot, look, evidence)
    pairs = "neighbours" if chain else "sequence"
    database, matches = find_matches(
        frames, shot, work, features=features, seed=seed, masks=masks, pairs=pairs, on_event=on_event
    )
    turned = fit_turning(matches, frames.width, frames.height)
    if turned is not None:
        evidence["turning"] = {"explained": round(turned.explained, 3), "gap": turned.gap}
        if turned.turns and len(turned.numbers) >= ENOUGH_PLACED * shot.frames:
            return _on_a_dome(frames, shot, turned, [], evidence)
    few = keyframes(shot, matches)
    if few:
        evidence["keyframes"] = len(few)
    try:
        swept = sweep_focal(frames, shot, matches, database, work, seed=seed, on_event=on_event)
        if swept is not None:
            evidence["focal_sweep"] = swept.to_json()
        meanwhile()
        best, rows, problem = _climb(frames, shot, database, work, swept, look, few, seed, on_event)
    finally:
        forget_trials(work)
    if best is None or best[1].verdict == "failed":
        if turned is not None and turned.explained >= BETTER_THAN_NOTHING:
            return _on_a_dome(frames, shot, turned, rows, evidence)
        raise Unsolved(best[1].reason if best else problem, rows, evidence)
    _tell_of_pieces(*best, on_event)
    return Solution(*best, tuple(rows), evidence)


def _climb(
    frames: Frames,
    shot: Shot,
    database: Path,
    work: Path,
    swept: FocalSweep | None,
    look: Probe,
    few: list[int],
    seed: int,
    on_event: Listener,
) -> tuple[tuple[Solved, Judgement] | None, list[dict[str, Any]], str]:
    """The best attempt, a row for the report of each, and what was wrong when there is none."""
    best: tuple[Solved, Judgement] | None = None
    tried: list[tuple[str, Solved, Judgement]] = []
    rows: list[dict[str, Any]] = []
    problem = (
        f"0 of {shot.frames} frames placed; the clip needs sideways camera movement and texture: {ADVICE}"
    )
    # The sweep's few frames need not be among the keyframes.
    model = swept.nearest.model if swept and not few else None
    attempts = list(attempts_for(swept.focal, swept.start, model) if swept else attempts_for(None))
    while attempts:
        attempt = attempts.pop(0)
        if rows:
            why = "checking" if best is not None and best[1].verdict == "good" else "trying again"
            on_event(Notice(f"{why}: {attempt.words}"))
        limit = time_limit(shot.frames)
        began = time.monotonic()
        row: dict[str, Any] = {"name": attempt.name, "verdict": "failed", "placed": 0, "models": []}
        rows.append(row)
        try:
            first = few if attempt.mapper == "incremental" else []
            job = mapping_job(attempt, frames, shot, database, seed, limit, first)
            if swept is not None and swept.determined and attempt.start == swept.start:
                job |= focal_belief(swept, frames)
            solved = run_model_job(job, frames, work, on_event)
        except CameraSolveError as error:
            # A crash of one attempt leaves the others their chance.
            problem = row["reason"] = str(error)
            continue
        row["seconds"] = round(time.monotonic() - began, 3)
        cut_off = row["seconds"] > limit
        if cut_off:
            row["cut_off_after_seconds"] = limit
        if solved is None:
            continue
        known = swept is not None and swept.determined
        if few and attempt.focal_locked and not known:
            on_event(StageProgress(STAGE, 0, None, "looking for the focal length"))
            if (told := told_by_all(solved)) is not None:
                solved, known = told, True
        found = _doubted(judged(solved, shot.frames), attempt, known, look, cut_off)
        row |= {"models": list(solved.models), **found.to_json()}
        tried.append((attempt.name, solved, found))
        if best is None or _worth(found) > _worth(best[1]):
            best = solved, found
        # Only the same focal length from the beginning is likely to do better than a model that bent.
        if _settles(found, cut_off) and not (attempt.model and _lost(found, swept)):
            alone = swept is None and found.verdict == "good" and found.parallax_deg < MAX_PARALLAX
            attempts = [second_opinion(attempt)] if alone and len(tried) == 1 else []
    if best is not None:
        best = _beside_others(*best, tried, rows)
    return best, rows, problem


def _beside_others(
    solved: Solved,
    found: Judgement,
    tried: list[tuple[str, Solved, Judgement]],
    rows: list[dict[str, Any]],
) -> tuple[Solved, Judgement]:
    """The best attempt in the light of what the others say of the rotations; noted in its row, too."""
    others = [one for one in tried if one[1] is not solved]
    agrees = agreement(solved, others, found.frames)
    if agrees is None:
        return solved, found
    own = next(name for name, other, _ in tried if other is solved)
    next(row for row in rows if row["name"] == own)["agreement"] = agrees.to_json()
    if found.verdict == "good" and agrees.rotation_deg > DISAGREE:
        found = replace(found, verdict="unsure", reason=agrees.doubt())
    return solved, found


def _doubted(found: Judgement, attempt: Attempt, known: bool, look: Probe, cut_off: bool) -> Judgement:
    """The judgement in the light of how the attempt was made, whether the focal length is known, and what the
    pictures looked like."""
    if attempt.focal_locked and not known and found.verdict == "good":
        found = replace(found, verdict="unsure", reason=GUESSED_FOCAL)
    elif cut_off and found.verdict == "unsure" and found.focal_sane:
        found = _out_of_time(found)
    if look.kind == "turning":
        # A wrong focal length makes parallax out of a pan: a 14° one came out "good", with 3.4°.
        verdict = "failed" if found.verdict == "failed" else "unsure"
        found = replace(found, verdict=verdict, reason=look.no_parallax())
    return found


def _out_of_time(found: Judgement) -> Judgement:
    """When frames are missing because the time was up, that is what to say."""
    if found.placed >= ENOUGH_PLACED * found.frames:
        return found
    words = f"{found.placed} of {found.frames} frames placed when the time was up"
    return replace(found, reason=f"{words}; take fewer frames (--fps, --start, --end)")


def _still(frames: Frames, shot: Shot, look: Probe, evidence: dict[str, Any]) -> Solution:
    """What a camera saw that stands still."""
    numbers = np.array(shot.numbers, np.int64)
    rotations = np.tile(np.eye(3), (len(numbers), 1, 1))
    turned = Turned(numbers, rotations, FOCAL_BEFORE_A_STILL_CAMERA, 1.0, shot.frames - 1)
    return _scene_of_one_place(frames, shot, turned, "still", look.no_parallax(), [], evidence)


def _on_a_dome(
    frames: Frames, shot: Shot, turned: Turned, rows: list[dict[str, Any]], evidence: dict[str, Any]
) -> Solution:
    """What a camera saw that turns on one spot."""
    reason = (
        f"the camera only turns ({100 * turned.explained:.0f} % of the matches say so), so nothing tells "
        f"depth and the scene is a picture on a sphere: {ADVICE}"
    )
    return _scene_of_one_place(frames, shot, turned, "turning", reason, rows, evidence)


def _scene_of_one_place(
    frames: Frames,
    shot: Shot,
    turned: Turned,
    name: str,
    reason: str,
    rows: list[dict[str, Any]],
    evidence: dict[str, Any],
) -> Solution:
    poses = np.tile(np.eye(4), (len(turned.numbers), 1, 1))
    poses[:, :3, :3] = turned.world_from_camera
    focal = turned.focal * max(frames.width, frames.height)
    K = np.array([[focal, 0, frames.width / 2], [0, focal, frames.height / 2], [0, 0, 1.0]])
    lens = Lens(frames.width, frames.height, K)
    points = dome(frames, turned.numbers, turned.world_from_camera, lens)
    solved = Solved(turned.numbers, poses, lens, points, (len(poses),), turned.explained)
    found = replace(judged(solved, shot.frames), verdict="unsure", reason=reason)
    return Solution(solved, found, (*rows, {"name": name, **found.to_json()}), evidence, flat=True)


def _tell_of_pieces(solved: Solved, found: Judgement, on_event: Listener) -> None:
    """When frames are missing, say how many other models they went into."""
    sizes = [size for size in solved.models if size >= MIN_FRAMES]
    if len(sizes) > 1 and found.placed < found.frames:
        text = ", ".join(map(str, sizes))
        on_event(
            Notice(f"the frames fell into {len(sizes)} separate models of {text} frames; the largest is used")
        )


def _worth(found: Judgement) -> tuple[object, ...]:
    """Orders attempts: by verdict, whether most frames are placed, and the matches they explain."""
    return found.rank, found.focal_sane, found.placed >= ENOUGH_PLACED * found.frames, found.explained


def _lost(found: Judgement, swept: FocalSweep | None) -> bool:
    """Do all frames hold together less well than a few of them did?

    A path that bent while it grew (a generated-looking 6° orbit: 0.75 of the matches instead of 0.95, 29 %
    off) shows neither in the frames placed nor in the parallax.
    """
    return swept is not None and found.explained < KEPT * max(trial.explained for trial in swept.trials)


def _settles(found: Judgement, cut_off: bool) -> bool:
    """Would another attempt be a waste?

    Little parallax alone is the clip's fault, not the attempt's; and one that was well under way
    when its time was up lacked time, not other settings.
    """
    most = cut_off or found.placed >= ENOUGH_PLACED * found.frames
    return found.verdict == "good" or (found.verdict == "unsure" and found.focal_sane and most)
