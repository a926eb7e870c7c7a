"""Checkpoints: tensors, numbers and strings only, written atomically, read without pickle."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from recon.config import FitConfig
from recon.errors import TrainError
from recon.events import Checkpointed, Listener
from recon.scene import replacing

VERSION = 4
CHECKPOINT_SECONDS = 20.0
"""At most this much work is lost when a run is killed."""


def save_checkpoint(path: Path, config: FitConfig, key: str, state: dict[str, Any]) -> None:
    """Write `state` with what it belongs to; an earlier checkpoint stays until this one is complete."""
    with replacing(path) as part:
        torch.save({"version": VERSION, "config": asdict(config), "key": key, **state}, part)


def load_checkpoint(path: Path, config: FitConfig, key: str) -> dict[str, Any] | None:
    """The state to go on from; None when there is none, or when it belongs to other inputs or settings."""
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainError(
            f"{path} is damaged ({type(error).__name__}); delete it and run the command again"
        ) from error
    if saved.get("version") != VERSION or saved["key"] != key or saved["config"] != asdict(config):
        return None
    return saved


class Session:
    """One session of a training that may have had earlier ones: what they left, and the time over all."""

    def __init__(self, path: Path, config: FitConfig, key: str, on_event: Listener) -> None:
        self.saved = load_checkpoint(path, config, key)
        self.first_step: int = self.saved["step"] if self.saved else 0
        self._path, self._config, self._key, self._on_event = path, config, key, on_event
        self._spent: float = self.saved["seconds"] if self.saved else 0.0
        self._begun = self._last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of all sessions."""
        return self._spent + time.perf_counter() - self._begun

    def write(self, step: int, state: dict[str, Any]) -> None:
        """A checkpoint after this step; none when nothing was trained since the last session."""
        if step == self.first_step:
            return
        numbers = {"step": step, "seconds": self.seconds}
        save_checkpoint(self._path, self._config, self._key, {**numbers, **state})
        self._on_event(Checkpointed(step, str(self._path)))
        self._last = time.perf_counter()

    def write_when_due(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """A checkpoint when the last one is CHECKPOINT_SECONDS old."""
        if time.perf_counter() - self._last > CHECKPOINT_SECONDS:
            self.write(step, state())
