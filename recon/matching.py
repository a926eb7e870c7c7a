"""Features of a shot, matched and verified by COLMAP's two-view geometry, in a database for its mappers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recon.errors import CameraSolveError
from recon.events import Listener, StageProgress
from recon.features import FrameFeatures
from recon.matches import Matches
from recon.scene import remove
from recon.solve import job_for
from recon.solver_process import PROCESSES, STAGE, progress, run_jobs
from recon.types import Frames, Shot
from recon.undistort import Lens

Pairs = Literal["sequence", "neighbours", "all"]

OVERLAP = 10
"""A sequence pairs a frame with those 1, 2, 4, … 2^9 later."""
EXHAUSTIVE_FRAMES = 16
"""Up to here all pairs cost no more than the sequential pairs of 29 frames."""


def find_matches(
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    features: FrameFeatures | None = None,
    seed: int,
    lens: Lens | None = None,
    only: np.ndarray | None = None,
    masks: Path | None = None,
    pairs: Pairs = "sequence",
    on_event: Listener,
) -> tuple[Path, Matches]:
    """Match the features of a shot (of the frames `only`).

    Args:
        features: Of these frames, looked at before; None to look for them here.
        lens: Of known cameras.
        masks: A folder as `recon.motion.write_masks` makes it: no features where a mask is black.
        pairs: What is matched: a frame and those soon after it and at doubling distances, neighbours
            only, or all.

    Returns:
        The path of the database, and the verified matches in it.

    Raises:
        CameraSolveError: Frames are gone, or the solver crashed.
    """
    numbers = list(shot.numbers) if only is None else only.tolist()
    check_files(frames, numbers)
    database = work / f"shot_{shot.index:03d}.db"
    for leftover in work.glob(f"{database.name}*"):
        remove(leftover)

    def tell(done: int) -> None:
        on_event(StageProgress(STAGE, done, len(numbers), "finding features"))

    found = (features or FrameFeatures(frames)).of(numbers, tell)
    if masks is not None:
        found = [
            one.outside(mask) if (mask := masks / f"{frames.file_name(number)}.png").is_file() else one
            for number, one in zip(numbers, found, strict=True)
        ]
    given = work / ".features.npz"
    job: dict[str, Any] = {
        **job_for("match", frames, shot, database, seed, only),
        "model": "SIMPLE_RADIAL" if lens is None else "OPENCV",
        # A focal length given here counts as known, and a wrong one spoils the matching.
        "params": [] if lens is None else opencv_params(lens),
        "features": str(given.resolve()),
        # A second look along the epipolar lines makes up for the features that masks and far frames cost.
        "guided": pairs != "sequence" or masks is not None,
    }
    wanted = _pairs(len(numbers), pairs)
    shares = np.array_split(np.array(wanted, int).reshape(-1, 2), max(1, min(PROCESSES, len(wanted))))
    parts = [database, *(work / f".match_{i}.db" for i in range(1, len(shares)))]
    written = [work / f".match_{i}.npz" for i in range(len(parts))]
    jobs = [
        {**job, "database": str(part.resolve()), "matches": str(npz.resolve()), "pairs": share.tolist()}
        for part, npz, share in zip(parts, written, shares, strict=True)
    ]
    try:
        np.savez(
            given,
            lengths=np.array([len(one.places) for one in found]),
            places=np.concatenate([one.places for one in found]),
            descriptors=np.concatenate([one.descriptors for one in found]),
        )
        run_jobs(jobs, work, progress(on_event))
        _merge(database, parts[1:])
        return database, _joined([_read_matches(path) for path in written])
    finally:
        for leftover in (given, *written, *work.glob(".match_*")):
            remove(leftover)


def check_files(frames: Frames, numbers: list[int]) -> None:
    """Complain about frames that are gone."""
    missing = [frames.file_name(number) for number in numbers if not frames.path(number).is_file()]
    if missing:
        raise CameraSolveError(
            f"{len(missing)} frame(s) such as {missing[0]} are missing in {frames.folder}; "
            "run the same command with --force frames"
        )


def opencv_params(lens: Lens) -> list[float]:
    """COLMAP's parameters of an OPENCV camera."""
    K = lens.K
    return [K[0, 0], K[1, 1], K[0, 2], K[1, 2], *(lens.distortion or (0.0,) * 4)]


def _pairs(count: int, pairs: Pairs) -> list[tuple[int, int]]:
    """Places in the list of frames, the lower first."""
    if pairs == "all" or (pairs == "sequence" and count <= EXHAUSTIVE_FRAMES):
        return [(i, j) for i in range(count) for j in range(i + 1, count)]
    gaps = [2**k for k in range(1 if pairs == "neighbours" else OVERLAP)]
    return [(i, i + gap) for i in range(count) for gap in gaps if i + gap < count]


def _merge(database: Path, parts: Sequence[Path]) -> None:
    """Add the matches of databases of the same images."""
    for part in parts:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("ATTACH ? AS part", (str(part),))
            with connection:
                for table in ("matches", "two_view_geometries"):
                    connection.execute(f"INSERT INTO {table} SELECT * FROM part.{table}")


def _read_matches(path: Path) -> Matches:
    with np.load(path, allow_pickle=False) as arrays:
        cuts = np.cumsum(arrays["lengths"])[:-1]
        first, second = (tuple(np.split(arrays[name], cuts)) for name in ("first", "second"))
        return Matches(arrays["pairs"], *((first, second) if len(arrays["pairs"]) else ((), ())))


def _joined(parts: Sequence[Matches]) -> Matches:
    return Matches(
        np.concatenate([part.pairs for part in parts]),
        tuple(points for part in parts for points in part.first),
        tuple(points for part in parts for points in part.second),
    )
