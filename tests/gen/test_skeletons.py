"""Poses as data: files in and out, drawing, fitting to a photo; the mannequin; edges and depth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen.errors import GenerateError
from gen.poses.files import body_from_coco, read_poses, write_coco, write_npz, write_openpose
from gen.poses.mannequin import Mannequin, part_colours, perform
from gen.poses.skeletons import COLOURS, JOINTS, Poses, draw_skeletons, fill_gaps, retarget

NECK, RIGHT_WRIST, LEFT_HIP = JOINTS.index("neck"), JOINTS.index("right_wrist"), JOINTS.index("left_hip")


@pytest.fixture(scope="module")
def waving() -> Mannequin:
    return perform("wave", frames=5, width=160, height=224)


@pytest.fixture
def poses(waving: Mannequin) -> Poses:
    """Two people, one of them gone in the third frame, with hands."""
    body = np.concatenate([waving.poses.body, waving.poses.body * [0.5, 0.5, 0.75]], 1).astype(np.float32)
    body[2, 1] = 0
    hands = np.random.default_rng(0).uniform(0.3, 1, (5, 2, 2, 21, 3)).astype(np.float32)
    hands[..., :2] *= 100
    hands[2, 1] = 0
    return Poses(body, 160, 224, hands)


def test_openpose_files_round_trip(poses: Poses, tmp_path: Path) -> None:
    write_openpose(poses, tmp_path / "pose")
    back = read_poses(tmp_path / "pose")
    assert (back.width, back.height) == (160, 224)
    assert np.allclose(back.body, poses.body, atol=1e-3)
    assert back.hands is not None
    assert poses.hands is not None
    assert np.allclose(back.hands, poses.hands, atol=1e-3)


def test_npz_round_trip(poses: Poses, tmp_path: Path) -> None:
    write_npz(poses, tmp_path / "pose.npz")
    back = read_poses(tmp_path / "pose.npz")
    assert np.array_equal(back.body, poses.body)


def test_coco_round_trip_but_for_the_neck(poses: Poses, tmp_path: Path) -> None:
    write_coco(poses, tmp_path / "pose.json")
    back = read_poses(tmp_path / "pose.json")
    others = [joint for joint in range(18) if joint != NECK]
    assert np.allclose(back.body[:, :, others], poses.body[:, :, others], atol=1e-3)
    shoulders = poses.body[0, 0, [JOINTS.index("right_shoulder"), JOINTS.index("left_shoulder")], :2]
    assert np.allclose(back.body[0, 0, NECK, :2], shoulders.mean(0), atol=1e-3)
    assert (back.body[2, 1, :, 2] == 0).all()


def test_wholebody_has_hands(tmp_path: Path) -> None:
    points = np.stack([np.arange(133), np.arange(133) * 2, np.full(133, 0.9)], -1)
    entry = {"image_id": 0, "keypoints": points.ravel().tolist()}
    (tmp_path / "whole.json").write_text(json.dumps([entry]))
    read = read_poses(tmp_path / "whole.json", size=(400, 400))
    assert read.hands is not None
    assert read.hands[0, 0, 0, 0, 0] == 91
    assert read.hands[0, 0, 1, 20, 0] == 132
    assert read.body[0, 0, RIGHT_WRIST, 0] == 10  # COCO's right wrist


def test_body_25_drops_the_middle_of_the_hips(tmp_path: Path) -> None:
    person = {
        "pose_keypoints_2d": np.stack([np.arange(25.0), np.arange(25), np.ones(25)], -1).ravel().tolist()
    }
    tmp_path.joinpath("a_000_keypoints.json").write_text(json.dumps({"people": [person]}))
    body = read_poses(tmp_path, size=(64, 64)).body[0, 0]
    assert body[JOINTS.index("right_hip"), 0] == 9
    assert body[LEFT_HIP, 0] == 12
    assert body[JOINTS.index("left_ear"), 0] == 18


def test_parts_of_a_picture_become_pixels(tmp_path: Path) -> None:
    person = {"pose_keypoints_2d": [0.5, 0.25, 0.9] * 18}
    tmp_path.joinpath("a_7.json").write_text(json.dumps({"people": [person]}))
    assert read_poses(tmp_path, size=(640, 480)).body[0, 0, 0].tolist() == pytest.approx([320, 120, 0.9])


def test_a_hidden_shoulder_hides_the_neck() -> None:
    points = np.ones((17, 3))
    points[5, 2] = 0
    assert body_from_coco(points)[NECK].tolist() == [0, 0, 0]


def test_joints_are_drawn_in_their_colours(waving: Mannequin) -> None:
    pictures = draw_skeletons(waving.poses)
    assert pictures.shape == (5, 224, 160, 3)
    for joint in ("right_wrist", "left_ankle", "neck"):
        number = JOINTS.index(joint)
        x, y, _ = waving.poses.body[0, 0, number].round().astype(int)
        assert np.array_equal(pictures[0, y, x], COLOURS[number])


def test_missing_joints_are_not_drawn(waving: Mannequin) -> None:
    body = waving.poses.body.copy()
    whole = draw_skeletons(waving.poses)[0]
    body[0, 0, RIGHT_WRIST] = 0
    without = draw_skeletons(replace(waving.poses, body=body))[0]
    x, y, _ = waving.poses.body[0, 0, RIGHT_WRIST].round().astype(int)
    assert whole[y, x].any()
    assert not without[y - 3 : y + 4, x - 3 : x + 4].any()
    assert not without[:3, :3].any()  # nor drawn at the origin
    body[:] = 0
    assert not draw_skeletons(replace(waving.poses, body=body)).any()


def test_short_gaps_are_bridged(waving: Mannequin) -> None:
    body = waving.poses.body.copy()
    body[1:3, 0, LEFT_HIP] = 0
    filled = fill_gaps(replace(waving.poses, body=body)).body
    assert np.allclose(filled[:, 0, LEFT_HIP], waving.poses.body[:, 0, LEFT_HIP], atol=0.5)
    assert (fill_gaps(replace(waving.poses, body=body), longest=1).body[1:3, 0, LEFT_HIP] == 0).all()


def test_a_motion_moves_onto_the_photo(waving: Mannequin) -> None:
    photo = waving.photo_pose
    elsewhere = photo.scaled(480, 480)
    fitted = retarget(waving.poses, elsewhere)
    assert (fitted.width, fitted.height) == (480, 480)
    legs = [JOINTS.index(name) for name in ("left_ankle", "right_ankle", "left_hip", "neck")]
    assert np.allclose(fitted.body[0, 0, legs], elsewhere.body[0, 0, legs], atol=1.5)
    # The motion is the driving one, three times as large.
    factor = 480 / 160
    wrist = fitted.body[:, 0, RIGHT_WRIST, :2] - fitted.body[:, 0, NECK, :2]
    driving = waving.poses.body[:, 0, RIGHT_WRIST, :2] - waving.poses.body[:, 0, NECK, :2]
    assert np.allclose(wrist, driving * factor, atol=1)


def test_proportions_of_the_photo(waving: Mannequin) -> None:
    body = waving.photo_pose.body.copy()
    knee, ankle = JOINTS.index("left_knee"), JOINTS.index("left_ankle")
    body[0, 0, ankle, 1] += 20
    photo = replace(waving.photo_pose, body=body)
    wanted = np.linalg.norm(body[0, 0, ankle, :2] - body[0, 0, knee, :2])

    def shank(poses: Poses) -> float:
        return float(np.linalg.norm(poses.body[0, 0, ankle, :2] - poses.body[0, 0, knee, :2]))

    assert shank(retarget(waving.poses, photo, proportions=True)) == pytest.approx(wanted, rel=0.02)
    assert shank(retarget(waving.poses, photo)) < 0.8 * wanted


@pytest.mark.parametrize("action", ["walk", "wave", "turn"])
def test_joints_lie_on_the_mannequin(action) -> None:
    show = perform(action, frames=6, width=160, height=224)
    assert show.frames.shape == (6, 224, 160, 3)
    for frame in range(6):
        for x, y, seen in show.poses.body[frame, 0]:
            if seen:
                assert show.parts[frame, round(float(y)), round(float(x))] > 0
    assert set(np.unique(show.parts)) <= set(range(25))
    moving = np.abs(np.diff(show.frames.astype(int), axis=0)).max(-1) > 30
    person = (show.parts[1:] > 0) | (show.parts[:-1] > 0)
    assert moving.any()
    grown = np.pad(person, ((0, 0), (1, 1), (1, 1)))
    near = np.any(
        [grown[:, 1 + y : 225 + y, 1 + x : 161 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0
    )
    assert not moving[~near].any()


def test_turned_away_it_has_no_face() -> None:
    show = perform("turn", frames=4, width=160, height=224)
    eyes = [JOINTS.index("left_eye"), JOINTS.index("right_eye"), JOINTS.index("nose")]
    assert (show.poses.body[0, 0, eyes, 2] == 1).all()
    assert (show.poses.body[2, 0, eyes, 2] == 0).all()
    front, back = set(np.unique(show.parts[0])), set(np.unique(show.parts[2]))
    assert {2, 23} <= front
    assert {1, 24} <= back
    assert not {1, 24} & front


def test_parts_have_colours_of_their_own() -> None:
    colours = part_colours(np.arange(25, dtype=np.uint8))
    assert len(np.unique(colours, axis=0)) == 25


def openpose_folder(folder: Path, numbers: list[int]) -> Path:
    folder.mkdir()
    person = {"pose_keypoints_2d": [5, 5, 1] * 18}
    for number in numbers:
        (folder / f"clip_{number:04d}_keypoints.json").write_text(json.dumps({"people": [person]}))
    return folder


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: openpose_folder(p / "gaps", [0, 1, 3, 4, 7]), ["frame 0 to 7", "3 of them", "2, 5, 6"]),
        (lambda p: openpose_folder(p / "empty", []), ["no JSON files"]),
        (lambda p: p / "absent.json", ["is not there"]),
        (lambda p: p / "absent.txt", ["is not there", "OpenPose"]),
        (lambda p: _written(p / "broken.json", "{"), ["is no JSON"]),
        (lambda p: _written(p / "other.json", '{"a": 1}'), ["no COCO annotations"]),
        (lambda p: _written(p / "short.json", '[{"image_id": 0, "keypoints": [1, 2, 1]}]'), ["17 or 133"]),
        (lambda p: _written(p / "text.npz", "no"), ["cannot be read as poses"]),
        (lambda p: _written(p / "clip.mp4", "no"), ["is no pose file"]),
    ],
)
def test_wrong_files_are_a_sentence(make, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(GenerateError) as raised:
        read_poses(make(tmp_path), size=(64, 64))
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_an_unknown_size_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match="give width and height"):
        read_poses(openpose_folder(tmp_path / "pose", [0, 1]))


def test_a_photo_without_a_person_is_a_sentence(waving: Mannequin) -> None:
    nobody = replace(waving.photo_pose, body=np.zeros((1, 1, 18, 3), np.float32))
    with pytest.raises(GenerateError, match="0 limbs in common"):
        retarget(waving.poses, nobody)
