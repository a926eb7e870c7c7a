"""Points that move, followed through frames of which one is missing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recon.fourd.tracks import Tracks, follow

WIDTH, HEIGHT, SPEED = 240, 120, 5.0
SECONDS = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12], float)
GAP = 5
"""The frame before the one that is missing."""


@pytest.fixture(scope="module")
def clip() -> tuple[list[np.ndarray], np.ndarray]:
    """A panel whose pattern repeats every 11 pixels moves by 5 a frame, by 10 over the gap; and its masks."""
    rng = np.random.default_rng(0)
    blur = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 2)
    ground = 90 + 160 * (blur - 0.5)
    y, x = np.mgrid[:60, :70]
    panel = np.where((x % 11 < 3) | (y % 11 < 3), 220.0, 60.0)[..., None].repeat(3, 2)
    panel += 60 * (cv2.GaussianBlur(rng.random((60, 70, 1)).astype(np.float32), (0, 0), 1)[..., None] - 0.5)
    images, masks = [], []
    for second in SECONDS:
        left = round(20 + SPEED * second)
        image, mask = ground.copy(), np.zeros((HEIGHT, WIDTH), bool)
        image[30:90, left : left + 70], mask[30:90, left : left + 70] = panel, True
        images.append(image.clip(0, 255).astype(np.uint8))
        masks.append(mask)
    return images, np.stack(masks)


def misses(tracks: Tracks) -> np.ndarray:
    """[P, F] pixels by which tracks miss where they are seen, else nan."""
    home = tracks.xy[np.arange(len(tracks)), tracks.sown]
    way = SPEED * (SECONDS[: tracks.xy.shape[1]] - SECONDS[tracks.sown, None])
    off = tracks.xy - home[:, None] - np.stack([way, 0 * way], -1)
    return np.where(tracks.seen, np.linalg.norm(off, axis=2), np.nan)


def test_points_are_found_again_where_they_were_going(clip: tuple[list[np.ndarray], np.ndarray]) -> None:
    """Over the gap flow takes the pattern for its neighbour, or loses it."""
    images, masks = clip
    right = {}
    for way, seconds in (("flow", None), ("found again", SECONDS)):
        tracks = follow(images, masks, seconds=seconds)
        behind = tracks.sown == GAP + 1  # sown right behind the gap, and followed back over it
        right[way] = (misses(tracks)[behind, GAP] < 1.0).mean()
    assert right["found again"] > right["flow"] + 0.1
    assert right["found again"] > 0.6


def test_finer_flow_drifts_less(clip: tuple[list[np.ndarray], np.ndarray]) -> None:
    images, masks = (part[:GAP] for part in clip)
    plain, fine = (follow(images, masks, seconds=s) for s in (None, SECONDS[:GAP]))
    assert np.nanmean(misses(fine)) < np.nanmean(misses(plain))
    assert np.nanmedian(misses(fine)) < 0.3
