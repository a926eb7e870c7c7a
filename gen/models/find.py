"""Finding a model by name or folder, and its weights: a local folder, the hub's cache, then the hub."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gen.errors import GenerateError
from gen.models.adapters import plain
from gen.models.catalogue import CATALOGUE
from gen.models.spec import ModelSpec, Task
from gen.nearest import did_you_mean

FOLDERS = "SPLATREEL_MODELS"
"""Environment variable: a folder with models in it, each in a folder with its name or its repository's."""
INDEX, PART = "model_index.json", "config.json"
"""Files that tell the folder of a pipeline and of one network."""


@dataclass(frozen=True)
class ModelRow:
    """A model, as `splatreel models` lists it."""

    name: str
    tasks: tuple[str, ...]
    licence: str
    gated: bool
    memory_gb: float | None
    here: Path | None
    """Where its weights are on this machine."""
    fetch: str
    """The command that fetches it."""
    note: str


def models() -> list[ModelRow]:
    """All models of the catalogue, and where those on this machine are."""
    return [
        ModelRow(
            name=spec.name,
            tasks=spec.tasks,
            licence=spec.licence,
            gated=spec.gated,
            memory_gb=spec.memory_gb,
            here=weights_folder(spec),
            fetch=fetch_command(spec),
            note=spec.note,
        )
        for spec in CATALOGUE
    ]


def find_model(name: str | None, task: Task | None = None) -> ModelSpec:
    """The model of a name or a local folder; None takes the first for the task that is on this machine.

    Raises `GenerateError` if there is none, or if it cannot do the task.
    """
    if name is None:
        able = [spec for spec in CATALOGUE if task in spec.tasks]
        return next((spec for spec in able if is_here(spec, task)), able[0])
    if _is_path(name):
        spec = spec_for_folder(Path(name).expanduser(), task)
    else:
        named = [spec for spec in CATALOGUE if spec.name == name]
        if not named:
            known = [spec.name for spec in CATALOGUE]
            raise GenerateError(
                f'There is no model "{name}"{did_you_mean(name, known)}. Known are {", ".join(known)}; a '
                f"folder with a {INDEX} works too."
            )
        spec = named[0]
    if task is not None and task not in spec.tasks:
        able = ", ".join(other.name for other in CATALOGUE if task in other.tasks)
        raise GenerateError(
            f'The model "{spec.name}" does {", ".join(spec.tasks)}, but {task} was asked for: choose one of '
            f"{able}."
        )
    return spec


def spec_for_folder(folder: Path, task: Task | None = None) -> ModelSpec:
    """What there is to know of a model in a local folder: as the catalogue's of the same class, or plain."""
    index = _read_index(folder)
    name = str(index.get("_class_name"))
    same = [spec for spec in CATALOGUE if name in spec.pipelines.values() or name in spec.folder_classes]
    # First those that do the task, and of them those that are of this class and no other.
    same.sort(key=lambda spec: (task not in spec.tasks, set(spec.pipelines.values()) != {name}))
    known: dict[str, Any] = {
        "name": folder.name,
        "repo": str(folder),
        "licence": "see where the folder comes from",
    }
    if same:
        return replace(same[0], **known, revision=None, gated=False, memory_gb=None)
    import inspect

    from gen.models.loading import libraries

    _, diffusers = libraries()
    pipeline = getattr(diffusers, name, None)
    if pipeline is None:
        raise GenerateError(
            f'"{folder}" holds a {name}, which diffusers {diffusers.__version__} does not have: install a '
            f"newer diffusers, or choose another model."
        )
    takes = inspect.signature(pipeline.__call__).parameters
    does: Task = "restyle" if "video" in takes else "image" if "image" in takes else "text"
    return ModelSpec(
        **known, pipelines={does: name}, adapter=plain, width=832, height=480, frames=81, fps=16, multiple=32
    )


def is_here(spec: ModelSpec, task: Task | None) -> bool:
    """Are a model and the parts for a task on this machine?"""
    parts = spec.parts if task is None else spec.parts_for(task)
    folders = [weights_folder(spec), *(local_folder(part.repo, None, PART) for part in parts)]
    return all(folder is not None for folder in folders)


def weights_folder(spec: ModelSpec) -> Path | None:
    """Where a model's pipeline lies on this machine; None if it does not."""
    return local_folder(spec.repo, spec.revision, INDEX, spec.name)


def local_folder(repo: str, revision: str | None, file: str, name: str | None = None) -> Path | None:
    """The folder of a repository that holds `file` ("" if it does not matter which): given as a path, in
    $SPLATREEL_MODELS, or in the hub's cache."""
    root = os.environ.get(FOLDERS)
    candidates = [Path(repo).expanduser()] if _is_path(repo) else []
    if root:
        candidates += [Path(root) / part for part in (name, repo.split("/")[-1]) if part]
    for folder in candidates:
        if (folder / file).exists():
            return folder
    if _is_path(repo):
        return None
    cached = _cache() / f"models--{repo.replace('/', '--')}"
    reference = cached / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else (revision or "-")
    folder = cached / "snapshots" / commit
    return folder if (folder / file).exists() else None


def check_class(spec: ModelSpec, folder: Path) -> None:
    """Raises `GenerateError` if a folder holds another kind of pipeline, which would load and give noise."""
    found = _read_index(folder).get("_class_name")
    allowed = {*spec.pipelines.values(), *spec.folder_classes}
    if found not in allowed:
        raise GenerateError(
            f'"{folder}" holds a {found}, but {spec.name} is a {" or ".join(sorted(allowed))}: check the '
            f"folder, or fetch the model again."
        )


def fetch_command(spec: ModelSpec, task: Task | None = None) -> str:
    """What to type to get a model and the parts for a task, or for all."""
    parts = spec.parts if task is None else spec.parts_for(task)
    commands = [_download(spec.repo, spec.revision)]
    commands += [_download(part.repo, None) for part in parts]
    return " && ".join(dict.fromkeys(commands))


def _download(repo: str, revision: str | None) -> str:
    return f"hf download {repo}" + (f" --revision {revision}" if revision else "")


def _read_index(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = "is not there" if not folder.exists() else f"has no {INDEX} that can be read"
        raise GenerateError(
            f'The model folder "{folder}" {what}, but a pipeline saved by diffusers was expected: check the '
            f"path, or name a model of `splatreel models`."
        ) from error
    return content


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name or Path(name).is_dir()


def _cache() -> Path:
    # As huggingface_hub finds it, which takes half a second to import.
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
