"""Masks of what moves, before and after the solve, and the static-flow test, on drawn rooms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from recon import motion
from recon.cameras import place_cameras
from recon.errors import FormatError
from recon.mask_cleaning import by_colour
from recon.motion import MotionMasks, motion_masks, read_masks, write_masks
from recon.rigid_flow import rigid_masks, static_flow
from recon.scene import SceneFolder
from recon.shot_masks import still_points_only, training_masks
from recon.solve import Solution, Solved, judged
from recon.splitting import split
from recon.track_masks import LongTracks, completed
from recon.types import Cameras, Frames, Points
from tests.recon import textured_room

FRAMES = 9
LENS = textured_room.lens(320, 181, 300.0)  # odd on purpose


def room(
    folder: Path, monkeypatch: pytest.MonkeyPatch, poses: np.ndarray, moves: bool
) -> tuple[Frames, np.ndarray]:
    """Frames, and [F, H, W] where the moving panel is."""
    pictures, planes = textured_room.textures(), textured_room.PLANES
    images, masks = [], []
    for share, pose in zip(np.linspace(-0.5, 0.5, len(poses)), poses, strict=True):
        moved = planes.copy()
        if moves:
            moved[2, 0] += [0.3, 0.3 * share - 0.2, -0.3]
        monkeypatch.setattr(textured_room, "PLANES", moved)
        images.append(textured_room.draw(pose, LENS, pictures))
        monkeypatch.setattr(textured_room, "PLANES", moved[[0, 1, 3]])
        without = textured_room.draw(pose, LENS, [pictures[k] for k in (0, 1, 3)])
        masks.append(np.abs(images[-1].astype(int) - without).max(-1) > 4)
    monkeypatch.setattr(textured_room, "PLANES", planes)
    return textured_room.folder_of(folder, images).frames(), np.array(masks) & moves


def overlap(found: MotionMasks, truth: np.ndarray, frames: Frames) -> float:
    masks = [found.of(number, frames.width, frames.height) for number in range(len(truth))]
    both, either = np.array(masks) & truth, np.array(masks) | truth
    return float(both.sum() / either.sum())


def true_points(poses: np.ndarray) -> Points:
    """Some points of the room; only their depth matters."""
    xyz = np.concatenate(
        [
            plane[0] + np.random.default_rng(0).random((40, 2)) @ plane[1:]
            for plane in textured_room.PLANES[[0, 2, 3]]
        ]
    )
    return Points(xyz, np.zeros((len(xyz), 3), np.uint8), np.zeros(len(xyz), np.float32))


def test_a_mover_before_a_still_camera_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, truth = room(tmp_path / "s", monkeypatch, textured_room.arc(FRAMES, 0.0), moves=True)
    found = motion_masks(frames, frames.shots[0])
    assert found.trusted
    assert overlap(found, truth, frames) > 0.6
    assert np.array_equal(found.masks, motion_masks(frames, frames.shots[0]).masks)


def test_the_geometry_is_that_of_what_hardly_flows() -> None:
    """The camera goes forward: the still scene flows by some pixels, a mover by twenty, and a geometry that
    fits both misses what stands still by less than a pixel."""
    rng = np.random.default_rng(0)
    still = rng.uniform([0, 0], [480, 270], (700, 2))
    ahead = still + 0.03 * (still - [240, 135]) * rng.uniform(0.3, 1.7, (700, 1))
    mover = rng.uniform([100, 60], [220, 200], (260, 2))
    across = mover + [20.0, 1.0] + 0.01 * (mover - [160, 130])
    here = np.concatenate([still, mover]).astype(np.float32)
    there = np.concatenate([ahead, across]) + rng.normal(0, 0.1, (960, 2))
    found = motion._fit(here, there.astype(np.float32), "moving")
    assert found is not None
    error = motion._error(found[0], "moving")(here, there.astype(np.float32))
    assert np.median(error[:700]) < 0.2
    assert np.median(error[700:]) > 3.0


def test_a_rough_mask_gets_the_outline_that_the_colours_have() -> None:
    rng = np.random.default_rng(0)
    picture = rng.normal((90, 140, 80), 20, (180, 320, 3)).clip(0, 255).astype(np.uint8)
    thing = np.zeros((180, 320), bool)
    thing[40:140, 100:180] = True
    picture[thing] = rng.normal((150, 100, 60), 20, (thing.sum(), 3)).clip(0, 255).astype(np.uint8)
    rough = np.zeros_like(thing)
    rough[55:125, 85:165] = True
    found = [by_colour(rough, picture) for _ in range(2)]
    assert np.array_equal(found[0], found[1])
    assert (found[0] & thing).sum() / (found[0] | thing).sum() > 0.95
    for nothing in (np.zeros_like(thing), ~np.zeros_like(thing)):  # no colours to learn
        assert np.array_equal(by_colour(nothing, picture), nothing)


def test_what_is_fast_for_a_moment_is_found(tmp_path: Path) -> None:
    """A panel that crosses a still picture in a third of the frames, 14 px a frame."""
    back, panel = ((255 * textured_room.textures(seed)[0][:120, :200]).astype(np.uint8) for seed in (1, 2))
    images, truth = [], np.zeros((15, 120, 200), bool)
    for number in range(15):
        image = np.array(back)
        left = 14 * (number - 5) + 20
        if 5 <= number < 10:
            truth[number, 30:90, left : left + 60] = True
            image[30:90, left : left + 60] = panel[30:90, :60]
        images.append(image)
    frames = textured_room.folder_of(tmp_path / "s", images).frames()
    assert list(motion.gaps_of_frames(motion.FrameFlows(frames), np.arange(15), 4)[6:9]) == [1, 1, 1]
    found = motion_masks(frames, frames.shots[0])
    masks = np.array([found.of(number, 200, 120) for number in range(15)])
    assert (masks & truth)[5:9].sum() > 0.8 * truth[5:9].sum()
    assert masks[[0, 1, 13, 14]].mean() < 0.02  # what it uncovers is not quite still for the flow


def test_given_cameras_bring_their_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --cameras, what flow alone does not tell is found, too."""
    poses = textured_room.arc(FRAMES, 12.0)
    frames, truth = room(tmp_path / "s", monkeypatch, poses, moves=True)
    scene = SceneFolder.open(tmp_path / "s")
    place_cameras(scene, cameras_file=textured_room.sidecar(tmp_path / "clip.json", LENS, poses))
    masks = [
        np.asarray(Image.open(scene.shot_folder(frames.shots[0]) / "masks" / frames.file_name(i))) == 0
        for i in range(FRAMES)
    ]
    assert (np.array(masks) & truth).sum() > 0.85 * np.sum(masks)
    by_flow = np.array([motion_masks(frames, frames.shots[0]).of(i, 320, 181) for i in range(FRAMES)])
    assert (np.array(masks) & truth).sum() > 2 * (by_flow & truth).sum()


