"""Clips on which plain structure from motion fails: what the ladder makes of them, and its parts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from recon.attempts import attempts_for
from recon.cameras import place_cameras
from recon.events import ignore
from recon.focal_sweep import SPREAD, WEIGHT, Trial, belief, few_frames, finer, summed_up, sweep_attempt
from recon.focal_trials import sweep_focal
from recon.ladder import _lost
from recon.matches import Matches
from recon.matching import find_matches
from recon.scene import SceneFolder
from recon.solve import mapping_job, run_model_job
from recon.solver_process import run_job
from recon.truth import pose_error, read_truth
from recon.turning import fit_turning
from recon.types import Shot
from tests.recon import textured_room
from tests.recon.test_probe import path_of

WIDTH, HEIGHT, FOCAL = 640, 360, 700.0
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def matches_of(world_from_camera: np.ndarray, noise: float = 0.3) -> Matches:
    """Random points seen by cameras [F, 4, 4]; every pair of frames matches what both see."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-6, -4, 4], [6, 4, 9], (4000, 3))
    seen = []
    for pose in world_from_camera:
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        pixels = (local @ K.T)[:, :2] / local[:, 2:] + noise * rng.normal(size=(len(points), 2))
        inside = (local[:, 2] > 0) & (pixels > 0).all(1) & (pixels < [WIDTH, HEIGHT]).all(1)
        seen.append((pixels, inside))
    pairs, first, second = [], [], []
    for i in range(len(seen)):
        for j in range(i + 1, len(seen)):
            both = seen[i][1] & seen[j][1]
            pairs.append((i, j))
            first.append(seen[i][0][both])
            second.append(seen[j][0][both])
    return Matches(np.array(pairs), tuple(first), tuple(second))


def test_a_camera_that_turns_is_found_with_its_focal_length() -> None:
    poses = path_of("pan")
    found = fit_turning(matches_of(poses), WIDTH, HEIGHT)
    assert found is not None
    assert found.turns
    assert found.explained > 0.99
    assert abs(found.focal * WIDTH / FOCAL - 1) < 0.1
    relative = found.world_from_camera[0].T @ found.world_from_camera[-1]
    true = poses[0, :3, :3].T @ poses[-1, :3, :3]
    chord = np.linalg.norm(relative - true) / np.sqrt(8)
    assert np.degrees(2 * np.arcsin(chord)) < 1.0  # of 14


@pytest.mark.parametrize("move", ["sideways", "forwards", "arc6"])
def test_a_camera_that_moves_is_not_said_to_turn(move: str) -> None:
    poses = path_of(move)
    poses[:, :3, 3] *= 2.6  # this scene is as much deeper; sideways is then 4 % of its depth
    found = fit_turning(matches_of(poses), WIDTH, HEIGHT)
    assert found is not None
    assert not found.turns


def test_no_matches_say_nothing() -> None:
    assert fit_turning(Matches(np.zeros((0, 2), np.int64), (), ()), WIDTH, HEIGHT) is None


def trials(explained: list[float], pixels: list[float], parallax: float = 3.0) -> list[Trial]:
    focals = (0.6, 0.8, 1.0, 1.25, 1.6, 2.0)
    return [
        Trial(focal, px, share, 8, parallax, None)
        for focal, share, px in zip(focals, explained, pixels, strict=True)
    ]


def test_the_focal_length_is_the_first_that_loses_no_matches() -> None:
    """Too short a lens puts far things beyond infinity; longer ones than the true one explain as much."""
    found = summed_up(trials([0.4, 0.5, 0.7, 0.9, 0.9, 0.9], [0.5] * 6), 8)
    assert found is not None
    assert 1.2 < found.focal < 1.5


def test_where_nothing_tells_the_usual_focal_length_is_taken_and_doubted() -> None:
    found = summed_up(trials([0.9] * 6, [0.5] * 6), 8)
    assert found is not None
    assert 0.9 < found.focal < 1.1
    assert found.spread > 0.2
    assert not found.determined


def test_a_clear_minimum_is_believed() -> None:
    found = summed_up(trials([0.9] * 6, [0.4, 0.3, 0.25, 0.2, 0.25, 0.3]), 8)
    assert found is not None
    assert 1.2 < found.focal < 1.3
    assert found.spread < 0.1
    assert found.determined


def test_a_failure_of_the_mapper_says_nothing_of_the_focal_length() -> None:
    """One trial in the middle that lost most matches is left out, as if it had not been tried."""
    good = trials([0.8, 0.8, 0.8, 0.85, 0.85, 0.85], [0.55, 0.5, 0.5, 0.45, 0.46, 0.48])
    failed = replace(good[1], explained=0.35)
    without, found = summed_up([good[0], *good[2:]], 8), summed_up([good[0], failed, *good[2:]], 8)
    assert without is not None
    assert found == without


