"""Stage "cameras": from frames to chunk folders that any splat trainer can read."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.camera_axes import Axes
from recon.camera_files import (
    load_solution,
    read_solution,
    save_solution,
    solution_path,
)
from recon.chunk_folders import write_chunks
from recon.errors import CameraSolveError, FormatError
from recon.events import Listener, Notice, StageFinished, StageStarted, ignore
from recon.frame_flow import FrameFlows
from recon.judge import MIN_FRAMES
from recon.known_cameras import FORMATS, solve_with, use_known
from recon.ladder import Unsolved
from recon.matching import check_files
from recon.moving import around_known_cameras, solve_around_motion
from recon.scene import SceneFolder, hash_of, hash_of_file, remove, write_json
from recon.shot_masks import (
    find_motion,
    still_points_only,
    store_masks,
    training_masks,
    without_gaps,
)
from recon.solve import Solution
from recon.solver_process import STAGE, kept_running
from recon.types import Cameras, Frames, Points, Shot
from recon.undistort import undistort_points
from recon.world import find_world, into_world

__all__ = ["load_solution", "place_cameras"]

REVISION = 22
"""Part of the stage's key: raised when the same settings give other results."""


@dataclass(frozen=True)
class _Given:
    """What the user asked for."""

    file: Path | None
    axes: Axes | None
    refine: bool
    masks: Path | None
    solver: str | None
    seed: int


@dataclass(frozen=True)
class _Shot:
    """A shot with its result: a row of the report, and cameras when it worked."""

    shot: Shot
    row: dict[str, Any]
    result: tuple[Cameras, Points] | None


def place_cameras(
    scene: SceneFolder,
    *,
    cameras_file: Path | None = None,
    axes: Axes | None = None,
    refine: bool = False,
    masks: Path | None = None,
    solver: str | None = None,
    seed: int = 0,
    force: bool = False,
    on_event: Listener = ignore,
) -> dict[int, tuple[Cameras, Points]]:
    """Solve (or take over) the cameras of every shot and write the chunk folders.

    Args:
        cameras_file: Known cameras: see `recon.known_cameras.FORMATS`.
        axes: How to read their poses; None for what the format says.
        refine: Take the known cameras as a first guess and let the pictures move them.
        masks: Folder of the user's own masks, black where something moves; found by themselves when None.
        solver: Name or folder of a learned solver's weights (`recon.plugins`), whose cameras bundle
            adjustment then refines.
        seed: Of every random choice; the same frames and seed give bitwise the same cameras.
        force: Do it again although it was done.

    Returns:
        By index of the shot its cameras and points, in the shot's world. Shots without usable
        cameras are left out (cameras/report.json says why).

    Raises:
        CameraSolveError: No shot has usable cameras.
        FormatError: `cameras_file` cannot be used.
    """
    frames = scene.frames()
    known = hash_of_known(cameras_file) if cameras_file else None
    # With the time, because splitting again puts the source frames back into the chunks.
    split = {name: scene.info["stages"].get("frames", {}).get(name) for name in ("key", "finished")}
    own_masks = hash_of_file(masks) if masks and masks.is_dir() else str(masks)
    key = hash_of(STAGE, REVISION, split, seed, known, axes, refine, own_masks, solver)
    if cameras_file is not None and solver is not None:
        raise CameraSolveError("found both known cameras and a solver; give --cameras or --solver, not both")
    given = _Given(cameras_file, axes, refine, masks, solver, seed)
    if not force and scene.is_done(STAGE, key):
        on_event(StageStarted(STAGE, done_before=True))
        return {shot.index: load_solution(scene, shot) for shot in frames.shots if _has_result(scene, shot)}
    on_event(StageStarted(STAGE))
    began = time.monotonic()
    scene.mark_undone(STAGE)
    work = scene.root / "cameras"
    work.mkdir(parents=True, exist_ok=True)
    (work / "log.txt").unlink(missing_ok=True)
    with kept_running(work):
        done = [_place_shot(scene, frames, shot, key, given, force, on_event) for shot in frames.shots]
    write_json(scene.report_path, {"seed": seed, "shots": [shot.row for shot in done]})
    good = [shot for shot in done if shot.result is not None]
    if not good:
        raise CameraSolveError(_all_failed(done))
    for shot in done:
        if shot.result is None:
            where = f"shot {shot.shot.index} (frames {shot.shot.first} to {shot.shot.numbers[-1]})"
            on_event(Notice(f"{where} is left out: {shot.row['reason']}", warning=True))
        elif shot.row["verdict"] != "good":
            on_event(Notice(f"cameras are {shot.row['verdict']}: {shot.row['reason']}", warning=True))
    results = {shot.shot.index: shot.result for shot in good if shot.result is not None}
    write_chunks(scene, frames, results, on_event)
    seconds = time.monotonic() - began
    scene.info["world"] = {str(shot.shot.index): shot.row["world"] for shot in good}
    scene.mark_done(STAGE, key, seconds)
    on_event(StageFinished(STAGE, seconds, _in_words(good, len(done))))
    return results


def hash_of_known(path: Path) -> str:
    """Hash of a file or folder of known cameras.

    Raises:
        FormatError: It does not exist.
    """
    if not path.exists():
        raise FormatError(f"{path} does not exist; --cameras expects {FORMATS}")
    if path.is_file():
        return hash_of_file(path)
    folders = [path, path / "sparse", path / "sparse" / "0"]
    return hash_of([hash_of_file(folder) for folder in folders if folder.is_dir()])


def _has_result(scene: SceneFolder, shot: Shot) -> bool:
    return str(shot.index) in scene.info.get("world", {}) and solution_path(scene, shot).exists()


