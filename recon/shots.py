"""Hard cuts (PySceneDetect), blur and repeats, measured on small copies of the frames."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from scenedetect import AdaptiveDetector, FrameTimecode
from scipy.ndimage import gaussian_filter1d

from recon.types import Shot

SMALL = 240
"""Long side of the copies in pixels."""
SAME = 0.05
"""Mean grey levels by which neighbours may differ and still be one frame stored twice."""
OTHER_COLOURS = 0.42
"""Bhattacharyya distance between the colour histograms of neighbours from which on they are two shots.
Measured: at most 0.30 within a shot (photographs a step apart), 0.55 and more across a cut."""
SHORTEST = 5
"""Frames between cuts, at least: a flash is no shot."""


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
        if self.small and float(cv2.absdiff(small, self.small[-1]).mean()) < SAME:
            return False
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self.small.append(small)
        self.sharpness.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
        self.contrast.append(float(grey.std()))
        return True

    def shots(self) -> tuple[Shot, ...]:
        """Runs of frames between hard cuts. A cut stands out against the change around it (so that fast
        camera moves and photographs taken a step apart do not count), or brings other colours."""
        detector = AdaptiveDetector(
            adaptive_threshold=3.5, min_scene_len=SHORTEST, window_width=2, min_content_val=18
        )
        cuts: set[int] = set()
        for number, small in enumerate(self.small):
            found = detector.process_frame(
                FrameTimecode(number, fps=25.0), cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
            )
            cuts.update(cut.frame_num for cut in found)
        histograms = [_histogram(small) for small in self.small]
        for number, (before, after) in enumerate(pairwise(histograms), 1):
            if cv2.compareHist(before, after, cv2.HISTCMP_BHATTACHARYYA) > OTHER_COLOURS:
                cuts.add(number)
        starts = [0, *sorted(cut for cut in cuts if SHORTEST <= cut <= len(self.small) - SHORTEST)]
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


def _histogram(image: np.ndarray) -> np.ndarray:
    """Share of pixels by hue, saturation and value, smoothed: a fade must not count when it moves a plain
    wall from one bin to the next."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [16, 8, 16], [0, 180, 0, 256, 0, 256])
    share = counts / counts.sum()
    share = gaussian_filter1d(share, 1, axis=0, mode="wrap")  # hue is a circle
    return gaussian_filter1d(gaussian_filter1d(share, 1, axis=1), 1, axis=2)
