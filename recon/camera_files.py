"""Cameras and points on disk: transforms.json, sparse_pc.ply, and the solution of a shot.

COLMAP's files are in `recon.colmap_files`. Axes other than OpenCV's exist only inside the
functions here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.errors import FormatError
from recon.scene import SceneFolder, replacing, write_json
from recon.types import Cameras, Points, Shot
from recon.undistort import Lens

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""OpenCV's camera axes from those of nerfstudio, instant-ngp and Blender (x right, y up, z back);
its own inverse."""


@dataclass(frozen=True, repr=False)
class Transforms:
    """What a transforms.json holds."""

    names: tuple[str, ...]
    """[F] file_path of each frame, as written, in the file's order."""
    world_from_camera: np.ndarray
    """[F, 4, 4], OpenCV camera axes."""
    lenses: tuple[Lens, ...]
    """[F], the lens of each frame."""

    def __repr__(self) -> str:
        return f"Transforms({len(self.names)} frames)"


def write_transforms(path: Path, cameras: Cameras) -> None:
    """Write a transforms.json for `images/00000.png` … beside it (nerfstudio's conventions)."""
    shared = bool((cameras.K[:1] == cameras.K).all())
    write_json(
        path,
        {
            "camera_model": "OPENCV",
            "w": cameras.width,
            "h": cameras.height,
            **_intrinsics(cameras.K[0]),
            "k1": 0.0,
            "k2": 0.0,
            "p1": 0.0,
            "p2": 0.0,
            "ply_file_path": "sparse_pc.ply",
            "applied_transform": np.eye(4)[:3],
            "frames": [
                {"file_path": f"images/{number:05d}.png", "transform_matrix": pose @ OPENGL}
                | ({} if shared else _intrinsics(own))
                for number, pose, own in zip(
                    cameras.numbers.tolist(), cameras.world_from_camera, cameras.K, strict=True
                )
            ],
        },
    )


def _intrinsics(K: np.ndarray) -> dict[str, float]:
    return {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}


def read_transforms(path: Path) -> Transforms:
    """Read a transforms.json of nerfstudio, instant-ngp or ours.

    Raises:
        FormatError: Not JSON, no frames, or poses and intrinsics that are not numbers.
    """
    try:
        content = json.loads(path.read_text())
        frames = content["frames"]
        poses = np.array([frame["transform_matrix"] for frame in frames], float)
        if not frames or poses.shape[1:] not in ((4, 4), (3, 4)) or not np.isfinite(poses).all():
            raise ValueError(f"transform_matrix of shape {poses.shape}")
        lenses = tuple(_lens({**content, **frame}) for frame in frames)
        names = tuple(str(frame["file_path"]) for frame in frames)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}; check the path") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{path}: found {type(error).__name__} ({error}), expected a transforms.json with "
            '"frames" of "file_path" and "transform_matrix" and the intrinsics "fl_x", "w", "h"'
        ) from error
    whole = np.tile(np.eye(4), (len(poses), 1, 1))
    whole[:, :3] = poses[:, :3]
    return Transforms(names, whole @ OPENGL, lenses)


def _lens(values: dict[str, Any]) -> Lens:
    if "w" not in values and "camera_angle_x" in values:
        raise ValueError("no image size w, h beside camera_angle_x")
    width, height = int(values["w"]), int(values["h"])
    if "fl_x" in values:
        fx = float(values["fl_x"])
    else:
        fx = width / 2 / np.tan(float(values["camera_angle_x"]) / 2)
    fy = float(values.get("fl_y", fx))
    cx, cy = float(values.get("cx", width / 2)), float(values.get("cy", height / 2))
    bends = tuple(float(values.get(name, 0.0)) for name in ("k1", "k2", "p1", "p2"))
    return Lens(width, height, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), bends if any(bends) else ())


