"""Camera poses, one shared lens and sparse points from the frames of a shot.

Structure from motion by COLMAP (Schönberger & Frahm 2016) through pycolmap, in a child process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.attempts import ATTEMPTS, Attempt
from recon.errors import CameraSolveError
from recon.events import Listener, Notice, StageProgress
from recon.judge import ADVICE_MOVE, ENOUGH_PLACED, MIN_FRAMES, Judgement, judge
from recon.probe import Probe, probe
from recon.scene import remove
from recon.solver_process import run_job
from recon.types import Frames, Points, Shot
from recon.undistort import Lens

STAGE = "cameras"
IMAGE_SIZE = 640
"""Long side at which features are found: poses are as good as at 960, in under half the time."""
FEATURES = 2500
"""Per frame. Clips of fine texture have twice as many, which doubles the time and adds nothing."""
LONG_SHOT = 60
"""Frames from which bundle adjustment of everything is done after growing by 40 %, not by 10 %."""
OVERLAP = 10
"""Sequential matching pairs a frame with those 1, 2, 4, … 2^9 later."""
EXHAUSTIVE_FRAMES = 16
"""Up to here all pairs cost no more than the sequential pairs of 29 frames."""

ADVICE = f"{ADVICE_MOVE}, or give the cameras with --cameras FILE"
GUESSED_FOCAL = (
    f"the clip does not tell the focal length, so a guess was taken and depth may be stretched: {ADVICE}"
)

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
    probe: Probe | None = None
    """None for known cameras."""


def find_features(
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    seed: int,
    lens: Lens | None = None,
    only: np.ndarray | None = None,
    on_event: Listener,
) -> Path:
    """Detect and match the features of a shot (of the frames `only`) into a database; returns its path."""
    _check_files(frames, list(shot.numbers) if only is None else only.tolist())
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
        "exhaustive": shot.frames <= EXHAUSTIVE_FRAMES,
        "overlap": OVERLAP,
    }
    run_job(job, work, _progress(on_event))
    return database


def _check_files(frames: Frames, numbers: list[int]) -> None:
    # pycolmap leaves out a file that is not there without a word.
    missing = [frames.file_name(number) for number in numbers if not frames.path(number).is_file()]
    if missing:
        raise CameraSolveError(
            f"{len(missing)} frame(s) such as {missing[0]} are missing in {frames.folder}; "
            "run the same command with --force frames"
        )


class Unsolved(CameraSolveError):
    """No attempt was worth keeping."""

    def __init__(self, message: str, attempts: list[dict[str, Any]], look: Probe) -> None:
        super().__init__(message)
        self.attempts = attempts
        """Rows for cameras/report.json."""
        self.probe = look


def solve_cameras(frames: Frames, shot: Shot, work: Path, *, seed: int = 0, on_event: Listener) -> Solution:
    """Solve the cameras of a shot.

    Args:
        work: Folder for the feature database and the solver's log.
        seed: Of every random choice; the same seed gives bitwise the same result, unless an attempt
            ran into its time limit (the report says so).

    Raises:
        Unsolved: No attempt placed a usable share of the frames.
        CameraSolveError: The solver crashed while it looked for features.
    """
    work.mkdir(parents=True, exist_ok=True)
    _check_files(frames, list(shot.numbers))
    look = probe(frames, shot)
    if look.kind == "still":
        raise Unsolved(look.no_parallax(), [], look)
    database = find_features(frames, shot, work, seed=seed, lens=None, on_event=on_event)
    best: tuple[Solved, Judgement] | None = None
    rows: list[dict[str, Any]] = []
    problem = (
        f"0 of {shot.frames} frames placed; the clip needs sideways camera movement and texture: {ADVICE}"
    )
    for attempt in ATTEMPTS:
        if rows:
            on_event(Notice(f"trying again: {attempt.words}"))
        limit = time_limit(shot.frames)
        began = time.monotonic()
        row: dict[str, Any] = {"name": attempt.name, "verdict": "failed", "placed": 0, "models": []}
        rows.append(row)
        try:
            solved = run_model_job(
                _mapping(attempt, frames, shot, database, seed, limit), frames, work, on_event
            )
        except CameraSolveError as error:
            # A crash of one attempt leaves the others their chance.
            problem = row["reason"] = str(error)
            continue
        row["seconds"] = round(time.monotonic() - began, 3)
        if row["seconds"] > limit:
            row["cut_off_after_seconds"] = limit
        if solved is None:
            continue
        found = judge(
            solved.world_from_camera,
            solved.numbers,
            solved.points,
            solved.lens,
            shot.frames,
            solved.explained,
        )
        if attempt.focal_locked and found.verdict == "good":
            found = replace(found, verdict="unsure", reason=GUESSED_FOCAL)
        elif "cut_off_after_seconds" in row and found.verdict == "unsure" and found.focal_sane:
            found = _out_of_time(found)
        if look.kind == "turning":
            # A wrong focal length makes parallax out of a pan: a 14° one came out "good", with 3.4°.
            verdict = "failed" if found.verdict == "failed" else "unsure"
            found = replace(found, verdict=verdict, reason=look.no_parallax())
        row |= {"models": list(solved.models), **found.to_json()}
        if best is None or _worth(found) > _worth(best[1]):
            best = solved, found
        if _settles(found, cut_off="cut_off_after_seconds" in row):
            break
    if best is None or best[1].verdict == "failed":
        if best is None and look.kind == "turning":
            problem = look.no_parallax()
        raise Unsolved(best[1].reason if best else problem, rows, look)
    _tell_of_pieces(*best, on_event)
    return Solution(*best, tuple(rows), look)


def time_limit(frames: int) -> int:
    """Seconds an attempt may take: twice (296 frames) to eight times (29) what a healthy clip needs.

    Hard clips otherwise keep the mapper busy for many minutes without a result. The work of a
    healthy clip grows faster than its length.
    """
    return int(20 + 0.7 * frames + frames**2 / 200)


def _out_of_time(found: Judgement) -> Judgement:
    """When frames are missing because the time was up, that is what to say."""
    if found.placed >= ENOUGH_PLACED * found.frames:
        return found
    words = f"{found.placed} of {found.frames} frames placed when the time was up"
    return replace(found, reason=f"{words}; take fewer frames (--fps, --start, --end)")


def _mapping(
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
        "params": _params(frames, attempt.focal * max(frames.width, frames.height)),
        "focal_known": attempt.focal_locked,
        "mapper": attempt.mapper,
        "options": {**(incremental if attempt.mapper == "incremental" else {}), **attempt.options},
    }


def _tell_of_pieces(solved: Solved, found: Judgement, on_event: Listener) -> None:
    """When frames are missing, say how many other models they went into."""
    sizes = [size for size in solved.models if size >= MIN_FRAMES]
    if len(sizes) > 1 and found.placed < found.frames:
        text = ", ".join(map(str, sizes))
        on_event(
            Notice(f"the frames fell into {len(sizes)} separate models of {text} frames; the largest is used")
        )


def run_model_job(job: dict[str, Any], frames: Frames, work: Path, on_event: Listener) -> Solved | None:
    """Run a "map" or "triangulate" job and read what it made; None when it made no model."""
    result, scratch = work / ".solved.npz", work / ".models"
    try:
        remove(result)
        run_job({**job, "result": str(result), "scratch": str(scratch)}, work, _progress(on_event))
        with np.load(result, allow_pickle=False) as arrays:
            return _read(arrays, frames)
    finally:
        remove(scratch)
        remove(result)


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


def _worth(found: Judgement) -> tuple[object, ...]:
    """Orders attempts: by verdict, then by whether most frames are placed, then by how many."""
    rank = {"failed": 0, "unsure": 1, "good": 2}[found.verdict]
    return rank, found.focal_sane, found.placed


def _settles(found: Judgement, cut_off: bool) -> bool:
    """Would another attempt be a waste?

    Little parallax alone is the clip's fault, not the attempt's; and one that was well under way
    when its time was up lacked time, not other settings.
    """
    most = cut_off or found.placed >= ENOUGH_PLACED * found.frames
    return found.verdict == "good" or (found.verdict == "unsure" and found.focal_sane and most)
