"""Runs of a mapper on the matched features of a shot.

COLMAP (Schönberger & Frahm 2016) through pycolmap, in a child process. What is tried in which order is
`recon.ladder`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recon.attempts import SELDOM, Attempt
from recon.events import Listener
from recon.judge import Judgement, judge
from recon.scene import remove
from recon.solver_process import progress, run_job
from recon.types import Frames, Points, Shot
from recon.undistort import Lens

LONG_SHOT = 60
"""Frames from which bundle adjustment of everything is done seldom."""
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
