"""What is being looked at: a scene folder, splat files, a sequence of them, or several of these.

`open_source(path)` gives one object with two jobs: `manifest()`, the JSON that tells the page everything,
and `file(relative)`, the only way from a URL to a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from viewer.edits import read_edits
from viewer.errors import ViewerError
from viewer.scene_source import SceneSource, confined, open_scene
from viewer.splat_file import SPLAT_SUFFIXES, splat_entry

SEQUENCE_FPS = 24.0
KINDS = ", ".join(SPLAT_SUFFIXES)


class Source(Protocol):
    """Something the page can show."""

    @property
    def name(self) -> str:
        """For the title."""
        ...

    def file(self, relative: str) -> Path | None:
        """The file behind a relative URL; None when it is not one of this source's files."""
        ...

    def manifest(self) -> dict[str, Any]:
        """Everything the page needs to know, as JSON-able values."""
        ...

    def edits_file(self, splats: str) -> Path | None:
        """Where the edits of the splats with this id are stored; None when there is no such id."""
        ...

    def export_folder(self) -> Path:
        """Where videos are written."""
        ...


@dataclass(frozen=True)
class FilesSource:
    """Splat files of one folder; numbered ones are a sequence in time."""

    root: Path
    """Resolved folder that all served files lie in."""
    name: str
    names: tuple[str, ...]
    """In the order of their numbers."""
    kind: str
    """"file", "files" or "sequence"."""
    fps: float = SEQUENCE_FPS

    def file(self, relative: str) -> Path | None:
        return confined(self.root, relative) if relative in self.names else None

    def edits_file(self, splats: str) -> Path | None:
        return self.root / f"{splats}.edits.json" if splats in self.names else None

    def export_folder(self) -> Path:
        return self.root

    def manifest(self) -> dict[str, Any]:
        splats = []
        for i, name in enumerate(self.names):
            path = self.file(name)
            if path:
                more = {"frame": i} if self.kind == "sequence" else {}
                splats.append(splat_entry(path, name, name, name, **more))
        edits = read_edits(self.root / f"{self.names[0]}.edits.json")
        more = {"fps": self.fps} if self.kind == "sequence" else {}
        base = {"name": self.name, "kind": self.kind, "splats": splats, "cameras": [], "notes": []}
        return base | {"edits": edits, "editable": os.access(self.root, os.W_OK), **more}


@dataclass(frozen=True)
class SeveralSource:
    """Several sources in one page, to compare: the first one's cameras, everybody's splats."""

    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        return " · ".join(source.name for source in self.sources)

    def file(self, relative: str) -> Path | None:
        source, rest = self._part(relative)
        return source.file(rest) if source else None

    def edits_file(self, splats: str) -> Path | None:
        source, rest = self._part(splats)
        return source.edits_file(rest) if source else None

    def _part(self, name: str) -> tuple[Source | None, str]:
        """Whose "1/scene.ply" is, and what it is called there."""
        index, _, rest = name.partition("/")
        known = index.isascii() and index.isdigit() and int(index) < len(self.sources)
        return (self.sources[int(index)] if known else None), rest

    def export_folder(self) -> Path:
        return self.sources[0].export_folder()

    def manifest(self) -> dict[str, Any]:
        parts = [source.manifest() for source in self.sources]
        splats: list[dict[str, Any]] = []
        first = next((i for i, part in enumerate(parts) if part["cameras"]), 0)
        for i, part in enumerate(parts):
            for entry in part["splats"]:
                label = part["name"] if len(part["splats"]) == 1 else f"{part['name']}: {entry['label']}"
                moved = {"id": f"{i}/{entry['id']}", "url": self._moved(entry["url"], i), "label": label}
                splats.append(entry | moved | {"scene": i, "scene_name": part["name"]})
        for camera in parts[first]["cameras"]:
            camera |= {key: self._moved(camera[key], first) for key in ("image", "thumb") if key in camera}
        other = next((entry["id"] for entry in splats if entry["scene"] == 1), None)
        # What is of one scene alone: its kind, name and splats; and training is not followed here.
        own = ("name", "kind", "splats", "live")
        base = {key: value for key, value in parts[first].items() if key not in own}
        return base | {"name": self.name, "kind": "several", "splats": splats, "compare": other}

    @staticmethod
    def _moved(url: str, index: int) -> str:
        """A URL of one source among those of all: files/scene.ply -> files/0/scene.ply."""
        kind, _, rest = url.partition("/")
        return f"{kind}/{index}/{rest}"


def open_source(*paths: str | Path, fps: float = SEQUENCE_FPS, waiting: bool = False) -> Source:
    """A scene folder, a splat file, or a folder that holds such files; several of them to compare.

    `fps` is for a folder of numbered files. `waiting` accepts a scene folder that is still to come.
    """
    if not paths:
        raise ViewerError(f"nothing to show; expected a scene folder or a splat file ({KINDS})")
    sources = tuple(_open_one(Path(path), fps, waiting) for path in paths)
    return sources[0] if len(sources) == 1 else SeveralSource(sources)


def _open_one(path: Path, fps: float, waiting: bool) -> Source:
    root = path.resolve()
    if waiting and path.suffix.lower() not in SPLAT_SUFFIXES and not path.is_file():
        return SceneSource(root)
    if not path.exists():
        raise ViewerError(f"there is nothing at {path}; expected a scene folder or a splat file ({KINDS})")
    if path.is_file():
        if root.name == "scene.json":
            return _open_one(path.parent, fps, waiting)
        if path.suffix.lower() not in SPLAT_SUFFIXES:
            raise ViewerError(f"{path} is no splat file; expected a scene folder or one of {KINDS}")
        return FilesSource(root.parent, path.stem, (root.name,), "file")
    if (root / "scene.json").exists():
        open_scene(root)
        source = SceneSource(root)
        if not source.manifest()["splats"]:
            raise ViewerError(
                f"{path} has no trained splats yet (scene.ply, chunks/…/splat.ply); run `splatreel "
                f"reconstruct` on its video with --out {path}, or add --watch to wait for them"
            )
        return source
    names = [p.name for p in root.iterdir() if p.suffix.lower() in SPLAT_SUFFIXES and p.is_file()]
    if not names:
        raise ViewerError(f"{path} has neither scene.json nor a splat file in it ({KINDS})")
    kind = "file" if len(names) == 1 else "sequence" if _is_sequence(names) else "files"
    return FilesSource(root, root.name, tuple(sorted(names, key=_natural)), kind, fps)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame_9 before frame_10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _is_sequence(names: Sequence[str]) -> bool:
    """Do the names differ in one number only, as frame_000.ply, frame_001.ply, … do?"""
    shapes = {re.sub(r"[0-9]+", "#", name) for name in names}
    return len(shapes) == 1 and "#" in shapes.pop()
