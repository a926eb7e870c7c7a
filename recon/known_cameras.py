"""Cameras that somebody knows already: our sidecar, a transforms.json, a COLMAP model or RealEstate10K text.

They are used in two ways: instead of solving (`--cameras`), and as the truth to compare with.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from recon.camera_files import read_transforms
from recon.colmap_files import read_colmap
from recon.errors import CameraSolveError, FormatError
from recon.events import Listener
from recon.judge import ENOUGH_EXPLAINED, MIN_FRAMES, MIN_POINTS, Judgement, judge
from recon.solve import Solution, Solved, find_features, job_for, opencv_params, run_model_job
from recon.types import Frames, Shot
from recon.undistort import Lens

SIDECAR = "splatreel-video"
FORMATS = "a sidecar, a transforms.json, a COLMAP folder or a RealEstate10K text file"
ONE_LENS = 0.01
"""Relative: focal lengths that differ by more are a zoom."""


@dataclass(frozen=True, repr=False)
class KnownCameras:
    """Cameras of some of the frames on disk, in a world of their own."""

    numbers: np.ndarray
    """[F] int64, global frame numbers, increasing."""
    world_from_camera: np.ndarray
    """[F, 4, 4]."""
    lens: Lens
    """For frames of the size on disk; the median when it varies."""
    zooms: bool = False
    """Does the focal length vary from frame to frame?"""
    up: np.ndarray | None = None
    """[3] world direction, None when the file does not say."""

    def __repr__(self) -> str:
        return f"KnownCameras({len(self.numbers)} frames, {self.lens})"


def read_known(path: Path, frames: Frames, source_fps: float | None = None) -> KnownCameras:
    """Read known cameras and find the frame on disk that each of them belongs to.

    A sidecar's pose i belongs to the frame at i / fps seconds. The poses of other files belong to
    the frames in the order of their names when there are as many; to the frames at their
    time, when `source_fps` (frames per second of the video they were made for) is given; and to the
    frames that their file names number, when there are fewer.

    Raises:
        FormatError: No known format, or poses that cannot be matched with the frames.
    """
    if not path.exists():
        raise FormatError(f"{path} does not exist; expected {FORMATS}")
    if path.is_dir() and not (path / "transforms.json").is_file():
        model = read_colmap(path)
        return _by_name(path, model.names, model.world_from_camera, model.lenses, frames, source_fps)
    if path.suffix.lower() == ".txt":
        poses, lenses = _read_realestate10k(path, frames)
        names = tuple(str(i) for i in range(len(poses)))
        return _by_name(path, names, poses, lenses, frames, source_fps)
    file = path / "transforms.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise FormatError(f"{file} is not JSON ({error}); expected {FORMATS}") from error
    if isinstance(content, dict) and content.get("format") == SIDECAR:
        return _from_sidecar(file, content, frames)
    known = read_transforms(file)
    return _by_name(file, known.names, known.world_from_camera, known.lenses, frames, source_fps)


def _read_realestate10k(path: Path, frames: Frames) -> tuple[np.ndarray, tuple[Lens, ...]]:
    """Poses [F, 4, 4] and lenses; line i is frame i of the video.

    A line holds a time, fx fy cx cy in widths and heights of the image, two unused values and
    camera_from_world in rows (Zhou et al. 2018, google.github.io/realestate10k). It says nothing of the
    image's size, so the lens fits frames of any shape: a resized clip has fx ≠ fy in pixels.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if lines and "//" in lines[0][0]:
            del lines[0]  # the address of the video
        rows = np.array(lines, float)
        if rows.ndim != 2 or rows.shape[1] != 19 or not np.isfinite(rows).all():
            raise ValueError(f"{len(lines)} lines, not all of 19 numbers")
        camera_from_world = np.tile(np.eye(4), (len(rows), 1, 1))
        camera_from_world[:, :3] = rows[:, 7:].reshape(-1, 3, 4)
        poses = np.linalg.inv(camera_from_world)
    except (OSError, ValueError) as error:  # UnicodeDecodeError and LinAlgError are ValueErrors
        raise FormatError(
            f"{path}: {error}; expected a RealEstate10K file (an address, then 19 numbers a line); "
            "a COLMAP text model is given by its folder"
        ) from error
    size = np.array([frames.width, frames.height, frames.width, frames.height])
    lenses = []
    for fx, fy, cx, cy in rows[:, 1:5] * size:
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        lenses.append(Lens(frames.width, frames.height, K))
    return poses, tuple(lenses)


