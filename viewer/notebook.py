"""A scene in a notebook cell."""

from __future__ import annotations

import html
import tempfile
from dataclasses import dataclass
from pathlib import Path

from viewer.errors import ViewerError
from viewer.export_html import export_html

MOST_BYTES = 50_000_000
"""A notebook stores what its cells show."""


@dataclass(frozen=True, repr=False)
class Cell:
    """What a notebook shows for a scene: the whole page, so that it also works on a remote hub."""

    page: str
    height: int

    def __repr__(self) -> str:
        return f"Cell({len(self.page) / 1e6:.1f} MB, height {self.height})"

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 0; border-radius: 8px"
        page = html.escape(self.page)
        return f'<iframe srcdoc="{page}" style="{style}" title="splatreel scene" allowfullscreen></iframe>'


def show(scene_or_ply: str | Path, height: int = 480) -> Cell:
    """A scene, or a splat file, as the value of a notebook cell; `height` in pixels."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scene.html"
        size = export_html(scene_or_ply, out, frames=False)
        if size > MOST_BYTES:
            raise ViewerError(
                f"{scene_or_ply} makes a page of {size / 1e6:.0f} MB, expected at most "
                f"{MOST_BYTES / 1e6:.0f} in a notebook; crop it, or look at it with `splatreel view`"
            )
        return Cell(out.read_text(encoding="utf-8"), height)
