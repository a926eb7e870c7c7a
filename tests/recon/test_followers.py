"""What goes along with the camera is found from matches that contradict the cameras."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from recon import moving
from recon.errors import CameraSolveError
from recon.events import Event, Notice
from recon.followers import FAR, follower_masks, neighbours_agree
from recon.matches import Matches
from recon.solve import Solved
from recon.types import Frames, Points, Shot
from recon.undistort import Lens

WIDTH, HEIGHT, FRAMES, STEP = 640, 360, 12, 12.0
LENS = Lens(WIDTH, HEIGHT, np.array([[500.0, 0, 320], [0, 500, 180], [0, 0, 1]]))
BOX = (40, 200, 80, 300)
"""x0, x1, y0, y1 in pixels of what follows."""


def orbit() -> np.ndarray:
    """[F, 4, 4] world_from_camera around the origin, STEP degrees apart."""
    angles = np.radians(STEP * np.arange(FRAMES))
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    c, s = np.cos(angles), np.sin(angles)
    poses[:, 0, 0], poses[:, 0, 2], poses[:, 2, 0], poses[:, 2, 2] = c, s, -s, c
    poses[:, :3, 3] = poses[:, :3, :3] @ np.array([0, 0, -4.0])
    return poses


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Matches, Frames]:
    """A still cloud, seen for a few frames at a time, and what follows, seen in all of them."""
    rng = np.random.default_rng(0)
    poses = orbit()
    world = rng.uniform(-1.5, 1.5, (3000, 3))
    around = np.linalg.inv(poses)[:, :3, :3] @ world.T + np.linalg.inv(poses)[:, :3, 3:]
    still = (LENS.K @ around).transpose(0, 2, 1)
    still = still[..., :2] / still[..., 2:]  # [F, N, 2]
    # Each point has a side from which its feature looks the same.
    born = rng.integers(-3, FRAMES, len(world))
    drift = np.array([2.0, 0.5]) * np.arange(FRAMES)[:, None, None]
    follower = rng.uniform([BOX[0], BOX[2]], [BOX[1] - 30, BOX[3] - 10], (150, 2)) + drift
    pairs, first, second = [], [], []
    for a, b in combinations(range(FRAMES), 2):
        inside = [((still[i] > 0) & (still[i] < [WIDTH, HEIGHT])).all(1) for i in (a, b)]
        seen = inside[0] & inside[1] & (born <= a) & (b < born + FAR)
        pairs.append((a, b))
        first.append(np.concatenate([still[a][seen], follower[a]]))
        second.append(np.concatenate([still[b][seen], follower[b]]))
    seconds, sharp = np.arange(FRAMES) / 24.0, np.ones(FRAMES, np.float32)
    for number in range(FRAMES):
        picture = rng.integers(100, 140, (HEIGHT, WIDTH, 3), np.uint8)
        picture[BOX[2] : BOX[3], BOX[0] + 2 * number : BOX[1] - 30 + 2 * number] //= 2
        Image.fromarray(picture).save(tmp_path / f"{number:05d}.png", compress_level=1)
    frames = Frames(tmp_path, WIDTH, HEIGHT, 24.0, seconds, sharp, (Shot(0, 0, FRAMES),))
    return Matches(np.array(pairs), tuple(first), tuple(second)), frames


def solved(poses: np.ndarray) -> Solved:
    points = Points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0), ())
    return Solved(np.arange(len(poses)), poses, LENS, points, (len(poses),), 1.0)


def test_what_follows_is_masked_and_the_rest_is_not(scene: tuple[Matches, Frames]) -> None:
    matches, frames = scene
    motion = follower_masks(matches, solved(orbit()), frames)
    assert motion.trusted
    for number in range(FRAMES):
        mask = motion.of(number, WIDTH, HEIGHT)
        x0, x1 = BOX[0] + 2 * number, BOX[1] - 30 + 2 * number
        inside = np.zeros_like(mask)
        inside[BOX[2] : BOX[3], x0:x1] = True
        assert mask[inside].mean() > 0.9
        assert mask[:, x1 + 40 :].mean() < 0.02


def test_neighbours_agree_with_the_cameras_of_the_still_scene_most(scene: tuple[Matches, Frames]) -> None:
    """Cameras that hold on to what follows agree with it alone."""
    matches, frames = scene
    standing = np.tile(np.eye(4), (FRAMES, 1, 1))
    standing[:, 0, 3] = 0.01 * np.arange(FRAMES)
    right = neighbours_agree(matches, solved(orbit()), frames)
    assert right > 0.6
    assert right > neighbours_agree(matches, solved(standing), frames) + 0.2


def test_cameras_stand_when_the_second_look_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver's process may crash or run out of time while it matches all pairs."""

    def crash(*_: object, **__: object) -> None:
        raise CameraSolveError("the solver crashed")

    monkeypatch.setattr(moving, "find_matches", crash)
    said: list[Event] = []
    frames, shot = Mock(), Mock(frames=20)
    look = moving._LookAgain(frames, shot, tmp_path, tmp_path, Mock(), Mock(), 0, said.append)
    found = Mock()
    assert look.without_followers(Mock(), found) is found
    assert isinstance(said[-1], Notice)
    assert said[-1].warning