def test_known_cameras_tell_what_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what flow alone does not tell: three planes, of which one moves, fit another epipolar geometry."""
    poses = textured_room.arc(FRAMES, 12.0)
    frames, truth = room(tmp_path / "s", monkeypatch, poses, moves=True)
    arguments = frames, np.arange(FRAMES), poses, LENS, true_points(poses)
    found = rigid_masks(*arguments)
    masks = np.array([found.of(number, frames.width, frames.height) for number in range(FRAMES)])
    assert (masks & truth).sum() > 0.85 * masks.sum() > 0
    still, moving = static_flow(*arguments, masks=found), static_flow(*arguments)
    assert moving.explained < still.explained


def solved(poses: np.ndarray) -> Solved:
    return Solved(np.arange(len(poses)), poses, LENS, true_points(poses), (len(poses),), 1.0)


def test_long_tracks_tell_what_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fills half of the picture here; its rim and corners are less than a track's width."""
    poses = textured_room.arc(FRAMES, 12.0)
    frames, truth = room(tmp_path / "s", monkeypatch, poses, moves=True)
    tracks = LongTracks(frames, np.arange(FRAMES))
    misses = tracks.misses(solved(poses))
    motion = tracks.masks(misses)
    assert motion.trusted
    assert overlap(motion, truth, frames) > 0.65
    placed = np.flatnonzero(np.arange(FRAMES) != 4)  # a frame that was not placed changes little
    fewer = replace(solved(poses), numbers=placed, world_from_camera=poses[placed])
    assert np.corrcoef(tracks.misses(fewer), misses)[0, 1] > 0.98


def test_points_on_what_moves_are_no_points_of_the_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = textured_room.arc(FRAMES, 2.0)
    frames, _ = room(tmp_path / "s", monkeypatch, poses, moves=False)
    rng = np.random.default_rng(0)
    tracks = tuple(
        np.column_stack(
            [np.arange(5), rng.uniform(10 if left else 170, 150 if left else 310, 5), np.full(5, 90)]
        )
        for left in (True, False, True, False)
    )
    points = Points(
        np.arange(12.0).reshape(4, 3), np.zeros((4, 3), np.uint8), np.zeros(4, np.float32), tracks
    )
    before = Solution(replace(solved(poses), points=points), judged(solved(poses), FRAMES), ())
    masks = np.zeros((FRAMES, 18, 32), bool)
    masks[:, :, :16] = True
    motion = MotionMasks(np.arange(FRAMES), masks, "moving")
    after = still_points_only(before, motion, frames).solved.points
    assert np.array_equal(after.xyz, points.xyz[[1, 3]])
    assert len(after.tracks) == 2
    nothing = MotionMasks(np.arange(FRAMES), np.zeros_like(masks), "moving")
    assert still_points_only(before, nothing, frames) is before


