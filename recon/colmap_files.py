"""COLMAP's model files (cameras, images and points3D; binary written, binary or text read), without pycolmap.

The three classic files: every reader since 2016 knows them, pycolmap 4 makes the newer rigs and
frames of them itself. Format: colmap.github.io/format.html.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recon.errors import FormatError
from recon.scene import replacing
from recon.types import Cameras, Points
from recon.undistort import Lens

PINHOLE = 1
# COLMAP's model id -> (how many parameters, positions of fx, fy, cx, cy, then of k1, k2, p1, p2).
MODELS: dict[int, tuple[int, tuple[int, ...]]] = {
    0: (3, (0, 0, 1, 2)),  # SIMPLE_PINHOLE
    PINHOLE: (4, (0, 1, 2, 3)),
    2: (4, (0, 0, 1, 2, 3)),  # SIMPLE_RADIAL
    3: (5, (0, 0, 1, 2, 3, 4)),  # RADIAL
    4: (8, (0, 1, 2, 3, 4, 5, 6, 7)),  # OPENCV
}
NAMES = {"SIMPLE_PINHOLE": 0, "PINHOLE": PINHOLE, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4}
"""COLMAP's model ids by the names that text files use."""

ImageRow = tuple[str, tuple[float, ...], int]
"""Name, (qw, qx, qy, qz, tx, ty, tz) and camera id of an image."""


@dataclass(frozen=True, repr=False)
class ColmapModel:
    """What a sparse folder holds of cameras."""

    names: tuple[str, ...]
    """[F] image names, sorted."""
    world_from_camera: np.ndarray
    """[F, 4, 4]."""
    lenses: tuple[Lens, ...]
    """[F], the lens of each image."""

    def __repr__(self) -> str:
        return f"ColmapModel({len(self.names)} images)"


def rotation_of(wxyz: np.ndarray) -> np.ndarray:
    """[..., 4] unit quaternions (w, x, y, z) to [..., 3, 3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_quat(wxyz[..., [1, 2, 3, 0]]).as_matrix()


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """[..., 3, 3] to [..., 4] unit quaternions (w, x, y, z), w ≥ 0."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(rotation).as_quat(canonical=True)[..., [3, 0, 1, 2]]


def write_colmap(folder: Path, cameras: Cameras, points: Points) -> None:
    """Write `folder/{cameras,images,points3D}.bin`: a PINHOLE camera, images 00000.png … and the
    points that these cameras saw, with their observations (tracks in pixels of the images)."""
    index = {int(number): i for i, number in enumerate(cameras.numbers)}
    seen: list[list[tuple[float, float, int]]] = [[] for _ in index]
    kept: list[tuple[int, list[tuple[int, int]]]] = []
    for i, track in enumerate(points.tracks):
        elements = []
        for number, x, y in track.tolist():
            camera = index.get(int(number))
            if camera is not None:
                elements.append((camera + 1, len(seen[camera])))
                seen[camera].append((x, y, i + 1))
        if elements:
            kept.append((i, elements))

    with replacing(folder) as part:
        part.mkdir(parents=True)
        K = cameras.K
        shared = bool((K[:1] == K).all())
        with (part / "cameras.bin").open("wb") as file:
            count = 1 if shared else len(K)
            file.write(struct.pack("<Q", count))
            for i in range(count):
                file.write(struct.pack("<iiQQ", i + 1, PINHOLE, cameras.width, cameras.height))
                file.write(struct.pack("<4d", K[i, 0, 0], K[i, 1, 1], K[i, 0, 2], K[i, 1, 2]))
        camera_from_world = cameras.camera_from_world
        wxyz = quaternion_of(camera_from_world[:, :3, :3])
        with (part / "images.bin").open("wb") as file:
            file.write(struct.pack("<Q", len(cameras)))
            for i, number in enumerate(cameras.numbers):
                pose = (*wxyz[i], *camera_from_world[i, :3, 3])
                file.write(struct.pack("<i7di", i + 1, *pose, 1 if shared else i + 1))
                file.write(f"{number:05d}.png".encode() + b"\0")
                file.write(struct.pack("<Q", len(seen[i])))
                for x, y, point in seen[i]:
                    file.write(struct.pack("<ddq", x, y, point))
        with (part / "points3D.bin").open("wb") as file:
            file.write(struct.pack("<Q", len(kept)))
            for i, elements in kept:
                file.write(
                    struct.pack("<Qddd3Bd", i + 1, *points.xyz[i], *points.rgb[i].tolist(), points.error[i])
                )
                file.write(struct.pack("<Q", len(elements)))
                file.write(struct.pack(f"<{2 * len(elements)}i", *(v for pair in elements for v in pair)))


