"""What a run reports while it works. A progress bar, a log and the tests are listeners."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PromptRead:
    """The words of the prompt have been sorted."""

    used: tuple[str, ...]
    ignored: tuple[str, ...]
    objects: tuple[str, ...]
    """Such as "3 pine", in the order of the prompt."""
    notes: tuple[str, ...]
    """What was decided without being asked, in sentences."""


@dataclass(frozen=True)
class Notice:
    """Something that was decided without being asked, or that the user should know."""

    text: str
    """A sentence."""
    warning: bool = False


@dataclass(frozen=True)
class VideoReused:
    """The same request was rendered before and its video is intact: nothing is drawn."""

    path: Path


@dataclass(frozen=True)
class RendererStarting:
    """The ray tracer is about to be compiled, or loaded from its cache."""


@dataclass(frozen=True)
class RendererReady:
    """The ray tracer can draw."""

    seconds: float
    """About 10 on the first run on a machine, 0.3 afterwards."""


@dataclass(frozen=True)
class ModelLoading:
    """A model's weights are about to be read."""

    name: str
    folder: Path


@dataclass(frozen=True)
class ModelReady:
    """A model can draw."""

    name: str
    device: str
    seconds: float


@dataclass(frozen=True)
class StepDone:
    """A model has finished one of its denoising steps, for all frames at once."""

    step: int
    """From 1."""
    steps: int
    seconds: float
    """Since the first step was begun."""
    seconds_left: float


@dataclass(frozen=True)
class FrameRendered:
    """One more frame is in the video."""

    frame: int
    """From 0."""
    frames: int
    seconds: float
    """Since the first frame was begun."""


@dataclass(frozen=True)
class VideoWritten:
    """The video and its sidecar are in place."""

    path: Path
    seconds: float
    """Rendering and encoding, without `RendererReady.seconds`."""


Event = (
    PromptRead
    | Notice
    | VideoReused
    | RendererStarting
    | RendererReady
    | ModelLoading
    | ModelReady
    | StepDone
    | FrameRendered
    | VideoWritten
)


def ignore(event: Event) -> None:
    """The listener of a caller who gave none."""


def told(
    frames: Iterable[np.ndarray], total: int, on_event: Callable[[Event], None]
) -> Iterator[np.ndarray]:  # [H, W, 3] each
    """The frames, `total` of them, each announced once it is in the video: when the next is asked for."""
    started = time.perf_counter()
    for number, frame in enumerate(frames):
        yield frame
        on_event(FrameRendered(number, total, time.perf_counter() - started))