def _from_sidecar(path: Path, content: dict[str, Any], frames: Frames) -> KnownCameras:
    try:
        cameras = content["cameras"]
        poses = np.array(cameras["world_from_camera"], float)
        inside, fps = cameras["intrinsics"], float(content["fps"])
        K = np.array([[inside["fx"], 0, inside["cx"]], [0, inside["fy"], inside["cy"]], [0, 0, 1]], float)
        size = int(content["width"]), int(content["height"])
        up = np.array(cameras["world_up"], float) if "world_up" in cameras else None
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not np.isfinite(poses).all():
            raise ValueError(f"world_from_camera of shape {poses.shape}")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{path}: found {type(error).__name__} ({error}), expected the cameras of a splatreel sidecar; "
            "generate the clip again, or solve without --cameras"
        ) from error
    if cameras.get("convention", "opencv") != "opencv":
        raise FormatError(f"{path}: found camera axes {cameras['convention']!r}, expected 'opencv'")
    index = np.round(frames.seconds * fps).astype(int)
    known = (index >= 0) & (index < len(poses))
    numbers = np.flatnonzero(known)
    return _checked(
        path, numbers, poses[index[known]], (Lens(*size, K),) * len(numbers), frames, up, len(poses)
    )


def _by_name(
    path: Path,
    names: tuple[str, ...],
    poses: np.ndarray,
    lenses: tuple[Lens, ...],
    frames: Frames,
    source_fps: float | None,
) -> KnownCameras:
    stems = [_number(name) for name in names]
    order = sorted(range(len(names)), key=lambda i: (stems[i] is None, stems[i], names[i]))
    total = len(frames)
    if len(names) == total:
        numbers = dict(zip(order, range(total), strict=True))
    elif None in stems or len(set(stems)) < len(stems):
        numbers = {}  # nothing in the names says which frame is which
    elif source_fps is not None:
        at = {round(seconds * source_fps): number for number, seconds in enumerate(frames.seconds.tolist())}
        first = min(1, *(stem for stem in stems if stem is not None))  # some start counting at 1
        frame_of = {i: at.get(stem - first) for i, stem in enumerate(stems) if stem is not None}
        numbers = {i: number for i, number in frame_of.items() if number is not None}
    elif len(names) < total:
        numbers = {i: stem for i, stem in enumerate(stems) if stem is not None and stem < total}
    else:
        numbers = {}
    chosen = sorted(numbers, key=lambda i: numbers[i])
    return _checked(
        path,
        np.array([numbers[i] for i in chosen], np.int64),
        poses[chosen],
        tuple(lenses[i] for i in chosen),
        frames,
        None,
        len(names),
    )


def _number(name: str) -> int | None:
    """The last number in a file's stem: 12 of "images/frame_0012.png"."""
    digits = re.findall(r"\d+", PurePosixPath(name).stem)
    return int(digits[-1]) if digits else None


