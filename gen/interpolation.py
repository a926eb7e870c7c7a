"""More frames a second: between the frames of a clip, to an even rate, or around a loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gen.clips import read_clip
from gen.errors import GenerateError
from gen.events import Event, VideoWritten, ignore, told
from gen.flow_interpolation import flow_between
from gen.rife import load_rife
from gen.sidecar import request_hash
from gen.types import Video
from gen.video_files import existing_video, write_video
from gen.video_request import check_inputs, check_out

Method = Literal["flow", "rife"]
FACTORS = range(2, 9)
"""More than eight times as many frames only stretch the errors."""
MAX_FPS = 240.0
REVISION = 1
"""Goes up whenever the same request would give other frames."""
NEAR = 1e-3
"""Frames; a moment as near as this to a given frame is that frame."""


@dataclass(frozen=True, kw_only=True)
class InterpolateRequest:
    """A video with more frames a second. Either `factor` or `fps` is given.

    For example:

      splatreel generate interpolate clip.mp4 --factor 4 --out slow.mp4
      splatreel generate interpolate clip.mp4 --fps 60 --out smooth.mp4
    """

    video: Path
    """A video, a GIF or a folder of pictures."""
    out: Path = Path("clip.mp4")
    """The mp4 file to write; the sidecar goes beside it with the suffix .json."""
    factor: int | None = None
    """So many times as many frames, 2..8."""
    fps: float | None = None
    """Frames per second of the result; the video plays as long as before."""
    loop: bool = False
    """Also fill the way from the last frame to the first."""
    method: Method = "flow"
    """"rife" needs the package that brings its network."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "video", Path(self.video))
        object.__setattr__(self, "out", Path(self.out))
        check_out(self.out)
        check_inputs(self.out, self.video)
        if (self.factor is None) == (self.fps is None):
            found = "neither a factor nor a frame rate" if self.fps is None else "a factor and a frame rate"
            raise GenerateError(f"There is {found}, but interpolation needs one of them: try a factor of 2.")
        if self.factor is not None:
            _check_factor(self.factor)
        if self.fps is not None:
            _check_fps(self.fps)


def interpolate(
    frames: np.ndarray,  # [F, H, W, 3]
    factor: int,
    *,
    loop: bool = False,
    method: Method = "flow",
) -> np.ndarray:
    """`factor` (2..8) times as many frames a second: [(F-1)*factor+1, H, W, 3], uint8 sRGB.

    The given frames stay as they are. `loop` also fills the way from the last frame to the first: F*factor
    frames. Nothing is mixed across a cut. Raises `GenerateError` for fewer than 2 frames or another factor.
    """
    return np.stack(list(frames_at(frames, factor_positions(len(frames), factor, loop=loop), method=method)))


def to_rate(
    frames: np.ndarray,  # [F, H, W, 3]
    times: np.ndarray | float,  # [F] or frames per second
    fps: float,
    *,
    loop: bool = False,
    method: Method = "flow",
) -> np.ndarray:
    """Frames (uint8 sRGB) at an even rate of `fps` from the first to the last, wherever the given ones lie.

    `times` are seconds, increasing, or the even rate of the given frames. `loop` as in `interpolate`; the way
    back takes as long as a frame does on average.
    Raises `GenerateError` for fewer than 2 frames or times that do not increase.
    """
    positions = rate_positions(len(frames), times, fps, loop=loop)
    return np.stack(list(frames_at(frames, positions, method=method)))


def factor_positions(count: int, factor: int, *, loop: bool = False) -> np.ndarray:
    """[N] positions, in frames from the first, `factor` a frame."""
    _check_factor(factor)
    return np.arange(count * factor if loop else (count - 1) * factor + 1) / factor


