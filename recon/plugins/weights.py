"""Finding a learned model: its package, its weights (never downloaded by us), and its licence."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from recon.errors import ReconError
from recon.events import Listener, Notice


class PluginError(ReconError):
    """A learned solver cannot be loaded: the message names the command that gets what is missing."""


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a published model without loading it."""

    task: str
    """"cameras", "depth", "tracks" or "masks"."""
    repo: str
    """Its name on huggingface.co."""
    licence: str
    """Of the weights, as their authors state it; a model card beside the weights is believed first."""
    memory_gb: float
    """GPU memory for a clip of 29 frames, estimated from the number of parameters; not measured."""


@dataclass(frozen=True)
class Weights:
    """A model found on this machine."""

    name: str
    """As asked for."""
    folder: Path
    revision: str
    """The hub's commit, or "local folder"."""
    licence: str

    def announce(self, task: str, on_event: Listener) -> None:
        """Tell which weights are used, and under which licence."""
        on_event(Notice(f"{task}: {self.name} (revision {self.revision}, licence: {self.licence})"))


def need(module: str, install: str) -> ModuleType:
    """Import an optional package.

    Raises:
        PluginError: It is not installed or cannot be loaded; `install` is the command that helps.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = f"the Python package {error.name!r} is not installed"
    except (ImportError, OSError, RuntimeError) as error:
        missing = f"the Python package {module!r} cannot be loaded ({_line(error)})"
    raise PluginError(f"{missing}; run: {install}")


def find_weights(name_or_folder: str | Path, known: Sequence[ModelInfo]) -> Weights:
    """The folder of a model: one given by its path, or one that lies in the hub's cache (HF_HOME).

    Raises:
        PluginError: Neither; nothing is ever downloaded here.
    """
    name = str(name_or_folder)
    licence = next((info.licence for info in known if info.repo.lower() == name.lower()), "")
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return Weights(name, folder, "local folder", _licence(folder) or licence or UNKNOWN_LICENCE)
    names = ", ".join(info.repo for info in known)
    if isinstance(name_or_folder, Path) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise PluginError(f"found no folder {name}, expected one with weights, or a model such as {names}")
    hub = need("huggingface_hub", "pip install huggingface_hub")
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=True))
    except Exception as error:  # the hub's own errors, which vary between its versions
        raise PluginError(
            f"found no weights of {name} in the hub's cache; run: hf download {name} "
            "(or give the folder that holds them)"
        ) from error
    return Weights(name, folder, folder.name[:12], _licence(folder) or licence or UNKNOWN_LICENCE)


UNKNOWN_LICENCE = "unknown, see its model card"


def loaded(weights: Weights, load: Callable[[], Any]) -> Any:
    """What `load` gives, from the files of `weights`.

    Raises:
        PluginError: The files are incomplete or of another model.
    """
    try:
        return load()
    except PluginError:
        raise
    except Exception as error:  # whatever a foreign package thinks of the files
        raise PluginError(
            f"the weights in {weights.folder} cannot be loaded ({type(error).__name__}: {_line(error)}); "
            f"expected all files of the model: hf download {weights.name}"
        ) from error


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "…"


def _licence(folder: Path) -> str:
    """What a model card (README.md with "license: …" in its head) says; "" when there is none."""
    try:
        lines = (folder / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = {}
    for line in lines[1:] if lines[:1] == ["---"] else []:
        if line.strip() == "---":
            break
        key, colon, value = line.partition(":")
        if colon and key in ("license", "license_name"):
            said[key] = value.strip().strip("\"'")
    return said.get("license_name") or said.get("license", "")
