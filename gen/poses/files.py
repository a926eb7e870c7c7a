"""Poses in files: OpenPose folders, COCO and COCO-WholeBody JSON, and a plain npz."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gen.errors import GenerateError
from gen.poses.skeletons import Poses

FROM_BODY_25 = [*range(8), 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
"""OpenPose's BODY_25 has the middle of the hips at 8, and feet at the end."""
FROM_COCO = [0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
"""COCO's 17 points have no neck: it is put between the shoulders."""
HANDS = slice(91, 133)
"""Where COCO-WholeBody's 133 points have the left and the right hand."""
MOST_NAMED = 12
"""Missing frames that an error lists."""


def read_poses(path: Path, *, size: tuple[int, int] | None = None) -> Poses:
    """Poses from a folder of OpenPose JSON (BODY_25 or COCO-18, a file a frame), a COCO or COCO-WholeBody
    JSON (annotations or results) or an npz that `write_npz` wrote.

    `size` is width and height in pixels of the pictures that the joints lie on; needed where the file does
    not say it. Raises `GenerateError` for what is none of these, for a folder with gaps, and for no people.
    """
    path = Path(path)
    if path.is_dir():
        poses = _read_openpose(path, size)
    elif path.suffix.lower() == ".npz":
        poses = _read_npz(path)
    elif path.suffix.lower() == ".json":
        poses = _read_coco(path, size)
    else:
        what = "is not there" if not path.exists() else "is no pose file"
        raise GenerateError(
            f'"{path}" {what}: give a folder of OpenPose JSON files, a COCO JSON file or an npz file.'
        )
    if not (poses.body[..., 2] > 0).any():
        raise GenerateError(f'"{path}" has {len(poses)} frames and nobody in them: check what wrote it.')
    return poses


def write_openpose(poses: Poses, folder: Path) -> None:
    """A COCO-18 JSON a frame, as OpenPose writes them, with the size of the picture beside."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame, people in enumerate(poses.body):
        listed = []
        for number, body in enumerate(people):
            person: dict[str, Any] = {"person_id": [-1], "pose_keypoints_2d": _flat(body)}
            if poses.hands is not None:
                left, right = poses.hands[frame, number]
                person |= {"hand_left_keypoints_2d": _flat(left), "hand_right_keypoints_2d": _flat(right)}
            listed.append(person)
        content = {
            "version": 1.3,
            "canvas_width": poses.width,
            "canvas_height": poses.height,
            "people": listed,
        }
        (folder / f"frame_{frame:012d}_keypoints.json").write_text(json.dumps(content), encoding="utf-8")


def write_npz(poses: Poses, path: Path) -> None:
    """Arrays `body`, `size` and, if there are any, `hands`."""
    hands = {} if poses.hands is None else {"hands": poses.hands}
    size = np.array([poses.width, poses.height])
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, body=poses.body, size=size, **hands)


def write_coco(poses: Poses, path: Path) -> None:
    """COCO results with the pictures' sizes: 17 points a person (the neck is not among them), hands as in
    COCO-WholeBody."""
    images, annotations = [], []
    back = [FROM_COCO.index(k) for k in range(17)]
    for frame, people in enumerate(poses.body):
        image = {"id": frame, "width": poses.width, "height": poses.height, "file_name": f"{frame:05d}.png"}
        images.append(image)
        for number, body in enumerate(people):
            if not (body[:, 2] > 0).any():
                continue
            entry: dict[str, Any] = {"id": len(annotations), "image_id": frame, "category_id": 1}
            entry["keypoints"] = _flat(body[back])
            if poses.hands is not None:
                left, right = poses.hands[frame, number]
                entry |= {"lefthand_kpts": _flat(left), "righthand_kpts": _flat(right)}
            annotations.append(entry)
    path.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")


def body_from_coco(points: np.ndarray) -> np.ndarray:
    """OpenPose's 18 joints [..., 18, 3] of COCO's 17 [..., 17, 3]; the neck lies between the shoulders."""
    order = [0 if k is None else k for k in FROM_COCO]
    body = np.array(points[..., order, :], np.float32)
    right, left = points[..., 6, :], points[..., 5, :]
    body[..., 1, :] = (right + left) / 2
    body[..., 1, 2] = np.minimum(right[..., 2], left[..., 2])
    body[body[..., 2] <= 0] = 0
    return body


def _read_openpose(folder: Path, size: tuple[int, int] | None) -> Poses:
    numbered: dict[int, Path] = {}
    for file in sorted(folder.glob("*.json")):
        found = re.findall(r"\d+", file.name.removesuffix("_keypoints.json").removesuffix(".json"))
        if not found:
            raise GenerateError(f'"{file}" has no frame number in its name: name the files in order of time.')
        if int(found[-1]) in numbered:
            raise GenerateError(
                f'"{numbered[int(found[-1])].name}" and "{file.name}" in "{folder}" are both frame '
                f"{int(found[-1])}: keep the poses of one video in a folder."
            )
        numbered[int(found[-1])] = file
    if not numbered:
        raise GenerateError(
            f'The folder "{folder}" holds no JSON files, but a pose file a frame was expected.'
        )
    first, last = min(numbered), max(numbered)
    missing = [number for number in range(first, last + 1) if number not in numbered]
    if missing:
        named = ", ".join(map(str, missing[:MOST_NAMED])) + (", …" if len(missing) > MOST_NAMED else "")
        raise GenerateError(
            f'The pose folder "{folder}" goes from frame {first} to {last}, but {len(missing)} of them are '
            f"missing ({named}): extract them again, or renumber the files if those frames were cut."
        )
    frames: list[list[tuple[np.ndarray, np.ndarray | None]]] = []
    for _, file in sorted(numbered.items()):
        content = _json(file)
        people = content.get("people") if isinstance(content, dict) else None
        if not isinstance(people, list):
            raise GenerateError(f'"{file}" has no list "people", which OpenPose writes: check what wrote it.')
        if "canvas_width" in content and "canvas_height" in content:
            size = size or (int(content["canvas_width"]), int(content["canvas_height"]))
        try:
            frames.append([_openpose_person(person) for person in people])
        except (KeyError, TypeError, ValueError) as error:
            raise GenerateError(
                f'"{file}" has a person that cannot be read ({error}): export it again.'
            ) from error
    return _stacked(frames, _known_size(folder, size))


def _openpose_person(person: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    body = _points(person["pose_keypoints_2d"])
    if len(body) == 25:
        body = body[FROM_BODY_25]
    elif len(body) == 17:
        body = body_from_coco(body)
    elif len(body) != 18:
        raise ValueError(f"{len(body)} joints, expected 25, 18 or 17")
    sides = [person.get(f"hand_{side}_keypoints_2d") or [] for side in ("left", "right")]
    if not any(sides):
        return body, None
    return body, np.stack(
        [_points(side) if len(side) == 63 else np.zeros((21, 3), np.float32) for side in sides]
    )


def _read_coco(path: Path, size: tuple[int, int] | None) -> Poses:
    content = _json(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    images = content.get("images", []) if isinstance(content, dict) else []
    if not isinstance(entries, list):
        raise GenerateError(
            f'"{path}" has no COCO annotations: give COCO keypoints, or a folder of OpenPose files.'
        )
    try:
        if images:
            images = sorted(images, key=lambda image: image.get("file_name") or image["id"])
            size = size or (int(images[0]["width"]), int(images[0]["height"]))
            order = [image["id"] for image in images]
        else:
            numbers = [int(entry["image_id"]) for entry in entries]
            order = list(range(min(numbers, default=0), max(numbers, default=-1) + 1))
        by_image: dict[Any, list[tuple[np.ndarray, np.ndarray | None]]] = {key: [] for key in order}
        for entry in entries:
            by_image[entry["image_id"]].append(_coco_person(entry))
    except (KeyError, TypeError, ValueError) as error:
        raise GenerateError(
            f'"{path}" has an entry that cannot be read ({error!r}): export it again.'
        ) from error
    return _stacked(list(by_image.values()), _known_size(path, size))


def _coco_person(entry: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
    points = _points(entry["keypoints"])
    if len(points) not in (17, 133):
        raise ValueError(f"{len(points)} keypoints, expected 17 or 133")
    hands = points[HANDS].reshape(2, 21, 3) if len(points) == 133 else None
    if "lefthand_kpts" in entry and "righthand_kpts" in entry:
        hands = np.stack([_points(entry["lefthand_kpts"]), _points(entry["righthand_kpts"])])
    return body_from_coco(points[:17]), hands


def _read_npz(path: Path) -> Poses:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            width, height = arrays["size"].tolist()
            hands = arrays.get("hands")
            return Poses(arrays["body"].astype(np.float32), width, height, hands)
    except (OSError, KeyError, ValueError) as error:
        raise GenerateError(
            f'"{path}" cannot be read as poses ({error}): it needs the arrays body [frames, people, 18, 3] '
            f"and size (width, height)."
        ) from error


def _stacked(frames: list[list[tuple[np.ndarray, np.ndarray | None]]], size: tuple[int, int]) -> Poses:
    """People of all frames in arrays; where there are fewer, the rest is not found."""
    most = max((len(people) for people in frames), default=0)
    body = np.zeros((len(frames), max(1, most), 18, 3), np.float32)
    hands = np.zeros((len(frames), max(1, most), 2, 21, 3), np.float32)
    any_hands = False
    for frame, people in enumerate(frames):
        for number, (joints, fingers) in enumerate(people):
            body[frame, number] = joints
            if fingers is not None:
                hands[frame, number], any_hands = fingers, True
    seen = body[body[..., 2] > 0]
    if len(seen) and seen[:, :2].max() <= 1:  # OpenPose can write parts of the picture instead of pixels
        body[..., :2] *= size
        hands[..., :2] *= size
    return Poses(body, *size, hands if any_hands else None)


def _points(flat: Sequence[float]) -> np.ndarray:
    points = np.asarray(flat, np.float32).reshape(-1, 3).copy()
    if not np.isfinite(points).all():
        raise ValueError("a coordinate that is no number")
    # COCO's ground truth says 1 (hidden) or 2 (visible) instead of a confidence.
    points[:, 2] = np.clip(points[:, 2], 0, 1)
    points[points[:, 2] == 0] = 0
    return points


def _flat(points: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in points.ravel()]


def _known_size(path: Path, size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        raise GenerateError(
            f'"{path}" does not say how large the pictures with these joints were: give width and height.'
        )
    return size


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = "is not there" if not path.exists() else f"is no JSON ({error})"
        raise GenerateError(f'"{path}" {what}: export the poses again.') from error
