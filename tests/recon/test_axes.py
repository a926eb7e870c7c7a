"""Cameras with other axes than their format promises are recognised, and never turned unasked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recon.camera_axes import AXES, Axes, world_from_camera
from recon.camera_files import OPENGL
from recon.errors import CameraSolveError, FormatError
from recon.events import ignore
from recon.known_cameras import KnownCameras, read_known, solve_with, use_known
from recon.known_files import read_file
from recon.scene import SceneFolder
from recon.types import Frames
from tests.recon import textured_room

UNITY = np.diag([1.0, -1.0, 1.0, 1.0])
LENS, POSES = textured_room.lens(), textured_room.arc(6)


def written(axes: Axes) -> np.ndarray:
    """[F, 4, 4] the same cameras as another program would write them."""
    return {
        "opencv": POSES,
        "opengl": POSES @ OPENGL,
        "unity": UNITY @ POSES @ UNITY,
        "opencv-inverse": np.linalg.inv(POSES),
        "opengl-inverse": np.linalg.inv(POSES @ OPENGL),
    }[axes]


def transforms(path: Path, poses: np.ndarray, **more: object) -> Path:
    frames = [{"file_path": f"{i}.png", "transform_matrix": pose.tolist()} for i, pose in enumerate(poses)]
    path.write_text(json.dumps({"w": 320, "h": 240, "fl_x": 300.0, "frames": frames, **more}))
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SceneFolder:
    return textured_room.clip(tmp_path_factory.mktemp("axes") / "scene", LENS, POSES)


@pytest.fixture
def frames(scene: SceneFolder) -> Frames:
    return scene.frames()


@pytest.mark.parametrize("axes", AXES)
def test_every_way_to_write_a_pose_comes_back(axes: Axes, tmp_path: Path, frames: Frames) -> None:
    assert np.allclose(world_from_camera(written(axes), axes), POSES, atol=1e-12)
    path = transforms(tmp_path / "cameras.json", written(axes))
    for known in (
        read_known(path, frames, axes=axes),
        read_known(transforms(path, written(axes), convention=axes), frames),
    ):
        assert np.allclose(known.world_from_camera, POSES, atol=1e-9)
        assert known.axes == axes


def test_what_a_format_says_without_a_word(tmp_path: Path, frames: Frames) -> None:
    assert read_known(transforms(tmp_path / "a.json", written("opengl")), frames).axes == "opengl"
    assert read_known(textured_room.sidecar(tmp_path / "b.json", LENS, POSES), frames).axes == "opencv"
    with pytest.raises(FormatError, match="found \"convention\": 'blender', expected one of opencv, opengl"):
        read_known(transforms(tmp_path / "c.json", POSES, convention="blender"), frames)


def test_up_of_a_mirrored_world(tmp_path: Path, frames: Frames) -> None:
    path = textured_room.sidecar(tmp_path / "a.json", LENS, written("unity"))
    known = read_known(path, frames, axes="unity")
    assert known.up is not None
    assert known.up.tolist() == [0, 1, 0]  # the file says (0, -1, 0) in its own world


@pytest.mark.parametrize("axes", ["opengl", "opencv-inverse"])
def test_a_sidecar_with_other_axes(axes: Axes, scene: SceneFolder, frames: Frames, tmp_path: Path) -> None:
    """Refused with what to say; and once it is said, taken."""
    path = textured_room.sidecar(tmp_path / "clip.json", LENS, written(axes))
    with pytest.raises(
        CameraSolveError, match=rf"but they do when read .*; pass --camera-axes {axes}, or put \"convention\""
    ) as caught:
        use_known(path, frames, frames.shots[0], tmp_path / "work", on_event=ignore)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    solution, _ = use_known(path, frames, frames.shots[0], tmp_path / "work", axes=axes, on_event=ignore)
    assert solution.judgement.verdict == "good"
    assert np.allclose(solution.solved.world_from_camera, POSES, atol=1e-9)


def test_a_transforms_json_in_opencv_axes(frames: Frames, tmp_path: Path) -> None:
    path = transforms(tmp_path / "transforms.json", POSES)
    with pytest.raises(CameraSolveError, match=r"when read with OpenCV axes \(y down, z forwards\); pass"):
        use_known(path, frames, frames.shots[0], tmp_path / "work", on_event=ignore)


def test_cameras_that_fit_in_no_way(frames: Frames, tmp_path: Path) -> None:
    path = transforms(tmp_path / "transforms.json", written("opengl")[::-1] @ textured_room.arc(6))
    with pytest.raises(CameraSolveError, match=r"of the matched features agree .* any other axes we know"):
        use_known(path, frames, frames.shots[0], tmp_path / "work", on_event=ignore)


def test_a_lens_for_another_size_and_aspect(frames: Frames, tmp_path: Path) -> None:
    """A focal length is one of the image size beside it; pixels need not be square."""
    path = transforms(tmp_path / "a.json", written("opengl"), w=1280, h=960, fl_x=1200.0, fl_y=1100.0)
    K = read_known(path, frames).lens.K
    assert (K[0, 0], K[1, 1], K[0, 2], K[1, 2]) == (300, 275, 160, 120)
    frame = {"file_path": "x.png", "transform_matrix": POSES[0].tolist(), "w": 240, "h": 320}
    content = json.loads(transforms(path, written("opengl")).read_text())
    path.write_text(json.dumps({**content, "frames": [*content["frames"][:-1], frame]}))
    with pytest.raises(FormatError, match="found cameras for 240x320 images, the frames are 320x240"):
        read_known(path, frames)


def test_cameras_from_elsewhere_are_judged_not_refused(frames: Frames, tmp_path: Path) -> None:
    for poses, explains in ((POSES, True), (POSES[::-1], False)):
        known = KnownCameras(np.arange(6), poses, LENS)
        found = solve_with(known, frames, frames.shots[0], tmp_path, source="a model", on_event=ignore)
        assert (found.judgement.verdict == "good") == explains


def test_a_sidecar_of_a_zoom_has_a_lens_per_frame(frames: Frames, tmp_path: Path) -> None:
    path = textured_room.sidecar(tmp_path / "zoom.json", LENS, POSES)
    content = json.loads(path.read_text())
    focals = [300.0 + 10.0 * i for i in range(len(POSES))]
    content["cameras"]["intrinsics"] |= {"fx": focals, "fy": focals}
    path.write_text(json.dumps(content))
    assert [lens.focal for lens in read_file(path, frames).lenses] == focals
    assert read_known(path, frames).zooms
