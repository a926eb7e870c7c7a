"""What waves where it is, seen by a camera that moves: how far away it is; and what only looks like it."""

from __future__ import annotations

import numpy as np
import pytest

from recon.flow import project
from recon.fourd.contact import Contact
from recon.fourd.sorting import still_points
from recon.fourd.staying import staying
from recon.fourd.tracks import Tracks

FRAMES, WIDTH, HEIGHT = 24, 320, 180
K = np.tile([[300.0, 0, WIDTH / 2], [0, 300, HEIGHT / 2], [0, 0, 1]], (FRAMES, 1, 1))
PLACE = np.array([0.05, -0.1, -0.2])
"""Nearer than the middle of the scene, which the cameras look at from one unit away."""


def orbit(degrees: float) -> np.ndarray:
    """[F, 4, 4] camera_from_world, around the origin."""
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for pose, angle in zip(poses, np.radians(np.linspace(-degrees / 2, degrees / 2, FRAMES)), strict=True):
        c, s = np.cos(angle), np.sin(angle)
        pose[:3, :3] = [[c, 0, -s], [0, 1, 0], [s, 0, c]]
    poses[:, 2, 3] = 1
    return poses


def board(views: np.ndarray, wave: float, speed: np.ndarray) -> tuple[Tracks, np.ndarray]:
    """Points of an upright board that wave about their places, which move by `speed` a frame; and masks."""
    rng = np.random.default_rng(0)
    count = 80
    rest = PLACE + np.stack(
        [rng.uniform(-0.15, 0.15, count), rng.uniform(-0.1, 0.1, count), np.zeros(count)], 1
    )
    phase, frames = rng.uniform(0, 2 * np.pi, (count, 3)), np.arange(FRAMES)
    waves = wave * np.sin(0.7 * frames[:, None, None] + phase)
    world = rest + waves + (frames - FRAMES // 2)[:, None, None] * speed  # [F, P, 3]
    xy = np.stack([project(world[f], K[f], views[f])[0] for f in range(FRAMES)], 1).astype(np.float32)
    sown = np.full(count, FRAMES // 2)
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    for f, mask in enumerate(masks):
        low, high = xy[:, f].min(0).astype(int), xy[:, f].max(0).astype(int)
        mask[max(low[1], 0) : high[1] + 1, max(low[0], 0) : high[0] + 1] = True
    return Tracks(xy, np.ones((count, FRAMES), bool), sown), masks


def contact_at(tracks: Tracks, depth: float) -> Contact:
    return Contact(np.full(len(tracks), depth), np.ones(len(tracks), bool))


def true_depth(views: np.ndarray) -> float:
    return float(views[FRAMES // 2, 2, :3] @ PLACE + views[FRAMES // 2, 2, 3])


def test_what_waves_is_found_where_it_hangs() -> None:
    views = orbit(10)
    tracks, masks = board(views, 0.01, np.zeros(3))
    found = staying(tracks, masks, contact_at(tracks, 1.1), K, views)
    assert found is not None
    assert np.allclose(found.depths, true_depth(views), rtol=0.06)


def test_what_stands_on_the_ground_is_left_there() -> None:
    views = orbit(10)
    tracks, masks = board(views, 0.01, np.zeros(3))
    assert staying(tracks, masks, contact_at(tracks, true_depth(views)), K, views) is None


def test_what_passes_by_is_not_taken_for_something_near() -> None:
    """Against the camera and as fast: as if it stood still, nearer."""
    views = orbit(10)
    speed = np.array([np.radians(10) / (FRAMES - 1), 0, 0])
    centres = np.linalg.inv(views)[:, :3, 3]
    assert speed[0] * (centres[-1] - centres[0])[0] < 0
    tracks, masks = board(views, 0.01, speed)
    misses, places = still_points(tracks, K, views)
    assert np.median(misses) < 5  # pixels
    assert 0 < np.median(places @ views[12, 2, :3] + views[12, 2, 3]) < 0.75 * true_depth(views)
    assert staying(tracks, masks, contact_at(tracks, true_depth(views)), K, views) is None


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_too_little_to_tell(degrees: float) -> None:
    """A camera that stands, and too few tracks that last."""
    views = orbit(degrees)
    tracks, masks = board(views, 0.01, np.zeros(3))
    if degrees:
        tracks.seen[10:, FRAMES // 4 :] = False
        tracks.seen[np.arange(len(tracks)), tracks.sown] = True
    assert staying(tracks, masks, contact_at(tracks, 1.1), K, views) is None
