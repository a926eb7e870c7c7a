"""What moves, made exact: masks without gaps, tracks without drift, and the ground under what hops."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recon.fourd.contact import lower_envelope
from recon.fourd.lift import _neighbours
from recon.fourd.patches import without_drift
from recon.fourd.sorting import Likeness, with_lost_parts
from recon.fourd.tracks import Tracks
from recon.frame_flow import Flow
from recon.mask_cleaning import AT_ENDS, GAP, closed_in_time

HEIGHT, WIDTH, FRAMES = 120, 160, 16
SIDE, SPEED = 30, 4
"""Pixels of a square that moves to the right, and its pixels per frame."""


def square(frame: int) -> np.ndarray:
    """[H, W] bool."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[40 : 40 + SIDE, 20 + SPEED * frame : 20 + SPEED * frame + SIDE] = True
    return mask


@pytest.fixture(scope="module")
def flows() -> list[tuple[Flow, Flow]]:
    """Of the square before a ground that stands still and is not trusted where it is covered or laid bare."""
    out = []
    for f in range(FRAMES - 1):
        here, there = square(f), square(f + 1)
        pair = []
        for at, beyond, way in ((here, there, SPEED), (there, here, -SPEED)):
            shift = np.zeros((HEIGHT, WIDTH, 2), np.float32)
            shift[at, 0] = way
            pair.append(Flow(shift, at | ~beyond))
        out.append((pair[0], pair[1]))
    return out


@pytest.mark.parametrize(("lost", "whole"), [(GAP - 1, True), (GAP, False)])
def test_a_mask_is_whole_while_a_part_stands(lost: int, whole: bool, flows: list[tuple[Flow, Flow]]):
    """For so many frames the lower half of the square is not seen to move."""
    true = np.stack([square(f) for f in range(FRAMES)])
    masks = true.copy()
    masks[3 : 3 + lost, 55:] = False
    found = closed_in_time(masks, flows)
    assert (found | ~masks).all()  # nothing that was known is lost
    assert (found == (true if whole else masks)).all()


@pytest.mark.parametrize(("lost", "whole"), [(AT_ENDS, True), (AT_ENDS + 1, False)])
@pytest.mark.parametrize("end", [False, True])
def test_a_mask_is_whole_where_a_part_moves_soon(
    lost: int, whole: bool, end: bool, flows: list[tuple[Flow, Flow]]
):
    """In the first, or last, so many frames the lower half of the square is not seen to move."""
    true = np.stack([square(f) for f in range(FRAMES)])
    masks = true.copy()
    masks[FRAMES - lost if end else 0 : None if end else lost, 55:] = False
    assert (closed_in_time(masks, flows) == (true if whole else masks)).all()


def test_what_stands_still_is_not_closed(flows: list[tuple[Flow, Flow]]):
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    masks[AT_ENDS + 1] = square(AT_ENDS + 1)  # once, by mistake
    assert (closed_in_time(masks, flows) == masks).all()


def test_lost_parts_come_back_where_the_still_scene_is_right():
    body, head, far = (np.zeros((1, HEIGHT, WIDTH), bool) for _ in range(3))
    body[0, 50:90, 60:90], head[0, 42:50, 68:82], far[0, 5:15, 5:15] = True, True, True
    known = cv2.dilate(body[0].astype(np.uint8), np.ones((9, 9))) > 0
    unlike = [Likeness(~(body | head | far)[0], (body | head | far)[0])]
    found = with_lost_parts(body, unlike, known[None])
    assert found[0][44:90, 70:80].all()
    assert not (found & far).any()
    assert (found & ~body & ~head).sum() < 10
    noisy = [Likeness(np.zeros_like(known), np.ones_like(known))]  # a still scene that fits nowhere
    assert (with_lost_parts(body, noisy, known[None]) == body).all()


