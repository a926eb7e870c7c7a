"""Reads the training cameras of a scene: its chunks' `transforms.json`, and what training made of them."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any


def read_json(path: Path) -> Any:
    """A JSON value, or None when the file is missing or half-written."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def opencv_from_opengl(matrix: list[list[float]]) -> list[float] | None:
    """World-from-camera, 16 numbers row by row, camera axes turned from y-up-z-back to y-down-z-forward."""
    try:
        rows = [[float(value) for value in row] for row in matrix]
    except (TypeError, ValueError):
        return None
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
        return None
    flat = [value for row in rows[:3] for value in (row[0], -row[1], -row[2], row[3])] + [0, 0, 0, 1]
    return flat if all(math.isfinite(value) for value in flat) else None


def cameras_of_chunk(
    root: Path, folder: str, chunk: int, shot: int, first: int
) -> tuple[list[dict[str, Any]], str]:
    """Cameras for the page, and a sentence when something was wrong with the file ("" when not)."""
    path = root / folder / "transforms.json"
    if not path.exists():
        return [], ""
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("frames"), list):
        return [], f"{folder}/transforms.json could not be read; cameras of this chunk are not shown."
    rows = [row for row in data["frames"] if isinstance(row, dict)]
    numbers = [_number_in(str(row.get("file_path", ""))) for row in rows]
    # Files may be numbered within the chunk or globally; numbers below the first frame tell which.
    local = any(number is not None and number < first for number in numbers)
    cameras: list[dict[str, Any]] = []
    for i, (row, number) in enumerate(zip(rows, numbers, strict=True)):
        pose = opencv_from_opengl(row.get("transform_matrix", []))
        lens = _lens(row, data)
        if pose is None or lens is None:
            continue
        frame = first + i if number is None else number + first if local else number
        image = str(PurePosixPath(folder) / str(row.get("file_path", "")))
        cameras.append(
            {"frame": frame, "chunks": [chunk], "shot": shot, "world_from_camera": pose, "image": image}
            | lens
        )
    dropped = len(data["frames"]) - len(cameras)
    note = f"{dropped} cameras of {folder}/transforms.json could not be read." if dropped else ""
    return sorted(cameras, key=lambda camera: camera["frame"]), note


def refined_cameras(path: Path) -> dict[int, dict[str, Any]]:
    """By frame what training made of its pose and lens (`refined_cameras.json`), in the page's terms.

    Empty when there is no such file; frames that cannot be read are left out.
    """
    data = read_json(path)
    found: dict[int, dict[str, Any]] = {}
    for row in data["frames"] if isinstance(data, dict) and isinstance(data.get("frames"), list) else []:
        try:
            pose = [float(value) for line in row["world_from_camera"] for value in line]
            K = [float(value) for line in row["K"] for value in line]
            number = int(row["number"])
        except (KeyError, TypeError, ValueError):
            continue
        if (
            len(pose) == 16
            and len(K) == 9
            and all(math.isfinite(v) for v in (*pose, *K))
            and min(K[0], K[4]) > 0
        ):
            found[number] = {"world_from_camera": pose, "fx": K[0], "fy": K[4], "cx": K[2], "cy": K[5]}
    return found


def _number_in(file_path: str) -> int | None:
    stem = PurePosixPath(file_path).stem
    return int(stem) if stem.isascii() and stem.isdigit() else None


def _lens(row: dict[str, Any], data: dict[str, Any]) -> dict[str, float] | None:
    """Intrinsics in pixels; a frame's own go before those of the file."""
    try:

        def value(key: str, default: float | None = None) -> float:
            return float(row.get(key, data.get(key, default)))

        width, height, fx = value("w"), value("h"), value("fl_x")
        lens = {"width": width, "height": height, "fx": fx, "fy": value("fl_y", fx)}
        lens |= {"cx": value("cx", width / 2), "cy": value("cy", height / 2)}
    except (TypeError, ValueError):
        return None
    usable = all(math.isfinite(v) for v in lens.values()) and min(width, height, fx, lens["fy"]) > 0
    return lens if usable else None
