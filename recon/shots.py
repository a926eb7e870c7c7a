"""Hard cuts (PySceneDetect, confirmed by matching), blur and repeats, on small copies of the frames."""

from __future__ import annotations

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, FrameTimecode
from scipy.ndimage import gaussian_filter1d

from recon.types import Shot

SMALL = 240
"""Long side of the copies in pixels."""
SAME, SAME_SPOT = 0.3, 7
"""Grey levels by which neighbours may differ, on the mean and in any 5x5 pixels, and still be one frame
stored twice. Measured: repeats encoded again (H.264 crf 18 to 32) differ by at most 0.3 and 6 (a few by
0.5), a zoom of 0.04 % a frame by 0.5 and 7; something small that moves under a still camera by far more in
its spot. The frame compared with is the last one kept, so a slow move adds up and is not lost."""
OTHER_COLOURS = 0.42
"""Bhattacharyya distance between the colour histograms of neighbours from which on they are two shots.
Measured: at most 0.30 within a shot (photographs a step apart), 0.55 and more across a cut."""
SHORTEST = 5
"""Frames between cuts, at least: a flash is no shot."""
MATCHES = 20
"""SIFT matches on one epipolar geometry from which on two frames show the same place. Measured: at least 30
between frames of one shot (photographs two steps apart), at most 8 across a cut."""
FEATURES = 60
"""Features a frame needs for its lack of matches to mean anything."""


class FrameStatistics:
    """Looks at every frame once, in order."""

    def __init__(self, width: int, height: int) -> None:
        factor = min(1.0, SMALL / max(width, height))
        self.size = max(16, round(width * factor)), max(16, round(height * factor))
        self.small: list[np.ndarray] = []
        self.sharpness: list[float] = []
        self.contrast: list[float] = []

    def add(self, image: np.ndarray) -> bool:
        """Takes in a frame [H, W, 3] uint8; False when it repeats the one before, and is to be dropped."""
        small = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)
        if self.small and _same(small, self.small[-1]):
            return False
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self.small.append(small)
        self.sharpness.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
        self.contrast.append(float(grey.std()))
        return True

    def repeat(self) -> None:
        """Takes in the last frame once more."""
        self.small.append(self.small[-1])
        self.sharpness.append(self.sharpness[-1])
        self.contrast.append(self.contrast[-1])

    def shots(self) -> tuple[Shot, ...]:
        """Runs of frames between hard cuts. A cut stands out against the change around it, or brings other
        colours; and what comes after it shows another place, which a flash, a change of exposure, a fast
        camera move or photographs taken a step apart do not."""
        detectors = [AdaptiveDetector(ratio, 1, 2, least) for ratio, least in ((1.5, 12), (3.5, 18))]
        likely, sure = set[int](), set[int]()
        for number, small in enumerate(self.small):
            image, at = cv2.cvtColor(small, cv2.COLOR_RGB2BGR), FrameTimecode(number, fps=25.0)
            for cuts, detector in zip((likely, sure), detectors, strict=True):
                cuts.update(cut.frame_num for cut in detector.process_frame(at, image))
        before = _histogram(self.small[0])
        for number, small in enumerate(self.small[1:], 1):
            after = _histogram(small)
            if cv2.compareHist(before, after, cv2.HISTCMP_BHATTACHARYYA) > OTHER_COLOURS:
                sure.add(number)
            before = after
        starts, matcher = [0], _Matcher(self.small)
        for cut in sorted(likely | sure):
            long_enough = starts[-1] + SHORTEST <= cut <= len(self.small) - SHORTEST
            if long_enough and matcher.is_cut(starts[-1], cut, cut in sure):
                starts.append(cut)
        ends = [*starts[1:], len(self.small)]
        return tuple(Shot(i, a, b - a) for i, (a, b) in enumerate(zip(starts, ends, strict=True)))

    def blurred(self) -> int:
        """How many frames are much less sharp than their neighbours."""
        values = np.array(self.sharpness)
        if len(values) < 9:
            return 0
        padded = np.pad(values, 4, mode="edge")
        around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), axis=1)
        return int((values < 0.5 * around).sum())


class _Matcher:
    """Do frames show the same place?"""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.images = images
        self.sift = cv2.SIFT.create(400)
        self.known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def features(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """[M, 2] places and [M, 128] descriptors."""
        if number not in self.known:
            grey = cv2.cvtColor(self.images[number], cv2.COLOR_RGB2GRAY)
            points, descriptors = self.sift.detectAndCompute(grey, None)
            places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
            self.known[number] = (
                places,
                (np.zeros((0, 128), np.float32) if descriptors is None else descriptors),
            )
        return self.known[number]

    def is_cut(self, start: int, cut: int, sure: bool) -> bool:
        """Does frame `cut` end the shot that begins at `start`? `sure` decides for frames without detail."""
        spread = np.linspace(start, cut - 1, 12).round().astype(int).tolist()
        before = [cut - 1, *dict.fromkeys(n for n in reversed(spread) if n != cut - 1)]
        # A doubtful cut may be a jump that is soon taken back.
        ahead = (0, 1, 3) if sure else (0, 1, 3, 6, 12)
        after = [cut + n for n in ahead if cut + n < len(self.images)]
        if any(self.same_place(a, b) for b in after for a in before):
            return False
        detail = min(len(self.features(cut - 1)[0]), len(self.features(cut)[0]))
        return sure or detail >= FEATURES

    def same_place(self, a: int, b: int) -> bool:
        """Enough matches, and one epipolar geometry that explains them."""
        (places_a, a_is), (places_b, b_is) = self.features(a), self.features(b)
        if min(len(places_a), len(places_b)) < MATCHES:
            return False
        pairs = cv2.BFMatcher().knnMatch(a_is, b_is, k=2)
        good = [best for best, second in pairs if best.distance < 0.75 * second.distance]
        if len(good) < MATCHES:
            return False
        _, inliers = cv2.findFundamentalMat(
            places_a[[m.queryIdx for m in good]],
            places_b[[m.trainIdx for m in good]],
            cv2.FM_RANSAC,
            1.5,
            0.99,
        )
        return inliers is not None and int((inliers == 1).sum()) >= MATCHES


def _same(image: np.ndarray, other: np.ndarray) -> bool:
    difference = cv2.absdiff(image, other)
    return bool(difference.mean() < SAME and cv2.blur(difference.max(2), (5, 5)).max() < SAME_SPOT)


def _histogram(image: np.ndarray) -> np.ndarray:
    """Share of pixels by hue, saturation and value, smoothed: a fade must not count when it moves a plain
    wall from one bin to the next."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [16, 8, 16], [0, 180, 0, 256, 0, 256])
    share = counts / counts.sum()
    share = gaussian_filter1d(share, 1, axis=0, mode="wrap")  # hue is a circle
    return gaussian_filter1d(gaussian_filter1d(share, 1, axis=1), 1, axis=2)