def write_point_cloud(path: Path, points: Points) -> None:
    """Write xyz and rgb as a binary PLY."""
    rows = np.empty(
        len(points),
        [(name, "<f4") for name in ("x", "y", "z")] + [(name, "u1") for name in ("red", "green", "blue")],
    )
    for i, name in enumerate(("x", "y", "z")):
        rows[name] = points.xyz[:, i]
    for i, name in enumerate(("red", "green", "blue")):
        rows[name] = points.rgb[:, i]
    kinds = {"x": "float", "y": "float", "z": "float", "red": "uchar", "green": "uchar", "blue": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property {kind} {name}" for name, kind in kinds.items()] + ["end_header", ""]
    with replacing(path) as part:
        part.write_bytes("\n".join(header).encode() + rows.tobytes())


def seen_by(points: Points, numbers: np.ndarray) -> Points:
    """The points that these frames saw, with only those observations."""
    wanted = np.asarray(numbers)
    own = [track[np.isin(track[:, 0].astype(np.int64), wanted)] for track in points.tracks]
    kept = np.array([i for i, track in enumerate(own) if len(track)], int)
    return replace(points, tracks=tuple(own)).select(kept)


# -- the solution of a shot ------------------------------------------------------------------


def solution_path(scene: SceneFolder, shot: Shot) -> Path:
    """`cameras/shot_000.npz`."""
    return scene.root / "cameras" / f"shot_{shot.index:03d}.npz"


def save_solution(
    scene: SceneFolder, shot: Shot, cameras: Cameras, points: Points, extra: dict[str, Any]
) -> None:
    """Write cameras and points as one .npz (no pickle), atomically; `extra` is JSON-able."""
    about = {
        "width": cameras.width,
        "height": cameras.height,
        "distortion": list(cameras.distortion),
        "verdict": cameras.verdict,
        "reason": cameras.reason,
        "extra": extra,
    }
    lens_K = np.zeros((0, 3)) if cameras.lens_K is None else cameras.lens_K
    with replacing(solution_path(scene, shot)) as part, part.open("wb") as file:
        np.savez(
            file,
            about=np.array(json.dumps(about)),
            numbers=cameras.numbers,
            world_from_camera=cameras.world_from_camera,
            K=cameras.K,
            lens_K=lens_K,
            xyz=points.xyz,
            rgb=points.rgb,
            error=points.error,
            track_lengths=np.array([len(track) for track in points.tracks], np.int64),
            observed=np.concatenate([np.zeros((0, 3), np.float32), *points.tracks]),
        )


def read_solution(scene: SceneFolder, shot: Shot) -> tuple[Cameras, Points, dict[str, Any]]:
    """Cameras, points and the extra JSON of `save_solution`.

    Raises:
        FormatError: No solution of this shot, or a damaged file.
    """
    path = solution_path(scene, shot)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            cameras = Cameras(
                arrays["numbers"],
                arrays["world_from_camera"],
                arrays["K"],
                about["width"],
                about["height"],
                tuple(about["distortion"]),
                arrays["lens_K"] if len(arrays["lens_K"]) else None,
                about["verdict"],
                about["reason"],
            )
            lengths = arrays["track_lengths"]
            tracks = np.split(arrays["observed"], np.cumsum(lengths)[:-1]) if len(lengths) else []
            points = Points(arrays["xyz"], arrays["rgb"], arrays["error"], tuple(tracks))
    except FileNotFoundError:
        raise FormatError(
            f"{scene.root} has no cameras of shot {shot.index}; run "
            "`splatreel reconstruct VIDEO --out SCENE` on it first"
        ) from None
    except Exception as error:
        raise FormatError(
            f"{path} is damaged ({error}); run the same command with --force cameras"
        ) from error
    return cameras, points, about["extra"]


def load_solution(scene: SceneFolder, shot: Shot) -> tuple[Cameras, Points]:
    """Cameras (K for the undistorted images) and points (tracks in undistorted pixels) of a shot.

    Raises:
        FormatError: No solution of this shot, or a damaged file.
    """
    return read_solution(scene, shot)[:2]
