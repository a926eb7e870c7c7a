"""The chunk folders: images, cameras and points as any splat trainer reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from recon.camera_files import seen_by, write_point_cloud, write_transforms
from recon.colmap_files import write_colmap
from recon.events import Listener, StageProgress
from recon.scene import SceneFolder, link_or_copy, remove, replacing
from recon.solver_process import STAGE
from recon.types import Cameras, Chunk, Frames, Points
from recon.undistort import Lens, undistort_images


def write_chunks(
    scene: SceneFolder, frames: Frames, results: dict[int, tuple[Cameras, Points]], on_event: Listener
) -> None:
    """images, sparse/0, transforms.json and sparse_pc.ply of every chunk.

    Args:
        results: By index of the shot its cameras and points; shots without get their images alone.
    """
    chunks = scene.chunks()
    written: dict[int, Path] = {}
    total, before = sum(chunk.frames for chunk in chunks), 0

    def tell(done: int) -> None:
        on_event(StageProgress(STAGE, before + done, total, "writing chunks"))

    for chunk in chunks:
        result = results.get(chunk.shot)
        folder = scene.chunk_folder(chunk)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "images") as part:
            part.mkdir()
            _fill_images(part, chunk, frames, result[0] if result else None, written, tell)
        written |= {number: folder / "images" / frames.file_name(number) for number in chunk.numbers}
        before += chunk.frames
        cameras = result[0].of(chunk.numbers) if result else None
        if result is None or cameras is None or not len(cameras):
            for stale in ("sparse", "transforms.json", "sparse_pc.ply"):
                remove(folder / stale)
            continue
        points = _inside(seen_by(result[1], cameras.numbers), cameras)
        write_colmap(folder / "sparse" / "0", cameras, points)
        write_point_cloud(folder / "sparse_pc.ply", points)
        write_transforms(folder / "transforms.json", cameras)


def _fill_images(
    part: Path,
    chunk: Chunk,
    frames: Frames,
    cameras: Cameras | None,
    written: dict[int, Path],
    tell: Callable[[int], None],
) -> None:
    """The chunk's images: links to what an earlier chunk has, undistorted, or links to the frames."""
    fresh: list[tuple[Path, Path]] = []
    for number in chunk.numbers:
        target = part / frames.file_name(number)
        if number in written:
            link_or_copy(written[number], target)
        elif cameras is None or cameras.lens_K is None:
            link_or_copy(frames.path(number), target)
        else:
            fresh.append((frames.path(number), target))
    if fresh:
        assert cameras is not None
        assert cameras.lens_K is not None
        lens = Lens(cameras.width, cameras.height, cameras.lens_K, cameras.distortion)
        undistort_images(fresh, lens, Lens(cameras.width, cameras.height, cameras.K[0]), tell)


def _inside(points: Points, cameras: Cameras) -> Points:
    """Without observations that undistortion moved out of the image."""
    limit = np.array([cameras.width, cameras.height])
    own = [track[((track[:, 1:] >= 0) & (track[:, 1:] <= limit)).all(axis=1)] for track in points.tracks]
    kept = np.array([i for i, track in enumerate(own) if len(track)], int)
    return replace(points, tracks=tuple(own)).select(kept)
