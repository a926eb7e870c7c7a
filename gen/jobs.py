"""From a request to what a model is given: files are read, fitted and turned into guides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gen import timeline as timelines
from gen.clips import Clip, fit_picture, read_clip, read_picture
from gen.errors import GenerateError
from gen.events import Event
from gen.guides import motion_guide, pose_guide, structure_guide
from gen.models.camera import DEFAULT_MOVE, direct
from gen.models.image_to_image import draw_picture
from gen.models.job import Job
from gen.models.spec import ModelSpec
from gen.models.trajectories import read_cameras
from gen.planning import Extent, extent, pipeline_takes
from gen.requests import (
    AnimateRequest,
    CameraRequest,
    ChainRequest,
    ConnectRequest,
    ExtendRequest,
    FirstLastRequest,
    ImageRequest,
    LoopRequest,
    PoseRequest,
    Request,
    RestyleRequest,
    StructureRequest,
    TextRequest,
    TravelRequest,
)
from gen.video_request import VideoRequest
from gen.words import Words, words_for

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Prepared:
    """A job for a model, and what becomes of its frames."""

    job: Job
    finish: Callable[[np.ndarray], Clip]
    """From the model's frames [F, H, W, 3] uint8 to the video."""
    notes: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)
    """About words and camera, for the sidecar."""


def prepare(request: Request, spec: ModelSpec, on_event: Listener) -> Prepared:
    """Read what a request names and put it into the form that the model takes.

    Raises `GenerateError` for anything the user can put right.
    """
    match request:
        case TextRequest():
            return _from_words(request, spec)
        case TravelRequest():
            return _travel(request, spec)
        case ImageRequest() | ChainRequest():
            return _from_picture(request, spec, on_event)
        case CameraRequest():
            return _on_a_path(request, spec, on_event)
        case FirstLastRequest():
            first, last = read_picture(request.first), read_picture(request.last)
            size = extent(request, spec, size=first.shape[1::-1])
            ends = {"image": _fitted(first, size), "last": _fitted(last, size)}
            return _prepared(request, spec, size, request.prompt, given=ends)
        case RestyleRequest():
            clip = read_clip(request.video)
            size = extent(request, spec, size=clip.size, available=len(clip), fps=clip.fps)
            video = clip.resized(size.width, size.height).frames[: size.frames]
            given = {"video": video, "strength": request.strength}
            return _prepared(request, spec, size, request.prompt, given=given)
        case StructureRequest():
            return _structure(request, spec, on_event)
        case PoseRequest():
            guide, fps = pose_guide(request.poses)
            return _controlled(request, spec, guide, fps, {})
        case AnimateRequest():
            return _animate(request, spec, on_event)
        case ExtendRequest() | LoopRequest() | ConnectRequest():
            return _fill(request, spec)


def _prepared(
    request: VideoRequest,
    spec: ModelSpec,
    size: Extent,
    prompt: str,
    *,
    words: Words | None = None,
    given: dict[str, Any] | None = None,
    finish: Callable[[np.ndarray], Clip] | None = None,
) -> Prepared:
    if words is None:
        words = words_for(spec, request.task, size, prompt=prompt, negative=request.sampling.negative)
    given = given or {}
    if words.direction is not None:
        given = {"loras": words.direction.loras, "cameras": words.direction.cameras, **given}
    notes = [*size.notes, *words.notes]
    if spec.window is not None and size.frames > spec.window:
        given["window"] = spec.window
    job = Job(
        task=request.task,
        width=size.width,
        height=size.height,
        frames=size.frames,
        fps=size.fps,
        seed=request.seed,
        steps=request.sampling.steps,
        guidance=request.sampling.guidance,
        **{"prompt": words.prompt, "negative": words.negative, **given},
    )
    return Prepared(job, finish or (lambda frames: Clip(frames, size.fps)), tuple(notes), words.to_json())


def _from_words(request: TextRequest, spec: ModelSpec) -> Prepared:
    if request.arc_degrees is not None:
        raise GenerateError(
            f"An arc of {request.arc_degrees:g} degrees was asked for, but {spec.name} follows no angles: "
            f"leave it out, or use the composer or the camera workflow."
        )
    if request.truth:
        raise GenerateError(
            f"The truth was asked for, but {spec.name} does not know it: leave it out, or use the composer."
        )
    size = extent(request, spec)
    words = _captioned(request, spec, size, camera=request.camera)
    return _prepared(request, spec, size, request.prompt, words=words)


def _captioned(
    request: TextRequest | CameraRequest, spec: ModelSpec, size: Extent, camera: str | None = None
) -> Words:
    """The prompt as a caption, where one was asked for."""
    return words_for(
        *(spec, request.task, size),
        prompt=request.prompt,
        negative=request.sampling.negative,
        camera=camera,
        caption_model=request.recaption,
        for_reconstruction=request.for_reconstruction,
        seed=request.seed,
    )


def _travel(request: TravelRequest, spec: ModelSpec) -> Prepared:
    size = extent(request, spec)
    late = [frame for frame in request.prompts if frame >= size.frames]
    if late:
        raise GenerateError(
            f"There is a prompt for frame {late[0]}, but the video has {size.frames} frames from 0: ask "
            f"for more."
        )
    words = words_for(
        *(spec, request.task, size),
        prompt="",
        negative=request.sampling.negative,
        camera=request.camera,
    )
    prompts = {frame: f"{text} {words.prompt}".strip() for frame, text in sorted(request.prompts.items())}
    return _prepared(request, spec, size, "", words=words, given={"prompt": prompts})


