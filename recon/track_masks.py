"""What moves, as points tell that are followed for long.

Over a few frames something that moves along its own epipolar line looks like something still at another
depth. Over many frames it does not: no still point explains its track. Cameras that hold on to a mover a
little still show it, and better ones show it better.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from scipy.spatial import KDTree

from recon.fourd.sorting import still_points
from recon.fourd.tracks import Tracks, follow
from recon.frame_flow import grey, in_order, small_frame
from recon.mask_cleaning import by_colour, likely, with_hysteresis, without_specks
from recon.mask_files import MOST, MotionMasks
from recon.solve import Solved
from recon.types import Frames

LEAST, FACTOR = 1.0, 4.5
"""Pixels, and times the lower quartile of all tracks, by which tracks around a place miss their best still
points, from which it moves."""
AROUND, REACH, STEP = 12, 24.0, 4
"""Tracks around a place that speak for it, the pixels within which they must be, and those between places."""
BATCH = 1000
"""Tracks looked at together, to bound memory in long shots."""
SHRUNK, LEAST_SHARE = 0.75, 0.01
"""Times the usual share of the long tracks' mask that flow finds, below which it has lost a mover in a frame;
and the share of a frame that is worth it."""
WHOLE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31))
"""What fits into gaps of a mover: a part of it may go as if it stood still."""


def completed(motion: MotionMasks, long: MotionMasks, frames: Frames) -> MotionMasks:
    """Masks by the flow between near frames, with those of long tracks where they have shrunk or are empty:
    for some frames a mover can go along its epipolar lines. These are too large: inside them, colours tell
    what it is."""
    height, width = long.masks.shape[1:]
    known = np.array([motion.of(int(number), width, height) for number in long.numbers])
    among = long.masks.mean((1, 2))
    share = known.mean((1, 2)) / np.maximum(among, 1e-9)
    if not long.trusted or not (among > LEAST_SHARE).any():
        return motion
    shrunk = (among > LEAST_SHARE) & (share <= SHRUNK * np.median(share[among > LEAST_SHARE]))

    def mask(i: int) -> np.ndarray:
        if not shrunk[i]:
            return known[i]
        # A shadow on grass has the colours of all grass, so that the outline can run away over it.
        outline = by_colour(long.masks[i], small_frame(frames, int(long.numbers[i])))
        return known[i] | (outline & long.masks[i])

    masks = np.array(list(in_order(mask, range(len(known)))))
    return replace(motion, numbers=long.numbers, masks=masks, trusted=bool(masks.mean() < MOST))


class LongTracks:
    """Points of the whole picture of a shot, followed through its frames."""

    def __init__(self, frames: Frames, numbers: np.ndarray) -> None:
        """For the frames of these numbers [F]."""
        self.frames, self.numbers = frames, numbers
        self.images = [small_frame(frames, int(number)) for number in numbers]
        height, width = self.images[0].shape[:2]
        self.shrink = width / frames.width
        self.tracks = follow(self.images, np.ones((len(numbers), height, width), bool))

    def misses(self, solved: Solved) -> np.ndarray:
        """[P] small pixels by which each track misses the still point that fits it best before cameras,
        root mean square; nan for tracks that are seen by too few of them."""
        common = np.isin(self.numbers, solved.numbers)
        place = np.searchsorted(solved.numbers, self.numbers[common])
        xy, seen = self.tracks.xy[:, common], self.tracks.seen[:, common]
        straight = self.shrink * solved.lens.straight(xy / self.shrink)
        scale = solved.lens.focal * self.shrink
        pinhole = np.broadcast_to(np.diag([scale, scale, 1.0]), (int(common.sum()), 3, 3))
        camera_from_world = np.linalg.inv(solved.world_from_camera)[place]
        out = np.full(len(xy), np.nan)
        known = np.flatnonzero(seen.sum(1) >= 3)
        for some in np.split(known, range(BATCH, len(known), BATCH)):
            tracks = Tracks(straight[some], seen[some], np.zeros(len(some), int))
            out[some] = still_points(tracks, pinhole, camera_from_world)[0] if len(some) else np.nan
        return out

    def moving(self, misses: np.ndarray) -> float:
        """Share of the tracks, 0..1, that no still point explains, by the misses [P] before some cameras."""
        known = np.isfinite(misses)
        return float(1 - self.still(misses)[known].mean()) if known.any() else 0.0

    def still(self, misses: np.ndarray) -> np.ndarray:
        """[P] bool: the tracks that a still point explains, by the misses [P] before some cameras."""
        return misses <= self._threshold(misses)

    def _threshold(self, misses: np.ndarray) -> float:
        return max(LEAST, FACTOR * float(np.nanquantile(misses, 0.25)))

    def masks(self, misses: np.ndarray) -> MotionMasks:
        """Of what moves, by the misses [P] before some cameras."""
        ratios = misses / self._threshold(misses)
        masks = np.array(list(in_order(lambda i: self._mask(i, ratios), range(len(self.images)))))
        return MotionMasks(self.numbers, masks, "moving", trusted=bool(masks.mean() < MOST))

    def _mask(self, i: int, misses: np.ndarray) -> np.ndarray:
        """[h, w] bool, of one frame."""
        height, width = self.images[i].shape[:2]
        here = self.tracks.seen[:, i] & np.isfinite(misses)
        if here.sum() < AROUND:
            return np.zeros((height, width), bool)
        x, y = np.arange(0, width, STEP), np.arange(0, height, STEP)
        places = np.stack(np.meshgrid(x, y), -1) + STEP / 2
        distance, nearest = KDTree(self.tracks.xy[here, i]).query(places, k=AROUND)
        ratio = np.median(misses[here][nearest], axis=-1)
        ratio = np.where(distance[..., AROUND // 2] < REACH, ratio.clip(0, 100), np.nan).astype(np.float32)
        ratio = with_hysteresis(ratio).repeat(STEP, 0).repeat(STEP, 1)[:height, :width]
        found = likely([ratio], grey(self.images[i])) > 127
        closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, WHOLE, borderValue=0)
        return without_specks(closed > 0)
