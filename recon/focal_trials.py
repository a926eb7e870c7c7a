"""Runs of the mapper with one locked focal length after another, for `recon.focal_sweep`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from recon.attempts import Start
from recon.events import Listener, StageProgress
from recon.focal_sweep import (
    WEIGHT,
    FocalSweep,
    Trial,
    few_frames,
    finer,
    first_tries,
    summed_up,
    sweep_attempt,
)
from recon.matches import Matches
from recon.scene import remove
from recon.solve import judged, load_solved, mapping_job, places, time_limit
from recon.solver_process import STAGE, run_jobs
from recon.types import Frames, Shot

LOOKS = 2 * WEIGHT
"""Independent looks at the focal length that all frames of a shot are taken for."""


def sweep_focal(
    frames: Frames, shot: Shot, matches: Matches, database: Path, work: Path, *, seed: int, on_event: Listener
) -> FocalSweep | None:
    """Which focal length do a few frames agree with? None when the clip has the parallax to solve for it.

    Models of the few frames stay in `work` until `forget_trials`.
    """
    few = few_frames(shot)
    trials: list[Trial] = []
    tries = first_tries(matches, few)
    found = None
    while tries:
        trials += _tried(tries, len(trials), frames, shot, few, database, work, seed, on_event)
        found = summed_up(trials, len(few))
        if found is None:
            return None
        tries = finer(trials, found.start)
    return found


def _tried(
    tries: list[tuple[float, Start]],
    before: int,
    frames: Frames,
    shot: Shot,
    few: list[int],
    database: Path,
    work: Path,
    seed: int,
    on_event: Listener,
) -> list[Trial]:
    names = [frames.file_name(number) for number in few]
    long_side = max(frames.width, frames.height)
    limit = time_limit(len(few))
    jobs = []
    for i, (focal, start) in enumerate(tries):
        # The mapper writes its focal length into the database, so each trial has one of its own.
        place = work / f".sweep_copy_{i}.db"
        job = mapping_job(sweep_attempt(focal, start, names), frames, shot, place, seed, limit)
        jobs.append({**job, "names": names, **places(work, f".sweep_{before + i}")})
    trials = []
    try:
        for job in jobs:
            shutil.copyfile(database, job["database"])
        on_event(StageProgress(STAGE, before, before + len(jobs), "trying focal lengths"))
        run_jobs(jobs, work, lambda done, total, note: None)
        for (focal, start), job in zip(tries, jobs, strict=True):
            solved = load_solved(job["result"], frames)
            if solved is None:
                trials.append(Trial(focal, 0.0, 0.0, 0, 0.0, start))
                continue
            found = judged(solved, len(few))
            error = found.reprojection_px * 640 / long_side
            # Models are numbered; there is one at most.
            model = Path(job["scratch"]) / "0"
            numbers = found.explained, found.placed, found.parallax_deg
            trials.append(Trial(focal, error, *numbers, start, model))
    finally:
        for leftover in work.glob(".sweep_copy_*"):
            remove(leftover)
    return trials


def forget_trials(work: Path) -> None:
    """Remove what a sweep left in `work`."""
    for leftover in work.glob(".sweep_*"):
        remove(leftover)


def focal_belief(swept: FocalSweep, frames: Frames) -> dict[str, Any]:
    """For a job of `mapping_job`: what the sweep says of the focal length, to be weighed against what
    bundle adjustment of all frames says."""
    pixels = swept.focal * max(frames.width, frames.height)
    return {"belief": {"focal": pixels, "spread": swept.spread, "looks": LOOKS}}
