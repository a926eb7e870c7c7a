"""Laws of the agreement between attempts: worlds do not matter, parts turned against each other do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon import ladder
from recon.agreement import agreement, rotations_apart
from recon.events import ignore
from recon.judge import Judgement, judge
from recon.ladder import _beside_others
from recon.probe import Probe
from recon.solve import Solved
from recon.types import Points
from recon.world import Similarity
from tests.recon import textured_room

LENS, POSES = textured_room.lens(), textured_room.arc(12, 30.0)
NONE = Points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))


def solved(poses: np.ndarray, numbers: np.ndarray | None = None) -> Solved:
    numbers = np.arange(len(poses)) if numbers is None else numbers
    return Solved(numbers, poses, LENS, NONE, (len(poses),), 1.0)


def worth(one: Solved, verdict: str = "unsure") -> Judgement:
    found = judge(one.world_from_camera, one.numbers, one.points, LENS, len(POSES))
    return replace(found, verdict=verdict)  # type: ignore[arg-type]


def in_two_parts(degrees: float) -> np.ndarray:
    """[F, 4, 4] the last half turned against the first one."""
    poses = POSES.copy()
    poses[6:, :3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix() @ poses[6:, :3, :3]
    return poses


@pytest.mark.parametrize("seed", range(3))
def test_another_world_is_no_disagreement(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    moved = Similarity(float(np.exp(rng.normal())), turn, rng.normal(size=3)).poses(POSES)
    assert rotations_apart(POSES[:, :3, :3], moved[:, :3, :3]) < 1e-9
    other = solved(moved)
    found = agreement(solved(POSES), [("other", other, worth(other))], 12)
    assert found is not None
    assert found.rotation_deg == 0
    assert found.frames == 12


@pytest.mark.parametrize("degrees", [3.0, 40.0])
def test_a_model_in_two_parts_is_as_far_off_as_these_are(degrees: float) -> None:
    """Of 12 frames half against half 36 of the 66 pairs are wrong, so the median is."""
    split = solved(in_two_parts(degrees))
    found = agreement(solved(POSES), [("split", split, worth(split))], 12)
    assert found is not None
    assert found.rotation_deg == pytest.approx(degrees, abs=0.01)


def test_the_nearest_of_those_worth_listening_to_counts() -> None:
    split, near = solved(in_two_parts(40)), solved(in_two_parts(0.2)[2:], np.arange(2, 12))
    both = [("split", split, worth(split)), ("near", near, worth(near))]
    found = agreement(solved(POSES), both, 12)
    assert found is not None
    assert (found.attempt, found.frames) == ("near", 10)
    assert agreement(solved(POSES), [("failed", split, worth(split, "failed"))], 12) is None
    few = solved(POSES[:4])
    assert agreement(solved(POSES), [("few", few, worth(few))], 12) is None


@pytest.mark.parametrize(("degrees", "verdict"), [(0.5, "good"), (5.0, "unsure")])
def test_a_good_solution_that_no_other_attempt_agrees_with_is_doubted(degrees: float, verdict: str) -> None:
    best, other = solved(in_two_parts(degrees)), solved(POSES)
    tried = [("swept", other, worth(other)), ("global", best, worth(best, "good"))]
    rows: list[dict] = [{"name": "swept"}, {"name": "global"}]
    _, found = _beside_others(best, tried[1][2], tried, rows)
    assert found.verdict == verdict
    assert ("differ by" in found.reason) == (verdict == "unsure")
    assert rows[1]["agreement"]["attempt"] == "swept"
    assert "agreement" not in rows[0]


@pytest.mark.parametrize(("parallax", "asked"), [(7.0, True), (25.0, False)])
@pytest.mark.parametrize("off", [0.0, 30.0])
def test_without_a_sweep_a_second_opinion_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallax: float, asked: bool, off: float
) -> None:
    """When the first attempt is good but of little parallax; the verdict then hangs on both."""
    frames = textured_room.folder_of(tmp_path / "s", [np.zeros((90, 160, 3), np.uint8)] * 12).frames()
    answers = iter([solved(POSES), solved(in_two_parts(off))])
    good = replace(worth(solved(POSES)), verdict="good", parallax_deg=parallax, focal_sane=True, placed=12)
    monkeypatch.setattr(ladder, "run_model_job", lambda *given: next(answers))
    monkeypatch.setattr(ladder, "judged", lambda *given: good)
    look = Probe("moving", (1,), (3.0,), (0.2,))
    best, rows, _ = ladder._climb(
        frames, frames.shots[0], tmp_path / "none.db", tmp_path, None, look, [], 0, ignore
    )
    assert best is not None
    assert [row["name"] for row in rows] == (["default", "wide"] if asked else ["default"])
    assert best[1].verdict == ("unsure" if asked and off else "good")