def _place_shot(
    scene: SceneFolder,
    frames: Frames,
    shot: Shot,
    key: str,
    given: _Given,
    force: bool,
    on_event: Listener,
) -> _Shot:
    """Cameras of one shot, from an interrupted run of the same settings when it got so far."""
    if not force and solution_path(scene, shot).exists():
        try:
            cameras, points, extra = read_solution(scene, shot)
        except FormatError:
            extra = {}
        if extra.get("key") == key:
            return _Shot(shot, extra["row"], (cameras, points))
    remove(solution_path(scene, shot))
    began = time.monotonic()
    row: dict[str, Any] = {"shot": shot.index, "first": shot.first, "frames": shot.frames}
    try:
        if shot.frames < MIN_FRAMES:
            raise CameraSolveError(
                f"{shot.frames} frame(s) in the shot, expected at least {MIN_FRAMES}; "
                "use a longer clip, or a higher --fps"
            )
        work = scene.root / "cameras"
        check_files(frames, list(shot.numbers))
        flows = FrameFlows(frames)
        motion = find_motion(frames, shot, given.masks, flows, on_event)
        masks_folder = work / f"shot_{shot.index:03d}_masks"
        if given.solver is not None:
            from recon.plugins import learned_cameras

            masks = store_masks(motion, frames, masks_folder)
            known = learned_cameras(given.solver, frames, shot, on_event)
            solution = solve_with(
                *(known, frames, shot, work),
                source=given.solver,
                refine=True,
                seed=given.seed,
                on_event=on_event,
            )
            up = None
        elif given.file is None:
            solution, motion, masks = solve_around_motion(
                *(frames, shot, work, motion, masks_folder), flows=flows, seed=given.seed, on_event=on_event
            )
            up = None
        else:
            masks = store_masks(motion, frames, masks_folder)
            fps = scene.info.get("source", {}).get("fps")
            solution, up = use_known(
                given.file,
                frames,
                shot,
                work,
                source_fps=fps,
                axes=given.axes,
                refine=given.refine,
                seed=given.seed,
                on_event=on_event,
            )
        if given.solver is not None or given.file is not None:
            solution, motion, masks = around_known_cameras(
                *(solution, frames, shot, motion, masks, masks_folder),
                flows=flows,
                seed=given.seed,
                on_event=on_event,
            )
        motion, masks = without_gaps(motion, masks, frames, masks_folder, flows)
        if masks is not None:
            solution = still_points_only(solution, motion, frames)
    except CameraSolveError as error:
        row |= {"verdict": "failed", "reason": str(error), "placed": 0}
        row["attempts"] = []
        if isinstance(error, Unsolved):
            row |= {"attempts": error.attempts, **error.evidence}
        return _Shot(shot, {**row, "seconds": round(time.monotonic() - began, 3)}, None)
    found = solution.judgement
    cameras, points = _finish(solution)
    similarity = find_world(cameras.world_from_camera, cameras.numbers, points, up)
    cameras, points = into_world(cameras, points, similarity)
    row |= {
        "verdict": found.verdict,
        "reason": found.reason,
        "words": found.in_words(),
        **{name: value for name, value in found.to_json().items() if name not in row},
        "placed_frames": cameras.numbers,
        "lens": {"K": solution.solved.lens.K, "distortion": solution.solved.lens.distortion},
        "models": solution.solved.models,
        "attempts": solution.attempts,
        **solution.evidence,
        "motion": motion.to_json(),
        "world": similarity.to_json(),
        "seconds": round(time.monotonic() - began, 3),
    }
    training_masks(masks, scene.shot_folder(shot) / "masks", cameras, frames)
    row = _plain(row)
    save_solution(scene, shot, cameras, points, {"key": key, "row": row})
    return _Shot(shot, row, (cameras, points))


def _finish(solution: Solution) -> tuple[Cameras, Points]:
    """Solved cameras as pinhole cameras of the undistorted images; tracks move along."""
    solved, judgement = solution.solved, solution.judgement
    lens, pinhole = solved.lens, solved.lens.pinhole()
    bends = lens.max_displacement() > 0 and not np.array_equal(lens.K, pinhole.K)
    points = solved.points
    if bends and points.tracks:
        lengths = np.array([len(track) for track in points.tracks])
        rows = np.concatenate(points.tracks)
        rows[:, 1:] = undistort_points(rows[:, 1:].astype(float), lens, pinhole)
        points = replace(points, tracks=tuple(np.split(rows, np.cumsum(lengths)[:-1])))
    cameras = Cameras(
        solved.numbers,
        solved.world_from_camera,
        np.tile(pinhole.K, (len(solved.numbers), 1, 1)),
        lens.width,
        lens.height,
        lens.distortion if bends else (),
        lens.K if bends else None,
        judgement.verdict,
        judgement.reason,
    )
    return cameras, points


def _all_failed(shots: list[_Shot]) -> str:
    if len(shots) == 1:
        return shots[0].row["reason"]
    longest = max(shots, key=lambda shot: shot.shot.frames)
    return f"none of the {len(shots)} shots has usable cameras; the longest one: {longest.row['reason']}"


def _in_words(good: list[_Shot], shots: int) -> str:
    if shots == 1:
        return good[0].row["words"]
    parts = [f"shot {shot.shot.index}: {shot.row['words']}" for shot in good]
    return f"{len(good)} of {shots} shots; " + "; ".join(parts)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives it back, so that a continued run reports the same."""
    import json

    def simple(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)

    return json.loads(json.dumps(row, default=simple))
