"""Jobs of structure from motion on the frames of a shot: features, matches, and runs of a mapper.

COLMAP (Schönberger & Frahm 2016) through pycolmap, in a child process. What is tried in which order is
`recon.ladder`'s business.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recon.attempts import Attempt
from recon.errors import CameraSolveError
from recon.events import Listener, StageProgress
from recon.focal_sweep import (
    WEIGHT,
    FocalSweep,
    Start,
    Trial,
    few_frames,
    finer,
    first_tries,
    summed_up,
    sweep_attempt,
)
from recon.judge import Judgement, judge
from recon.matches import Matches
from recon.scene import remove
from recon.solver_process import run_job
from recon.types import Frames, Points, Shot
from recon.undistort import Lens

STAGE = "cameras"
IMAGE_SIZE = 640
"""Long side at which features are found: poses are as good as at 960, in under half the time."""
FEATURES = 2500
"""Per frame. Clips of fine texture have twice as many, which doubles the time and adds nothing."""
PROCESSES = min(4, os.cpu_count() or 1)
"""That try focal lengths at the same time."""
LONG_SHOT = 60
"""Frames from which bundle adjustment of everything is done after growing by 40 %, not by 10 %."""
OVERLAP = 10
"""Sequential matching pairs a frame with those 1, 2, 4, … 2^9 later."""
EXHAUSTIVE_FRAMES = 16
"""Up to here all pairs cost no more than the sequential pairs of 29 frames."""

LOOKS = 2 * WEIGHT
"""Independent looks at the focal length that all frames of a shot are taken for."""
MODELS_AT_MOST = 10
"""Starts from other image pairs when the first model stays small; the tenth has never been the best."""


@dataclass(frozen=True, repr=False)
class Solved:
    """What came out for a shot, in the solver's own world and in pixels of the source frames."""

    numbers: np.ndarray
    """[F] int64, global numbers of the placed frames, increasing."""
    world_from_camera: np.ndarray
    """[F, 4, 4]."""
    lens: Lens
    points: Points
    models: tuple[int, ...]
    """Frames in each model the mapper made, largest (this one) first."""
    explained: float
    """Share of the matched features in the placed frames that agree with the cameras, 0..1."""

    def __repr__(self) -> str:
        return f"Solved({len(self.numbers)} frames, {len(self.points)} points, {self.lens})"


@dataclass(frozen=True)
class Solution:
    """The best attempt and what is to be said about all of them."""

    solved: Solved
    judgement: Judgement
    attempts: tuple[dict[str, Any], ...]
    """Rows for cameras/report.json."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """What else was found out about the shot, for cameras/report.json; nothing for known cameras."""
    flat: bool = False
    """Do all cameras stand in one place, and the points on a sphere around it?"""


def find_features(
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    seed: int,
    lens: Lens | None = None,
    only: np.ndarray | None = None,
    masks: Path | None = None,
    on_event: Listener,
) -> Path:
    """Detect and match the features of a shot (of the frames `only`) into a database; returns its path.

    `masks` is a folder as `recon.motion.write_masks` makes it: no features where a mask is black.
    """
    check_files(frames, list(shot.numbers) if only is None else only.tolist())
    database = work / f"shot_{shot.index:03d}.db"
    for leftover in work.glob(f"{database.name}*"):
        remove(leftover)
    long_side = max(frames.width, frames.height)
    job = {
        **job_for("features", frames, shot, database, seed, only),
        "model": "SIMPLE_RADIAL" if lens is None else "OPENCV",
        # A focal length given here counts as known, and a wrong one spoils the matching.
        "params": [] if lens is None else opencv_params(lens),
        "image_size": min(IMAGE_SIZE, long_side),
        "features": FEATURES,
        "masks": str(masks.resolve()) if masks else "",
        "exhaustive": shot.frames <= EXHAUSTIVE_FRAMES,
        "overlap": OVERLAP,
    }
    run_job(job, work, _progress(on_event))
    return database


def check_files(frames: Frames, numbers: list[int]) -> None:
    """Complain about frames that are gone."""
    # pycolmap leaves out a file that is not there without a word.
    missing = [frames.file_name(number) for number in numbers if not frames.path(number).is_file()]
    if missing:
        raise CameraSolveError(
            f"{len(missing)} frame(s) such as {missing[0]} are missing in {frames.folder}; "
            "run the same command with --force frames"
        )


def mapping_job(
    attempt: Attempt, frames: Frames, shot: Shot, database: Path, seed: int, limit: int
) -> dict[str, Any]:
    """The child's job for one attempt."""
    long = shot.frames > LONG_SHOT
    incremental = {
        "min_model_size": 3,
        "max_num_models": MODELS_AT_MOST,
        "max_runtime_seconds": limit,
        **({"ba_global_frames_ratio": 1.4, "ba_global_points_ratio": 1.4} if long else {}),
    }
    return {
        **job_for("map", frames, shot, database, seed),
        # The incremental mapper keeps what it has when its own limit is reached; the global one has none.
        **({"seconds": limit} if attempt.mapper == "global" else {}),
        "start": [frames.file_name(number) for number in attempt.start or ()],
        "params": _params(frames, attempt.focal * max(frames.width, frames.height)),
        "focal_known": attempt.focal_locked,
        "mapper": attempt.mapper,
        "options": {**(incremental if attempt.mapper == "incremental" else {}), **attempt.options},
    }


