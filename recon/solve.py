"""Jobs of structure from motion on the frames of a shot: features, matches, and runs of a mapper.

COLMAP (Schönberger & Frahm 2016) through pycolmap, in a child process. What is tried in which order is
`recon.ladder`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recon.attempts import SELDOM, Attempt
from recon.errors import CameraSolveError
from recon.events import Listener, StageProgress
from recon.judge import Judgement, judge
from recon.matches import Matches
from recon.scene import remove
from recon.solver_process import run_job
from recon.types import Frames, Points, Shot
from recon.undistort import Lens

Pairs = Literal["sequence", "neighbours", "all"]

STAGE = "cameras"
IMAGE_SIZE = 640
"""Long side at which features are found: poses are as good as at 960, in under half the time."""
FEATURES = 2500
"""Per frame. Clips of fine texture have twice as many, which doubles the time and adds nothing."""
LONG_SHOT = 60
"""Frames from which bundle adjustment of everything is done seldom."""
OVERLAP = 10
"""Sequential matching pairs a frame with those 1, 2, 4, … 2^9 later."""
EXHAUSTIVE_FRAMES = 16
"""Up to here all pairs cost no more than the sequential pairs of 29 frames."""

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
    matches: Path | None = None,
    pairs: Pairs = "sequence",
    on_event: Listener,
) -> Path:
    """Detect and match the features of a shot (of the frames `only`) into a database; returns its path.

    `masks` is a folder as `recon.motion.write_masks` makes it: no features where a mask is black. `matches`
    is where the verified matches go, for `read_matches`; None for nowhere. `pairs` are matched: a
    frame and those soon after it and at doubling distances, neighbours only, or all.
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
        "exhaustive": pairs == "all" or (pairs == "sequence" and shot.frames <= EXHAUSTIVE_FRAMES),
        "overlap": 1 if pairs == "neighbours" else OVERLAP,
        # A second look along the epipolar lines makes up for the features that masks and far frames cost.
        "guided": pairs != "sequence" or masks is not None,
        "matches": str(matches.resolve()) if matches else "",
    }
    run_job(job, work, progress(on_event))
    return database


def find_matches(
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    seed: int,
    masks: Path | None = None,
    pairs: Pairs = "sequence",
    on_event: Listener,
) -> tuple[Path, Matches]:
    """The database of `find_features`, and the verified matches in it."""
    written = work / ".matches.npz"
    try:
        database = find_features(
            frames, shot, work, seed=seed, masks=masks, matches=written, pairs=pairs, on_event=on_event
        )
        return database, read_matches(written)
    finally:
        remove(written)


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
    attempt: Attempt,
    frames: Frames,
    shot: Shot,
    database: Path,
    seed: int,
    limit: int,
    keyframes: Sequence[int] = (),
) -> dict[str, Any]:
    """The child's job for one attempt; with `keyframes` (numbers) these are mapped first, and the others
    placed in their model."""
    long = (len(keyframes) or shot.frames) > LONG_SHOT
    incremental = {
        "min_model_size": 3,
        "max_num_models": MODELS_AT_MOST,
        "max_runtime_seconds": limit,
        **(SELDOM if long else {}),
    }
    return {
        **job_for("map", frames, shot, database, seed),
        # The incremental mapper keeps what it has when its own limit is reached; the global one has none.
        **({"seconds": limit} if attempt.mapper == "global" else {}),
        "start": [frames.file_name(number) for number in attempt.start or ()],
        "model": str(attempt.model) if attempt.model else "",
        "params": _params(frames, attempt.focal * max(frames.width, frames.height)),
        "focal_known": attempt.focal_locked,
        "mapper": attempt.mapper,
        "options": {**(incremental if attempt.mapper == "incremental" else {}), **attempt.options},
        "keyframes": [frames.file_name(number) for number in keyframes],
    }


def run_model_job(job: dict[str, Any], frames: Frames, work: Path, on_event: Listener) -> Solved | None:
    """Run a "map" or "triangulate" job and read what it made; None when it made no model."""
    where = places(work, ".solved")
    rest = work / ".solved_rest.npz"
    try:
        remove(Path(where["result"]))
        run_job({**job, **where, "rest": str(rest)}, work, progress(on_event))
        solved = load_solved(where["result"], frames)
        return _better(solved, load_solved(str(rest), frames), len(job["names"])) if rest.exists() else solved
    finally:
        for place in (*where.values(), rest):
            remove(Path(place))


def _better(plain: Solved | None, more: Solved | None, frames: int) -> Solved | None:
    """The model with more frames, unless the judge thinks less of it."""
    if plain is None or more is None:
        return plain
    return more if judged(more, frames).rank >= judged(plain, frames).rank else plain


def read_matches(path: Path) -> Matches:
    """The verified matches that `find_features` wrote there."""
    with np.load(path, allow_pickle=False) as arrays:
        cuts = np.cumsum(arrays["lengths"])[:-1]
        first, second = (tuple(np.split(arrays[name], cuts)) for name in ("first", "second"))
        return Matches(arrays["pairs"], *((first, second) if len(arrays["pairs"]) else ((), ())))


def places(work: Path, name: str) -> dict[str, str]:
    """Where a job of the mapper leaves its result and its own files."""
    return {"result": str(work / f"{name}.npz"), "scratch": str(work / f"{name}_models")}


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


def progress(on_event: Listener) -> Callable[[int, int | None, str], None]:
    """What a job of the child tells, told to the stage's listener."""
    return lambda done, total, note: on_event(StageProgress(STAGE, done, total, note))


def load_solved(result: str, frames: Frames) -> Solved | None:
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