def rate_positions(
    count: int,
    times: np.ndarray | float,  # [F] or frames per second
    fps: float,
    *,
    loop: bool = False,
) -> np.ndarray:
    """[N] positions, in frames from the first, of moments `fps` apart."""
    _check_fps(fps)
    at = np.arange(count) / times if isinstance(times, (int, float)) else np.asarray(times, np.float64)
    if at.shape != (count,) or np.any(np.diff(at) <= 0):
        raise GenerateError(
            f"The {count} frames have {at.size} times, not all of them later than the one before: "
            f"give one time in seconds a frame, in order."
        )
    length = at[-1] - at[0]
    if loop:
        at = np.append(at, at[-1] + length / (count - 1))
        moments = max(1, round((at[-1] - at[0]) * fps))
    else:
        moments = int(length * fps + NEAR) + 1
    return np.interp(at[0] + np.arange(moments) / fps, at, np.arange(len(at)))


def frames_at(
    frames: np.ndarray,  # [F, H, W, 3]
    positions: np.ndarray,  # [N]
    *,
    method: Method = "flow",
) -> Iterator[np.ndarray]:
    """Frames [H, W, 3] uint8 at increasing positions among the given ones; F-1 to F leads back to frame 0."""
    if len(frames) < 2:
        raise GenerateError(
            f"The clip has {len(frames)} frame, but between frames means at least 2: give a video."
        )
    start = load_rife() if method == "rife" else flow_between
    pair, between = -1, None
    for position in map(float, positions):
        nearest = round(position)
        if abs(position - nearest) < NEAR:
            yield frames[nearest % len(frames)]
            continue
        if between is None or int(position) != pair:
            pair = int(position)
            between = start(frames[pair], frames[(pair + 1) % len(frames)])
        yield between(position - pair)


def interpolate_video(request: InterpolateRequest, *, on_event: Callable[[Event], None] = ignore) -> Video:
    """Write a video with more frames a second, and its sidecar.

    Nothing is drawn if the same request has made the same file before. The files appear whole or not at all.
    Raises `GenerateError` for anything the user can put right.
    """
    identity = request_hash(request, ["interpolation", REVISION])
    existing = existing_video(request.out, identity, on_event)
    if existing is not None:
        return existing
    clip = read_clip(request.video)
    count = len(clip)
    if request.factor is not None:
        positions, fps = factor_positions(count, request.factor, loop=request.loop), clip.fps * request.factor
    else:
        assert request.fps is not None
        positions, fps = rate_positions(count, clip.fps, request.fps, loop=request.loop), request.fps
    _check_fps(fps)
    # H.264 wants even sizes; an odd row or column at the edge is not missed.
    frames = clip.frames[:, : clip.size[1] // 2 * 2, : clip.size[0] // 2 * 2]
    started = time.perf_counter()
    height, width = frames.shape[1:3]
    content = {
        "generator": f"interpolation ({request.method})",
        "about": "Frames between those of a video, along its motion; they show nothing that was not there.",
        "source": {"file": request.video.name, "frames": count, "fps": clip.fps},
        "width": width,
        "height": height,
        "fps": fps,
        "frames": len(positions),
        "original_frames": [n for n, at in enumerate(positions) if abs(at - round(float(at))) < NEAR],
        "settings": {name: getattr(request, name) for name in ("factor", "fps", "loop", "method")},
        "request_hash": identity,
    }
    drawn = told(frames_at(frames, positions, method=request.method), len(positions), on_event)
    video = write_video(request.out, drawn, content)
    on_event(VideoWritten(request.out, time.perf_counter() - started))
    return video


def _check_factor(factor: int) -> None:
    if factor not in FACTORS:
        raise GenerateError(
            f"The factor is {factor}, but frames can be multiplied by {FACTORS[0]} to {FACTORS[-1]}: "
            f"choose one of these, or give a frame rate instead."
        )


def _check_fps(fps: float) -> None:
    if not (np.isfinite(fps) and 1 <= fps <= MAX_FPS):
        raise GenerateError(f"The frame rate is {fps:g}, but it must be from 1 to {MAX_FPS:g}: 24 is usual.")
