"""What a learned solver has to do to be plugged in: four small interfaces and what they return.

Frames go in as [F, H, W, 3] uint8 sRGB of one size. Everything comes back in pixels of those frames
(pixel (0, 0) has its centre at (0.5, 0.5)), whatever size the model itself works at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np


def _check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, found {found}")


@dataclass(frozen=True, repr=False)
class CameraGuess:
    """Cameras of all frames in one world, up to a similarity."""

    world_from_camera: np.ndarray
    """[F, 4, 4] rigid, OpenCV camera axes (x right, y down, z forward)."""
    K: np.ndarray
    """[F, 3, 3] pixels of the source frames."""
    points: np.ndarray | None = None
    """[M, 3] in the same world, None when the model gives none."""

    def __post_init__(self) -> None:
        n = len(self.K)
        _check(self.world_from_camera.shape == (n, 4, 4), f"poses [{n}, 4, 4]", self.world_from_camera.shape)
        _check(self.K.shape == (n, 3, 3), f"K [{n}, 3, 3]", self.K.shape)
        rotation = self.world_from_camera[:, :3, :3]
        rigid = np.allclose(rotation @ rotation.swapaxes(1, 2), np.eye(3), atol=1e-4)
        _check(rigid and bool((np.linalg.det(rotation) > 0).all()), "rigid poses", "scaled or mirrored ones")

    def __repr__(self) -> str:
        return f"CameraGuess({len(self.K)} frames)"


@dataclass(frozen=True, repr=False)
class DepthGuess:
    """Inverse depth of all frames."""

    inverse_depth: np.ndarray
    """[F, H, W] float32, ≥ 0; 0 is infinitely far."""
    confidence: np.ndarray | None
    """[F, H, W] float32, 0..1 in the model's own (uncalibrated) measure; None when it gives none."""
    scale: Literal["metres", "scene", "frame"]
    """What it is the inverse of: metres, units of one world for all frames, or nothing (scale and
    offset differ from frame to frame)."""

    def __post_init__(self) -> None:
        shape = self.inverse_depth.shape
        _check(len(shape) == 3, "inverse_depth [F, H, W]", shape)
        _check(bool((self.inverse_depth >= 0).all()), "inverse depth of at least 0", "less, or nan")
        if self.confidence is not None:
            _check(self.confidence.shape == shape, f"confidence {shape}", self.confidence.shape)

    def __repr__(self) -> str:
        return f"DepthGuess({self.inverse_depth.shape}, {self.scale})"


@dataclass(frozen=True, repr=False)
class TrackGuess:
    """Where points of the scene are seen in every frame."""

    xy: np.ndarray
    """[Q, F, 2] float32 pixels, meaningful where visible."""
    visible: np.ndarray
    """[Q, F] bool."""
    confidence: np.ndarray
    """[Q, F] float32, 0..1."""

    def __post_init__(self) -> None:
        shape = self.visible.shape
        _check(self.xy.shape == (*shape, 2), f"xy {(*shape, 2)}", self.xy.shape)
        _check(self.confidence.shape == shape, f"confidence {shape}", self.confidence.shape)

    def __repr__(self) -> str:
        return f"TrackGuess({self.visible.shape[0]} points in {self.visible.shape[1]} frames)"


@dataclass(frozen=True, repr=False)
class MaskGuess:
    """Where things are that may move."""

    inside: np.ndarray
    """[F, H, W] bool."""
    labels: tuple[tuple[str, ...], ...]
    """Per frame what was found, sorted, without repetition."""

    def __post_init__(self) -> None:
        _check(self.inside.dtype == bool and self.inside.ndim == 3, "bool [F, H, W]", self.inside.shape)
        _check(len(self.labels) == len(self.inside), f"labels of {len(self.inside)} frames", len(self.labels))

    def __repr__(self) -> str:
        return f"MaskGuess({self.inside.shape}, {100 * self.inside.mean():.0f} % inside)"


class CameraSolver(Protocol):
    """Cameras from frames without features and bundle adjustment."""

    def cameras(self, frames: np.ndarray) -> CameraGuess:
        """Solve [F, H, W, 3] uint8 frames together."""
        ...


class DepthSolver(Protocol):
    """Depth from frames."""

    def depth(self, frames: np.ndarray) -> DepthGuess:
        """Depth of [F, H, W, 3] uint8 frames."""
        ...


class TrackSolver(Protocol):
    """Points followed through a clip."""

    def tracks(self, frames: np.ndarray, queries: np.ndarray) -> TrackGuess:
        """Follow [Q, 3] queries (frame, x, y) through [F, H, W, 3] uint8 frames."""
        ...


class MaskSolver(Protocol):
    """Things that may move."""

    def masks(self, frames: np.ndarray) -> MaskGuess:
        """Segment [F, H, W, 3] uint8 frames."""
        ...