def focal_belief(swept: FocalSweep, frames: Frames) -> dict[str, Any]:
    """For a job of `mapping_job`: what the sweep says of the focal length, to be weighed against what
    bundle adjustment of all frames says."""
    pixels = swept.focal * max(frames.width, frames.height)
    return {"belief": {"focal": pixels, "spread": swept.spread, "looks": LOOKS}}


def run_model_job(job: dict[str, Any], frames: Frames, work: Path, on_event: Listener) -> Solved | None:
    """Run a "map" or "triangulate" job and read what it made; None when it made no model."""
    places = _places(work, ".solved")
    try:
        remove(Path(places["result"]))
        run_job({**job, **places}, work, _progress(on_event))
        return _load(places["result"], frames)
    finally:
        for place in places.values():
            remove(Path(place))


def read_matches(frames: Frames, shot: Shot, database: Path, work: Path, on_event: Listener) -> Matches:
    """The verified matches that `find_features` left."""
    result = work / ".matches.npz"
    try:
        job = {**job_for("matches", frames, shot, database, 0), "result": str(result)}
        run_job(job, work, _progress(on_event))
        with np.load(result, allow_pickle=False) as arrays:
            cuts = np.cumsum(arrays["lengths"])[:-1]
            first, second = (tuple(np.split(arrays[name], cuts)) for name in ("first", "second"))
            return Matches(arrays["pairs"], *((first, second) if len(arrays["pairs"]) else ((), ())))
    finally:
        remove(result)


def sweep_focal(
    frames: Frames, shot: Shot, matches: Matches, database: Path, work: Path, *, seed: int, on_event: Listener
) -> FocalSweep | None:
    """Which focal length do a few frames agree with? None when the clip has the parallax to solve for it."""
    few = few_frames(shot)
    trials: list[Trial] = []
    tries = first_tries(matches, few)
    found = None
    while tries:
        trials += _tried(tries, frames, shot, few, database, work, seed, on_event)
        found = summed_up(trials, len(few))
        if found is None:
            return None
        tries = finer(trials, found.start)
    return found