def _checked(
    path: Path,
    numbers: np.ndarray,
    poses: np.ndarray,
    lenses: tuple[Lens, ...],
    frames: Frames,
    up: np.ndarray | None,
    found: int,
) -> KnownCameras:
    if len(numbers) < min(MIN_FRAMES, len(frames)):
        raise FormatError(
            f"{path}: found {found} poses, {len(numbers)} of them for the {len(frames)} frames of the clip, "
            "expected one for each frame; use the clip and the --fps, --start, --end they were made for"
        )
    ratio = (lenses[0].width / lenses[0].height) / (frames.width / frames.height)
    if not 0.98 < ratio < 1.02:
        raise FormatError(
            f"{path}: found cameras for {lenses[0].width}x{lenses[0].height} images, the frames are "
            f"{frames.width}x{frames.height}, expected the same shape; use the clip they were made for"
        )
    scaled = [lens.scaled(frames.width, frames.height) for lens in lenses]
    focals = np.array([lens.focal for lens in scaled])
    middle = scaled[int(np.argsort(focals)[len(focals) // 2])]
    zooms = bool(np.ptp(focals) > ONE_LENS * middle.focal)
    # A rotation with rounding errors, or a scaled one (Blender), becomes the nearest rotation.
    u, _, vt = np.linalg.svd(poses[:, :3, :3])
    rotation = u @ vt
    if (np.linalg.det(rotation) < 0).any():
        raise FormatError(
            f"{path}: found mirrored camera axes, expected right-handed ones; export them again"
        )
    rigid = poses.copy()
    rigid[:, :3, :3] = rotation
    return KnownCameras(numbers.astype(np.int64), rigid, middle, zooms, up)


def use_known(
    path: Path,
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    source_fps: float | None = None,
    seed: int = 0,
    on_event: Listener,
) -> tuple[Solution, np.ndarray | None]:
    """Take the cameras of a file as they are and triangulate points with them.

    Returns:
        The solution (of the shot's frames that the file knows), and the file's up direction.

    Raises:
        FormatError: The file does not fit the frames.
        CameraSolveError: Hardly any feature agrees with the cameras.
    """
    known = read_known(path, frames, source_fps)
    if known.zooms:
        raise FormatError(
            f"{path}: the focal length changes from frame to frame, expected one lens for the clip; "
            "cut the clip to a part without zoom (--start/--end)"
        )
    keep = np.isin(known.numbers, np.asarray(shot.numbers))
    numbers, poses = known.numbers[keep], known.world_from_camera[keep]
    if len(numbers) < min(MIN_FRAMES, shot.frames):
        raise CameraSolveError(
            f"{path} knows {len(numbers)} of the {shot.frames} frames of shot {shot.index}, expected "
            f"at least {MIN_FRAMES}; use the clip they were made for, or solve without --cameras"
        )
    work.mkdir(parents=True, exist_ok=True)
    database = find_features(frames, shot, work, seed=seed, lens=known.lens, only=numbers, on_event=on_event)
    job = {
        **job_for("triangulate", frames, shot, database, seed, numbers),
        "camera_from_world": np.linalg.inv(poses).tolist(),
        "params": opencv_params(known.lens),
        # Known cameras need no parallax for their own sake: keep far points too.
        "options": {"triangulation": {"min_angle": 0.5}, "mapper": {"filter_min_tri_angle": 0.5}},
    }
    solved = run_model_job(job, frames, work, on_event)
    assert solved is not None
    # The poses as given, not as they come back through quaternions.
    solved = Solved(numbers, poses, known.lens, solved.points, solved.models, solved.explained)
    found = judge(poses, numbers, solved.points, known.lens, shot.frames, solved.explained)
    _check(found, path)
    return Solution(solved, found, ({"name": "known", **found.to_json()},)), known.up


def _check(found: Judgement, path: Path) -> None:
    """Complain when the pictures contradict the cameras."""
    if found.points < MIN_POINTS or found.explained < ENOUGH_EXPLAINED:
        raise CameraSolveError(
            f"only {100 * found.explained:.0f} % of the matched features agree with the cameras in {path}, "
            f"expected at least {100 * ENOUGH_EXPLAINED:.0f} %; check that they belong to these frames and "
            "have OpenCV axes in a sidecar, OpenGL axes in a transforms.json; or solve without --cameras"
        )
    if found.verdict == "failed":
        raise CameraSolveError(found.reason)
