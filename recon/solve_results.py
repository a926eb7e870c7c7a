"""What a job of the solver's child process leaves for its parent; importing this does not load pycolmap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def write_matches(job: dict[str, Any]) -> None:
    """The verified matches of the job's pairs of frames."""
    import pycolmap

    names = job["names"]
    pairs: list[tuple[int, int]] = []
    first: list[np.ndarray] = []
    second: list[np.ndarray] = []
    with pycolmap.Database.open(job["database"]) as database:
        ids = {image.name: image.image_id for image in database.read_all_images()}
        seen = {ids[names[i]] for pair in job["pairs"] for i in pair}
        places = {image: database.read_keypoints(image)[:, :2] for image in seen}
        for i, j in job["pairs"]:
            a, b = ids[names[i]], ids[names[j]]
            if database.exists_two_view_geometry(a, b):
                found = database.read_two_view_geometry(a, b).inlier_matches
                pairs.append((int(Path(names[i]).stem), int(Path(names[j]).stem)))
                first.append(places[a][found[:, 0]])
                second.append(places[b][found[:, 1]])
    with Path(job["matches"]).open("wb") as file:
        np.savez(
            file,
            pairs=np.array(pairs, np.int64).reshape(-1, 2),
            lengths=np.array([len(points) for points in first], np.int64),
            first=np.concatenate([*first, np.zeros((0, 2))]),
            second=np.concatenate([*second, np.zeros((0, 2))]),
        )


def save_model(job: dict[str, Any], model: Any, sizes: list[int]) -> None:
    """Poses, lens, points and tracks as arrays; names are frame numbers with an extension."""
    arrays: dict[str, np.ndarray] = {"models": np.array(sizes, np.int64)}
    if model is not None:
        images = sorted((model.images[i] for i in model.reg_image_ids()), key=lambda image: image.name)
        number = {image.image_id: int(Path(image.name).stem) for image in images}
        camera = model.cameras[images[0].camera_id]
        ids = sorted(model.points3D)
        points = [model.points3D[i] for i in ids]
        observed = [
            (number[seen.image_id], *model.images[seen.image_id].points2D[seen.point2D_idx].xy)
            for point in points
            for seen in sorted(
                point.track.elements, key=lambda seen: (number[seen.image_id], seen.point2D_idx)
            )
        ]
        model.update_point_3d_errors()
        arrays |= {
            "numbers": np.array(list(number.values()), np.int64),
            "camera_from_world": np.array([image.cam_from_world().matrix() for image in images]),
            "K": np.array(camera.calibration_matrix(), float),
            "params": np.array(camera.params, float),
            "xyz": np.array([point.xyz for point in points], float).reshape(-1, 3),
            "rgb": np.array([point.color for point in points], np.uint8).reshape(-1, 3),
            "error": np.array([point.error for point in points], np.float32),
            "track_lengths": np.array([point.track.length() for point in points], np.int64),
            "observed": np.array(observed, np.float32).reshape(-1, 3),
            "explained": np.array(len(observed) / max(1, _matched(job["database"], set(number)))),
        }
    with Path(job["result"]).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _matched(database_path: str, images: set[int]) -> int:
    """How many keypoints of these images have a verified match among them."""
    import pycolmap

    matched: dict[int, list[np.ndarray]] = {image: [] for image in images}
    with pycolmap.Database.open(database_path) as database:
        for first in images:
            for second in images:
                if first < second and database.exists_two_view_geometry(first, second):
                    pairs = database.read_two_view_geometry(first, second).inlier_matches
                    matched[first].append(pairs[:, 0])
                    matched[second].append(pairs[:, 1])
    return sum(len(np.unique(np.concatenate(lists))) for lists in matched.values() if lists)
