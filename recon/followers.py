"""What the camera follows: seen in most frames of a shot, where the rest comes and goes.

Something that goes along with the camera keeps its place in the picture. Its features match between frames
far apart, in many of which the still scene is another one; and these matches contradict the cameras. Optical
flow is blind to it where it moves along its own epipolar line, or where frames are too far apart for flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from recon.frame_flow import in_order, small_frame, small_size
from recon.mask_cleaning import by_colour
from recon.mask_files import MOST, MotionMasks
from recon.matches import Matches
from recon.solve import Solved
from recon.types import Frames

FAR = 4
"""Frames between matches that count: over fewer, what follows looks much like what stands still."""
CONTRADICTED = 6.0
"""Pixels at a long side of 640 from the epipolar line, beyond which a match contradicts the cameras."""
AGREEING = 2.0
"""Pixels at a long side of 640 from the epipolar line, up to which a match agrees well."""
OFTEN = 3
"""Frames in which a feature is seen again against the cameras to belong to what follows: a wrong match is
wrong once."""
SPREAD = 30.0
"""Pixels at a long side of 640 around a feature for which it speaks."""
SILENT = 0.3
"""Weight of a feature without far matches, which is likely to be of the still scene."""
ENOUGH = 0.25
"""Share of the features around a place that follow, to mask it."""


def follower_masks(matches: Matches, solved: Solved, frames: Frames) -> MotionMasks:
    """Masks of what the camera follows.

    Args:
        matches: Between all pairs of frames.
        solved: Cameras that are about right; a chain of neighbours is enough.
    """
    seen = _Seen(matches, solved, frames)
    width, height = small_size(frames.width, frames.height)

    def mask(number: int) -> np.ndarray:
        # A few features tell where it is; its colours tell how far it reaches.
        return by_colour(seen.mask(number, width, height), small_frame(frames, int(number)))

    masks = np.array(list(in_order(mask, solved.numbers)))
    return MotionMasks(solved.numbers, masks, "moving", trusted=bool(masks.mean() < MOST))


def neighbours_agree(matches: Matches, solved: Solved, frames: Frames) -> float:
    """Share of the matches between placed frames less than `FAR` apart that agree with the cameras."""
    tolerance = AGREEING * _scale(frames)
    agree = [
        _agrees(pair.first, pair.second, pair.relative, solved, tolerance)
        for pair in _pairs(matches, solved)
        if pair.apart < FAR
    ]
    return float(np.concatenate(agree).mean()) if agree else 0.0


@dataclass(frozen=True)
class _Pair:
    """Matches between two placed frames."""

    numbers: tuple[int, int]
    apart: int
    """Placed frames from one to the other."""
    relative: np.ndarray
    """[4, 4] second camera from first camera."""
    first: np.ndarray
    """[M, 2] pixels."""
    second: np.ndarray


def _pairs(matches: Matches, solved: Solved) -> Iterator[_Pair]:
    place = {int(number): i for i, number in enumerate(solved.numbers)}
    camera_from_world = np.linalg.inv(solved.world_from_camera)
    for (a, b), first, second in zip(matches.pairs.tolist(), matches.first, matches.second, strict=True):
        if a in place and b in place:
            relative = camera_from_world[place[b]] @ solved.world_from_camera[place[a]]
            yield _Pair((a, b), abs(place[b] - place[a]), relative, first, second)


def _scale(frames: Frames) -> float:
    """Pixels of the frames for one at a long side of 640."""
    return max(frames.width, frames.height) / 640


class _Seen:
    """Features of every frame: how often they were seen again, and how often against the cameras."""

    def __init__(self, matches: Matches, solved: Solved, frames: Frames) -> None:
        self.frames, self.scale = frames, _scale(frames)
        numbers = [int(number) for number in solved.numbers]
        at: dict[int, list[np.ndarray]] = {number: [] for number in numbers}
        votes: dict[int, list[np.ndarray]] = {number: [] for number in numbers}
        for pair in _pairs(matches, solved):
            vote = np.zeros(len(pair.first), int)
            if pair.apart >= FAR:
                tolerance = CONTRADICTED * self.scale
                agrees = _agrees(pair.first, pair.second, pair.relative, solved, tolerance)
                vote = np.where(agrees, 1, -1)
            for number, pixels in zip(pair.numbers, (pair.first, pair.second), strict=True):
                at[number].append(pixels)
                votes[number].append(vote)
        self.features = {number: _counted(at[number], votes[number]) for number in numbers if at[number]}

    def mask(self, number: int, width: int, height: int) -> np.ndarray:
        """[height, width] bool."""
        if int(number) not in self.features:
            return np.zeros((height, width), bool)
        pixels, agree, contradict = self.features[int(number)]
        follows = contradict >= OFTEN
        weight = np.where(follows | (agree > 0), 1.0, SILENT)
        shrink = np.array([width / self.frames.width, height / self.frames.height])
        x, y = np.clip((pixels * shrink).astype(int), 0, [width - 1, height - 1]).T
        sigma = SPREAD * self.scale * shrink[0]

        def density(weights: np.ndarray) -> np.ndarray:
            field = np.zeros((height, width), np.float32)
            np.add.at(field, (y, x), weights)
            return cv2.GaussianBlur(field, (0, 0), sigma)

        return density(weight * follows) > ENOUGH * (density(weight) + 1e-5)


def _agrees(
    first: np.ndarray, second: np.ndarray, relative: np.ndarray, solved: Solved, tolerance: float
) -> np.ndarray:
    """[M] bool: matches [M, 2] near their epipolar line (Sampson error, Hartley & Zisserman 2004, eq. 11.9)
    and before both cameras."""
    K, focal = solved.lens.K, solved.lens.focal
    rays = [
        np.concatenate(
            [solved.lens.undistort((p - K[:2, 2]) / K[[0, 1], [0, 1]]), np.ones((len(p), 1))], axis=1
        )
        for p in (first, second)
    ]
    rotation, (tx, ty, tz) = relative[:3, :3], relative[:3, 3]
    essential = np.array([[0, -tz, ty], [tz, 0, -tx], [-ty, tx, 0]]) @ rotation
    forth, back = rays[0] @ essential.T, rays[1] @ essential
    slope = np.sqrt((forth[:, :2] ** 2).sum(1) + (back[:, :2] ** 2).sum(1))
    near = np.abs((rays[1] * forth).sum(1)) * focal < tolerance * np.maximum(slope, 1e-12)
    # Depths d with d0 turned + t = d1 ray: the 2x2 normal equations.
    turned, ray, t = rays[0] @ rotation.T, rays[1], relative[:3, 3]
    aa, ab, bb = (turned**2).sum(1), (turned * ray).sum(1), (ray**2).sum(1)
    at, bt = turned @ t, ray @ t
    determinant = np.maximum(aa * bb - ab**2, 1e-12)
    return near & ((ab * bt - bb * at) / determinant > 0) & ((aa * bt - ab * at) / determinant > 0)


def _counted(at: list[np.ndarray], votes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each feature once: pixels [N, 2], and how many matches agree [N] and contradict [N]."""
    pixels, vote = np.concatenate(at), np.concatenate(votes)
    unique, feature = np.unique(pixels, axis=0, return_inverse=True)
    agree, contradict = (np.bincount(feature.ravel(), vote == sign, len(unique)) for sign in (1, -1))
    return unique, agree, contradict
