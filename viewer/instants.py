"""A scene that moves, as files for programs that know of no motion: one instant of it, or a file for
each frame."""

from __future__ import annotations

from pathlib import Path

from viewer import ply
from viewer.errors import ViewerError

MOST_FILES = 10_000


def moves(path: Path) -> bool:
    """Does a file hold motion (docs/splat4d.md)?"""
    if path.suffix.lower() != ".ply":
        return False
    return "m_i0" in {name for _, name in ply.read_header(path).vertex.properties}


def write_instant(path: Path, seconds: float, out: Path) -> None:
    """A .ply of everything where it is at a time, in seconds of the clip."""
    from recon.fourd.splat4d import read_splats
    from recon.splat_ply import write_splat_ply

    write_splat_ply(out, read_splats(path).at(seconds))


def write_sequence(path: Path, folder: Path, fps: float) -> int:
    """`00000.ply`, `00001.ply`, …: a file for each frame; returns the bytes written."""
    from recon.fourd.splat4d import read_splats
    from recon.splat_ply import write_splat_ply

    splats = read_splats(path)
    if splats.moving is None:
        raise ViewerError(f"nothing moves in {path}; expected a scene that moves, export it as one .ply")
    if folder.exists() and any(folder.iterdir()):
        raise ViewerError(f"{folder} is not empty; choose a new folder for the frames")
    bases = splats.moving.bases
    count = min(MOST_FILES, max(1, round(bases.seconds * fps) + 1))
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for i in range(count):
        out = folder / f"{i:05d}.ply"
        write_splat_ply(out, splats.at(bases.start + i / fps))
        total += out.stat().st_size
    return total
