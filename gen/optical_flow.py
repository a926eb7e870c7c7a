"""Dense motion between two frames, both ways, and how far to believe it.

DIS: Kroeger et al. 2016, "Fast optical flow using dense inverse search".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONG_SIDE = 1280
"""Pixels; larger frames are compared at this size, where motion is as plain and the search is fast."""
ROUND_TRIP, ROUND_TRIP_SLOPE = 1.0, 0.05
"""Pixels by which forward and backward flow may well disagree, and what is added per pixel of motion."""


@dataclass(frozen=True, repr=False)
class Flow:
    """Where the pixels of one frame are in another."""

    shift: np.ndarray
    """[H, W, 2] float32 pixels (x, y)."""
    trust: np.ndarray
    """[H, W] float32 in 0..1: whether the flow of the other frame leads home again. Low where a surface is
    hidden in the other frame, leaves it, or was not found."""

    def __repr__(self) -> str:
        return f"Flow({self.trust.shape[1]}x{self.trust.shape[0]}, {self.trust.mean():.0%} trusted)"


def both_flows(
    a: np.ndarray,  # [H, W, 3]
    b: np.ndarray,  # [H, W, 3]
) -> tuple[Flow, Flow]:
    """Flow from a to b and from b to a; frames are uint8 sRGB of one size."""
    import cv2

    height, width = a.shape[:2]
    factor = min(1.0, LONG_SIDE / max(height, width))
    small = max(16, round(width * factor)), max(16, round(height * factor))

    def grey(frame: np.ndarray) -> np.ndarray:
        frame = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        return frame if small == (width, height) else cv2.resize(frame, small, interpolation=cv2.INTER_AREA)

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = grey(a), grey(b)
    empty = np.empty((0,))
    shifts = [dis.calc(first, second, empty), dis.calc(second, first, empty)]
    if small != (width, height):
        scale = np.array([width / small[0], height / small[1]], np.float32)
        shifts = [cv2.resize(shift, (width, height)) * scale for shift in shifts]
    forth, back = shifts
    return Flow(forth, agreement(forth, -sample(back, pixel_grid(forth) + forth))), Flow(
        back, agreement(back, -sample(forth, pixel_grid(back) + back))
    )


def agreement(
    shift: np.ndarray,  # [H, W, 2]
    other: np.ndarray,  # [H, W, 2]
) -> np.ndarray:
    """[H, W] float32 in 0..1: how well two motions of the same pixels agree."""
    allowed = ROUND_TRIP + ROUND_TRIP_SLOPE * np.linalg.norm(shift, axis=-1)
    return 1 / (1 + ((shift - other) ** 2).sum(-1) / allowed**2)


def pixel_grid(like: np.ndarray) -> np.ndarray:
    """[H, W, 2] float32 pixel indices (x, y) of a picture or field [H, W, ...]."""
    return np.stack(np.meshgrid(np.arange(like.shape[1]), np.arange(like.shape[0])), -1).astype(np.float32)


def sample(
    field: np.ndarray,  # [H, W] or [H, W, C]
    at: np.ndarray,  # [h, w, 2]
) -> np.ndarray:
    """Values at pixel indices (x, y), float32, bilinear; outside, those of the nearest edge."""
    import cv2

    return cv2.remap(field, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