def textured(seed: int) -> np.ndarray:
    """[H, W] float32, 0..255."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255)


def test_tracks_do_not_drift_on_what_turns_and_grows():
    """A picture that turns by 2° and grows by 1 % a frame, and gets darker, against a chain that drifts."""
    look, images, ways = textured(0), [], []
    for f in range(FRAMES):
        matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 2 * f, 1.01**f)
        images.append(
            np.repeat(cv2.warpAffine((1 - 0.02 * f) * look, matrix, (WIDTH, HEIGHT))[..., None], 3, 2)
        )
        ways.append(matrix)
    images = [image.round().astype(np.uint8) for image in images]
    rng, sown = np.random.default_rng(1), np.zeros(60, int)
    start = np.stack([rng.uniform(50, 110, 60), rng.uniform(35, 85, 60)], 1)
    true = np.stack([start @ way[:, :2].T + way[:, 2] for way in ways], 1)
    drift = np.cumsum(rng.normal(0, 0.4, true.shape), 1)
    drift[:, 0] = 0
    chain = Tracks((true + drift + 0.5).astype(np.float32), np.ones(true.shape[:2], bool), sown)
    found = without_drift(chain, images, np.ones((FRAMES, HEIGHT, WIDTH), bool))
    kept = [int(np.abs(start + 0.5 - at).sum(1).argmin()) for at in found.xy[:, 0]]
    off = np.linalg.norm(found.xy - 0.5 - true[kept], axis=2)
    assert found.seen.mean() > 0.9
    assert len(found) > 50
    assert np.median(off[found.seen]) < 0.1 < 1.0 < np.median(np.linalg.norm(drift[:, -1], axis=1))


def test_a_point_that_is_covered_is_lost():
    look = textured(2)
    images = [
        np.repeat((look if f < 8 else textured(3))[..., None], 3, 2).astype(np.uint8) for f in range(FRAMES)
    ]
    xy = np.tile(np.array([80.5, 60.5], np.float32), (1, FRAMES, 1))
    moving = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    found = without_drift(Tracks(xy, np.ones((1, FRAMES), bool), np.zeros(1, int)), images, moving)
    assert found.seen[0].tolist() == [True] * 8 + [False] * 8


def test_the_ground_is_below_what_hops():
    """Relative depths that go evenly, under hops that only ever seem farther away."""
    frames = np.arange(40)
    ground = 1.2 - 0.01 * frames
    hops = 0.05 * np.abs(np.sin(0.4 * frames)) + np.where(frames == 25, 0.2, 0.0)
    found = lower_envelope(ground + hops)
    even = np.polyval(np.polyfit(frames, ground + hops, 1), frames)
    assert np.abs(found - ground).mean() < 0.7 * np.abs(even - ground).mean()
    assert (found > ground - 0.005).all()
    assert np.allclose(lower_envelope(3 + ground + hops), 3 + found, atol=1e-9)
    unknown = np.where(np.isin(frames, [7, 8, 30]), np.nan, ground)
    assert np.abs(lower_envelope(unknown) - ground).max() < 0.005
    guessed = np.where(frames > 30, ground - 0.1, ground)  # a tenth too near
    believed = np.where(frames > 30, 0.01, 1.0)
    weighed, trusted = lower_envelope(guessed, believed), lower_envelope(guessed)
    assert np.abs(weighed - ground).mean() < 0.5 * np.abs(trusted - ground).mean()
    alone = np.where(frames == 4, 0.7, np.nan)
    assert np.allclose(lower_envelope(alone), 0.7)


def test_an_arm_that_swings_before_a_body_is_not_next_to_it():
    columns, rows = np.meshgrid(np.arange(8), np.arange(2))
    at = 10.0 + 6 * np.stack([columns.ravel(), rows.ravel()], 1)
    xy = np.tile(at[:, None], (1, FRAMES, 1)).astype(np.float32)
    arm = rows.ravel() == 1
    xy[arm, :, 0] += 4 * np.arange(FRAMES)
    tracks = Tracks(xy, np.ones((16, FRAMES), bool), np.zeros(16, int))
    pairs = _neighbours(tracks)
    assert len(pairs) >= 14
    assert (arm[pairs[:, 0]] == arm[pairs[:, 1]]).all()
