"""Camera moves: exact paths, and the best way that a model has to follow one."""

from __future__ import annotations

import numpy as np
import pytest

from gen.errors import GenerateError
from gen.models.camera import CAMERA_WORDS, direct
from gen.models.catalogue import CATALOGUE
from gen.models.trajectories import Cameras, lens, trajectory


@pytest.mark.parametrize("move", sorted(set(CAMERA_WORDS) - {"zoom-in", "zoom-out"}))
def test_paths_of_cameras(move):
    path = trajectory(move, 9, distance=2.0).astype(float)
    assert np.array_equal(path[0], np.eye(4))
    turns = path[:, :3, :3]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (9, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-6)
    subject, forward = np.array([0, 0, 2.0]), path[-1, :3, 2]
    place = path[-1, :3, 3]
    if move.startswith(("orbit", "crane")):  # it looks at the subject all the time
        directions = (subject - path[:, :3, 3]) / np.linalg.norm(subject - path[:, :3, 3], axis=1)[:, None]
        np.testing.assert_allclose(path[:, :3, 2], directions, atol=1e-6)
    side = {"orbit-left": -1, "orbit-right": 1, "truck-left": -1, "truck-right": 1}.get(move)
    if side:
        assert place[0] * side > 0
    if move.startswith("crane"):
        assert place[1] * (-1 if move == "crane-up" else 1) > 0  # y points down
    if move.startswith("dolly"):
        assert place[2] * (1 if move == "dolly-in" else -1) > 0
    if move.startswith("pan"):
        assert forward[0] * (-1 if move == "pan-left" else 1) > 0
    if move.startswith("tilt"):
        assert forward[1] * (-1 if move == "tilt-up" else 1) > 0
    if move.startswith("roll"):  # the right side of a camera that rolls clockwise goes down
        assert path[-1, 1, 0] * (1 if move == "roll-cw" else -1) > 0


def test_moves_that_are_opposite_mirror_each_other():
    flip = np.diag([-1.0, 1, 1, 1])
    for kind in ("orbit", "truck", "pan"):
        left, right = trajectory(f"{kind}-left", 5), trajectory(f"{kind}-right", 5)
        np.testing.assert_allclose(flip @ left @ flip, right, atol=1e-6)


def test_the_degrees_of_a_move_are_its_turn_or_an_error():
    for kind in ("orbit-left", "pan-right", "tilt-up", "roll-cw"):
        turn = trajectory(kind, 5, degrees=12.0)[-1, :3, :3]
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(12, abs=1e-3)
    with pytest.raises(GenerateError, match="a dolly-in does not turn"):
        trajectory("dolly-in", 5, degrees=12.0)
    words_only = next(spec for spec in CATALOGUE if spec.name == "wan-2.2-5b")
    with pytest.raises(GenerateError, match="follows no exact cameras"):
        direct(words_only, "orbit-left", frames=9, width=64, height=64, degrees=12.0)


def test_each_model_gets_a_move_the_best_way_it_has():
    by = {spec.name: spec for spec in CATALOGUE}
    size = {"frames": 9, "width": 64, "height": 48}
    exact = direct(by["sana-wm"], "orbit-left", **size)
    assert isinstance(exact.cameras, Cameras)
    assert exact.cameras.intrinsics == lens(64, 48)
    lora = direct(by["cogvideox-5b-i2v"], "orbit-left", **size)
    assert lora.by == "lora"
    assert lora.loras == (by["cogvideox-5b-i2v"].camera_loras["orbit-left"],)
    assert direct(by["wan-2.2-5b"], "orbit-left", **size).words == CAMERA_WORDS["orbit-left"]
    with pytest.raises(GenerateError, match=r'"orbit-lft" \(did you mean "orbit-left"'):
        direct(by["sana-wm"], "orbit-lft", **size)
