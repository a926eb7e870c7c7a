"""A folder of images as the frames of a clip, in the natural order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from recon.errors import SplitError
from recon.video import BACKGROUND, Picture

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


def list_images(folder: Path) -> list[Path]:
    """The images of a folder, 2.png before 10.png; a sentence when there are none."""
    paths = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not paths:
        raise SplitError(
            f"{folder} has no images ({', '.join(sorted(SUFFIXES))}); give a video file or a folder of images"
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
        except (UnidentifiedImageError, OSError) as error:
            raise SplitError(
                f"{path} is not a readable image; repair it or take it out of the folder"
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
                upright = ImageOps.exif_transpose(image)
                if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                    upright = upright.convert("RGBA")
                    white = Image.new("RGBA", upright.size, (BACKGROUND,) * 3 + (255,))
                    upright = Image.alpha_composite(white, upright)
                elif upright.mode.startswith("I;16"):
                    upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
                upright = upright.convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise SplitError(
                f"{path} cannot be read ({error}); repair it or take it out of the folder"
            ) from error
        small = upright.resize(size, Image.Resampling.BOX) if upright.size != size else upright
        yield Picture(np.asarray(small), i / fps)
