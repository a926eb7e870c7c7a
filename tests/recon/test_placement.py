"""Frames placed in a model that others made: as many and as right as if all had been mapped together."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recon import solve
from recon.agreement import rotations_apart
from recon.attempts import attempts_for
from recon.events import StageProgress, ignore
from recon.matches import Matches
from recon.matching import find_matches
from recon.scene import SceneFolder
from recon.solve import LONG_SHOT, Solved, judged, mapping_job, run_model_job
from recon.thinning import FEWEST, MATCHES, keyframes
from recon.types import Shot
from tests.recon import textured_room

COUNT = 16
POSES = textured_room.arc(COUNT, 12.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[SceneFolder, Path]:
    """A clip whose camera hardly moves from frame to frame, and its features."""
    folder = tmp_path_factory.mktemp("slow")
    scene = textured_room.clip(folder / "scene", textured_room.lens(), POSES)
    (shot,) = scene.frames().shots
    return scene, find_matches(scene.frames(), shot, folder, seed=0, on_event=ignore)[0]


def mapped(
    clip: tuple[SceneFolder, Path], work: Path, few: list[int], **options: object
) -> tuple[Solved, set[str]]:
    """The locked attempt with the true lens, and what was told."""
    scene, database = clip
    frames = scene.frames()
    attempt = attempts_for(300 / 320)[0]
    attempt = replace(attempt, options={**attempt.options, **options})
    job = mapping_job(attempt, frames, frames.shots[0], database, 0, 60, few)
    told: set[str] = set()
    found = run_model_job(
        *(job, frames, work), lambda e: told.add(e.note) if isinstance(e, StageProgress) else None
    )
    assert found is not None
    return found, told


def error_of(found: Solved) -> float:
    return rotations_apart(found.world_from_camera[:, :3, :3], POSES[found.numbers, :3, :3])


def test_thinned_places_all_frames_as_well_as_all_together(
    clip: tuple[SceneFolder, Path], tmp_path: Path
) -> None:
    whole, _ = mapped(clip, tmp_path, [])
    thinned, told = mapped(clip, tmp_path, list(range(0, COUNT, 4)))
    assert "placing the other frames" in told
    assert thinned.numbers.tolist() == whole.numbers.tolist() == list(range(COUNT))
    assert thinned.models == (COUNT,)
    assert error_of(thinned) < max(0.05, 1.2 * error_of(whole))
    assert thinned.explained > whole.explained - 0.02
    again, _ = mapped(clip, tmp_path, list(range(0, COUNT, 4)))
    np.testing.assert_array_equal(again.world_from_camera, thinned.world_from_camera)


def test_keyframes_that_do_not_hold_together_are_no_loss(
    clip: tuple[SceneFolder, Path], tmp_path: Path
) -> None:
    """The few are so few that no model comes of them: all are mapped."""
    found, told = mapped(clip, tmp_path, [0, COUNT - 1], min_model_size=3)
    assert "placing the other frames" not in told
    assert found.numbers.tolist() == list(range(COUNT))


def test_frames_left_out_by_the_mapper_are_placed(
    clip: tuple[SceneFolder, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [clip[0].frames().file_name(number) for number in range(COUNT) if number not in (4, 5, 15)]
    found, _ = mapped(clip, tmp_path, [], image_names=names)
    assert found.numbers.tolist() == list(range(COUNT))
    assert error_of(found) < 0.1
    # Unless the judge thinks less of what came out.
    worse = replace(judged(found, COUNT), verdict="failed")
    real = solve.judged
    monkeypatch.setattr(
        solve, "judged", lambda one, frames: worse if len(one.numbers) == COUNT else real(one, frames)
    )
    kept, _ = mapped(clip, tmp_path, [], image_names=names)
    assert len(kept.numbers) == len(names)


def linked(shot: Shot, reach: int, lost: tuple[int, ...] = ()) -> Matches:
    """Frames at most `reach` apart have matches, but none with the frames `lost`."""
    numbers = list(shot.numbers)
    pairs = [(a, b) for a, b in itertools.combinations(numbers, 2) if b - a <= 16]
    counts = [MATCHES if b - a <= reach and not {a, b} & set(lost) else 3 for a, b in pairs]
    points = tuple(np.zeros((count, 2)) for count in counts)
    return Matches(np.array(pairs), points, points)


@pytest.mark.parametrize(("frames", "reach", "stride"), [(135, 16, 4), (135, 2, 2), (135, 1, 0), (300, 9, 8)])
def test_keyframes_are_as_few_as_hang_together(frames: int, reach: int, stride: int) -> None:
    shot = Shot(0, 100, frames)
    found = keyframes(shot, linked(shot, reach))
    assert found == (list(shot.numbers)[::stride] if stride else [])


def test_short_shots_are_not_thinned_and_a_few_gaps_do_not_matter() -> None:
    short, long = Shot(0, 0, LONG_SHOT), Shot(0, 0, 4 * FEWEST)
    assert keyframes(short, linked(short, 16)) == []
    assert keyframes(long, linked(long, 16, (40, 44))) == list(range(0, 4 * FEWEST, 4))
    assert keyframes(long, linked(long, 16, tuple(range(0, 4 * FEWEST, 12)))) == []