@pytest.mark.parametrize("spread", [0.05, 0.1])
def test_quadratic_scores_give_back_their_centre_and_spread(spread: float) -> None:
    """Between the trials too, which the best of them cannot."""
    focals = np.exp(np.linspace(-0.5, 0.5, 21))
    wanted = (np.log(focals / 1.12) / spread) ** 2
    pixels = np.exp((wanted - (np.log(focals) / SPREAD) ** 2) / (2 * WEIGHT)) * 0.5
    rows = [Trial(focal, px, 0.9, 8, 3.0, None) for focal, px in zip(focals, pixels, strict=True)]
    focal, found = belief(rows)
    assert focal == pytest.approx(1.12, rel=0.005)
    assert found == pytest.approx(spread, rel=0.1)


@pytest.fixture(scope="module")
def orbit(tmp_path_factory: pytest.TempPathFactory) -> tuple[SceneFolder, Path]:
    """A clip of 20° and its features."""
    folder = tmp_path_factory.mktemp("orbit")
    lens, poses = textured_room.lens(480, 360, 450.0), textured_room.arc(9, 18.0)
    scene = textured_room.clip(folder / "scene", lens, poses)
    (shot,) = scene.frames().shots
    return scene, find_matches(scene.frames(), shot, folder, seed=0, on_event=ignore)[0]


def test_a_chain_has_matches_between_neighbours_only(orbit: tuple[SceneFolder, Path], tmp_path: Path) -> None:
    scene, _ = orbit
    (shot,) = scene.frames().shots
    _, matches = find_matches(scene.frames(), shot, tmp_path, seed=0, pairs="neighbours", on_event=ignore)
    assert matches.pairs.tolist() == [[i, i + 1] for i in range(8)]


@pytest.mark.parametrize(("spread", "expected"), [(1e-4, 1.05), (10.0, 450 / 480)])
def test_the_surer_of_two_decides_on_the_focal_length(
    orbit: tuple[SceneFolder, Path], tmp_path: Path, spread: float, expected: float
) -> None:
    """Bundle adjustment finds the true one, 0.94; what was known before says 1.05."""
    scene, database = orbit
    frames = scene.frames()
    attempt = attempts_for(1.05)[0]
    job = mapping_job(attempt, frames, frames.shots[0], database, 0, 60)
    job["belief"] = {"focal": 1.05 * 480, "spread": spread, "looks": 240}
    solved = run_model_job(job, frames, tmp_path, ignore)
    assert solved is not None
    assert solved.lens.focal / 480 == pytest.approx(expected, rel=0.02)


