"""The sidecar: clip.json beside clip.mp4, saying what was drawn and where the true cameras are."""

import hashlib
import json
from pathlib import Path
from typing import Any

from gen.types import GenerateRequest

FORMAT = "splatreel-video"
VERSION = 1


def sidecar_path(video: Path) -> Path:
    """Where the sidecar of a video lies."""
    return video.with_suffix(".json")


def request_hash(request: GenerateRequest, generator: str) -> str:
    """Everything that decides the frames, as a sha256; `generator` names it with its version."""
    fields = {name: value for name, value in vars(request).items() if name != "out"}
    text = json.dumps({"generator": generator, **fields}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


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
