"""A folder of images as the frames of a clip, in the natural order of their names; and animated WebP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from recon.errors import SplitError
from recon.video import BACKGROUND, Picture, VideoInfo

UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError)
"""Pillow's ways to say that an image is broken, or too large (179 megapixels)."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


def list_images(folder: Path) -> list[Path]:
    """The images of a folder, 2.png before 10.png; a sentence when there are none."""
    files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    paths = [p for p in files if p.suffix.lower() in SUFFIXES]
    if not paths:
        raw = [p.name for p in files if p.suffix.lower() in (".heic", ".heif", ".dng")]
        instead = f"but {len(raw)} such as {raw[0]}: convert them to jpg" if raw else "give a video file or"
        raise SplitError(
            f"{folder} has no images ({', '.join(sorted(SUFFIXES))}); {instead}"
            + ("" if raw else " a folder of images")
        )
    return sorted(
        paths, key=lambda p: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", p.name.lower())]
    )


def image_size(paths: list[Path]) -> tuple[int, int]:
    """The size that all images share, upright; a sentence that names the odd one out."""
    first = (0, 0)
    for path in paths:
        try:
            with Image.open(path) as image:
                turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientations that swap the sides
                size = (image.height, image.width) if turned else (image.width, image.height)
        except UNREADABLE as error:
            raise SplitError(
                f"{path} is not a readable image; repair or shrink it, or take it out of the folder"
            ) from error
        first = size if path is paths[0] else first
        if size != first:
            raise SplitError(
                f"{path.name} has {size[0]}x{size[1]} pixels but {paths[0].name} has {first[0]}x{first[1]}; "
                "all images must be of one size, as one camera is solved for all: resize or remove it"
            )
    return first


def read_images(paths: list[Path], size: tuple[int, int], fps: float) -> Iterator[Picture]:
    """The images at `size` (width, height); image i is shown at i / fps seconds."""
    for i, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                # JPEG can be decoded at a fraction of its size.
                image.draft("RGB", (2 * size[0], 2 * size[1]))
                upright = _flat(ImageOps.exif_transpose(image))
        except UNREADABLE as error:
            raise SplitError(
                f"{path} cannot be read ({error}); repair it or take it out of the folder"
            ) from error
        yield Picture(_resized(upright, size), i / fps)


def probe_animation(path: Path) -> VideoInfo:
    """An animated WebP, which ffmpeg does not decode; a delay of 0 counts as 0.1 s, as in browsers."""
    try:
        with Image.open(path) as image:
            delays = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                image.load()
                delays.append((image.info.get("duration") or 100) / 1000)
            seconds = np.concatenate([[0.0], np.cumsum(delays)[:-1]])
            return VideoInfo(image.width, image.height, seconds, 0.0, len(delays) / sum(delays), "")
    except UNREADABLE as error:
        raise SplitError(f"{path} cannot be decoded ({error}); copy or export it again") from error


def decode_animation(
    path: Path, info: VideoInfo, wanted: np.ndarray, size: tuple[int, int]
) -> Iterator[Picture]:
    """The frames at the times `wanted` [N] at `size` (width, height)."""
    with Image.open(path) as image:
        for number in np.searchsorted(info.seconds, wanted - 1e-9).tolist():
            image.seek(number)
            yield Picture(_resized(_flat(image), size), float(info.seconds[number]))


def _flat(image: Image.Image) -> Image.Image:
    """8-bit RGB, transparency over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (BACKGROUND,) * 3 + (255,))
        image = Image.alpha_composite(white, image)
    elif image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _resized(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(image.resize(size, Image.Resampling.BOX) if image.size != size else image)
