"""Frames out of any video that ffmpeg decodes (through PyAV), upright, with square pixels, as 8-bit sRGB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from recon.errors import SplitError

HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions (ITU-T H.273) whose pictures look flat when they are read as sRGB."""
SCALING = Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
BACKGROUND = 255
"""Transparent pixels show white."""


@dataclass(frozen=True)
class Picture:
    """One decoded frame."""

    image: np.ndarray
    """[H, W, 3] uint8."""
    seconds: float


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is decoded."""

    width: int
    """Pixels, upright and square."""
    height: int
    seconds: np.ndarray
    """[F] presentation times of its packets, increasing, the first at 0."""
    first: float
    """Presentation time of the first frame on the file's own clock."""
    fps: float
    """Mean frame rate of the file."""
    hdr: str
    """ "PQ", "HLG" or ""."""


def probe_video(path: Path) -> VideoInfo:
    """Sizes and times, without decoding more than one frame; a sentence when it is no video."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                kinds = ", ".join(sorted({s.type for s in container.streams})) or "no streams"
                raise SplitError(
                    f"{path} has no video, only {kinds}; give a video, a GIF or a folder of images"
                )
            stream = container.streams.video[0]
            frame = next(container.decode(stream), None)
            if frame is None:
                raise SplitError(f"{path} has a video stream without frames; export it again")
            width, height = _upright_size(frame, stream.sample_aspect_ratio)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = [
                float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None and p.size
            ]
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            count = stream.frames
    except (FFmpegError, ValueError) as error:
        raise SplitError(
            f"{path} cannot be decoded ({error.strerror if isinstance(error, FFmpegError) else error}); "
            "expected a video, a GIF or a folder of images that ffmpeg can read"
        ) from error
    if not times:  # raw streams carry no clock
        times = [i / rate for i in range(max(count, 1))]
    seconds = np.unique(np.array(times))
    transfer = int(frame.color_trc) if frame.color_trc is not None else 0
    return VideoInfo(width, height, seconds - seconds[0], float(seconds[0]), rate, HDR.get(transfer, ""))


def _upright_size(frame: VideoFrame, aspect: object) -> tuple[int, int]:
    ratio = float(aspect) if aspect else 1.0  # type: ignore[arg-type]
    width, height = frame.width, frame.height
    if ratio > 1:
        width = round(width * ratio)
    elif 0 < ratio < 1:
        height = round(height / ratio)
    return (height, width) if frame.rotation % 180 else (width, height)


def decode_video(path: Path, info: VideoInfo, wanted: np.ndarray, size: tuple[int, int]) -> Iterator[Picture]:
    """The frames at the times `wanted` [N] (a subset of `info.seconds`) at `size` (width, height).

    Stops without an error where a damaged file stops; at most a few frames are in memory.
    """
    half_tick = 0.5 * float(np.diff(info.seconds).min()) if len(info.seconds) > 1 else 1.0
    next_wanted = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for order, frame in enumerate(container.decode(stream)):
                if next_wanted == len(wanted):
                    return
                fallback = info.seconds[min(order, len(info.seconds) - 1)]
                seconds = frame.time - info.first if frame.time is not None else fallback
                if seconds < wanted[next_wanted] - half_tick:
                    continue
                while next_wanted < len(wanted) and wanted[next_wanted] <= seconds + half_tick:
                    next_wanted += 1
                yield Picture(_picture(frame, size), float(seconds))
        except FFmpegError:
            return


def _picture(frame: VideoFrame, size: tuple[int, int]) -> np.ndarray:
    turns = round(frame.rotation / 90) % 4
    width, height = size[::-1] if turns % 2 else size
    has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    pixels = frame.reformat(
        width, height, "rgba" if has_alpha else "rgb24", interpolation=SCALING
    ).to_ndarray()
    if has_alpha:
        alpha = pixels[..., 3:].astype(np.uint16)
        pixels = ((pixels[..., :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, turns))  # the matrix turns counter-clockwise, as rot90 does
