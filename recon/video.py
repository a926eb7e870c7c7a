"""Frames out of any video that ffmpeg decodes (through PyAV), upright, with square pixels, as 8-bit sRGB."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from recon.errors import SplitError

HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions (ITU-T H.273) whose pictures look flat when they are read as sRGB."""
SCALING = Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
THREADS = min(4, os.cpu_count() or 1)
"""Each holds frames of its own: one a core would take gigabytes at 8K on a large machine."""
COVER = 0x400
"""FFmpeg's mark of a music file's cover, a "video" of one picture."""
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
    missing: str = ""
    """What a file cut off early still holds, "38 of 90 frames", or ""."""
    turn: tuple[bool, bool, bool] = (False, False, False)
    """How pictures become upright: swap the axes, then mirror left-right, then top-bottom."""
    timed: bool = True
    """False for a bare stream without a clock: its frames are counted instead."""


def probe_video(path: Path) -> VideoInfo:
    """Sizes and times, without decoding more than one frame; a sentence when it is no video."""
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(container)
            if stream is None:
                kinds = ", ".join(sorted({s.type for s in container.streams} - {"video"})) or "no streams"
                raise SplitError(
                    f"{path} has no video, only {kinds}; give a video, a GIF or a folder of images"
                )
            frame = next(_decoded(container, stream), None)
            if frame is None:
                raise SplitError(f"{path} has a video stream without frames; export it again")
            turn = _turn(frame)
            width, height = _upright_size(frame, stream.sample_aspect_ratio, turn[0])
        with av.open(str(path)) as container:
            stream = _video_stream(container)
            packets = []
            with contextlib.suppress(FFmpegError):  # a file cut off early: what is there counts
                packets.extend((p.pts, p.time_base) for p in container.demux(stream) if _whole(p))
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            declared = stream.frames
    except (FFmpegError, ValueError) as error:
        raise SplitError(_why_not(path, error)) from error
    times = [float(pts * base) for pts, base in packets if pts is not None]
    timed = 2 * len(times) > len(packets)
    seconds = np.unique(times) if timed else np.arange(max(len(packets), 1)) / rate
    transfer = int(frame.color_trc) if frame.color_trc is not None else 0
    missing = f"{len(packets)} of {declared} frames" if declared > len(packets) + 1 else ""
    hdr = HDR.get(transfer, "")
    return VideoInfo(width, height, seconds - seconds[0], float(seconds[0]), rate, hdr, missing, turn, timed)


def _video_stream(container: Any) -> Any:
    return next((s for s in container.streams.video if not int(s.disposition) & COVER), None)


def _why_not(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] == b"ftyp":  # an mp4 or mov all the same
        return (
            f"{path} is cut off: its index, which a camera writes last, is missing; "
            "copy or download the file again"
        )
    reason = error.strerror if isinstance(error, FFmpegError) else error
    return (
        f"{path} cannot be decoded ({reason}); "
        "expected a video, a GIF or a folder of images that ffmpeg can read"
    )


def _whole(packet: Any) -> bool:
    """Holds a frame to show: not cut in half, and not outside the file's edit list."""
    return bool(packet.size) and not packet.is_corrupt and not packet.is_discard


def _decoded(container: Any, stream: Any) -> Iterator[VideoFrame]:
    """All frames that can be decoded; a damaged packet is passed over, a file cut off ends early."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = THREADS
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        with contextlib.suppress(FFmpegError):
            if not packet.is_corrupt:
                yield from (frame for frame in packet.decode() if not frame.is_corrupt)


def _upright_size(frame: VideoFrame, aspect: object, swap: bool) -> tuple[int, int]:
    ratio = float(aspect) if aspect else 1.0  # type: ignore[arg-type]
    width, height = frame.width, frame.height
    if ratio > 1:
        width = round(width * ratio)
    elif 0 < ratio < 1:
        height = round(height / ratio)
    return (height, width) if swap else (width, height)


def _turn(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """(swap the axes, then mirror left-right, then mirror top-bottom) for the frame's display matrix, which
    maps (x, y) to (ax + cy, bx + dy); mirrors are more than the angle that `frame.rotation` gives.

    Asked of one frame only: `side_data` refers back to its frame, which then stays in memory for long."""
    items = cast(Any, frame.side_data)
    for item in (items[i] for i in range(len(items))):  # iterating yields items up to PyAV 18, and keys since
        if item.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(item), np.int32)[:5].tolist()
            swap = abs(b) > abs(a)
            return (True, c < 0, b < 0) if swap else (False, a < 0, d < 0)
    return False, False, False


def decode_video(path: Path, info: VideoInfo, wanted: np.ndarray, size: tuple[int, int]) -> Iterator[Picture]:
    """The frames at the times `wanted` [N] (a subset of `info.seconds`) at `size` (width, height).

    Stops without an error where a damaged file stops; at most a few frames are in memory.
    """
    half_tick = 0.5 * float(np.diff(info.seconds).min()) if len(info.seconds) > 1 else 1.0
    next_wanted = 0
    with av.open(str(path)) as container:
        for order, frame in enumerate(_decoded(container, _video_stream(container))):
            if next_wanted == len(wanted):
                return
            fallback = info.seconds[min(order, len(info.seconds) - 1)]
            seconds = frame.time - info.first if info.timed and frame.time is not None else fallback
            if seconds < wanted[next_wanted] - half_tick:
                continue
            while next_wanted < len(wanted) and wanted[next_wanted] <= seconds + half_tick:
                next_wanted += 1
            yield Picture(_picture(frame, size, info.turn), float(seconds))


def _picture(frame: VideoFrame, size: tuple[int, int], turn: tuple[bool, bool, bool]) -> np.ndarray:
    swap, mirror, upend = turn
    width, height = size[::-1] if swap else size
    has_alpha = any(component.is_alpha for component in frame.format.components) or frame.format.has_palette
    pixels = frame.reformat(
        width, height, "rgba" if has_alpha else "rgb24", interpolation=SCALING
    ).to_ndarray()
    if has_alpha:
        alpha = pixels[..., 3:].astype(np.uint16)
        pixels = ((pixels[..., :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255).astype(np.uint8)
    pixels = pixels.swapaxes(0, 1) if swap else pixels
    return np.ascontiguousarray(pixels[:: -1 if upend else 1, :: -1 if mirror else 1])
