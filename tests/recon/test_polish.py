"""Cameras adjusted to finely followed points, on a drawn room whose cameras are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.agreement import rotations_apart
from recon.events import ignore
from recon.fine_tracks import FineTracks, fine_tracks
from recon.mask_files import MotionMasks
from recon.polish import polish, with_followed_points
from recon.solve import Solution, Solved, judged
from recon.track_masks import LongTracks
from recon.types import Frames, Points
from tests.recon import textured_room

FRAMES = 10
LENS = textured_room.lens(320, 180, 300.0)
POSES = textured_room.arc(FRAMES, 12.0)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    pictures = textured_room.textures()
    images = [textured_room.draw(pose, LENS, pictures) for pose in POSES]
    return textured_room.folder_of(tmp_path_factory.mktemp("room") / "s", images).frames()


@pytest.fixture(scope="module")
def long_tracks(frames: Frames) -> LongTracks:
    return LongTracks(frames, np.arange(FRAMES))


def features(noise: float) -> Points:
    """Points of the walls as a mapper has them, observed to so many pixels."""
    rng = np.random.default_rng(0)
    xyz = np.concatenate([p[0] + rng.random((60, 2)) @ p[1:] for p in textured_room.PLANES[[0, 2, 3]]])
    view = np.linalg.inv(POSES)
    local = np.einsum("fij,pj->pfi", view[:, :3, :3], xyz) + view[:, :3, 3]
    pixels = (
        local[..., :2] / local[..., 2:] * LENS.focal + LENS.K[:2, 2] + rng.normal(0, noise, (180, FRAMES, 2))
    )
    tracks = tuple(np.column_stack([np.arange(FRAMES), at]).astype(np.float32) for at in pixels)
    return Points(xyz, np.zeros((180, 3), np.uint8), np.full(180, noise, np.float32), tracks)


def nearly(frames: Frames, degrees: float, focal: float) -> Solution:
    """A solution whose cameras are off by so much."""
    poses, rng = POSES.copy(), np.random.default_rng(1)
    turns = Rotation.from_rotvec(np.radians(degrees) * rng.normal(size=(FRAMES, 3)) / np.sqrt(3)).as_matrix()
    poses[:, :3, :3] = poses[:, :3, :3] @ turns
    K = LENS.K.copy()
    K[[0, 1], [0, 1]] *= focal
    solved = Solved(np.arange(FRAMES), poses, replace(LENS, K=K), features(0.4), (FRAMES,), 1.0)
    return Solution(solved, judged(solved, FRAMES), ())


def polished(solution: Solution, frames: Frames, tracks: LongTracks) -> Solution:
    fine = fine_tracks(frames, solution.solved, tracks.tracks, tracks.numbers, tracks.shrink, None)
    return polish(solution, fine, FRAMES, ignore)


def off(solved: Solved) -> float:
    return rotations_apart(solved.world_from_camera[:, :3, :3], POSES[:, :3, :3])


def test_points_are_followed_to_a_tenth_of_a_pixel(frames: Frames, long_tracks: LongTracks) -> None:
    """Where chained flow is off by more; as they really go, by the walls that they lie on."""
    solution = nearly(frames, 0.0, 1.0)
    found = fine_tracks(
        frames, solution.solved, long_tracks.tracks, long_tracks.numbers, long_tracks.shrink, None
    )
    view = np.linalg.inv(POSES)
    local = np.einsum("fij,pj->pfi", view[:, :3, :3], found.places) + view[:, :3, 3]
    pixels = local[..., :2] / local[..., 2:] * LENS.focal + LENS.K[:2, 2]
    miss = np.linalg.norm(pixels - found.tracks.xy, axis=-1)[found.tracks.seen]
    assert len(found.places) > 200
    assert np.median(miss) < 0.1
    assert found.rgb.std() > 5


def test_cameras_come_closer_to_the_truth(frames: Frames, long_tracks: LongTracks) -> None:
    before = nearly(frames, 0.03, 1.04)
    after = polished(before, frames, long_tracks)
    assert off(after.solved) < off(before.solved)
    assert abs(after.solved.lens.focal / LENS.focal - 1) < 0.015
    assert len(after.solved.points) > 1.5 * len(before.solved.points)
    assert after.judgement.rank >= before.judgement.rank
    lengths = [len(track) for track in after.solved.points.tracks]
    assert len(lengths) == len(after.solved.points)
    assert min(lengths) >= 2
    again = polished(before, frames, long_tracks)
    assert np.array_equal(after.solved.world_from_camera, again.solved.world_from_camera)


def test_right_cameras_stay_right(frames: Frames, long_tracks: LongTracks) -> None:
    after = polished(nearly(frames, 0.0, 1.0), frames, long_tracks)
    assert off(after.solved) < 0.05


def test_cameras_that_are_known_get_more_points_and_stay(frames: Frames, long_tracks: LongTracks) -> None:
    before = nearly(frames, 0.0, 1.0)
    tracks = long_tracks
    fine = fine_tracks(frames, before.solved, tracks.tracks, tracks.numbers, tracks.shrink, None)
    after = with_followed_points(before, fine)
    assert np.array_equal(after.solved.world_from_camera, before.solved.world_from_camera)
    points, old = after.solved.points, len(before.solved.points)
    assert len(points) > 1.5 * old
    followed = points.xyz[old:]
    walls = [np.linalg.inv(plane[1:] @ plane[1:].T) for plane in textured_room.PLANES]
    off = []
    for plane, inverse in zip(textured_room.PLANES, walls, strict=True):
        rest = followed - plane[0]
        off.append(np.linalg.norm(rest - rest @ plane[1:].T @ inverse @ plane[1:], axis=1))
    assert np.median(np.min(off, 0)) < 0.01 * np.median(np.linalg.norm(followed - POSES[0, :3, 3], axis=1))
    blurred = replace(
        fine, tracks=replace(fine.tracks, xy=fine.tracks.xy + 20 * (np.arange(FRAMES) % 2)[:, None])
    )
    assert with_followed_points(before, blurred) is before  # of other frames


def test_frames_that_are_bent_change_nothing(frames: Frames, long_tracks: LongTracks) -> None:
    """Every frame by half a pixel and smoothly, as those of a video model: no more points help then."""
    solution = nearly(frames, 0.0, 1.0)
    tracks = long_tracks
    fine = fine_tracks(frames, solution.solved, tracks.tracks, tracks.numbers, tracks.shrink, None)
    phase = np.arange(FRAMES)[None, :, None]
    bent = fine.tracks.xy + np.float32(0.7) * np.sin(fine.tracks.xy[..., ::-1] / 40 + 2 * phase)
    bent = replace(fine, tracks=replace(fine.tracks, xy=bent.astype(np.float32)))
    assert polish(solution, bent, FRAMES, ignore) is solution


def test_what_moves_is_left_out(frames: Frames, long_tracks: LongTracks) -> None:
    solution = nearly(frames, 0.0, 1.0)
    masks = np.zeros((FRAMES, 18, 32), bool)
    masks[:, :, :16] = True
    motion = MotionMasks(np.arange(FRAMES), masks, "moving")
    found = fine_tracks(
        frames, solution.solved, long_tracks.tracks, long_tracks.numbers, long_tracks.shrink, motion
    )
    assert len(found.places) > 50
    assert found.tracks.xy[found.tracks.seen][:, 0].min() > 160


def test_too_few_points_change_nothing(frames: Frames) -> None:
    solution = nearly(frames, 0.1, 1.0)
    none = FineTracks(
        LongTracks(frames, np.arange(2)).tracks.select(np.zeros(0, int)),
        np.zeros((0, 3)),
        np.zeros((0, 3), np.uint8),
    )
    assert polish(solution, none, FRAMES, ignore) is solution
