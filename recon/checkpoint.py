"""Checkpoints: tensors, numbers and strings only, written atomically, read without pickle."""

from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from recon.config import FitConfig
from recon.errors import TrainError
from recon.scene import replacing

VERSION = 3


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
