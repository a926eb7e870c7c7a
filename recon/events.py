"""Typed events of the stages. The progress bar, the logs, a live viewer and tests are listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStarted:
    """A stage begins (or is skipped, when `done_before`)."""

    stage: str
    """What it does, in words for the user, e.g. "cameras"."""
    done_before: bool = False


@dataclass(frozen=True)
class StageProgress:
    """Work done inside a stage."""

    stage: str
    done: int
    total: int | None
    """None while it is not known."""
    note: str = ""


@dataclass(frozen=True)
class StageFinished:
    """A stage has ended well."""

    stage: str
    seconds: float
    note: str = ""
    """What came out, in words."""


@dataclass(frozen=True)
class Notice:
    """Something the user should know: a cut found, frames left out, a slow fallback."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class TrainStep:
    """One optimiser step."""

    step: int
    """Steps done, 1..total."""
    total: int
    loss: float
    gaussians: int
    width: int
    height: int
    seconds: float
    """Training time so far, over all sessions."""


@dataclass(frozen=True)
class Evaluated:
    """Scores over a set of views."""

    step: int
    split: str
    """"train" or "heldout"."""
    psnr: float
    """dB, mean over views."""
    ssim: float
    views: int
    seconds: float


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint lies on disk."""

    step: int
    path: str


Event = StageStarted | StageProgress | StageFinished | Notice | TrainStep | Evaluated | Checkpointed
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does nothing."""
