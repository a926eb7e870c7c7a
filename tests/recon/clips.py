"""Tiny videos whose frames say which one they are and where up is."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def picture(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """[H, W, 3] uint8: red brightness counts frames (8 levels each), the top left corner is blue, and a
    texture moves with the number."""
    y, x = np.mgrid[:height, :width]
    texture = 30 * np.sin(0.4 * (x + 3 * number)) * np.cos(0.3 * y)
    image = np.stack([np.full_like(texture, 8 * number + 8), 110 + texture, 60 + texture], -1)
    image[: height // 4, : width // 4] = (8 * number + 8, 0, 250)
    return image.clip(0, 255).astype(np.uint8)


def number_of(image: np.ndarray) -> int:
    """Which picture this is."""
    return round((float(np.median(image[..., 0])) - 8) / 8)


def corner_of(image: np.ndarray) -> str:
    """Where the blue corner is: "top left", …"""
    height, width = image.shape[:2]
    blue = image[..., 2].astype(int) - image[..., 1]
    y, x = np.unravel_index(np.argmax(_box(blue)), blue.shape)
    return f"{'top' if y < height / 2 else 'bottom'} {'left' if x < width / 2 else 'right'}"


def _box(values: np.ndarray) -> np.ndarray:
    out = np.zeros_like(values, float)
    for dy in range(-4, 5):
        for dx in range(-4, 5):
            out += np.roll(values, (dy, dx), (0, 1))
    return out


def write_clip(
    path: Path,
    frames: list[np.ndarray],
    *,
    fps: float = 10,
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    ticks: list[int] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode frames; `ticks` are presentation times in milliseconds (variable frame rate)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "4", "preset": "ultrafast"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
            stream.sample_aspect_ratio = aspect
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24")
            if ticks is not None:
                frame.pts, frame.time_base = ticks[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turned_clip(path: Path, degrees: int) -> Path:
    """Rewrite the display matrix in an mp4's track header: to be shown turned clockwise."""
    data = bytearray(path.read_bytes())
    c, s = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = struct.pack(">9i", c << 16, s << 16, 0, -s << 16, c << 16, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + len(matrix)] = matrix
    path.write_bytes(data)
    return path
