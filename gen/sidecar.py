"""The sidecar: clip.json beside clip.mp4, saying what was drawn and where the true cameras are."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from gen.errors import GenerateError

FORMAT = "splatreel-video"
VERSION = 1
SAME_FRAMES = ("png", "device", "offload", "tiling", "slicing", "online")
"""Fields of requests that do not decide what is drawn, besides `out`."""


def sidecar_path(video: Path) -> Path:
    """Where the sidecar of a video lies."""
    return video.with_suffix(".json")


def request_hash(request: Any, generator: object) -> str:
    """Everything that decides the frames, as a sha256: a request with the contents of the files in it, and
    `generator`, which names what draws it with its version (anything that JSON holds).

    Raises `GenerateError` for a file that is not there.
    """
    content = {"generator": generator, "kind": type(request).__name__, **settings_of(request, digest=True)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def settings_of(request: Any, *, digest: bool = False) -> dict[str, Any]:
    """The fields of a request as JSON: files by name, or by `digest` and without what decides no frame."""
    out: dict[str, Any] = {}
    for item in fields(request):
        value = getattr(request, item.name)
        if item.name == "out" or (digest and item.name in SAME_FRAMES):
            continue
        if is_dataclass(value):
            value = settings_of(value, digest=digest)
        elif isinstance(value, Path):
            value = _digest(value) if digest else str(value)
        elif isinstance(value, Mapping):
            value = {str(key): entry for key, entry in value.items()}
        out[item.name] = value
    return out


def _digest(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        text = "\n".join(f"{file.name} {file_sha256(file)}" for file in files)
        return hashlib.sha256(text.encode()).hexdigest()
    if not path.exists():
        raise GenerateError(f'"{path}" is not there: check the path.')
    return file_sha256(path)


def file_sha256(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_sidecar(video: Path) -> dict[str, Any] | None:
    """The sidecar of a video, or None if there is none or it is not ours."""
    try:
        content = json.loads(sidecar_path(video).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON. Floats are written in full, so cameras read back exactly."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
