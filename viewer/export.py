"""One file for others, by its ending."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from viewer.errors import ViewerError
from viewer.export_html import export_html
from viewer.source import open_source
from viewer.spz import export_spz


def export(scene_or_ply: str | Path, out: str | Path) -> int:
    """Write a scene (or a .ply) as .html, .spz or .ply; returns the bytes written."""
    out = Path(out)
    ending = out.suffix.lower()
    if ending in (".html", ".htm"):
        return export_html(scene_or_ply, out)
    if ending not in (".spz", ".ply"):
        raise ViewerError(f"{out} ends in {ending or 'nothing'!r}; expected .html, .spz or .ply")
    source = open_source(scene_or_ply)
    splats = source.root / ("scene.ply" if source.names is None else source.names[0])
    if not splats.is_file() or splats.suffix.lower() != ".ply":
        raise ViewerError(
            f"{scene_or_ply} has no .ply to export; give a trained scene folder or a .ply of 3D Gaussians"
        )
    if ending == ".spz":
        return export_spz(splats, out)
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(splats, part)
        os.replace(part, out)
    except OSError as error:
        raise ViewerError(f"{out} cannot be written ({error.strerror}); choose another place") from error
    finally:
        part.unlink(missing_ok=True)
    return out.stat().st_size
