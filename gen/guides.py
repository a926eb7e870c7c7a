"""Guides: sequences of pictures that say what each frame of a video is to follow: depth, edges, movement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gen.clips import PICTURES, read_clip
from gen.errors import GenerateError
from gen.events import Event, Notice
from gen.requests import AnimateRequest, StructureRequest

Guide = tuple[np.ndarray, float | None]
"""Frames [F, H, W, 3] uint8, and their rate if it is known."""


def structure_guide(request: StructureRequest, on_event: Callable[[Event], None]) -> Guide:
    """The depth or the edges of a video, which may be that already. Raises `GenerateError` for no video."""
    clip = read_clip(request.video)
    if request.ready:
        return clip.frames, clip.fps
    from gen.structure import DEPTH_MODEL, depth_frames, edges

    if request.kind == "edges":
        return edges(clip.frames), clip.fps
    model = request.depth_model or DEPTH_MODEL
    on_event(Notice(f"Depth of {len(clip)} frames by {model}."))
    return depth_frames(clip.frames, model, offline=not request.memory.online), clip.fps


def pose_guide(path: Path) -> Guide:
    """Skeletons: drawn from a file or folder of joints, or frames as they are."""
    if not _is_joints(path):
        clip = read_clip(path)
        return clip.frames, None if path.is_dir() else clip.fps
    from gen.poses.files import read_poses
    from gen.poses.skeletons import draw_skeletons, fill_gaps

    return draw_skeletons(fill_gaps(read_poses(path))), None


def motion_guide(
    request: AnimateRequest,
    photo: np.ndarray,  # [H, W, 3]
    on_event: Callable[[Event], None],
) -> Guide:
    """How the person of a photo (uint8 sRGB) is to move, as skeletons or as body parts.

    Skeletons that are found in a video get the proportions of the person in the photo. Raises `GenerateError`
    for joints where body parts were asked for, and where nobody is found.
    """
    path, wants_parts = request.driving, request.kind == "segmentation"
    if not request.extract:
        if wants_parts and _is_joints(path):
            raise GenerateError(
                f'"{path}" has joints, but a segmentation sequence was asked for: give frames of body parts, '
                f"or use skeletons."
            )
        return pose_guide(path)
    from gen.poses.extraction import body_parts, extract_poses, segment_people
    from gen.poses.mannequin import part_colours
    from gen.poses.skeletons import draw_skeletons, retarget

    clip = read_clip(path)
    on_event(Notice(f"Looking for the person in {len(clip)} frames."))
    poses = extract_poses(clip.frames)
    if wants_parts:
        return part_colours(body_parts(poses, segment_people(clip.frames))), clip.fps
    return draw_skeletons(retarget(poses, extract_poses(photo[None]))), clip.fps


def _is_joints(path: Path) -> bool:
    if path.is_dir():
        suffixes = {file.suffix.lower() for file in path.iterdir()}
        return ".json" in suffixes and not suffixes & PICTURES
    return path.suffix.lower() in (".json", ".npz")