def _from_picture(request: ImageRequest | ChainRequest, spec: ModelSpec, on_event: Listener) -> Prepared:
    if isinstance(request, ImageRequest):
        picture = read_picture(request.image)
        size, prompt = extent(request, spec, size=picture.shape[1::-1]), request.prompt
        more: dict[str, Any] = {
            "camera": request.camera,
            "caption_model": request.recaption,
            "for_reconstruction": request.for_reconstruction,
        }
    else:
        size, more = extent(request, spec), dict[str, Any]()
        picture = _first_frame(request, size, on_event)
        # The picture shows the prompt; a model that takes words gets them as well.
        prompt = request.prompt if pipeline_takes(spec, request.task, "prompt") else ""
    words = words_for(
        *(spec, request.task, size),
        prompt=prompt,
        negative=request.sampling.negative,
        seed=request.seed,
        **more,
    )
    given = {"image": _fitted(picture, size), "motion": request.motion, "noise": request.noise}
    return _prepared(request, spec, size, prompt, words=words, given=given)


def _on_a_path(request: CameraRequest, spec: ModelSpec, on_event: Listener) -> Prepared:
    picture = None if request.image is None else read_picture(request.image)
    shape = None if picture is None else picture.shape[1::-1]
    direction = None
    if request.poses is None:
        size = extent(request, spec, size=shape)
        lengths = {"distance": request.distance, "field_of_view": request.field_of_view}
        direction = direct(
            *(spec, request.camera or DEFAULT_MOVE),
            frames=size.frames,
            width=size.width,
            height=size.height,
            degrees=request.degrees,
            **{name: value for name, value in lengths.items() if value is not None},
        )
        cameras = direction.cameras
    else:
        there = read_cameras(request.poses, request.width or spec.width, request.height or spec.height)
        size = extent(request, spec, size=shape, available=len(there.world_from_camera))
        cameras = read_cameras(request.poses, size.width, size.height).first(size.frames)
    if picture is None:
        picture = _first_frame(request, size, on_event)
    words = _captioned(request, spec, size)
    given = {"image": _fitted(picture, size), "cameras": cameras}
    words = replace(words, direction=direction)
    return _prepared(request, spec, size, request.prompt, words=words, given=given)


def _structure(request: StructureRequest, spec: ModelSpec, on_event: Listener) -> Prepared:
    guide, fps = structure_guide(request, on_event)
    style = {} if request.style is None else {"reference": read_picture(request.style)}
    return _controlled(request, spec, guide, fps, style)


def _animate(request: AnimateRequest, spec: ModelSpec, on_event: Listener) -> Prepared:
    photo = read_picture(request.image)
    guide, fps = motion_guide(request, photo, on_event)
    extra: dict[str, Any] = {"image": photo}
    if request.face is not None:
        extra["face"] = read_clip(request.face).frames
    return _controlled(request, spec, guide, fps, extra, size=photo.shape[1::-1])


def _controlled(
    request: StructureRequest | PoseRequest | AnimateRequest,
    spec: ModelSpec,
    guide: np.ndarray,  # [F, H, W, 3]
    fps: float | None,
    pictures: dict[str, np.ndarray],
    *,
    size: tuple[int, int] | None = None,
) -> Prepared:
    """A job whose frames follow those of a guide one by one."""
    made = extent(request, spec, size=size or guide.shape[2:0:-1], available=len(guide), fps=fps)
    control = np.stack([_fitted(frame, made) for frame in guide[: made.frames]])
    given: dict[str, Any] = {"control": control, "control_scale": request.scale}
    for name, picture in pictures.items():
        if name == "face":
            if len(picture) < made.frames:
                raise GenerateError(
                    f"The face video has {len(picture)} frames, but {made.frames} are made: give as many."
                )
            given["face"] = picture[: made.frames]
        else:
            given[name] = _fitted(picture, made)
    return _prepared(request, spec, made, request.prompt, given=given)


def _fill(request: ExtendRequest | LoopRequest | ConnectRequest, spec: ModelSpec) -> Prepared:
    clips = [request.before, request.after] if isinstance(request, ConnectRequest) else [request.video]
    read = [read_clip(path) for path in clips]
    if isinstance(request, ConnectRequest):
        timelines.check_alike(*read)  # before both are scaled to one size
    size = extent(request, spec, size=read[0].size, fps=read[0].fps)
    fitted = [clip.resized(size.width, size.height) for clip in read]
    span = {"total": size.frames, "keep": request.keep}
    match request:
        case ExtendRequest(direction="forward"):
            timeline = timelines.extend_forward(fitted[0], **span)
        case ExtendRequest():
            timeline = timelines.extend_backward(fitted[0], **span)
        case LoopRequest():
            timeline = timelines.loop(fitted[0], **span)
        case ConnectRequest():
            timeline = timelines.connect(*fitted, **span)
    return _prepared(
        *(request, spec, size, request.prompt),
        given={"timeline": timeline},
        finish=lambda frames: timelines.restore(frames, timeline),
    )


def _first_frame(
    request: ChainRequest | CameraRequest, size: Extent, on_event: Listener
) -> np.ndarray:  # [H, W, 3]
    """A picture of the prompt, by the request's image model."""
    return draw_picture(
        *(request.image_model, request.prompt),
        width=size.width,
        height=size.height,
        seed=request.seed,
        steps=request.sampling.steps,
        memory=request.memory,
        on_event=on_event,
    )


def _fitted(picture: np.ndarray, size: Extent) -> np.ndarray:
    return fit_picture(picture, size.width, size.height)
