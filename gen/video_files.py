"""Puts a generated video and what belongs to it in place: complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gen.contact_sheet import contact_sheet, sheet_frames
from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.events import Event, VideoReused
from gen.sidecar import FORMAT, VERSION, file_sha256, read_sidecar, sidecar_path, write_json
from gen.types import Video

SHEET = "contact_sheet"
"""What a sidecar calls the contact sheet; a video without it is still whole."""


@dataclass(frozen=True)
class SoundTrack:
    """What is to be heard with a video."""

    file: Path
    start: float = 0.0
    """Where in the file the video begins, seconds."""


def existing_video(out: Path, identity: str, on_event: Callable[[Event], None]) -> Video | None:
    """The video of an earlier run of this request, announced as such, or None.

    Raises `GenerateError` for files that are not ours and would be overwritten.
    """
    sidecar = read_sidecar(out)
    for path in (out, sidecar_path(out)):
        if path.is_dir() or (path.exists() and sidecar is None):
            raise GenerateError(
                f'"{path}" is there already and was not made by splatreel, and it would be overwritten: '
                f"move it away or choose another output file."
            )
    if sidecar is None or sidecar.get("request_hash") != identity or not out.exists():
        return None
    if sidecar["video"]["sha256"] != file_sha256(out):
        return None
    files = sidecar.get("files", {}).items()
    if any(not (out.parent / name).exists() for what, name in files if what != SHEET):
        return None
    on_event(VideoReused(out))
    return video_of(out, sidecar, reused=True)


def write_video(
    out: Path,
    frames: Iterable[np.ndarray],
    content: dict[str, Any],
    *,
    files: Mapping[str, tuple[str, np.ndarray | Path]] | None = None,
    sound: SoundTrack | None = None,
) -> Video:
    """Write frames [H, W, 3] uint8 and the sidecar under temporary names, then move all into place.

    `content` is the sidecar, whose width, height, fps and frames are the video's, without what all sidecars
    have: the format, and the words of a prompt, none unless they are given. `files` are pictures [h, w, 3] or
    stacks of pictures [F, h, w, 3] (a folder of PNG) to put beside it, or paths of files and folders on the
    same disk to move there: by what they are, a name and the pixels or the path. Every video gets a contact
    sheet; `sound` is put into it. The sidecar moves before the video: it carries the video's hash, so a kill
    between the two moves shows up as a mismatch next time and the video is made anew.
    """
    sidecar = sidecar_path(out)
    files = files or {}
    sheet = f"{out.stem}.sheet.png"
    names = [name for name, _ in files.values()] + [sheet]
    video_part, sidecar_part = _part(out), _part(sidecar)
    parts = {name: _part(out.parent / name) for name in names}
    shown: dict[int, np.ndarray] = {}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _refuse_others(out, names)
        for name, pixels in files.values():
            _write_pictures(parts[name], pixels)
        size = {name: content[name] for name in ("width", "height", "fps")}
        write_mp4(video_part, _watched(frames, sheet_frames(content["frames"]), shown), **size)
        if sound is not None:
            from gen.audio.mux import add_sound

            silent = video_part.with_suffix(".silent")
            os.replace(video_part, silent)
            try:
                add_sound(silent, sound.file, video_part, start=sound.start)
            finally:
                silent.unlink()
        _write_pictures(parts[sheet], contact_sheet(np.stack(list(shown.values())), numbers=list(shown)))
        shared = {"format": FORMAT, "version": VERSION, "words": {"used": [], "ignored": []}}
        content = {**shared, **content, "video": {"file": out.name, "sha256": file_sha256(video_part)}}
        content["files"] = {what: name for what, (name, _) in files.items()} | {SHEET: sheet}
        write_json(sidecar_part, content)
        for name, part in parts.items():
            if (out.parent / name).is_dir():
                shutil.rmtree(out.parent / name)
            os.replace(part, out.parent / name)
        os.replace(sidecar_part, sidecar)
        os.replace(video_part, out)
    except OSError as error:
        raise GenerateError(
            f'The video could not be written to "{out}" ({error.strerror or error}): '
            f"choose an output folder that can be written and has room."
        ) from error
    finally:
        for part in (video_part, sidecar_part, *parts.values()):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
    return video_of(out, content)


def video_of(path: Path, sidecar: dict[str, Any], *, reused: bool = False) -> Video:
    """A video on disk with the sidecar that was written for it."""
    numbers = {name: sidecar[name] for name in ("width", "height", "fps", "frames")}
    return Video(path=path, sidecar_path=sidecar_path(path), sidecar=sidecar, reused=reused, **numbers)


def _watched(
    frames: Iterable[np.ndarray], numbers: list[int], shown: dict[int, np.ndarray]
) -> Iterator[np.ndarray]:
    """The frames; those of some numbers are kept by number."""
    for number, frame in enumerate(frames):
        if number in numbers:
            shown[number] = frame.copy()
        yield frame


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _refuse_others(out: Path, names: list[str]) -> None:
    """What an earlier video brought along may go; what is somebody else's may not."""
    ours = (read_sidecar(out) or {}).get("files", {}).values()
    for name in names:
        if (out.parent / name).exists() and name not in ours:
            raise GenerateError(
                f'"{out.parent / name}" is there already and was not made with "{out.name}", and it would be '
                f"overwritten: move it away or choose another output file."
            )


def _write_pictures(path: Path, pixels: np.ndarray | Path) -> None:
    from PIL import Image

    if isinstance(pixels, Path):
        os.replace(pixels, path)
        return

    if pixels.ndim == 3:
        Image.fromarray(pixels).save(path, format="png")
        return
    path.mkdir()
    for number, frame in enumerate(pixels):
        Image.fromarray(frame).save(path / f"{number:05d}.png", compress_level=1)
