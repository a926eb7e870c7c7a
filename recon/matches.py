"""Which pixels of two frames show the same point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, repr=False)
class Matches:
    """Verified feature matches between the frames of a shot."""

    pairs: np.ndarray
    """[P, 2] int64 global frame numbers."""
    first: tuple[np.ndarray, ...]
    """Per pair [M, 2] pixels in the first frame."""
    second: tuple[np.ndarray, ...]
    """Per pair [M, 2] pixels in the second frame."""

    def __repr__(self) -> str:
        return f"Matches({sum(map(len, self.first))} in {len(self.pairs)} pairs)"
