"""Cameras that somebody knows already, of a file (see `recon.known_files`) or of a learned solver.

They are used in two ways: instead of solving (`--cameras`), and as the truth to compare with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from recon.camera_axes import AXES, IN_WORDS, UNITY, Axes, world_from_camera
from recon.errors import CameraSolveError, FormatError
from recon.events import Listener, Notice
from recon.judge import ENOUGH_EXPLAINED, MIN_FRAMES, MIN_POINTS, Judgement
from recon.known_files import FORMATS, Found, read_file
from recon.matching import find_matches, opencv_params
from recon.solve import Solution, job_for, judged, run_model_job
from recon.types import Frames, Shot
from recon.undistort import Lens

__all__ = ["FORMATS", "KnownCameras", "read_known", "solve_with", "use_known"]

ONE_LENS = 0.01
"""Relative: focal lengths that differ by more are a zoom."""
CLEARLY = 0.9
"""Axes that explain this share of what the best ones do are as likely. A small arc seen in a mirror
explains 0.61 where the truth explains 0.84."""

KEEP_FAR = {"triangulation": {"min_angle": 0.5}, "mapper": {"filter_min_tri_angle": 0.5}}
"""Known cameras need no parallax for their own sake: keep far points too."""
TOLERANT = {
    "triangulation": {
        "create_max_angle_error": 6.0,
        "continue_max_angle_error": 6.0,
        "merge_max_reproj_error": 16.0,
        "complete_max_reproj_error": 16.0,
    },
    "mapper": {"filter_max_reproj_error": 16.0},
}
"""Points for cameras that are a degree or two wrong."""
REFINEMENTS = 4


@dataclass(frozen=True, repr=False)
class KnownCameras:
    """Cameras of some of the frames on disk, in a world of their own."""

    numbers: np.ndarray
    """[F] int64, global frame numbers, increasing."""
    world_from_camera: np.ndarray
    """[F, 4, 4], OpenCV camera axes."""
    lens: Lens
    """For frames of the size on disk; the median when it varies."""
    zooms: bool = False
    """Does the focal length vary from frame to frame?"""
    up: np.ndarray | None = None
    """[3] world direction, None when the file does not say."""
    axes: Axes = "opencv"
    """How the file was read."""

    def __repr__(self) -> str:
        return f"KnownCameras({len(self.numbers)} frames, {self.lens})"


def read_known(
    path: Path, frames: Frames, source_fps: float | None = None, axes: Axes | None = None
) -> KnownCameras:
    """Read known cameras and find the frame on disk that each of them belongs to.

    A sidecar's pose i belongs to the frame at i / fps seconds. The poses of other files belong to
    the frames in the order of their names when there are as many; to the frames at their
    time, when `source_fps` (frames per second of the video they were made for) is given; and to the
    frames that their file names number, when there are fewer.

    `axes` says how to read the poses. None is what the file names as its "convention" (JSON), or else
    its format's own: OpenGL's axes in a transforms.json, OpenCV's in all others.

    Raises:
        FormatError: No known format, or poses that cannot be matched with the frames.
    """
    return _matched(read_file(path, frames, axes), frames, source_fps)


def _matched(found: Found, frames: Frames, source_fps: float | None) -> KnownCameras:
    if found.fps is not None:
        index = np.round(frames.seconds * found.fps).astype(np.int64)
        known = (index >= 0) & (index < len(found.poses))
        return _checked(found, np.flatnonzero(known), index[known], frames)
    names, total = found.names, len(frames)
    stems = [_number(name) for name in names]
    order = sorted(range(len(names)), key=lambda i: (stems[i] is None, stems[i], names[i]))
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
        found, np.array([numbers[i] for i in chosen], np.int64), np.array(chosen, np.int64), frames
    )


def _number(name: str) -> int | None:
    """The last number in a file's stem: 12 of "images/frame_0012.png"."""
    digits = re.findall(r"\d+", PurePosixPath(name).stem)
    return int(digits[-1]) if digits else None


