"""What moves by itself is found, and nothing else: drawn rooms whose truth is known, and a real clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from recon.errors import FormatError
from recon.motion import MotionMasks, motion_masks, read_masks, write_masks
from recon.rigid_flow import rigid_masks, static_flow
from recon.splitting import split
from recon.types import Frames
from tests.recon import moving_room, textured_room

FRAMES = 9
CAMERA = textured_room.lens()


def room(folder: Path, camera: str) -> Frames:
    """A still room."""
    pictures = textured_room.textures()
    poses = moving_room.camera_path(camera, FRAMES)
    return textured_room.folder_of(
        folder, [textured_room.draw(pose, CAMERA, pictures) for pose in poses]
    ).frames()


PANEL = ((-0.1, -0.15, 1.1, 0.3),)
"""Middle (x, y, z) and side."""


def room_with_panels(
    folder: Path,
    camera: str,
    panels: tuple[tuple[float, float, float, float], ...] = PANEL,
    *,
    path: np.ndarray | None = None,  # [F, 2]
) -> tuple[Frames, np.ndarray]:
    """A room in which panels move along a path (up and a little aside), and [F, H, W] bool where they are."""
    if path is None:
        path = np.linspace(0, 1, FRAMES)[:, None] * [0.15, -0.3]
    pictures, poses = textured_room.textures(), moving_room.camera_path(camera, FRAMES)
    drawn = [
        moving_room.draw(pose, CAMERA, pictures, [(x + dx, y + dy, z, side) for x, y, z, side in panels])
        for pose, (dx, dy) in zip(poses, path, strict=True)
    ]
    frames = textured_room.folder_of(folder, [image for image, _ in drawn]).frames()
    return frames, np.array([mask for _, mask in drawn])


def iou(found: np.ndarray, true: np.ndarray) -> float:
    """Mean over the frames [F, h, w] of intersection over union."""
    both, either = (found & true).sum((1, 2)), (found | true).sum((1, 2))
    return float((both / np.maximum(1, either)).mean())


@pytest.mark.parametrize("camera", ["arc6", "arc20", "sideways", "forwards", "pan", "tripod"])
def test_nothing_moves_in_a_still_room(tmp_path: Path, camera: str) -> None:
    frames = room(tmp_path / "scene", camera)
    found = motion_masks(frames, frames.shots[0])
    assert found.share.mean() < 0.01
    assert found.trusted
    assert not found.polarity_swapped


@pytest.mark.parametrize(
    ("camera", "kind"),
    [("arc20", "moving"), ("forwards", "moving"), ("pan", "turning"), ("tripod", "still")],
)
def test_a_moving_panel_is_found(tmp_path: Path, camera: str, kind: str) -> None:
    frames, true = room_with_panels(tmp_path / "scene", camera)
    found = motion_masks(frames, frames.shots[0])
    assert found.camera == kind
    assert iou(found.masks, true) > 0.6
    again = motion_masks(frames, frames.shots[0])
    assert np.array_equal(found.masks, again.masks)


def test_a_mover_that_fills_the_picture_is_not_the_scene(tmp_path: Path) -> None:
    panels = ((-0.15, -0.3, 1.4, 0.75), (0.3, -0.3, 1.2, 0.5), (0.05, -0.25, 0.95, 0.4))
    path = np.linspace(-0.5, 0.5, FRAMES)[:, None] * [0.05, -0.2]
    frames, true = room_with_panels(tmp_path / "scene", "arc20", panels, path=path)
    assert 0.5 < true.mean() < 0.85
    found = motion_masks(frames, frames.shots[0])
    assert found.polarity_swapped
    assert iou(found.masks, true) > 0.6


def test_grey_frames_say_nothing(tmp_path: Path) -> None:
    frames = textured_room.folder_of(tmp_path / "s", [np.full((90, 160, 3), 128, np.uint8)] * 4).frames()
    found = motion_masks(frames, frames.shots[0])
    assert not found.trusted
    assert not found.masks.any()


def test_static_flow_tells_true_cameras_from_wrong_ones(tmp_path: Path) -> None:
    frames, poses = room(tmp_path / "scene", "arc20"), moving_room.camera_path("arc20", FRAMES)
    numbers, points = np.arange(FRAMES), moving_room.points_in_the_room()
    assert static_flow(frames, numbers, poses, CAMERA, points).explained > 0.95
    rng, wrong = np.random.default_rng(0), poses.copy()
    turns = Rotation.from_rotvec(np.radians(3 / 3**0.5) * rng.normal(size=(FRAMES, 3)))
    wrong[:, :3, :3] = poses[:, :3, :3] @ turns.as_matrix()
    assert static_flow(frames, numbers, wrong, CAMERA, points).explained < 0.3
    backwards = poses.copy()
    backwards[:, :3, 3] *= -1
    assert static_flow(frames, numbers, backwards, CAMERA, points).explained < 0.5


def test_the_second_pass_sees_along_the_epipolar_lines(tmp_path: Path) -> None:
    """A panel that goes to and fro as the camera goes sideways obeys every epipolar constraint."""
    path = 0.1 * np.sin(np.linspace(0, 2 * np.pi, FRAMES))[:, None] * [1.0, 0.0]
    frames, true = room_with_panels(tmp_path / "scene", "sideways", path=path)
    poses, points = moving_room.camera_path("sideways", FRAMES), moving_room.points_in_the_room()
    numbers, first = np.arange(FRAMES), motion_masks(frames, frames.shots[0])
    assert iou(first.masks, true) < 0.3
    found = rigid_masks(frames, numbers, poses, CAMERA, points, first=first)
    assert iou(found.masks, true) > 0.6
    seen = static_flow(frames, numbers, poses, CAMERA, points)
    assert static_flow(frames, numbers, poses, CAMERA, points, masks=found).explained > seen.explained


def test_the_second_pass_leaves_a_still_room(tmp_path: Path) -> None:
    frames, poses = room(tmp_path / "scene", "arc20"), moving_room.camera_path("arc20", FRAMES)
    found = rigid_masks(frames, np.arange(FRAMES), poses, CAMERA, moving_room.points_in_the_room())
    assert found.share.mean() < 0.01


def test_masks_on_disk(tmp_path: Path) -> None:
    frames = room(tmp_path / "scene", "tripod")
    masks = np.zeros((FRAMES, 120, 160), bool)
    masks[:, 40:80, 60:100] = True
    write_masks(MotionMasks(np.arange(FRAMES), masks, "moving"), frames, tmp_path / "masks")
    with Image.open(tmp_path / "masks" / "00003.png.png") as picture:
        assert (picture.size, picture.mode) == ((320, 240), "L")
        values = np.asarray(picture)
    assert set(np.unique(values)) == {0, 255}
    assert values[120, 160] == 0
    assert values[120, 118] == 0  # 2 of the 3.5 pixels by which movers are widened
    assert values[120, 110] == 255
    given = read_masks(tmp_path / "masks", frames, frames.shots[0])
    assert np.array_equal(given.masks[3], values == 0)
    assert given.camera == "given"
    assert not given.note


def save_masks(folder: Path, names: list[str], size: tuple[int, int] = (160, 120), value: int = 255) -> Path:
    folder.mkdir()
    for name in names:
        Image.new("L", size, value).save(folder / name)
    return folder


def test_masks_of_other_names_and_wrong_polarity(tmp_path: Path) -> None:
    frames = room(tmp_path / "scene", "tripod")
    folder = save_masks(tmp_path / "black", [f"mask_{i}.png" for i in range(FRAMES)], value=0)
    given = read_masks(folder, frames, frames.shots[0])
    assert given.masks.all()
    assert not given.trusted
    assert "invert" in given.note


@pytest.mark.parametrize(
    ("names", "size", "problem"),
    [
        (["00000.png", "00002.png"], (160, 120), "no mask for 7 of 9 frames such as 00001.png"),
        (["a.png", "b.png"], (160, 120), "holds 2 images for 9 frames"),
        ([Frames.file_name(i) for i in range(FRAMES)], (160, 160), "has 160x160 pixels but the frames have"),
        ([], (1, 1), "holds no images"),
    ],
)
def test_masks_that_do_not_fit(tmp_path: Path, names: list[str], size: tuple[int, int], problem: str) -> None:
    frames = room(tmp_path / "scene", "tripod")
    with pytest.raises(FormatError, match=problem):
        read_masks(save_masks(tmp_path / "masks", names, size), frames, frames.shots[0])
    with pytest.raises(FormatError, match="not a folder"):
        read_masks(tmp_path / "nowhere", frames, frames.shots[0])


def test_broken_mask(tmp_path: Path) -> None:
    frames = room(tmp_path / "scene", "tripod")
    folder = save_masks(tmp_path / "masks", [Frames.file_name(i) for i in range(FRAMES)])
    (folder / "00004.png").write_bytes(b"no image")
    with pytest.raises(FormatError, match=r"00004\.png cannot be read"):
        read_masks(folder, frames, frames.shots[0])


def test_camel(shared_clips: Path, tmp_path: Path) -> None:
    """A camera that turns after a walking camel; DAVIS has the truth."""
    frames = split(shared_clips / "camel.mp4", tmp_path / "scene", end=0.6).frames()
    found = motion_masks(frames, frames.shots[0])
    height, width = found.masks.shape[1:]
    true = []
    for number in range(0, len(frames), 6):
        with Image.open(shared_clips / "camel_masks" / Frames.file_name(number)) as picture:
            true.append(np.asarray(picture.resize((width, height), Image.Resampling.NEAREST)) > 0)
    assert iou(found.masks[::6], np.array(true)) > 0.65
