"""The scene folder: where things lie, atomic writes, and stamps that say which stage is done.

A stage is done when its stamp in `scene.json` holds the key (hash) of its inputs and settings;
the same command therefore continues where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recon.errors import SceneFolderError
from recon.types import CHUNK_FRAMES, CHUNK_OVERLAP, Chunk, Frames, Shot

FORMAT = "splatreel-scene"
VERSION = 1
SNAPSHOT = "live.splat"
"""In a shot's folder: its Gaussians so far, while it is trained and somebody looks on."""
WATCHED = ".watched"
"""In the folder of all shots: touched every few seconds by whoever looks on."""


def hash_of(*parts: object) -> str:
    """A short, stable hash of JSON-able values; file contents go in through `hash_of_file`."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_of_file(path: Path) -> str:
    """sha256 of a file, or of the names, sizes and contents of a folder's files."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            if path.is_dir():
                digest.update(file.name.encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name; on success it replaces `path`, on failure nothing has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part{path.suffix}")
    remove(part)
    try:
        yield part
        if path.is_dir() and part.is_dir():
            old = path.with_name(f".{path.name}.old")
            remove(old)
            os.replace(path, old)  # a folder cannot be replaced in one step
            os.replace(part, path)
            remove(old)
        else:
            os.replace(part, path)
    except OSError as error:
        remove(part)
        raise SceneFolderError(
            f"could not write {path}: {error.strerror or error}; free some space or choose "
            "another --out, then run the same command again (it continues where it stopped)"
        ) from error
    except BaseException:
        remove(part)
        raise


def remove(path: Path) -> None:
    """Delete a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them: one copy on disk under two names."""
    with replacing(target) as part:
        try:
            os.link(source, part)
        except OSError:
            part.write_bytes(source.read_bytes())


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically; non-finite numbers become null, as JSON has none."""
    with replacing(path) as part:
        part.write_text(json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def cut_into_chunks(shots: tuple[Shot, ...]) -> list[Chunk]:
    """Chunks of 29 with stride 24; the last one of a shot is moved back so that it too holds 29."""
    chunks: list[Chunk] = []
    for shot in shots:
        last = max(0, shot.frames - CHUNK_FRAMES)
        starts = list(range(0, last, CHUNK_FRAMES - CHUNK_OVERLAP))
        for start in [*starts, last]:
            size = min(CHUNK_FRAMES, shot.frames)
            chunks.append(Chunk(len(chunks), shot.first + start, size, shot.index))
    return chunks


class SceneFolder:
    """A scene on disk. Holds paths and `scene.json`; the big data stays in its files."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.info: dict[str, Any] = {}
        if self.info_path.exists():
            self.reload()

    # -- opening -----------------------------------------------------------------------------

    @classmethod
    def open(cls, root: Path) -> SceneFolder:
        """An existing scene; an error when the folder is not one."""
        scene = cls(root)
        if not scene.info:
            found = "a folder without scene.json" if scene.root.is_dir() else "nothing"
            raise SceneFolderError(
                f"{root}: found {found}, expected a splatreel scene; "
                "make one with `splatreel reconstruct VIDEO --out SCENE`"
            )
        return scene

    @classmethod
    def create(cls, root: Path) -> SceneFolder:
        """A new scene, or an existing one to continue; refuses a folder that holds other things."""
        root = Path(root)
        if root.exists() and not root.is_dir():
            raise SceneFolderError(f"{root} is a file; --out expects a folder (it is made if missing)")
        scene = cls(root)
        if not scene.info:
            others = [p.name for p in root.iterdir() if not p.name.startswith(".")] if root.is_dir() else []
            if others:
                raise SceneFolderError(
                    f"{root} holds {len(others)} other file(s) such as {others[0]!r} and no "
                    "scene.json; choose a new or empty folder for --out"
                )
            scene.info = {"format": FORMAT, "version": VERSION, "stages": {}}
            scene.save()
        return scene

    # -- scene.json --------------------------------------------------------------------------

    @property
    def info_path(self) -> Path:
        return self.root / "scene.json"

    def reload(self) -> None:
        """Read scene.json again."""
        try:
            self.info = json.loads(self.info_path.read_text())
            known = self.info["format"] == FORMAT and self.info["version"] == VERSION
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
            known = False
        if not known:
            raise SceneFolderError(
                f"{self.info_path} is not a splatreel scene of version {VERSION}; "
                "choose another folder, or move that file away"
            )

    def save(self) -> None:
        write_json(self.info_path, self.info)

    # -- stages ------------------------------------------------------------------------------

    def is_done(self, stage: str, key: str) -> bool:
        """Was this stage finished from the same inputs and settings?"""
        return self.info["stages"].get(stage, {}).get("key") == key

    def mark_done(self, stage: str, key: str, seconds: float) -> None:
        """Stamp a stage; called after its outputs are in place."""
        stamp = {"key": key, "seconds": round(seconds, 3), "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        self.info["stages"][stage] = stamp
        self.save()

    def mark_undone(self, stage: str) -> None:
        """Remove a stamp so that the stage runs again."""
        if self.info["stages"].pop(stage, None) is not None:
            self.save()

    # -- where things lie --------------------------------------------------------------------

    @property
    def frames_folder(self) -> Path:
        """Source frames of the whole clip, `frames/00000.png` …"""
        return self.root / "frames"

    def chunk_folder(self, chunk: Chunk) -> Path:
        return self.root / "chunks" / chunk.name

    def shot_folder(self, shot: Shot) -> Path:
        """Training files of a shot: checkpoint, log, splat, renders."""
        return self.root / "shots" / f"{shot.index:03d}"

    @property
    def report_path(self) -> Path:
        return self.root / "cameras" / "report.json"

    @property
    def metrics_path(self) -> Path:
        return self.root / "metrics.json"

    @property
    def splat_path(self) -> Path:
        return self.root / "scene.ply"

    # -- frames ------------------------------------------------------------------------------

    def set_frames(self, frames: Frames, source: dict[str, Any]) -> None:
        """Record the frames of the clip (call after they lie in `frames/`)."""
        self.info["source"] = source
        self.info["width"], self.info["height"], self.info["fps"] = frames.width, frames.height, frames.fps
        self.info["frames"] = [
            {"file": f"frames/{Frames.file_name(i)}", "seconds": float(t), "sharpness": float(s)}
            for i, (t, s) in enumerate(zip(frames.seconds, frames.sharpness, strict=True))
        ]
        self.info["shots"] = [asdict(shot) for shot in frames.shots]
        self.info["chunks"] = [asdict(chunk) for chunk in cut_into_chunks(frames.shots)]
        self.save()

    def frames(self) -> Frames:
        """The frames recorded in scene.json."""
        if "frames" not in self.info:
            raise SceneFolderError(
                f"{self.root} has no frames yet; run `splatreel split VIDEO --out {self.root}`"
            )
        rows = self.info["frames"]
        return Frames(
            self.frames_folder,
            self.info["width"],
            self.info["height"],
            self.info["fps"],
            np.array([row["seconds"] for row in rows], float),
            np.array([row["sharpness"] for row in rows], np.float32),
            tuple(Shot(**shot) for shot in self.info["shots"]),
        )

    def chunks(self) -> list[Chunk]:
        """The chunks recorded in scene.json."""
        return [Chunk(**chunk) for chunk in self.info.get("chunks", [])]
