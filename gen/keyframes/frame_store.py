"""Frames on disk while a film is drawn one by one, so that a run that was cut off goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from gen.errors import GenerateError

STATE = "state.json"
DRAWN = "drawn"


class FrameStore:
    """A folder with the finished frames `00000.png` … and, under `drawn/`, the pictures they are made from.

    Every file appears complete or not at all. A folder that belongs to other settings is emptied.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """`fingerprint` stands for everything that decides the frames.

        Raises `GenerateError` if the folder is in use for something else or cannot be written.
        """
        self.folder = folder
        state = folder / STATE
        try:
            if folder.exists() and not state.exists() and any(folder.iterdir()):
                raise GenerateError(
                    f'The frames would go to "{folder}", which holds something else: move it away or choose '
                    f"another output file."
                )
            if _fingerprint(state) != fingerprint:
                shutil.rmtree(folder, ignore_errors=True)
                (folder / DRAWN).mkdir(parents=True)
                part = folder / f".{STATE}.part"
                part.write_text(json.dumps({"fingerprint": fingerprint}), encoding="utf-8")
                os.replace(part, state)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def shown(self, frame: int) -> np.ndarray | None:
        """A finished frame [H, W, 3] uint8, or None if there is none yet."""
        return _read(self._shown(frame))

    def drawn(self, frame: int) -> np.ndarray | None:
        """The picture that was drawn for a frame, before it was blended with others."""
        return _read(self._drawn(frame))

    def keep_shown(self, frame: int, picture: np.ndarray) -> None:
        """Write a finished frame [H, W, 3] uint8."""
        _write(self._shown(frame), picture)

    def keep_drawn(self, frame: int, picture: np.ndarray) -> None:
        """Write a drawn picture [H, W, 3] uint8."""
        _write(self._drawn(frame), picture)

    def forget_drawn(self, frame: int) -> None:
        """Delete a drawn picture that no later frame needs."""
        self._drawn(frame).unlink(missing_ok=True)

    def finished(self) -> int:
        """How many frames from the first on are there."""
        frame = 0
        while self._shown(frame).exists():
            frame += 1
        return frame

    def _shown(self, frame: int) -> Path:
        return self.folder / f"{frame:05d}.png"

    def _drawn(self, frame: int) -> Path:
        return self.folder / DRAWN / f"{frame:05d}.png"


def _fingerprint(state: Path) -> str | None:
    try:
        return json.loads(state.read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> np.ndarray | None:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError:
        return None


def _write(path: Path, picture: np.ndarray) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(picture).save(part, format="png", compress_level=1)
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        part.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> GenerateError:
    return GenerateError(
        f'The frames could not be written to "{folder}" ({error.strerror or error}): choose an output folder '
        f"that can be written and has room."
    )
