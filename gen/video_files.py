"""Puts a generated video and its sidecar in place: complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.sidecar import file_sha256, read_sidecar, sidecar_path, write_json
from gen.types import Video

if TYPE_CHECKING:
    import numpy as np


def existing_video(out: Path, identity: str) -> Video | None:
    """The video of an earlier run of this request. Refuses to overwrite files that are not ours."""
    sidecar = read_sidecar(out)
    for path in (out, sidecar_path(out)):
        if path.is_dir() or (path.exists() and sidecar is None):
            raise GenerateError(
                f'"{path}" is there already and was not made by splatreel, and it would be overwritten: '
                f"move it away or choose another output file."
            )
    if sidecar is None or sidecar.get("request_hash") != identity or not out.exists():
        return None
    return video_of(out, sidecar, reused=True) if sidecar["video"]["sha256"] == file_sha256(out) else None


def write_video(out: Path, frames: Iterable[np.ndarray], content: dict[str, Any]) -> Video:
    """Write frames [H, W, 3] uint8 and the sidecar under temporary names, then move both into place.

    `content` is the sidecar, whose width, height and fps the video gets. The sidecar moves first: it carries
    the video's hash, so a kill between the two moves shows up as a mismatch next time and the video is made
    anew.
    """
    sidecar = sidecar_path(out)
    video_part, sidecar_part = (path.with_name(f".{path.name}.{os.getpid()}.part") for path in (out, sidecar))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        size = {name: content[name] for name in ("width", "height", "fps")}
        write_mp4(video_part, frames, **size)
        content = {**content, "video": {"file": out.name, "sha256": file_sha256(video_part)}}
        write_json(sidecar_part, content)
        os.replace(sidecar_part, sidecar)
        os.replace(video_part, out)
    except OSError as error:
        raise GenerateError(
            f'The video could not be written to "{out}" ({error.strerror or error}): '
            f"choose an output folder that can be written and has room."
        ) from error
    finally:
        video_part.unlink(missing_ok=True)
        sidecar_part.unlink(missing_ok=True)
    return video_of(out, content)


def video_of(path: Path, sidecar: dict[str, Any], *, reused: bool = False) -> Video:
    """A video on disk with the sidecar that was written for it."""
    numbers = {name: sidecar[name] for name in ("width", "height", "fps", "frames")}
    return Video(path=path, sidecar_path=sidecar_path(path), sidecar=sidecar, reused=reused, **numbers)
