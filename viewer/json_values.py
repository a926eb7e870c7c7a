"""Checks of values from outside: a ViewerError says which is wrong, what was found and what was expected."""

from __future__ import annotations

import math
from typing import Any

from viewer.errors import ViewerError


def pose_of(value: Any, name: str) -> list[float]:
    """16 numbers, row by row, of a rigid transform."""
    import numpy as np

    entries = numbers_of(value, name, 16)
    matrix = np.array(entries).reshape(4, 4)
    rigid = np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-3) and np.allclose(
        matrix[3], [0, 0, 0, 1], atol=1e-6
    )
    if not rigid or np.linalg.det(matrix[:3, :3]) < 0:
        raise ViewerError(f"{name} is no rotation with a position; expected world_from_camera row by row")
    return list(entries)


def object_with(value: Any, name: str, keys: set[str]) -> dict[str, Any]:
    """An object with no other keys than these."""
    if not isinstance(value, dict):
        raise ViewerError(f"{name}: found {type(value).__name__}, expected an object")
    unknown = sorted(str(key)[:40] for key in value.keys() - keys)
    if unknown:
        raise ViewerError(
            f"{name}: found unknown {', '.join(unknown[:5])}; expected {', '.join(sorted(keys))}"
        )
    return value


def number_between(value: Any, name: str, low: float, high: float) -> float:
    """A number in a range, both ends included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ViewerError(f"{name} is {str(value)[:40]}; expected a number from {low:g} to {high:g}")
    return float(value)


def numbers_of(value: Any, name: str, count: int) -> tuple[float, ...]:
    """So many finite numbers."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ViewerError(f"{name}: found {str(value)[:60]}, expected {count} numbers")
    return tuple(number_between(item, name, -1e12, 1e12) for item in value)


def unit_vector(value: Any, name: str, count: int) -> tuple[float, ...]:
    """So many numbers of length 1, made exactly so."""
    entries = numbers_of(value, name, count)
    length = math.hypot(*entries)
    if not 0.9 < length < 1.1:
        raise ViewerError(f"{name} has length {length:.3g}; expected 1")
    return tuple(entry / length for entry in entries)