def test_trials_side_by_side_are_those_one_after_another(
    orbit: tuple[SceneFolder, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, database = orbit
    frames = scene.frames()
    (shot,) = frames.shots
    nothing = Matches(np.zeros((0, 2), np.int64), (), ())
    found = []
    for processes in (1, 3):
        monkeypatch.setattr("recon.solver_process.PROCESSES", processes)
        found.append(sweep_focal(frames, shot, nothing, database, tmp_path, seed=0, on_event=ignore))
    assert found[0] is not None
    assert found[0] == found[1]


def test_no_sweep_with_much_parallax_or_few_frames_placed() -> None:
    assert summed_up(trials([0.9] * 6, [0.5] * 6, parallax=20.0), 8) is None
    assert summed_up(trials([0.9] * 6, [0.5] * 6), 16) is None


def test_trials_that_ended_in_different_solutions_say_nothing() -> None:
    smooth = summed_up(trials([0.9] * 6, [0.7, 0.6, 0.5, 0.4, 0.5, 0.6]), 8)
    assert smooth is not None
    assert summed_up(trials([0.9] * 6, [0.5, 0.9, 0.5, 0.9, 0.4, 0.5]), 8) is None


def test_what_is_far_off_is_not_tried() -> None:
    """The longest and shortest focal lengths only where the scores do not rise towards them."""
    rows = [
        Trial(focal, px, 0.9, 8, 3.0, None)
        for focal, px in zip((0.72, 0.85, 1.0, 1.2, 1.45), (0.8, 0.7, 0.6, 0.5, 0.5), strict=True)
    ]
    tried = [focal for focal, _ in finer(rows, None)]
    assert 1.75 in tried
    assert 0.6 not in tried
    assert all(focal > 1.0 for focal in tried)


def test_frames_are_placed_in_the_model_of_a_few(orbit: tuple[SceneFolder, Path], tmp_path: Path) -> None:
    """With the lens of the attempt, not that of the model."""
    scene, database = orbit
    frames = scene.frames()
    (shot,) = frames.shots
    few = [frames.file_name(number) for number in shot.numbers[::2]]
    scratch, arc = tmp_path / "few", textured_room.arc(9, 18.0)
    job = mapping_job(sweep_attempt(1.0, None, few), frames, shot, database, 0, 60)
    run_job(
        {**job, "names": few, "result": str(tmp_path / "few.npz"), "scratch": str(scratch)},
        tmp_path,
        lambda done, total, note: None,
    )
    attempt = attempts_for(450 / 480, None, scratch / "0")[0]
    job = mapping_job(attempt, frames, shot, database, 0, 60)
    solved = run_model_job(job, frames, tmp_path, ignore)
    assert solved is not None
    assert len(solved.numbers) == shot.frames
    assert solved.lens.focal == pytest.approx(450)
    turns = [poses[0, :3, :3].T @ poses[-1, :3, :3] for poses in (solved.world_from_camera, arc)]
    assert np.degrees(np.arccos((np.trace(turns[0].T @ turns[1]) - 1) / 2)) < 0.2


def test_a_frame_without_matches_leaves_the_others_their_places(
    orbit: tuple[SceneFolder, Path], tmp_path: Path
) -> None:
    """What cannot be filled is grown by the mapper, from the same few frames."""
    scene, database = orbit
    frames = scene.frames()
    (shot,) = frames.shots
    few = [frames.file_name(number) for number in shot.numbers[::2]]
    lonely = tmp_path / "lonely.db"
    shutil.copyfile(database, lonely)
    with closing(sqlite3.connect(lonely)) as connection, connection:
        (image,) = connection.execute("SELECT image_id FROM images WHERE name = ?", (frames.file_name(3),))
        # COLMAP numbers a pair by the lower image times 2^31 - 1 plus the other.
        for place in (f"pair_id / {2**31 - 1} = {image[0]}", f"pair_id % {2**31 - 1} = {image[0]}"):
            connection.execute(f"DELETE FROM two_view_geometries WHERE {place}")
            connection.execute(f"DELETE FROM matches WHERE {place}")
    job = mapping_job(sweep_attempt(450 / 480, None, few), frames, shot, lonely, 0, 60)
    where = {"result": str(tmp_path / "few.npz"), "scratch": str(tmp_path / "few")}
    run_job({**job, "names": few, **where}, tmp_path, lambda done, total, note: None)
    attempt = attempts_for(450 / 480, None, tmp_path / "few" / "0")[0]
    solved = run_model_job(mapping_job(attempt, frames, shot, lonely, 0, 60), frames, tmp_path, ignore)
    assert solved is not None
    assert solved.numbers.tolist() == [number for number in shot.numbers if number != 3]


def test_a_model_that_lost_matches_is_not_settled_for() -> None:
    swept = summed_up(trials([0.9] * 6, [0.5] * 6), 8)
    solved = [Mock(explained=explained) for explained in (0.95, 0.85, 0.75)]
    assert [_lost(found, swept) for found in solved] == [False, False, True]
    assert not _lost(solved[-1], None)


@pytest.mark.parametrize("frames", [3, 16, 29, 90, 300])
def test_few_frames_are_frames_that_are_matched(frames: int) -> None:
    few = few_frames(Shot(0, 100, frames))
    step = few[1] - few[0]
    assert few[0] == 100
    assert step & (step - 1) == 0  # a power of two, as the pairs of sequential matching are
    assert min(frames, 5) <= len(few) <= 16


@pytest.mark.parametrize(("move", "words"), [("tripod", "stands still"), ("pan", "only turns")])
def test_without_a_baseline_there_is_a_flat_scene(tmp_path: Path, move: str, words: str) -> None:
    """COLMAP's defaults place all frames of the pan, with 3° of parallax, by a wrong focal length."""
    scene = textured_room.clip(tmp_path / "scene", textured_room.lens(), path_of(move))
    ((cameras, points),) = place_cameras(scene).values()
    assert cameras.verdict == "unsure"
    assert words in cameras.reason
    assert "sideways" in cameras.reason
    assert len(cameras) == len(path_of(move))
    assert np.ptp(cameras.centres, axis=0).max() < 1e-9
    assert len(points) > 300
    # In every view the points fill the picture, with the picture's colours.
    frames = scene.frames()
    for i in (0, len(cameras) - 1):
        at = points.xyz @ cameras.camera_from_world[i, :3, :3].T + cameras.camera_from_world[i, :3, 3]
        pixels = (at @ cameras.K[i].T)[:, :2] / at[:, 2:]
        inside = (at[:, 2] > 0) & (pixels > 0).all(1) & (pixels < [frames.width, frames.height]).all(1)
        cells = np.unique((pixels[inside] // 32).astype(int), axis=0)
        assert len(cells) >= 0.95 * (frames.width // 32) * (frames.height // 32)


def test_a_small_orbit_gets_its_focal_length(tmp_path: Path) -> None:
    """COLMAP's defaults find no 6° orbit, or a focal length far too long."""
    lens, poses = textured_room.lens(480, 360, 450.0), textured_room.arc(17, 6.0)
    scene = textured_room.clip(tmp_path / "scene", lens, poses)
    truth = read_truth(textured_room.sidecar(tmp_path / "clip.json", lens, poses), scene.frames())
    ((cameras, _),) = place_cameras(scene).values()
    error = pose_error(cameras, truth)
    assert error["cameras"] == 17
    assert (error["rotation_deg"] or 0) < 0.5
    assert (error["focal_percent"] or 0) < 25
    report = json.loads(scene.report_path.read_text())["shots"][0]
    assert report["attempts"][-1]["name"] == "swept"
    assert report["focal_sweep"]["parallax_deg"] < 15
