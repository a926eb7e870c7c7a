"""One file for others, by its ending."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from viewer import ply, splatv
from viewer.cut import Note, kept
from viewer.errors import ViewerError
from viewer.export_html import export_html
from viewer.files import write_bytes
from viewer.instants import moves, write_instant, write_sequence
from viewer.source import SEQUENCE_FPS, open_source
from viewer.spz import encode

if TYPE_CHECKING:
    import numpy as np


def export(
    scene_or_ply: str | Path,
    out: str | Path,
    *,
    edits: bool = True,
    at: float | None = None,
    on_note: Note = lambda text: None,
) -> int:
    """Write a scene (or a .ply) as .html, .spz, .splatv or .ply, or one that moves as a folder with a .ply
    for each frame; returns the bytes written. `at` freezes what moves at a time, in seconds of the clip.

    Stored edits (crop and filters) are applied unless `edits` is False; `on_note` hears what they left out.
    """
    out = Path(out)
    ending = out.suffix.lower()
    if ending in (".html", ".htm"):
        return export_html(scene_or_ply, out, edits=edits, on_note=on_note)
    if ending not in (".spz", ".splatv", ".ply", ""):
        raise ViewerError(
            f"{out} ends in {ending!r}; expected .html, .spz, .splatv or .ply (or a folder: a .ply a frame)"
        )
    source = open_source(scene_or_ply)
    entry = next((entry for entry in source.manifest()["splats"] if entry["format"] == "ply"), None)
    path = source.file(unquote(entry["url"]).removeprefix("files/")) if entry else None
    if path is None or entry is None:
        raise ViewerError(
            f"{scene_or_ply} has no .ply to export; give a trained scene folder or a .ply of 3D Gaussians"
        )
    if not ending:
        return write_sequence(path, out, source.manifest().get("fps") or SEQUENCE_FPS)
    if ending == ".splatv" and at is not None:
        raise ViewerError("a .splatv moves; leave out --at, or export one instant as .ply or .spz")
    if moves(path) and (at is not None or ending == ".spz"):
        return _frozen(path, out, 0.0 if at is None else at, on_note)
    keep = kept(path, source.edits_file(entry["id"]) if edits else None, on_note)
    if ending == ".splatv":
        data = _splatv(path, keep, source.manifest()["cameras"], on_note)
    elif ending == ".spz":
        splats = ply.read(path)
        data = encode(splats if keep is None else splats.select(keep))
    else:
        data = path.read_bytes() if keep is None else ply.select(path, keep)
    write_bytes(out, data)
    return len(data)


def _splatv(path: Path, keep: np.ndarray | None, cameras: list[dict[str, Any]], on_note: Note) -> bytes:
    """What moves stays moving, about."""
    from recon.fourd.splat4d import read_splats

    with tempfile.TemporaryDirectory() as folder:
        if keep is not None:
            chosen = Path(folder) / "kept.ply"
            chosen.write_bytes(ply.select(path, keep))
            path = chosen
        splats = read_splats(path)
    data, error = splatv.encode(splats, cameras)
    if splats.moving:
        on_note(f"motions are cubic in .splatv: 99 % of what moves is within {error:.3g} of where it was")
    return data


def _frozen(path: Path, out: Path, seconds: float, on_note: Note) -> int:
    """One instant as a .ply or .spz."""
    with tempfile.TemporaryDirectory() as folder:
        instant = Path(folder) / "instant.ply"
        write_instant(path, seconds, instant)
        data = encode(ply.read(instant)) if out.suffix.lower() == ".spz" else instant.read_bytes()
    on_note(f"what moves is frozen at {seconds:g} s; stored edits are not applied")
    write_bytes(out, data)
    return len(data)
