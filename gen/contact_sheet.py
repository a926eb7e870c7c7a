"""A contact sheet: a whole clip at a glance, in one picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4
"""Pixels between the pictures and around them."""
PAPER, INK = (24, 24, 24), (255, 255, 255)
MOST = 24
"""Pictures on a sheet; more are too small to look at."""


def sheet_frames(count: int, most: int = MOST) -> list[int]:
    """Which of `count` frames are on a sheet: `most` at even steps, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist()


def contact_sheet(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    numbers: list[int] | None = None,
    columns: int | None = None,
    width: int = 1280,
) -> np.ndarray:
    """Frames (uint8 sRGB) side by side in reading order with their numbers: [h, width, 3] uint8.

    `numbers` [F] are those of the frames in their clip; without them the frames are a whole clip, of which
    `sheet_frames` are taken. Without `columns` the sheet gets about the shape of a screen.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 [F, H, W, 3], F > 0")
    if numbers is None:
        numbers = sheet_frames(len(frames))
        frames = frames[numbers]
    aspect = frames.shape[2] / frames.shape[1]
    if columns is None:
        columns = round((16 / 9 * len(numbers) / aspect) ** 0.5)
    columns = min(max(1, columns), len(numbers))
    tile_width = max(16, (width - GAP) // columns - GAP)
    tile = tile_width, max(1, round(tile_width / aspect))
    rows = -(-len(numbers) // columns)

    sheet = Image.new("RGB", (width, GAP + rows * (tile[1] + GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=max(10, tile_width // 14))
    for place, (number, frame) in enumerate(zip(numbers, frames, strict=True)):
        left = GAP + place % columns * (tile_width + GAP)
        top = GAP + place // columns * (tile[1] + GAP)
        sheet.paste(Image.fromarray(frame).resize(tile, Image.Resampling.BOX), (left, top))
        label = str(number)
        draw.rectangle(
            draw.textbbox((left + 5, top + 3), label, font=font), fill=PAPER, outline=PAPER, width=3
        )
        draw.text((left + 5, top + 3), label, font=font, fill=INK)
    return np.asarray(sheet)
