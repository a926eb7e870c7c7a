"""Points of the still scene, followed to a tenth of a pixel through a shot, on which cameras are adjusted.

Optical flow chained from frame to frame drifts by half a pixel over a clip, and features are found anew in
each frame, to a third of a pixel. So each point is looked for in every frame as it looked where it was sown,
near where the chain leads (Lucas and Kanade 1981; Bouguet 2001): the error does not grow with the distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from recon.fourd.sorting import still_points
from recon.fourd.tracks import Tracks
from recon.frame_flow import grey, in_order
from recon.mask_files import MotionMasks, at_pixels, margin
from recon.solve import Solved
from recon.types import Frames

WINDOW = 11
"""Pixels of the square that is compared, at a long side of 480. In wide ones there is more of what is
at another depth and goes another way."""
OFF_CHAIN = 3.0
"""Pixels from where the chain leads, beyond which it was something else, at a long side of 480."""
TEXTURE = 1e-3
"""Least eigenvalue of the square's gradients, by its pixels."""
SEEN = 8
"""Frames in which a point must be seen."""
WORST, SPREAD = 1.0, 3.0
"""Pixels, and times the median, by which a point of the still scene may miss before the cameras so far."""
MOST = 1500
"""Points; more add time and hardly anything else."""


@dataclass(frozen=True, repr=False)
class FineTracks:
    """Points that stand still, before cameras that are nearly right."""

    tracks: Tracks
    """[P, F] pixels of the frames, F as the cameras."""
    places: np.ndarray
    """[P, 3] where they are, in the cameras' world."""
    rgb: np.ndarray
    """[P, 3] uint8."""


def fine_tracks(
    frames: Frames,
    solved: Solved,
    coarse: Tracks,
    numbers: np.ndarray,
    shrink: float,
    motion: MotionMasks | None,
    seed: int = 0,
) -> FineTracks:
    """Tracks of points that no mask covers and that one still point explains.

    Args:
        coarse: By chained flow through the frames `numbers` [F], in pixels of frames shrunk by this factor.
    """
    common = np.isin(numbers, solved.numbers)
    xy, seen = coarse.xy[:, common] / np.float32(shrink), coarse.seen[:, common]
    place = np.cumsum(common) - 1
    own = common[coarse.sown] & (seen.sum(1) >= SEEN)
    if motion is not None and motion.trusted:
        own &= ~_ever_masked(xy, seen, solved.numbers, frames, motion)
    xy, seen, sown = xy[own], seen[own].copy(), place[coarse.sown[own]]
    pictures = list(in_order(lambda number: _picture(frames, number), solved.numbers.tolist()))
    scale = max(frames.width, frames.height) / 480
    for frame in np.unique(sown):
        _look_for(pictures, frame, np.flatnonzero(sown == frame), xy, seen, scale)
    tracks = Tracks(xy, seen, sown)
    tracks = tracks.select(seen.sum(1) >= SEEN)
    if len(tracks) == 0:
        return FineTracks(tracks, np.zeros((0, 3)), np.zeros((0, 3), np.uint8))
    focal = solved.lens.focal
    K = np.broadcast_to(np.diag([focal, focal, 1.0]), (len(solved.numbers), 3, 3))
    straight = Tracks(solved.lens.straight(tracks.xy), tracks.seen, tracks.sown)
    misses, places = still_points(straight, K, np.linalg.inv(solved.world_from_camera))
    good = np.flatnonzero(misses < max(WORST, SPREAD * float(np.median(misses))))
    if len(good) > MOST:
        good = np.sort(np.random.default_rng(seed).choice(good, MOST, replace=False))
    tracks = tracks.select(good)
    return FineTracks(tracks, places[good], _colours(frames, solved.numbers, tracks))


def _picture(frames: Frames, number: int) -> np.ndarray:
    """[H, W] uint8."""
    with Image.open(frames.path(number)) as picture:
        return grey(np.asarray(picture.convert("RGB")))


def _ever_masked(
    xy: np.ndarray, seen: np.ndarray, numbers: np.ndarray, frames: Frames, motion: MotionMasks
) -> np.ndarray:
    """[P] bool: does a track come near what moves?"""
    out = np.zeros(len(xy), bool)
    disc = margin(frames.width, frames.height)
    for f, number in enumerate(numbers):
        mask = cv2.dilate(motion.of(int(number), frames.width, frames.height).astype(np.uint8), disc)
        out |= seen[:, f] & (at_pixels(mask, xy[:, f]) > 0)
    return out


def _look_for(
    pictures: list[np.ndarray],
    home: int,
    own: np.ndarray,  # [p] tracks sown in this frame
    xy: np.ndarray,  # [P, F, 2] pixels, changed in place
    seen: np.ndarray,  # [P, F] bool, changed in place
    scale: float,
) -> None:
    """Find tracks in all frames as they look at home."""
    window = int(WINDOW * scale) | 1
    stop = cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 30, 0.005
    for f, picture in enumerate(pictures):
        here = own[seen[own, f]]
        if f == home or len(here) == 0:
            continue
        # OpenCV's pixels have their centres at whole numbers.
        before, guess = (xy[here, i, None] - np.float32(0.5) for i in (home, f))
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            *(pictures[home], picture, before, guess.copy()),
            winSize=(window, window),
            maxLevel=0,
            criteria=stop,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
            minEigThreshold=TEXTURE,
        )
        near = np.linalg.norm(found - guess, axis=-1)[:, 0] < OFF_CHAIN * scale
        ok = (status[:, 0] > 0) & near
        xy[here[ok], f] = found[ok, 0] + np.float32(0.5)
        seen[here[~ok], f] = False


def _colours(frames: Frames, numbers: np.ndarray, tracks: Tracks) -> np.ndarray:
    """[P, 3] uint8, as they were sown."""
    out = np.zeros((len(tracks), 3), np.uint8)
    for frame in np.unique(tracks.sown):
        own = np.flatnonzero(tracks.sown == frame)
        x, y = tracks.xy[own, frame].astype(int).T
        with Image.open(frames.path(int(numbers[frame]))) as picture:
            out[own] = np.asarray(picture.convert("RGB"))[y, x]
    return out
