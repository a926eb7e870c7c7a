"""Masks of what moves in a shot: found before its cameras or from them, on disk for solver and trainer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from recon.events import Listener, Notice, StageProgress
from recon.frame_flow import FrameFlows, in_order
from recon.mask_cleaning import closed_in_time
from recon.mask_files import at_pixels
from recon.motion import MotionMasks, motion_masks, read_masks, write_masks
from recon.rigid_flow import rigid_masks
from recon.scene import link_or_copy, remove, replacing
from recon.solve import Solution
from recon.track_masks import LongTracks, completed
from recon.types import Cameras, Frames, Shot
from recon.undistort import Lens, undistort_images

ENOUGH = 0.01
"""Mean share of the frames below which masks are not worth having."""
AGAIN, UNSEEN = 0.05, 0.15
"""Mean share of the frames from which what was not known of before is worth another look; and from which long
tracks are believed that something moves where near frames show nothing: chained flow drifts."""


def masks_before_known_cameras(
    solution: Solution,
    frames: Frames,
    motion: MotionMasks,
    masks: Path | None,
    folder: Path,
    *,
    tracks: LongTracks,
    flows: FrameFlows,
    on_event: Listener,
) -> tuple[MotionMasks, Path | None]:
    """As `masks_from_cameras`, and by what points of the whole picture tell that are followed for long."""
    motion, masks = masks_from_cameras(
        solution, frames, motion, masks, folder, flows=flows, on_event=on_event
    )
    if motion.camera == "given":
        return motion, masks
    long = tracks.masks(tracks.misses(solution.solved))
    if not long.trusted or share_beyond(long, motion if masks else None) < (AGAIN if masks else UNSEEN):
        return motion, masks
    known = motion if masks else replace(long, masks=np.zeros_like(long.masks))
    motion = completed(known, long, frames)
    return motion, store_masks(motion, frames, folder)


def masks_from_cameras(
    solution: Solution,
    frames: Frames,
    motion: MotionMasks,
    masks: Path | None,
    folder: Path,
    *,
    flows: FrameFlows,
    on_event: Listener,
) -> tuple[MotionMasks, Path | None]:
    """Better masks of what moves than those found before the cameras were known, and what `store_masks` gave
    for them; the same ones when the cameras show nothing, or when they are the user's own."""
    if motion.camera == "given" or solution.flat:
        return motion, masks
    on_event(StageProgress("cameras", 0, None, "looking for what moves, again"))
    rigid = _rigid_masks(solution, frames, motion if masks else None, flows)
    if not rigid.trusted or rigid.share.mean() < ENOUGH:
        return motion, masks
    return rigid, store_masks(rigid, frames, folder)


def without_gaps(
    motion: MotionMasks, masks: Path | None, frames: Frames, folder: Path, flows: FrameFlows
) -> tuple[MotionMasks, Path | None]:
    """Masks in which what moves is whole while it stands for a moment, and what `store_masks` gave for them;
    the user's own stay as they are."""
    if motion.camera == "given" or masks is None or len(motion.numbers) < 2:
        return motion, masks
    links = list(in_order(lambda pair: flows.between(*pair), pairwise(motion.numbers)))
    whole = replace(motion, masks=closed_in_time(motion.masks, links))
    return whole, store_masks(whole, frames, folder)


def still_points_only(solution: Solution, motion: MotionMasks, frames: Frames) -> Solution:
    """Without the points that are seen on what moves, half of the time or more: what goes along with the
    camera looks like something still at another depth."""
    points = solution.solved.points
    if not points.tracks:
        return solution
    rows, lengths = np.concatenate(points.tracks), np.array([len(track) for track in points.tracks])
    masked = np.zeros(len(rows), bool)
    for number in np.unique(rows[:, 0].astype(int)):
        here = np.flatnonzero(rows[:, 0] == number)
        mask = motion.of(int(number), frames.width, frames.height)
        masked[here] = at_pixels(mask, rows[here, 1:])
    moving = np.bincount(np.repeat(np.arange(len(points)), lengths), masked, len(points)) >= 0.5 * lengths
    left = np.flatnonzero(~moving)
    if len(left) in (len(points), 0):
        return solution
    return replace(solution, solved=replace(solution.solved, points=points.select(left)))


def share_beyond(motion: MotionMasks, known: MotionMasks | None) -> float:
    """Of the frames, that masks cover and those that are known do not."""
    if known is None:
        return float(motion.share.mean())
    height, width = motion.masks.shape[1:]
    before = [known.of(int(number), width, height) for number in motion.numbers]
    return float((motion.masks & ~np.array(before)).mean())


def _rigid_masks(
    solution: Solution, frames: Frames, first: MotionMasks | None, flows: FrameFlows
) -> MotionMasks:
    solved = solution.solved
    return rigid_masks(
        *(frames, solved.numbers, solved.world_from_camera, solved.lens, solved.points),
        first=first,
        flows=flows,
    )


def find_motion(
    frames: Frames, shot: Shot, folder: Path | None, flows: FrameFlows, on_event: Listener
) -> MotionMasks:
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
            flows=flows,
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
                link_or_copy(source, target)
            return
        lens = Lens(cameras.width, cameras.height, cameras.lens_K, cameras.distortion)
        pinhole = Lens(cameras.width, cameras.height, cameras.K[0])
        undistort_images(pairs, lens, pinhole, lambda done: None)
        for _, target in pairs:
            with Image.open(target) as picture:
                grey = np.asarray(picture.convert("L"))
            Image.fromarray(cv2.threshold(grey, 127, 255, cv2.THRESH_BINARY)[1]).save(target)
