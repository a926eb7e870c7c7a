"""What the page is told about one splat file, without reading all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from viewer import ply
from viewer.errors import ViewerError

SPLAT_SUFFIXES = (".ply", ".spz", ".splat", ".ksplat", ".sog")
SPLAT_ROW = 32
"""Bytes per Gaussian of a .splat file."""
MOST_BYTES = 2_000_000_000
"""A browser cannot hold much more in one piece."""
MAGIC = {".spz": ((b"\x1f\x8b", b"NGSP"), "gzip data"), ".sog": ((b"PK\x03\x04",), "a zip archive")}


def splat_entry(path: Path, relative: str, key: str, label: str, **more: Any) -> dict[str, Any]:
    """An entry of the manifest's `splats`; `problem` is there when the file cannot be shown."""
    stat = path.stat()
    suffix = path.suffix.lower()
    header = _header(path) if suffix == ".ply" else None
    count = header.vertex.count if header else stat.st_size // SPLAT_ROW if suffix == ".splat" else None
    entry = {"id": key, "label": label, "url": f"files/{quote(relative)}", "format": suffix[1:]}
    entry |= {"bytes": stat.st_size, "gaussians": count, "version": stat.st_mtime_ns}
    problem = _problem(path, stat.st_size, header)
    return entry | ({"problem": problem} if problem else {}) | more


def _header(path: Path) -> ply.Header | None:
    """None for ASCII and other kinds: the page looks at the whole file and says what it finds."""
    try:
        return ply.read_header(path)
    except (ViewerError, OSError):
        return None


def _problem(path: Path, size: int, header: ply.Header | None) -> str:
    """Why a file cannot be shown, in a sentence; "" when nothing speaks against it."""
    name, suffix = path.name, path.suffix.lower()
    if size == 0:
        return f"{name} is empty; copy or export it again"
    if size > MOST_BYTES:
        return (
            f"{name} has {size / 1e9:.1f} GB, more than a browser can hold; "
            "crop it, train with a smaller --budget, or export it as .spz"
        )
    if suffix in MAGIC:
        magics, kind = MAGIC[suffix]
        try:
            with path.open("rb") as stream:
                start = stream.read(4)
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if not start.startswith(magics):
            return f"{name} is no {suffix[1:].upper()} file: expected {kind}; export it again"
    if suffix == ".splat" and size % SPLAT_ROW:
        return f"{name} is cut short: {size} bytes are no whole number of {SPLAT_ROW}-byte splats"
    if header and size < header.bytes_expected:
        return (
            f"{name} is cut short: {size} of {header.bytes_expected} bytes are there; copy or export it again"
        )
    return ""