def _tried(
    tries: list[tuple[float, Start]],
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
    # The mapper writes its focal length into the database, so those that run together have one each.
    copies = [work / f".sweep_{i}.db" for i in range(min(PROCESSES, len(tries)))]
    jobs = []
    for i, (focal, start) in enumerate(tries):
        place = copies[i % len(copies)]
        job = mapping_job(sweep_attempt(focal, start, names), frames, shot, place, seed, limit)
        jobs.append({**job, "names": names, **_places(work, f".sweep_{i}")})
    trials = []
    try:
        for place in copies:
            shutil.copyfile(database, place)
        shares = [jobs[i :: len(copies)] for i in range(len(copies))]
        with ThreadPoolExecutor(len(shares)) as pool:
            told = [_progress(on_event), *(len(shares) - 1) * [lambda done, total, note: None]]
            runs = [
                pool.submit(run_job, {"kind": "sweep", "jobs": share}, work, tell)
                for share, tell in zip(shares, told, strict=True)
            ]
            for run in runs:
                run.result()
        for (focal, start), job in zip(tries, jobs, strict=True):
            solved = _load(job["result"], frames)
            if solved is None:
                trials.append(Trial(focal, 0.0, 0.0, 0, 0.0, start))
                continue
            found = judged(solved, len(few))
            error = found.reprojection_px * 640 / long_side
            trials.append(Trial(focal, error, found.explained, found.placed, found.parallax_deg, start))
    finally:
        for leftover in (*work.glob(".sweep_*.db*"), *(Path(job[name]) for job in jobs for name in PLACES)):
            remove(leftover)
    return trials


PLACES = ("result", "scratch")


def _places(work: Path, name: str) -> dict[str, str]:
    """Where a job of the mapper leaves its result and its own files."""
    return dict(zip(PLACES, (str(work / f"{name}.npz"), str(work / f"{name}_models")), strict=True))


def judged(solved: Solved, frames: int) -> Judgement:
    """What the judge says of a model of a shot of so many frames."""
    return judge(
        *(solved.world_from_camera, solved.numbers, solved.points, solved.lens), frames, solved.explained
    )


def time_limit(frames: int) -> int:
    """Seconds an attempt may take: twice (296 frames) to eight times (29) what a healthy clip needs.

    Hard clips otherwise keep the mapper busy for many minutes without a result. The work of a
    healthy clip grows faster than its length.
    """
    return int(20 + 0.7 * frames + frames**2 / 200)


def opencv_params(lens: Lens) -> list[float]:
    """COLMAP's parameters of an OPENCV camera."""
    K = lens.K
    return [K[0, 0], K[1, 1], K[0, 2], K[1, 2], *(lens.distortion or (0.0,) * 4)]


def job_for(
    kind: str, frames: Frames, shot: Shot, database: Path, seed: int, only: np.ndarray | None = None
) -> dict[str, Any]:
    """What every job of the child holds."""
    return {
        "kind": kind,
        "folder": str(frames.folder.resolve()),
        "names": [frames.file_name(number) for number in (shot.numbers if only is None else only.tolist())],
        "database": str(database.resolve()),
        "seed": seed,
    }


def _params(frames: Frames, focal: float) -> list[float]:
    """COLMAP's parameters of a SIMPLE_RADIAL camera with a centred principal point."""
    return [focal, frames.width / 2, frames.height / 2, 0.0]


def _progress(on_event: Listener) -> Callable[[int, int | None, str], None]:
    return lambda done, total, note: on_event(StageProgress(STAGE, done, total, note))


def _load(result: str, frames: Frames) -> Solved | None:
    """What a job of the mapper left; None when it made no model."""
    with np.load(result, allow_pickle=False) as arrays:
        return _read(arrays, frames)


def _read(arrays: Any, frames: Frames) -> Solved | None:
    if "numbers" not in arrays:
        return None
    camera_from_world = np.tile(np.eye(4), (len(arrays["numbers"]), 1, 1))
    camera_from_world[:, :3] = arrays["camera_from_world"]
    params = arrays["params"]
    bends = (params[3], 0.0, 0.0, 0.0) if len(params) == 4 else tuple(params[4:8])
    lens = Lens(frames.width, frames.height, arrays["K"], tuple(map(float, bends)) if any(bends) else ())
    tracks = (
        np.split(arrays["observed"], np.cumsum(arrays["track_lengths"])[:-1]) if len(arrays["xyz"]) else []
    )
    points = Points(arrays["xyz"], arrays["rgb"], arrays["error"], tuple(tracks))
    explained = float(arrays["explained"])
    sizes = tuple(int(size) for size in arrays["models"])
    return Solved(arrays["numbers"], np.linalg.inv(camera_from_world), lens, points, sizes, explained)
