"""Flow between frames whose cameras are unknown, and smoothing that stops at the edges of a picture.

DIS: Kroeger et al. 2016, "Fast optical flow using dense inverse search".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

from recon.types import Frames

In = TypeVar("In")
Out = TypeVar("Out")

SIZE = 480
"""Long side of the frames that are compared, pixels."""
ROUND_TRIP, ROUND_TRIP_SLOPE = 1.0, 0.05
"""Pixels by which forward and backward flow may disagree, and what is added per pixel of flow."""
PICTURES, PAIRS = 96, 128
"""Frames and pairs of frames that `FrameFlows` remembers: a third of a gigabyte."""
TEXTURE = 20.0
"""Mean square of the Laplacian (8-bit grey) around a pixel below which its flow is a guess."""


@dataclass(frozen=True, repr=False)
class Flow:
    """Where the pixels of one frame are in another."""

    shift: np.ndarray
    """[h, w, 2] float32 pixels."""
    ok: np.ndarray
    """[h, w] bool, the flow back leads home."""

    def __repr__(self) -> str:
        return f"Flow({self.ok.shape[1]}x{self.ok.shape[0]}, {self.ok.mean():.0%} ok)"


def small_frame(frames: Frames, number: int) -> np.ndarray:
    """[h, w, 3] uint8: a frame with a long side of at most SIZE."""
    with Image.open(frames.path(number)) as picture:
        size = small_size(picture.width, picture.height)
        # As `probe` shrinks: Pillow's box averages, so the same pixels come out on every machine.
        return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX))


def small_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in which a frame is looked at."""
    factor = min(1.0, SIZE / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def grey(picture: np.ndarray) -> np.ndarray:
    """[h, w] uint8 of [h, w, 3] uint8."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


@lru_cache(8)
def pixel_grid(height: int, width: int) -> np.ndarray:
    """[h, w, 2] float32 pixel indices (x, y), read-only; the centre of a pixel is at a whole number."""
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    grid.flags.writeable = False
    return grid


def lengths(vectors: np.ndarray) -> np.ndarray:
    """[...] of vectors [..., 2]; numpy's norm over so short an axis takes ten times as long."""
    return np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2)


def sample(field: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values of `field` [h, w] or [h, w, C] at pixel indices [H, W, 2] float32."""
    return cv2.remap(field, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def both_flows(a: np.ndarray, b: np.ndarray, *, fine: bool = False) -> tuple[Flow, Flow]:
    """Flow from a to b and from b to a; grey frames [h, w] uint8.

    Args:
        fine: In all pixels, not every other, and smoothed half as much: chained, it drifts by a third less,
            and takes twice as long.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if fine:
        dis.setFinestScale(0)
        dis.setVariationalRefinementAlpha(0.5 * dis.getVariationalRefinementAlpha())
    forth = dis.calc(a, b, np.zeros((*a.shape, 2), np.float32))
    back = dis.calc(b, a, np.zeros((*a.shape, 2), np.float32))
    return Flow(forth, _returns(forth, back)), Flow(back, _returns(back, forth))


def flows_along(looks: Sequence[np.ndarray], *, fine: bool = False) -> list[tuple[Flow, Flow]]:
    """Flow from each grey frame [h, w] uint8 to the next one and back; see `both_flows`."""
    return list(in_order(lambda pair: both_flows(*pair, fine=fine), pairwise(looks)))


class FrameFlows:
    """Small grey frames of a video and the flow between them, remembered for a while: the masks before and
    after a solve and the test of its cameras look at the same pairs.

    The keys are global numbers of frames.
    """

    def __init__(self, frames: Frames) -> None:
        self._look = lru_cache(PICTURES)(lambda number: grey(small_frame(frames, number)))
        self._pair = lru_cache(PAIRS)(lambda a, b: both_flows(self._look(a), self._look(b)))
        self._half_pair = lru_cache(PAIRS)(lambda a, b: both_flows(self.half(a), self.half(b))[0])

    def look(self, number: int) -> np.ndarray:
        """[h, w] uint8."""
        return self._look(int(number))

    def between(self, a: int, b: int) -> tuple[Flow, Flow]:
        """Flow from frame a to frame b and from b to a."""
        forth, back = self._pair(int(min(a, b)), int(max(a, b)))
        return (forth, back) if a < b else (back, forth)

    def half(self, number: int) -> np.ndarray:
        """[h / 2, w / 2] uint8."""
        look = self.look(number)
        size = max(1, look.shape[1] // 2), max(1, look.shape[0] // 2)
        return cv2.resize(look, size, interpolation=cv2.INTER_AREA)

    def between_halves(self, a: int, b: int) -> Flow:
        """Flow from frame a to frame b at half the size, in a quarter of the time: how fast things are."""
        return self._half_pair(int(a), int(b))


def _returns(forth: np.ndarray, back: np.ndarray) -> np.ndarray:
    height, width = forth.shape[:2]
    goal = pixel_grid(height, width) + forth
    x, y = goal[..., 0], goal[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & (lengths(forth + sample(back, goal)) < ROUND_TRIP + ROUND_TRIP_SLOPE * lengths(forth))


def textured(picture: np.ndarray) -> np.ndarray:
    """[h, w] bool: where the flow of a grey frame [h, w] uint8 is more than a guess."""
    return cv2.boxFilter(cv2.Laplacian(picture, cv2.CV_32F) ** 2, -1, (9, 9)) > TEXTURE


_LOCK = threading.Lock()
_inside = _threads = 0


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """OpenCV works in one thread for each call, until the last of those that are inside leaves."""
    global _inside, _threads
    with _LOCK:
        if _inside == 0:
            _threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                cv2.setNumThreads(_threads)


def in_order(work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`work` on all items, a thread for each core; each OpenCV call in one thread, because inside one
    the result would depend on the number of cores."""
    with _one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(work, items)


def edge_aware(
    values: np.ndarray,  # [h, w] float32
    weight: np.ndarray,  # [h, w] float32, 0 where the value is unknown
    guide: np.ndarray,  # [h, w] uint8
    radius: int,
    epsilon: float = 1e-3,
) -> np.ndarray:
    """[h, w] float32: values smoothed and filled in, with edges where the guide has them.

    The guided filter (He et al. 2013), whose local regressions are weighted here.
    """
    guide = guide.astype(np.float32) / 255

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(x, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    total = mean(weight) + 1e-6
    i, p = mean(weight * guide) / total, mean(weight * values) / total
    covariance = mean(weight * guide * values) / total - i * p
    variance = mean(weight * guide * guide) / total - i * i
    slope = covariance / (np.maximum(variance, 0) + epsilon)
    return mean(total * slope) / mean(total) * guide + mean(total * (p - slope * i)) / mean(total)