def _find(folder: Path) -> tuple[Path, str] | None:
    """The folder with the images and cameras files (`folder`, its sparse/0 or sparse), and their ending."""
    candidates = (folder, folder / "0", folder / "sparse" / "0", folder / "sparse")
    for ending in (".bin", ".txt"):
        for candidate in candidates:
            if all((candidate / f"{name}{ending}").is_file() for name in ("images", "cameras")):
                return candidate, ending
    return None


def read_colmap(folder: Path) -> ColmapModel:
    """Read the cameras of a binary or text COLMAP model (`folder` or its sparse/0).

    Raises:
        FormatError: No model there, a camera model we do not know, or a damaged file.
    """
    place = _find(folder)
    if place is None:
        raise FormatError(
            f"{folder}: found neither images.bin and cameras.bin nor images.txt and cameras.txt, "
            "expected a COLMAP model; pass its sparse/0"
        )
    found, ending = place
    try:
        if ending == ".bin":
            lenses, rows = _read_cameras(found / "cameras.bin"), _read_images(found / "images.bin")
        else:
            lenses = _read_cameras_text(found / "cameras.txt")
            rows = _read_images_text(found / "images.txt")
        rows = sorted(rows)
        poses = np.array([row[1] for row in rows], float).reshape(-1, 7)
        world_from_camera = np.tile(np.eye(4), (len(rows), 1, 1))
        rotation = rotation_of(poses[:, :4]).transpose(0, 2, 1)
        world_from_camera[:, :3, :3] = rotation
        world_from_camera[:, :3, 3] = -np.einsum("nij,nj->ni", rotation, poses[:, 4:])
        return ColmapModel(
            tuple(row[0] for row in rows), world_from_camera, tuple(lenses[row[2]] for row in rows)
        )
    except (struct.error, KeyError, ValueError) as error:
        raise FormatError(
            f"{found} is not a whole COLMAP model ({error}); export it again, or solve without --cameras"
        ) from error


def _lens(path: Path, model: int | str, width: int, height: int, params: Sequence[float]) -> Lens:
    key = NAMES.get(model, -1) if isinstance(model, str) else model
    if key not in MODELS:
        raise FormatError(
            f"{path}: found camera model {model}, expected a pinhole, radial or OPENCV camera; "
            "undistort the images with COLMAP first"
        )
    count, places = MODELS[key]
    if len(params) != count:
        raise ValueError(f"{len(params)} parameters for camera model {model} in {path.name}")
    fx, fy, cx, cy, *bends = (params[place] for place in places)
    distortion = tuple(bends + [0.0] * (4 - len(bends))) if any(bends) else ()
    return Lens(width, height, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), distortion)


def _read_cameras(path: Path) -> dict[int, Lens]:
    lenses = {}
    with path.open("rb") as file:
        for _ in range(_take(file, "<Q")[0]):
            key, model, width, height = _take(file, "<iiQQ")
            params = _take(file, f"<{MODELS[model][0]}d") if model in MODELS else ()
            lenses[key] = _lens(path, model, width, height, params)
    return lenses


def _read_cameras_text(path: Path) -> dict[int, Lens]:
    lenses = {}
    for line in _lines(path):
        if line.strip():
            key, model, width, height, *params = line.split()
            lenses[int(key)] = _lens(path, model, int(width), int(height), [float(value) for value in params])
    return lenses


def _read_images_text(path: Path) -> list[ImageRow]:
    rows = []
    # Two lines an image; the second one, its observations, may be empty.
    for line in _lines(path)[::2]:
        fields = line.split(maxsplit=9)
        if len(fields) != 10:
            raise ValueError(f"an image with {len(fields)} of 10 values in {path.name}")
        rows.append((fields[9].strip(), tuple(float(value) for value in fields[1:8]), int(fields[8])))
    return rows


def _lines(path: Path) -> list[str]:
    """Without comments, and without empty lines at the end."""
    lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    return [line for line in lines if not line.startswith("#")]


def _read_images(path: Path) -> list[ImageRow]:
    rows = []
    with path.open("rb") as file:
        for _ in range(_take(file, "<Q")[0]):
            _, *pose, camera = _take(file, "<i7di")
            name = bytearray()
            while (letter := file.read(1)) not in (b"\0", b""):
                name += letter
            file.seek(24 * _take(file, "<Q")[0], 1)
            rows.append((name.decode(), tuple(pose), camera))
    return rows


def _take(file: BinaryIO, layout: str) -> tuple:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
