"""What moves in a shot, for the stages: found or given, kept from the solve, and from the training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from recon.events import Listener, Notice, StageProgress
from recon.motion import MotionMasks, motion_masks, read_masks, write_masks
from recon.scene import remove, replacing
from recon.types import Cameras, Frames, Shot
from recon.undistort import Lens, undistort_images

ENOUGH = 0.01
"""Mean share of the frames below which masks are not worth having."""


def find_motion(frames: Frames, shot: Shot, folder: Path | None, on_event: Listener) -> MotionMasks:
    """The masks in the user's `folder`, or those that optical flow tells.

    Raises:
        FormatError: The folder holds no masks for these frames.
    """
    if folder is not None:
        motion = read_masks(folder, frames, shot)
    else:
        motion = motion_masks(
            frames,
            shot,
            on_progress=lambda done: on_event(
                StageProgress("cameras", done, shot.frames, "looking for what moves")
            ),
        )
    if motion.note:
        on_event(Notice(motion.note, warning=folder is not None))
    return motion


def store_masks(motion: MotionMasks, frames: Frames, folder: Path) -> Path | None:
    """Write the masks for the solver when they are to be used; returns the folder, or None."""
    remove(folder)
    given = motion.camera == "given"
    if not given and (not motion.trusted or motion.share.mean() < ENOUGH):
        return None
    with replacing(folder) as part:
        write_masks(motion, frames, part)
    return folder


def training_masks(masks: Path | None, folder: Path, cameras: Cameras, frames: Frames) -> None:
    """Write the masks of the undistorted images, one for each camera, named as the frames are.

    `masks` is what `store_masks` gave; None leaves no folder.
    """
    remove(folder)
    if masks is None:
        return
    with replacing(folder) as part:
        part.mkdir(parents=True)
        pairs = [
            (masks / f"{frames.file_name(n)}.png", part / frames.file_name(n))
            for n in cameras.numbers.tolist()
        ]
        if cameras.lens_K is None:
            for source, target in pairs:
                target.write_bytes(source.read_bytes())
            return
        lens = Lens(cameras.width, cameras.height, cameras.lens_K, cameras.distortion)
        pinhole = Lens(cameras.width, cameras.height, cameras.K[0])
        undistort_images(pairs, lens, pinhole, lambda done: None)
        for _, target in pairs:
            with Image.open(target) as picture:
                grey = np.asarray(picture.convert("L"))
            Image.fromarray(cv2.threshold(grey, 127, 255, cv2.THRESH_BINARY)[1]).save(target)