def test_masks_that_shrink_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two frames the flow between neighbours shows nothing; the others stay as they are."""
    poses = textured_room.arc(FRAMES, 12.0)
    frames, truth = room(tmp_path / "s", monkeypatch, poses, moves=True)
    tracks = LongTracks(frames, np.arange(FRAMES))
    long = tracks.masks(tracks.misses(solved(poses)))
    lost = truth.copy()
    lost[:2] = False
    found = completed(MotionMasks(np.arange(FRAMES), lost, "moving"), long, frames)
    masks = np.array([found.of(i, frames.width, frames.height) for i in range(FRAMES)])
    assert np.array_equal(masks[2:], truth[2:])
    assert (masks & truth)[:2].sum() > 0.6 * truth[:2].sum()
    nothing = completed(MotionMasks(np.arange(FRAMES), np.zeros_like(truth), "moving"), long, frames)
    assert overlap(nothing, truth, frames) > 0.5


def test_the_outline_of_what_is_completed_does_not_run_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shadow has the colours of the ground around it; here everything has the same."""
    frames, truth = room(tmp_path / "s", monkeypatch, textured_room.arc(FRAMES, 12.0), moves=True)
    monkeypatch.setattr("recon.track_masks.by_colour", lambda mask, picture: np.ones_like(mask))
    numbers = np.arange(FRAMES)
    long = MotionMasks(numbers, truth, "moving")
    lost = truth.copy()
    lost[0] = False
    found = completed(MotionMasks(numbers, lost, "moving"), long, frames)
    assert np.array_equal(found.masks, truth)


def test_long_tracks_of_a_still_scene_agree_with_its_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = textured_room.arc(FRAMES, 12.0)
    frames, _ = room(tmp_path / "s", monkeypatch, poses, moves=False)
    tracks = LongTracks(frames, np.arange(FRAMES))
    assert tracks.masks(tracks.misses(solved(poses))).share.mean() < 0.02
    wrong = poses.copy()
    noise = np.radians(0.5) * np.random.default_rng(0).normal(size=(FRAMES, 3))
    wrong[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_rotvec(noise).as_matrix()
    assert np.nanmedian(tracks.misses(solved(wrong))) > 2 * np.nanmedian(tracks.misses(solved(poses)))


def test_a_still_scene_has_no_masks_and_explains_its_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = textured_room.arc(FRAMES, 12.0)
    frames, _ = room(tmp_path / "s", monkeypatch, poses, moves=False)
    assert motion_masks(frames, frames.shots[0]).share.mean() < 0.01
    numbers, points = np.arange(FRAMES), true_points(poses)
    assert rigid_masks(frames, numbers, poses, LENS, points).share.mean() < 0.01
    right = static_flow(frames, numbers, poses, LENS, points).explained
    wrong_poses = poses.copy()
    noise = np.radians(2.0) * np.random.default_rng(0).normal(size=(FRAMES, 3))
    wrong_poses[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_rotvec(noise).as_matrix()
    wrong = static_flow(frames, numbers, wrong_poses, LENS, points).explained
    assert right > 0.9
    assert wrong < 0.5


def test_masks_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is read again, a margin wider; training gets the same names as the frames."""
    frames, truth = room(tmp_path / "s", monkeypatch, textured_room.arc(4, 6.0), moves=True)
    given = MotionMasks(np.arange(4), truth, "given")
    write_masks(given, frames, tmp_path / "masks")
    found = read_masks(tmp_path / "masks", frames, frames.shots[0])
    assert (found.masks | truth == found.masks).all()
    assert truth.sum() < found.masks.sum() < 2 * truth.sum()
    K = np.tile(LENS.K, (4, 1, 1))
    cameras = Cameras(np.arange(4), textured_room.arc(4, 6.0), K, frames.width, frames.height)
    training_masks(tmp_path / "masks", tmp_path / "training", cameras, frames)
    written = sorted(path.name for path in (tmp_path / "training").iterdir())
    assert written == [frames.file_name(i) for i in range(4)]
    black = np.array(Image.open(tmp_path / "training" / written[0])) == 0
    assert np.array_equal(black, found.masks[0])
    (tmp_path / "masks" / "00002.png.png").unlink()
    with pytest.raises(FormatError, match="no mask for 1 of 4 frames"):
        read_masks(tmp_path / "masks", frames, frames.shots[0])
    training_masks(None, tmp_path / "training", cameras, frames)
    assert not (tmp_path / "training").exists()


def test_photographs_of_a_still_scene_have_no_masks(shared_clips: Path, tmp_path: Path) -> None:
    frames = split(shared_clips / "fox.mp4", tmp_path / "fox", long_side=480, end=0.5).frames()
    assert motion_masks(frames, frames.shots[0]).share.mean() < 0.03


def test_a_walking_camel_is_found(shared_clips: Path, tmp_path: Path) -> None:
    frames = split(shared_clips / "camel.mp4", tmp_path / "camel", long_side=480, end=0.7).frames()
    found = motion_masks(frames, frames.shots[0])
    scores = []
    for number in range(0, len(frames), 6):
        with Image.open(shared_clips / "camel_masks" / f"{number:05d}.png") as picture:
            truth = np.asarray(picture.resize((frames.width, frames.height))) > 0
        mask = found.of(number, frames.width, frames.height)
        scores.append((mask & truth).sum() / (mask | truth).sum())
    assert np.mean(scores) > 0.5
