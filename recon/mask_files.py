"""Motion masks, and the folders of PNG in which COLMAP and users keep them.

On disk black (0) is what to ignore and white what to use, as COLMAP (`ImageReader.mask_path`) and
nerfstudio (`mask_path`) have it; segmentation data sets such as DAVIS paint the object white instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from recon.errors import FormatError
from recon.images import UNREADABLE, list_images
from recon.types import Frames, Shot

Camera = Literal["moving", "turning", "still", "blank", "given"]

MARGIN = 7.0
"""Pixels at a long side of 640 by which movers are widened: features on their outline move along."""
MOST = 0.6
"""Share of the frame beyond which a mask is rather the scene than what moves in it."""


@dataclass(frozen=True, repr=False)
class MotionMasks:
    """What moves, per frame, usually at a reduced size."""

    numbers: np.ndarray
    """[F] int64, global frame numbers."""
    masks: np.ndarray
    """[F, h, w] bool, True where something moves."""
    camera: Camera
    """What the camera seems to do; "blank" where no flow can be trusted, "given" for the user's masks."""
    polarity_swapped: bool = False
    """The first fit took the mover for the scene, and was made again."""
    trusted: bool = True
    """False when the pictures say too little, or the masks cover too much to be believed."""
    gaps: tuple[int, ...] = ()
    """Frames between the frames that were compared."""
    note: str = ""
    """For the user, one sentence; empty when there is nothing to say."""

    def __post_init__(self) -> None:
        if self.masks.shape[:1] != self.numbers.shape or self.masks.ndim != 3 or self.masks.dtype != bool:
            found = f"{self.masks.shape} {self.masks.dtype}"
            raise ValueError(f"expected masks [{len(self.numbers)}, h, w] bool, found {found}")

    def __repr__(self) -> str:
        moving = f"{self.share.mean():.1%}" if len(self.masks) else "nothing"
        return f"MotionMasks({len(self.masks)}, {self.camera} camera, {moving} moving)"

    @property
    def share(self) -> np.ndarray:
        """[F] share of each frame that moves."""
        return self.masks.mean(axis=(1, 2))

    def to_json(self) -> dict[str, object]:
        """For cameras/report.json."""
        share = float(self.share.mean()) if len(self.masks) else 0.0
        names = ("camera", "polarity_swapped", "trusted", "gaps", "note")
        return {"share": round(share, 4), **{name: getattr(self, name) for name in names}}

    def of(self, number: int, width: int, height: int) -> np.ndarray:
        """[height, width] bool: the mask of a frame at another size; nothing moves in frames left out."""
        at = int(np.searchsorted(self.numbers, number))
        if at >= len(self.numbers) or self.numbers[at] != number:
            return np.zeros((height, width), bool)
        soft = self.masks[at].astype(np.float32)
        kind = cv2.INTER_AREA if width < soft.shape[1] else cv2.INTER_LINEAR
        return cv2.resize(soft, (width, height), interpolation=kind) > 0.5


def margin(width: int, height: int) -> np.ndarray:
    """[2 r + 1, 2 r + 1] uint8: the disc by which movers are widened in pictures of this size."""
    radius = max(1, round(MARGIN * max(width, height) / 640))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def at_pixels(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[N] values of a mask [H, W] at pixels [N, 2] (x, y); beyond its border those there."""
    x, y = pixels.astype(int).T
    height, width = mask.shape
    return mask[y.clip(0, height - 1), x.clip(0, width - 1)]


def write_masks(masks: MotionMasks, frames: Frames, folder: Path) -> None:
    """Write one PNG for every mask, `00012.png.png` for frame `00012.png`, as COLMAP wants it.

    8 bits at the size of the frames; 0 = ignore, 255 = use; movers are widened by MARGIN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    disc = margin(frames.width, frames.height)
    for number in masks.numbers.tolist():
        moving = masks.of(number, frames.width, frames.height).astype(np.uint8)
        use = np.where(cv2.dilate(moving, disc) > 0, 0, 255).astype(np.uint8)
        Image.fromarray(use).save(folder / f"{frames.file_name(number)}.png", compress_level=2)


def read_masks(folder: Path, frames: Frames, shot: Shot) -> MotionMasks:
    """Read the user's own masks: black = ignore, white = use; any size of the frames' aspect.

    Files are named after the frames (`00012.png` or `00012.png.png`); otherwise there must be one for
    each frame, of the shot or of the clip, in the natural order of their names.

    Raises:
        FormatError: The folder holds no such masks.
    """
    paths = _paths_of(folder, frames, shot)
    masks = np.array([_read_one(path, frames) for path in paths])
    share, note = float(masks.mean()), ""
    if share > MOST:
        note = (
            f"the masks in {folder} ignore {100 * share:.0f} % of the pixels; black is what is ignored and "
            "white what is used: invert them if that is the wrong way round"
        )
    numbers = np.array(shot.numbers, np.int64)
    return MotionMasks(numbers, masks, "given", trusted=share <= MOST, note=note)


def _paths_of(folder: Path, frames: Frames, shot: Shot) -> list[Path]:
    """The file for each frame of the shot."""
    expected = f"expected one mask a frame, named such as {frames.file_name(shot.first)}, black = ignore"
    if not folder.is_dir():
        raise FormatError(f"{folder} is not a folder; {expected}")
    named = []
    for number in shot.numbers:
        name = frames.file_name(number)
        named.append(next((p for p in (folder / f"{name}.png", folder / name) if p.is_file()), None))
    missing = [frames.file_name(n) for n, path in zip(shot.numbers, named, strict=True) if path is None]
    if not missing:
        return [path for path in named if path is not None]
    if len(missing) < shot.frames:
        raise FormatError(
            f"{folder} has no mask for {len(missing)} of {shot.frames} frames such as {missing[0]}; add a "
            "white image for a frame that is used as a whole"
        )
    try:
        files = list_images(folder)
    except Exception as error:
        raise FormatError(f"{folder} holds no images; {expected}") from error
    if len(files) == shot.frames:
        return files
    if len(files) == len(frames):
        return [files[number] for number in shot.numbers]
    raise FormatError(
        f"{folder} holds {len(files)} images for {shot.frames} frames, none of them named after a frame; "
        f"{expected}"
    )


def _read_one(path: Path, frames: Frames) -> np.ndarray:
    """[H, W] bool at the size of the frames, True where the file is black."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            values = np.asarray(picture.convert("L"))
    except UNREADABLE as error:
        raise FormatError(f"{path} cannot be read as an image ({error}); save it again as PNG") from error
    # Rounding a side to a whole pixel changes the aspect by one pixel at most.
    if abs(width * frames.height - height * frames.width) > max(width, height, frames.width, frames.height):
        raise FormatError(
            f"{path} has {width}x{height} pixels but the frames have {frames.width}x{frames.height}; "
            "make the masks from these frames, uncropped"
        )
    # Half of the brightest: files of 0 and 1 are masks too, and JPEG has greys at the edges.
    use = (values > 0.5 * max(1, int(values.max()))).astype(np.uint8)
    return cv2.resize(use, (frames.width, frames.height), interpolation=cv2.INTER_NEAREST_EXACT) == 0