def _checked(
    found: Found,
    numbers: np.ndarray,  # [F] global frame numbers
    which: np.ndarray,  # [F] positions of their poses in `found`
    frames: Frames,
) -> KnownCameras:
    path = found.path
    if len(numbers) < min(MIN_FRAMES, len(frames)):
        raise FormatError(
            f"{path}: found {len(found.poses)} poses, {len(numbers)} of them for the {len(frames)} frames of "
            "the clip, expected one for each frame; use the clip and the --fps, --start, --end they were "
            "made for"
        )
    lenses = [found.lenses[i] for i in which.tolist()]
    for lens in lenses:
        ratio = (lens.width / lens.height) / (frames.width / frames.height)
        if not 0.98 < ratio < 1.02:
            raise FormatError(
                f"{path}: found cameras for {lens.width}x{lens.height} images, the frames are "
                f"{frames.width}x{frames.height} (of square pixels), expected the same shape; "
                "use the clip they were made for"
            )
    scaled = [lens.scaled(frames.width, frames.height) for lens in lenses]
    focals = np.array([lens.focal for lens in scaled])
    middle = scaled[int(np.argsort(focals)[len(focals) // 2])]
    zooms = bool(np.ptp(focals) > ONE_LENS * middle.focal)
    # A rotation with rounding errors, or a scaled one (Blender), becomes the nearest rotation.
    rigid = found.poses[which]
    u, _, vt = np.linalg.svd(rigid[:, :3, :3])
    rigid[:, :3, :3] = u @ vt
    if (np.linalg.det(rigid[:, :3, :3]) < 0).any():
        raise FormatError(
            f"{path}: found mirrored camera axes, expected right-handed ones; export them again"
        )
    up = UNITY[:3, :3] @ found.up if found.up is not None and found.axes == "unity" else found.up
    poses = world_from_camera(rigid, found.axes)
    return KnownCameras(numbers.astype(np.int64), poses, middle, zooms, up, found.axes)


def use_known(
    path: Path,
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    source_fps: float | None = None,
    axes: Axes | None = None,
    refine: bool = False,
    seed: int = 0,
    on_event: Listener,
) -> tuple[Solution, np.ndarray | None]:
    """Take the cameras of a file and triangulate points with them.

    `axes` is that of `read_known`. The cameras stay as they are, or with `refine` are a first guess that
    bundle adjustment moves.

    Returns:
        The solution (of the shot's frames that the file knows), and the file's up direction.

    Raises:
        FormatError: The file does not fit the frames.
        CameraSolveError: Hardly any feature agrees with the cameras. When they would agree, read with
            other axes, the message says so: nothing is read another way unasked.
    """
    found = read_file(path, frames, axes)
    known = _matched(found, frames, source_fps)
    if known.zooms:
        raise FormatError(
            f"{path}: the focal length changes from frame to frame, expected one lens for the clip; "
            "cut the clip to a part without zoom (--start/--end)"
        )
    known = _of_shot(known, shot, str(path))
    database = _features(known, frames, shot, work, seed, on_event)

    def tried(axes: Axes) -> Solution:
        other = _of_shot(_matched(replace(found, axes=axes), frames, source_fps), shot, str(path))
        return _triangulated(other, database, frames, shot, work, seed, on_event, refine)

    solution = tried(known.axes)
    if not _explains(solution):
        on_event(Notice("the pictures contradict the given cameras; trying whether other axes fit"))
        others: dict[Axes, Solution] = {other: tried(other) for other in AXES if other != known.axes}
        fits: dict[Axes, float] = {
            other: again.judgement.explained for other, again in others.items() if _explains(again)
        }
        fitting: list[Axes] = [other for other in fits if fits[other] > CLEARLY * max(fits.values())]
        raise CameraSolveError(_contradiction(solution.judgement, found, fitting))
    if solution.judgement.verdict == "failed":
        raise CameraSolveError(solution.judgement.reason)
    return solution, known.up


def solve_with(
    known: KnownCameras,
    frames: Frames,
    shot: Shot,
    work: Path,
    *,
    source: str,
    refine: bool = False,
    seed: int = 0,
    on_event: Listener,
) -> Solution:
    """Triangulate points with cameras from elsewhere (`source`, for messages) and judge the result.

    `refine` moves the cameras by bundle adjustment: those of learned solvers are wrong by a degree and
    more, and half a degree is enough for few features to agree.

    Raises:
        CameraSolveError: The cameras are of too few frames of the shot. Cameras that the pictures
            contradict are no error but a judgement that says so.
    """
    known = _of_shot(known, shot, source)
    database = _features(known, frames, shot, work, seed, on_event)
    return _triangulated(known, database, frames, shot, work, seed, on_event, refine)


def _of_shot(known: KnownCameras, shot: Shot, source: str) -> KnownCameras:
    keep = np.isin(known.numbers, np.asarray(shot.numbers))
    if keep.sum() < min(MIN_FRAMES, shot.frames):
        raise CameraSolveError(
            f"{source} knows {keep.sum()} of the {shot.frames} frames of shot {shot.index}, expected "
            f"at least {MIN_FRAMES}; use the clip they were made for, or solve without --cameras"
        )
    return replace(known, numbers=known.numbers[keep], world_from_camera=known.world_from_camera[keep])


def _features(
    known: KnownCameras, frames: Frames, shot: Shot, work: Path, seed: int, on_event: Listener
) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    database, _ = find_matches(
        frames, shot, work, seed=seed, lens=known.lens, only=known.numbers, on_event=on_event
    )
    return database


def _triangulated(
    known: KnownCameras,
    database: Path,
    frames: Frames,
    shot: Shot,
    work: Path,
    seed: int,
    on_event: Listener,
    refine: bool = False,
) -> Solution:
    numbers, poses = known.numbers, known.world_from_camera
    job: dict[str, Any] = {
        **job_for("triangulate", frames, shot, database, seed, numbers),
        "camera_from_world": np.linalg.inv(poses).tolist(),
        "params": opencv_params(known.lens),
        "options": KEEP_FAR,
    }
    if refine:
        job |= {"options": TOLERANT, "refine": [TOLERANT] * (REFINEMENTS - 1) + [{}]}
    solved = run_model_job(job, frames, work, on_event)
    assert solved is not None
    if not refine:
        # The poses as given, not as they come back through quaternions.
        solved = replace(solved, numbers=numbers, world_from_camera=poses, lens=known.lens)
    found = judged(solved, shot.frames)
    return Solution(solved, found, ({"name": "known", **found.to_json()},))


def _explains(solution: Solution) -> bool:
    """Do the pictures agree with the cameras?"""
    found = solution.judgement
    return found.points >= MIN_POINTS and found.explained >= ENOUGH_EXPLAINED


def _contradiction(judgement: Judgement, found: Found, fitting: Sequence[Axes]) -> str:
    """One line: the axes with which the cameras fit, or what else to check."""
    if not fitting:
        return (
            f"only {100 * judgement.explained:.0f} % of the matched features agree with the cameras in "
            f"{found.path}, expected at least {100 * ENOUGH_EXPLAINED:.0f} %, read {IN_WORDS[found.axes]} or "
            "with any other axes we know; check that they belong to these frames, or solve without --cameras"
        )
    words = ", or ".join(IN_WORDS[other] for other in fitting)
    flags = " or ".join(f"--camera-axes {other}" for other in fitting)
    file = f', or put "convention": "{fitting[0]}" into the file' if found.says_axes else ""
    return (
        f"the cameras in {found.path} do not fit these frames when read {IN_WORDS[found.axes]}, but they do "
        f"when read {words}; pass {flags}{file}"
    )
