"""Videos, pictures and folders of pictures as arrays: what workflows take as input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gen.errors import GenerateError

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Clip:
    """Frames in memory."""

    frames: np.ndarray
    """[F, H, W, 3] uint8 sRGB."""
    fps: float
    """Frames per second; for a folder of pictures the rate the caller asked for."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"frames are {self.frames.dtype} {self.frames.shape}, expected uint8 [F, H, W, 3]"
            )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    def resized(self, width: int, height: int) -> Clip:
        """Scaled to cover the size and cropped around the middle; itself if it has that size."""
        if self.size == (width, height):
            return self
        return Clip(np.stack([fit_picture(frame, width, height) for frame in self.frames]), self.fps)


def read_clip(path: Path, *, fps: float = 24.0, most: int | None = None) -> Clip:
    """A video, a GIF or a folder of pictures (in the order of their names), upright.

    `fps` is the rate of a folder, which has none of its own; `most` stops after so many frames.
    Raises `GenerateError` for what is neither.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        if not files:
            raise GenerateError(
                f'The folder "{path}" holds no pictures ({", ".join(sorted(PICTURES))}), '
                f"but a video or a folder of numbered frames was expected: check the path."
            )
        pictures = [read_picture(file) for file in files[:most]]
        for file, picture in zip(files, pictures, strict=False):
            if picture.shape != pictures[0].shape:
                raise GenerateError(
                    f'"{file}" is {picture.shape[1]}x{picture.shape[0]}, but the first picture is '
                    f"{pictures[0].shape[1]}x{pictures[0].shape[0]}: bring them to one size."
                )
        return Clip(np.stack(pictures), fps)
    if path.suffix.lower() in PICTURES - {".webp"}:
        raise GenerateError(f'"{path}" is a single picture, but a video or a folder of frames was expected.')
    return _read_video(path, most)


def _read_video(path: Path, most: int | None) -> Clip:
    import av
    from av.error import FFmpegError

    frames: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise GenerateError(f'"{path}" has no pictures in it, only sound: give a video.')
            stream = container.streams.video[0]
            fps = float(stream.average_rate or stream.guessed_rate or 24)
            for frame in container.decode(stream):
                # Decoders leave a phone's quarter turns to the reader.
                turns = round(frame.rotation / 90) % 4
                frames.append(np.rot90(frame.to_ndarray(format="rgb24"), turns))
                if len(frames) == most:
                    break
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GenerateError(
            f'"{path}" cannot be read as a video ({reason}): give a video, a GIF or a folder of pictures.'
        ) from error
    if not frames:
        raise GenerateError(f'"{path}" has no frames: export it again.')
    return Clip(np.ascontiguousarray(np.stack(frames)), fps)


def read_picture(path: Path) -> np.ndarray:  # [H, W, 3]
    """A picture as uint8 sRGB, upright, transparent parts white. Raises `GenerateError` for what is none."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        what = "is not there" if not path.exists() else f"cannot be read as a picture ({error})"
        raise GenerateError(f'"{path}" {what}: give a PNG, JPEG or WebP file.') from error
    flat = Image.new("RGB", upright.size, WHITE)
    flat.paste(upright, mask=upright.getchannel("A"))
    return np.asarray(flat)


def fit_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:  # [H, W, 3]
    """Scale a picture [h, w, 3] to cover the size and crop around the middle."""
    fitted = ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Numbers on the scale 0 to 255, rounded and cut to it: pixels, in the same shape."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
