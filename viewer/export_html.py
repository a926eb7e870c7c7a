"""One self-contained HTML file: page, splats and cameras inside; opens from disk without a server."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from viewer import ply, spz
from viewer.cut import Note, kept
from viewer.errors import ViewerError
from viewer.files import write_bytes
from viewer.instants import moves
from viewer.routes import page_file, thumbnail
from viewer.source import Source, open_source

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob: data:; "
    "style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:"
)
"""The file can run its own code and reach nothing else."""
FRAME_HEIGHT = 320
"""Pixels of the embedded frames: enough to compare with, about 15 KB each."""
MAX_FRAMES = 120
"""Frames embedded at most, evenly chosen; the other cameras are there without a picture."""


def export_html(
    scene_or_ply: str | Path,
    out: str | Path,
    *,
    frames: bool = True,
    edits: bool = True,
    on_note: Note = lambda text: None,
) -> int:
    """Write the page with the splats of `scene_or_ply` inside; returns the bytes written.

    A plain .ply is stored as .spz (about a sixth of the size). A sequence has all its files inside, a
    scene of several shots the splats of each. `frames` adds small source frames. Stored edits are applied
    unless `edits` is False.
    """
    source, out = open_source(scene_or_ply), Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ViewerError(f"{out} does not end in .html; give the name of the page to write")
    manifest = source.manifest()
    manifest["splats"] = _chosen(manifest)
    data = {}
    for i, entry in enumerate(manifest["splats"]):
        path = source.file(unquote(entry["url"]).removeprefix("files/"))
        assert path is not None, "a manifest names only files that are there"
        packed, form = _smallest(path, source.edits_file(entry["id"]) if edits else None, on_note)
        data[f"splats-{i}"] = base64.b64encode(packed).decode()
        entry |= {"url": f"embedded:splats-{i}", "format": form, "bytes": len(packed)}
    applied = {"crop": None, "min_opacity": 0.0, "max_extent": None}
    stored = manifest.get("edits") if edits else None
    manifest |= {"editable": False, "live": False, "edits": stored and stored | applied}
    _embed_frames(source, manifest["cameras"], frames)
    html = _page(manifest, data).encode()
    write_bytes(out, html)
    return len(html)


def _chosen(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The splats worth their size: those that the time line needs, and no second version of them."""
    splats = manifest["splats"]
    if manifest["kind"] == "sequence":
        return splats
    shots = [entry for entry in splats if str(entry["id"]).startswith("shot-")]
    return shots if len(shots) > 1 else splats[:1]


def _smallest(path: Path, edits_file: Path | None, on_note: Note) -> tuple[bytes, str]:
    """The bytes to embed, and their format; only plain PLYs are worth turning into something smaller."""
    if path.suffix.lower() == ".ply" and ply.read_header(path).elements[0].name == "vertex":
        if moves(path):  # no smaller format has motion
            keep = kept(path, edits_file, on_note)
            return (path.read_bytes() if keep is None else ply.select(path, keep)), "ply"
        splats, keep = ply.read(path), kept(path, edits_file, on_note)
        return spz.encode(splats if keep is None else splats.select(keep)), "spz"
    return path.read_bytes(), path.suffix.lower()[1:]


def _embed_frames(source: Source, cameras: list[dict[str, Any]], frames: bool) -> None:
    """Replace the URLs of frames by small pictures, or drop them."""
    step = max(1, -(-len(cameras) // MAX_FRAMES))
    for i, camera in enumerate(cameras):
        image = camera.pop("image", None)
        camera.pop("thumb", None)
        path = (
            source.file(unquote(image).removeprefix("files/")) if image and frames and i % step == 0 else None
        )
        jpeg = thumbnail(path, path.stat().st_mtime_ns, FRAME_HEIGHT) if path else None
        if jpeg:
            camera["image"] = camera["thumb"] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _page(manifest: dict[str, Any], data: dict[str, str]) -> str:
    """index.html with its script and style inlined and the data in front of them."""
    scene = json.dumps(manifest).replace("<", "\\u003c")
    script = page_file("viewer.js").replace("</script", "<\\/script").replace("<!--", "<\\!--")
    licences = page_file("licences.txt").replace("--", "- -")
    style = f"<style>{page_file('viewer.css')}</style>"
    splats = "".join(
        f'<script type="text/plain" id="embedded-{key}">{value}</script>\n' for key, value in data.items()
    )
    swaps = {
        "<!--head-->": f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<link rel="stylesheet" crossorigin href="./viewer.css">': style,
        '<script type="module" crossorigin src="./viewer.js"></script>': "",
        "<!--body-->": (
            f"<!--\n{licences}\n-->\n"
            f'<script type="application/json" id="embedded-scene">{scene}</script>\n'
            f'{splats}<script type="module">{script}</script>'
        ),
    }
    html = page_file("index.html")
    for old, new in swaps.items():
        if old not in html:
            raise ViewerError(
                f"the built page has no {old!r}; build it again with `npm run build` in viewer/web"
            )
        html = html.replace(old, new)
    return html
