"""What a model is asked to do, with all pictures in memory and in its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gen.models.spec import Lora, Task

if TYPE_CHECKING:
    import numpy as np

    from gen.models.trajectories import Cameras
    from gen.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a model. Pictures are uint8 sRGB of `width` x `height`, all but the face; None is what
    nobody asked for."""

    task: Task
    width: int
    height: int
    frames: int
    fps: float
    seed: int
    prompt: str | Mapping[int, str] = ""
    """Or several by frame, which blend into each other."""
    negative: str | None = None
    steps: int | None = None
    guidance: float | None = None
    image: np.ndarray | None = None
    """[H, W, 3], the first frame, or whoever is to be animated."""
    last: np.ndarray | None = None
    """[H, W, 3]."""
    reference: np.ndarray | None = None
    """[H, W, 3], what things are to look like."""
    video: np.ndarray | None = None
    """[F, H, W, 3], to be changed."""
    strength: float | None = None
    """How much of `video` is to change: 0 nothing, 1 all."""
    control: np.ndarray | None = None
    """[F, H, W, 3], depth, edges, skeletons or segments that each frame is to follow."""
    control_scale: float | None = None
    face: np.ndarray | None = None
    """[F, h, w, 3] in any size, the face that moves."""
    timeline: Timeline | None = None
    """Frames to keep and to make."""
    cameras: Cameras | None = None
    loras: tuple[Lora, ...] = ()
    window: int | None = None
    """Frames that FreeNoise looks at together."""
    motion: int | None = None
    """Stable Video Diffusion's motion bucket, 1 to 255."""
    noise: float | None = None
    """Noise added to Stable Video Diffusion's picture."""
