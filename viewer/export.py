"""One file for others, by its ending."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from viewer import ply
from viewer.cut import Note, kept
from viewer.errors import ViewerError
from viewer.export_html import export_html
from viewer.files import write_bytes
from viewer.source import open_source
from viewer.spz import encode


def export(
    scene_or_ply: str | Path, out: str | Path, *, edits: bool = True, on_note: Note = lambda text: None
) -> int:
    """Write a scene (or a .ply) as .html, .spz or .ply; returns the bytes written.

    Stored edits (crop and filters) are applied unless `edits` is False; `on_note` hears what they left out.
    """
    out = Path(out)
    ending = out.suffix.lower()
    if ending in (".html", ".htm"):
        return export_html(scene_or_ply, out, edits=edits, on_note=on_note)
    if ending not in (".spz", ".ply"):
        raise ViewerError(f"{out} ends in {ending or 'nothing'!r}; expected .html, .spz or .ply")
    source = open_source(scene_or_ply)
    entry = next((entry for entry in source.manifest()["splats"] if entry["format"] == "ply"), None)
    path = source.file(unquote(entry["url"]).removeprefix("files/")) if entry else None
    if path is None or entry is None:
        raise ViewerError(
            f"{scene_or_ply} has no .ply to export; give a trained scene folder or a .ply of 3D Gaussians"
        )
    keep = kept(path, source.edits_file(entry["id"]) if edits else None, on_note)
    if ending == ".spz":
        splats = ply.read(path)
        data = encode(splats if keep is None else splats.select(keep))
    else:
        data = path.read_bytes() if keep is None else ply.select(path, keep)
    write_bytes(out, data)
    return len(data)
