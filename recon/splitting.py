"""Stage 2a: a video, GIF or folder of images becomes frames on disk, shots, and folders of 29 frames."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from recon.errors import SplitError
from recon.events import Listener, Notice, StageFinished, StageProgress, StageStarted, ignore
from recon.images import decode_animation, image_size, list_images, probe_animation, read_images
from recon.scene import SceneFolder, hash_of, hash_of_file, link_or_copy, remove, replacing
from recon.shots import FrameStatistics
from recon.types import Frames
from recon.video import Picture, decode_video, probe_video

MOST_FRAMES = 300
"""A longer clip is thinned to this many, unless --fps says otherwise: neighbours of a 60 fps phone video
show next to nothing new, and every frame costs time to solve."""
FEWEST_FRAMES = 3
"""Two views cannot be told from a moving object."""
FEW_FRAMES = 10
FOLDER_FPS = 24.0
"""Pace at which a folder of images is taken to play."""


def split(
    source: Path,
    out: Path,
    *,
    fps: float | None = None,
    start: float | None = None,
    end: float | None = None,
    long_side: int = 960,
    force: bool = False,
    on_event: Listener = ignore,
) -> SceneFolder:
    """Decode `source` into `out`/frames and cut it into shots and chunks.

    Args:
        source: A video, an animated GIF or WebP, or a folder of images of one size.
        out: A new or empty folder, or an earlier scene.
        fps: Frames per second to keep (the nearest ones, none twice); all when None, at most 300.
        start, end: Part of the clip in seconds.
        long_side: Frames larger than this many pixels are shrunk.
        force: Decode again although nothing has changed.

    Raises:
        SplitError: The source cannot be used, and why.
        SceneFolderError: `out` cannot.
    """
    source, out, begun = Path(source), Path(out), time.perf_counter()
    _check_arguments(source, fps, start, end, long_side)
    if out.resolve() / "frames" in (source.resolve(), *source.resolve().parents):
        raise SplitError(
            f"{source} belongs to the scene {out}, which would overwrite it; choose another --out"
        )
    is_folder, is_webp = source.is_dir(), source.suffix.lower() == ".webp"
    paths = list_images(source) if is_folder else []
    info = None if is_folder else probe_animation(source) if is_webp else probe_video(source)
    width, height = image_size(paths) if info is None else (info.width, info.height)
    times = np.arange(len(paths)) / FOLDER_FPS if info is None else info.seconds
    scene = SceneFolder.create(out)
    digest = hash_of_file(source)
    key = hash_of("frames", 2, digest, fps, start, end, long_side)
    if not force and scene.is_done("frames", key) and _are_there(scene):
        on_event(StageStarted("frames", done_before=True))
        return scene
    on_event(StageStarted("frames"))

    picked = _pick(source, times, fps, start, end, on_event)
    factor = min(1.0, long_side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    _check_space(scene.root, len(picked) * size[0] * size[1] * 3)
    if info is not None and info.hdr:
        on_event(Notice(f"the video is HDR ({info.hdr}); it is read without tone mapping and may look flat"))
    if info is None:
        pictures = read_images([paths[i] for i in picked], size, FOLDER_FPS)
    elif is_webp:
        pictures = decode_animation(source, info, times[picked], size)
    else:
        pictures = decode_video(source, info, times[picked], size)

    statistics = FrameStatistics(*size)
    with replacing(scene.frames_folder) as part:
        part.mkdir()
        seconds, repeats = _write(part, pictures, statistics, len(picked), on_event)
        missing = info.missing if info is not None else ""
        _check_count(source, len(seconds), len(picked), repeats, missing, on_event)
        shots = statistics.shots()
        mean_fps = (len(seconds) - 1) / (seconds[-1] - seconds[0])
        sharpness = np.array(statistics.sharpness, np.float32)
        for stage in ("frames", "cameras", "train"):  # from here on the old frames are gone
            scene.mark_undone(stage)
    frames = Frames(scene.frames_folder, *size, mean_fps, np.array(seconds), sharpness, shots)
    source_fps = FOLDER_FPS if info is None else info.fps
    stamp = {"path": str(source.resolve()), "sha256": digest, "size": [width, height], "fps": source_fps}
    scene.set_frames(frames, stamp)
    link_images(scene, frames)
    _tell(frames, statistics, on_event)
    took = time.perf_counter() - begun
    scene.mark_done("frames", key, took)
    chunks = len(scene.chunks())
    note = f"{len(frames)} frames of {size[0]}×{size[1]}, "
    note += f"{_count(len(shots), 'shot')}, {_count(chunks, 'chunk')}"
    on_event(StageFinished("frames", took, note))
    return scene


def link_images(scene: SceneFolder, frames: Frames) -> None:
    """Fill chunks/NNN/images with hard links to the frames, and remove chunks of an earlier split."""
    chunks = scene.chunks()
    folder = scene.root / "chunks"
    names = {chunk.name for chunk in chunks}
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.name not in names:
            remove(old)
    for chunk in chunks:
        with replacing(scene.chunk_folder(chunk) / "images") as part:
            part.mkdir(parents=True)
            for number in chunk.numbers:
                link_or_copy(frames.path(number), part / frames.file_name(number))


def _are_there(scene: SceneFolder) -> bool:
    """Nobody has deleted frames, or the images of a chunk."""
    frames = scene.frames()
    chunks = [(scene.chunk_folder(chunk) / "images", chunk.numbers) for chunk in scene.chunks()]
    return all(
        (folder / frames.file_name(number)).is_file()
        for folder, numbers in [(frames.folder, range(len(frames))), *chunks]
        for number in numbers
    )


def _check_arguments(
    source: Path, fps: float | None, start: float | None, end: float | None, long_side: int
) -> None:
    if not source.exists():
        raise SplitError(f"{source} is not there; give the path of a video, a GIF or a folder of images")
    if fps is not None and not 0 < fps < 1000:
        raise SplitError(f"--fps is {fps:g}, expected a number of frames per second above 0, such as 5")
    if long_side < 32:
        raise SplitError(f"--long-side is {long_side}, expected at least 32 pixels")
    if (start or 0) < 0 or (end is not None and end <= (start or 0)):
        raise SplitError(
            f"--start {start or 0:g} --end {end} is no part of a clip; expected 0 <= start < end"
        )


def _pick(
    source: Path,
    times: np.ndarray,
    fps: float | None,
    start: float | None,
    end: float | None,
    on_event: Listener,
) -> np.ndarray:
    """Indices of the frames to keep."""
    inside = np.flatnonzero(
        (times >= (start or 0) - 1e-6) & (times <= (np.inf if end is None else end) + 1e-6)
    )
    if len(inside) == 0:
        raise SplitError(
            f"{source} is {times[-1]:.2f} s long and --start {start or 0:g} lies behind its end; "
            "choose an earlier one"
        )
    if fps is None and len(inside) > MOST_FRAMES:
        places = np.linspace(0, len(inside) - 1, MOST_FRAMES).round().astype(int)
        kept = MOST_FRAMES / max(times[inside[-1]] - times[inside[0]], 1e-6)
        on_event(
            Notice(
                f"{len(inside)} frames thinned to {MOST_FRAMES} ({kept:.1f} a second); "
                "use --fps for another pace, --start and --end for a part"
            )
        )
        return inside[places]
    if fps is None:
        return inside
    first, last = float(times[inside[0]]), float(times[inside[-1]])
    clock = first + np.arange(int((last - first) * fps + 1e-6) + 1) / fps
    after = np.searchsorted(times[inside], clock).clip(0, len(inside) - 1)
    before = (after - 1).clip(0)
    nearer = np.where(
        np.abs(times[inside[before]] - clock) <= np.abs(times[inside[after]] - clock), before, after
    )
    return inside[np.unique(nearer)]


def _write(
    folder: Path,
    pictures: Iterator[Picture],
    statistics: FrameStatistics,
    total: int,
    on_event: Listener,
) -> tuple[list[float], int]:
    """Write the pictures that do not repeat their predecessor; returns their times, and how many did."""
    seconds: list[float] = []
    repeated: list[float] = []
    for done, picture in enumerate(pictures, 1):
        if statistics.add(picture.image):
            path = folder / Frames.file_name(len(seconds))
            Image.fromarray(picture.image).save(path, compress_level=3)
            seconds.append(picture.seconds)
        else:
            repeated.append(picture.seconds)
        on_event(StageProgress("frames", done, total))
    if len(seconds) == 1 and len(repeated) + 1 >= FEWEST_FRAMES:
        # A tripod before a still life: flat, but a scene. Elsewhere repeats add nothing.
        on_event(Notice("all frames are the same picture, so the scene will be flat", warning=True))
        for time_of in repeated:
            statistics.repeat()
            link_or_copy(folder / Frames.file_name(0), folder / Frames.file_name(len(seconds)))
            seconds.append(time_of)
        repeated = []
    return seconds, len(repeated)


def _check_count(source: Path, kept: int, asked: int, repeats: int, missing: str, on_event: Listener) -> None:
    if kept == 0:
        raise SplitError(f"{source} holds no frame that can be decoded; it may be cut off: export it again")
    if missing and kept < FEW_FRAMES:
        raise SplitError(
            f"{source} is cut off: it holds {missing}, of which {kept} can be used, expected at least "
            f"{FEW_FRAMES}; copy or download it again"
        )
    if kept < FEWEST_FRAMES:
        raise SplitError(
            f"{source} gives {_count(kept, 'frame')}, expected at least {FEWEST_FRAMES} (29 make a chunk); "
            "one picture has no depth: film around the scene"
        )
    if kept < FEW_FRAMES:
        on_event(Notice(f"only {kept} frames; 29 or more make a much better scene", warning=True))
    if missing:
        on_event(Notice(f"the file is cut off: it holds {missing}; using what is there", warning=True))
    if repeats:
        on_event(Notice(f"{repeats} of {asked} frames left out: repeats of their neighbours"))
    if damaged := asked - kept - repeats:
        on_event(Notice(f"{damaged} of {asked} frames left out: they cannot be decoded", warning=True))


def _check_space(root: Path, raw_bytes: int) -> None:
    """PNG takes about half of the raw size, and later stages as much again."""
    folder = next(p for p in (root, *root.resolve().parents) if p.exists())
    free, needed = shutil.disk_usage(folder).free, raw_bytes + (64 << 20)
    if free < needed:
        raise SplitError(
            f"{folder} has {free / 1e9:.1f} GB free, this clip needs about {needed / 1e9:.1f} GB; "
            "free some space, or use a smaller --long-side or --fps"
        )


def _tell(frames: Frames, statistics: FrameStatistics, on_event: Listener) -> None:
    """What the user should know about the clip."""
    if len(frames.shots) > 1:
        cuts = ", ".join(f"{frames.seconds[shot.first]:.2f} s" for shot in frames.shots[1:])
        on_event(
            Notice(f"{_count(len(frames.shots) - 1, 'hard cut')} at {cuts}: every shot is a world of its own")
        )
    if blurred := statistics.blurred():
        on_event(Notice(f"{_count(blurred, 'frame')} much blurrier than the neighbours"))
    if np.median(statistics.contrast) < 4:
        on_event(
            Notice(
                "the frames hardly show anything (grey or very dark); cameras may not be found", warning=True
            )
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
