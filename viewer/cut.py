"""Applies stored edits to a .ply that is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from viewer import ply
from viewer.edits import load_edits
from viewer.errors import ViewerError

if TYPE_CHECKING:
    import numpy as np

Note = Callable[[str], None]


def kept(path: Path, edits_file: Path | None, on_note: Note) -> np.ndarray | None:
    """[N] bool: the Gaussians of a .ply that the edits in a file keep; None when that is all of them."""
    edits = load_edits(edits_file) if edits_file else None
    if edits is None or not edits.cuts:
        return None
    keep = edits.keeps(ply.read(path))
    left = int((~keep).sum())
    if left == len(keep):
        raise ViewerError(
            f"{edits_file} leaves out all Gaussians of {path.name}; change it or use --no-edits"
        )
    on_note(f"{edits_file} applied: {left:,} of {len(keep):,} Gaussians left out")
    return keep
