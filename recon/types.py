"""What flows between the stages: frozen dataclasses whose fields state shape and unit.

Conventions (all of `recon`): OpenCV camera axes (x right, y down, z forward); poses are
`world_from_camera`; pixel (0, 0) has its centre at (0.5, 0.5); colours are sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Verdict = Literal["good", "unsure", "failed"]

CHUNK_FRAMES = 29
"""Frames in a chunk: 4 * 7 + 1, the count the causal video VAEs of the generators make."""
CHUNK_OVERLAP = 5
"""Frames that neighbouring chunks share (stride 24)."""


def _check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, found {found}")


@dataclass(frozen=True)
class Shot:
    """A run of frames without a hard cut; every shot is a world of its own."""

    index: int
    first: int
    """Global number of its first frame."""
    frames: int
    """How many frames it has."""

    @property
    def numbers(self) -> range:
        """Global numbers of its frames."""
        return range(self.first, self.first + self.frames)


@dataclass(frozen=True)
class Chunk:
    """A folder of up to 29 consecutive frames of one shot."""

    index: int
    first: int
    """Global number of its first frame."""
    frames: int
    """How many frames it has: 29, or all of a shorter shot."""
    shot: int
    """Index of the shot it belongs to."""

    @property
    def name(self) -> str:
        """Folder name below `chunks/`."""
        return f"{self.index:03d}"

    @property
    def numbers(self) -> range:
        """Global numbers of its frames."""
        return range(self.first, self.first + self.frames)


@dataclass(frozen=True, repr=False)
class Frames:
    """Decoded frames on disk: `frames/00000.png`, `frames/00001.png`, … (8-bit sRGB)."""

    folder: Path
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: float
    """Mean frames per second of the frames kept."""
    seconds: np.ndarray
    """[F] float64, presentation time of each frame, increasing."""
    sharpness: np.ndarray
    """[F] float32, variance of the Laplacian of the grey image (higher is sharper)."""
    shots: tuple[Shot, ...]
    """In time order; together they cover all frames."""

    def __post_init__(self) -> None:
        n = len(self.seconds)
        _check(self.width > 0 and self.height > 0, "a positive size", (self.width, self.height))
        _check(self.sharpness.shape == (n,), f"sharpness [{n}]", self.sharpness.shape)
        covered = sum(shot.frames for shot in self.shots)
        _check(covered == n, f"shots that cover {n} frames", covered)

    def __len__(self) -> int:
        return len(self.seconds)

    def __repr__(self) -> str:
        return f"Frames({len(self)} of {self.width}x{self.height} in {self.folder})"

    @staticmethod
    def file_name(number: int) -> str:
        """File name of a frame by its global number."""
        return f"{number:05d}.png"

    def path(self, number: int) -> Path:
        """Where a frame lies, by its global number."""
        return self.folder / self.file_name(number)


@dataclass(frozen=True, repr=False)
class Cameras:
    """Solved cameras of one shot; only the frames that were placed are in it."""

    numbers: np.ndarray
    """[F] int64, global frame numbers, increasing."""
    world_from_camera: np.ndarray
    """[F, 4, 4] float64, rigid; camera axes x right, y down, z forward; world −y is up."""
    K: np.ndarray
    """[F, 3, 3] float64, pixels of `width` x `height`, for the undistorted images."""
    width: int
    height: int
    distortion: tuple[float, ...] = ()
    """Lens of the *source* frames: OpenCV (k1, k2, p1, p2) or () for none. Images in the chunks
    are already undistorted; `lens_K` are the intrinsics that belong to this distortion."""
    lens_K: np.ndarray | None = None
    """[3, 3] float64 intrinsics of the source frames, None when nothing was undistorted."""
    verdict: Verdict = "good"
    reason: str = ""
    """One sentence: why this verdict, and what to do when it is not good."""

    def __post_init__(self) -> None:
        n = len(self.numbers)
        _check(
            self.world_from_camera.shape == (n, 4, 4),
            f"world_from_camera [{n}, 4, 4]",
            self.world_from_camera.shape,
        )
        _check(self.K.shape == (n, 3, 3), f"K [{n}, 3, 3]", self.K.shape)
        _check(bool(np.isfinite(self.world_from_camera).all()), "finite poses", "nan or inf")
        _check(bool((np.diff(self.numbers) > 0).all()), "increasing frame numbers", self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __repr__(self) -> str:
        return f"Cameras({len(self)} of {self.width}x{self.height}, {self.verdict})"

    @property
    def camera_from_world(self) -> np.ndarray:
        """[F, 4, 4] inverse poses."""
        return np.linalg.inv(self.world_from_camera)

    @property
    def centres(self) -> np.ndarray:
        """[F, 3] camera centres in the world."""
        return self.world_from_camera[:, :3, 3]

    def of(self, numbers: range | np.ndarray) -> Cameras:
        """The cameras of these frames (those among them that were placed)."""
        return self.at(np.flatnonzero(np.isin(self.numbers, np.asarray(numbers))))

    def at(self, keep: np.ndarray | list[int]) -> Cameras:
        """A subset by position."""
        return Cameras(
            self.numbers[keep],
            self.world_from_camera[keep],
            self.K[keep],
            self.width,
            self.height,
            self.distortion,
            self.lens_K,
            self.verdict,
            self.reason,
        )


@dataclass(frozen=True, repr=False)
class Points:
    """Sparse points of one shot, in its world."""

    xyz: np.ndarray
    """[M, 3] float64."""
    rgb: np.ndarray
    """[M, 3] uint8."""
    error: np.ndarray
    """[M] float32, mean reprojection error in pixels."""
    tracks: tuple[np.ndarray, ...] = field(default=())
    """Per point the [T, 3] float32 rows (global frame number, x, y) that saw it; may be empty."""

    def __post_init__(self) -> None:
        m = len(self.xyz)
        _check(self.xyz.shape == (m, 3), f"xyz [{m}, 3]", self.xyz.shape)
        _check(self.rgb.shape == (m, 3), f"rgb [{m}, 3]", self.rgb.shape)
        _check(self.rgb.dtype == np.uint8, "rgb uint8", self.rgb.dtype)
        _check(self.error.shape == (m,), f"error [{m}]", self.error.shape)
        _check(len(self.tracks) in (0, m), f"{m} tracks or none", len(self.tracks))

    def __len__(self) -> int:
        return len(self.xyz)

    def __repr__(self) -> str:
        return f"Points({len(self)})"

    def select(self, index: np.ndarray) -> Points:
        """A subset by indices [N]."""
        tracks = tuple(self.tracks[i] for i in index) if self.tracks else ()
        return Points(self.xyz[index], self.rgb[index], self.error[index], tracks)


@dataclass(frozen=True, repr=False)
class Gaussians:
    """Splats as the optimiser holds them (3D Gaussian splatting, Kerbl et al. 2023)."""

    means: Tensor  # [N, 3] world
    quats: Tensor  # [N, 4] wxyz, not necessarily unit
    log_scales: Tensor  # [N, 3] log of the standard deviations, world units
    logit_opacities: Tensor  # [N]
    sh: Tensor  # [N, K, 3] spherical harmonics, K in {1, 4, 9, 16}

    def __post_init__(self) -> None:
        n = len(self.means)
        for name, tail in (("means", (3,)), ("quats", (4,)), ("log_scales", (3,))):
            shape = tuple(getattr(self, name).shape)
            _check(shape == (n, *tail), f"{name} {[n, *tail]}", shape)
        _check(tuple(self.logit_opacities.shape) == (n,), f"opacities [{n}]", self.logit_opacities.shape)
        k = self.sh.shape[1] if self.sh.ndim == 3 else 0
        _check(
            k in (1, 4, 9, 16) and tuple(self.sh.shape) == (n, k, 3),
            f"sh [{n}, 1|4|9|16, 3]",
            tuple(self.sh.shape),
        )

    def __len__(self) -> int:
        return len(self.means)

    def __repr__(self) -> str:
        return f"Gaussians({len(self)}, SH degree {self.sh_degree}, {self.means.device})"

    @property
    def sh_degree(self) -> int:
        """0..3."""
        return {1: 0, 4: 1, 9: 2, 16: 3}[self.sh.shape[1]]

    def tensors(self) -> dict[str, Tensor]:
        """The parameters by name, in a fixed order."""
        names = ("means", "quats", "log_scales", "logit_opacities", "sh")
        return {name: getattr(self, name) for name in names}

    def select(self, index: Tensor) -> Gaussians:
        """A subset (or a reordering), by index or mask."""
        return Gaussians(**{name: value[index] for name, value in self.tensors().items()})
