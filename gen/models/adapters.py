"""From a job to the arguments of a pipeline, for pipelines whose calls differ.

Every pipeline gets size, number of frames, steps, guidance, prompt and seed from `running.py`; an adapter
adds the pictures. What a pipeline does not take is an error there, so nothing that was asked for is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gen.errors import GenerateError
from gen.models.job import Job

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from gen.timeline import Timeline

SVD_FPS = 7
"""The rate Stable Video Diffusion was trained at, which it takes as a condition; not the playback rate."""
SVD_DECODED_AT_ONCE = 4
"""Frames; its decoder cannot be tiled."""
ANIMATE_FACE = 512
"""Pixels, the side of Wan-Animate's face pictures."""


def plain(job: Job) -> dict[str, Any]:
    """Pipelines that call things by the usual names."""
    return {
        "image": _picture(job.image),
        "last_image": _picture(job.last),
        "reference_images": _list(job.reference),
        "video": _pictures(job.video),
        "strength": job.strength,
        "control_video": _pictures(job.control),
        "conditioning_scale": job.control_scale,
        "face_video": _pictures(job.face),
        "motion_bucket_id": job.motion,
        "noise_aug_strength": job.noise,
        "c2w": None if job.cameras is None else job.cameras.world_from_camera,
        "mask": None if job.timeline is None else _masks(job.timeline),
    }


def stable_video_diffusion(job: Job) -> dict[str, Any]:
    """One picture, no prompt; motion and noise have dials of their own."""
    return {**plain(job), "fps": SVD_FPS, "decode_chunk_size": SVD_DECODED_AT_ONCE}


def animatediff(job: Job) -> dict[str, Any]:
    """Control frames have another name, and SparseCtrl takes pictures with their places."""
    arguments = plain(job)
    arguments["conditioning_frames"] = arguments.pop("control_video")
    scale = arguments.pop("conditioning_scale")
    arguments["controlnet_conditioning_scale"] = None if scale is None else float(scale)
    if job.task in ("first_last", "image"):
        placed = [(0, arguments.pop("image")), (job.frames - 1, arguments.pop("last_image"))]
        placed = [(place, picture) for place, picture in placed if picture is not None]
        arguments["controlnet_frame_indices"] = [place for place, _ in placed]
        arguments["conditioning_frames"] = [picture for _, picture in placed]
    return arguments


def vace(job: Job) -> dict[str, Any]:
    """One `video` input: control frames, or a timeline with a mask of what to make."""
    from gen.timeline import between

    timeline = job.timeline
    arguments = plain(job)
    if job.task == "first_last":
        assert job.image is not None
        assert job.last is not None
        timeline = between(job.image, job.last, total=job.frames, fps=job.fps)
        del arguments["image"], arguments["last_image"]
    else:
        pictures = [*(arguments["reference_images"] or []), arguments.pop("image")]
        arguments["reference_images"] = [picture for picture in pictures if picture is not None] or None
    control = arguments.pop("control_video")
    if control is not None:
        arguments["video"] = control
    elif timeline is not None:
        arguments["video"], arguments["mask"] = _pictures(timeline.frames), _masks(timeline)
    return arguments


def wan_animate(job: Job) -> dict[str, Any]:
    """A picture of a person, skeletons, and a face to copy; the picture's own if none moves."""
    import numpy as np

    arguments = plain(job)
    arguments["pose_video"] = arguments.pop("control_video")
    if job.face is None:
        assert job.image is not None
        face = np.broadcast_to(_square(job.image), (job.frames, ANIMATE_FACE, ANIMATE_FACE, 3))
    else:
        face = np.stack([_square(frame) for frame in job.face])
    arguments["face_video"] = _pictures(face)
    arguments["segment_frame_length"] = min(job.frames, 77)
    return arguments


def ltx_condition(job: Job) -> dict[str, Any]:
    """Pictures and clips at their places in the video."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import (  # pyright: ignore[reportMissingImports]
        LTXVideoCondition,
    )

    return _conditions(job, LTXVideoCondition)


def sana_wm(job: Job) -> dict[str, Any]:
    """A picture and exact cameras."""
    assert job.cameras is not None
    return {**plain(job), "intrinsics": job.cameras.intrinsics}


def sana_video(job: Job) -> dict[str, Any]:
    """Sizes as they are asked for, not the nearest it was trained on."""
    return {**plain(job), "use_resolution_binning": False}


def _conditions(job: Job, condition: Any) -> dict[str, Any]:
    arguments = plain(job)
    placed: list[Any] = []
    for name, place in (("image", 0), ("last_image", job.frames - 1)):
        picture = arguments.pop(name)
        if picture is not None:
            placed.append(condition(image=picture, frame_index=place))
    arguments.pop("mask")
    if job.timeline is not None:
        before, after = job.timeline.made.start, job.frames - job.timeline.made.stop
        kept = job.timeline.frames
        for count, start in ((before, 0), (after, job.frames - after)):
            # Latent frames hold 8 and the first one 1, and what is no whole one would have to be left out.
            if count and count % 8 != 1:
                raise GenerateError(
                    f"{count} frames are to be kept, but this model is guided by 8k+1: keep "
                    f"{max(9, round((count - 1) / 8) * 8 + 1)}."
                )
            if count:
                clip = _pictures(kept[start : start + count])
                placed.append(condition(video=clip, frame_index=start))
    if not placed:
        return arguments
    return {**arguments, "conditions": placed}


def _picture(picture: np.ndarray | None) -> Image | None:
    from PIL import Image

    return None if picture is None else Image.fromarray(picture)


def _pictures(frames: np.ndarray | None) -> list[Image] | None:
    from PIL import Image

    return None if frames is None else [Image.fromarray(frame) for frame in frames]


def _list(picture: np.ndarray | None) -> list[Image] | None:
    return None if picture is None else [_picture(picture)]  # pyright: ignore[reportReturnType]


def _masks(timeline: Timeline) -> list[Image]:
    from PIL import Image

    from gen.timeline import masks

    return [Image.fromarray(mask) for mask in masks(timeline)]


def _square(picture: np.ndarray) -> np.ndarray:
    from gen.clips import fit_picture

    return fit_picture(picture, ANIMATE_FACE, ANIMATE_FACE)
