"""Writing files so that what was there stays until the new one is complete."""

from __future__ import annotations

import os
from pathlib import Path

from viewer.errors import ViewerError


def write_bytes(out: Path, data: bytes) -> None:
    """Write a file atomically; a ViewerError when it cannot be written."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ViewerError(
            f"could not write {out}: {error.strerror or error}; choose another place or free some space"
        ) from error
