"""Makes a request definite: a size and a number of frames that the model can make, and what that changed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from gen.errors import GenerateError
from gen.models.find import find_model, weights_folder
from gen.models.loading import libraries, revision_of
from gen.models.spec import ModelSpec, Task, fills_chunks
from gen.sidecar import request_hash
from gen.video_request import VideoRequest

REVISION = 2
"""Goes up whenever the same request would give other frames."""


@dataclass(frozen=True)
class Extent:
    """Size and length of what a model makes."""

    width: int
    """Pixels."""
    height: int
    frames: int
    fps: float
    notes: tuple[str, ...] = ()
    """What differs from what was asked for, in sentences."""


def extent(
    request: VideoRequest,
    spec: ModelSpec,
    *,
    size: tuple[int, int] | None = None,
    available: int | None = None,
    fps: float | None = None,
) -> Extent:
    """The nearest to what was asked for that the model can make.

    `size` (width, height) is that of the picture or video that goes in, whose shape the result gets;
    `available` are the frames that go in, one for each that comes out; `fps` is their rate.
    """
    width, height, notes = _size(request, spec, size)
    frames, said = _frames(request, spec, available)
    return Extent(width, height, frames, request.fps or fps or spec.fps, (*notes, *said))


def _size(request: VideoRequest, spec: ModelSpec, size: tuple[int, int] | None) -> tuple[int, int, list[str]]:
    aspect = spec.width / spec.height if size is None or spec.fixed_size else size[0] / size[1]
    width, height = request.width, request.height
    if width is None and height is None:
        # As many pixels as the model was made for, in the shape of what goes in.
        wanted = (spec.width * spec.height * aspect) ** 0.5
        return *spec.size(round(wanted), round(wanted / aspect)), []
    asked = width or round((height or 1) * aspect), height or round((width or 1) / aspect)
    found = spec.size(*asked)
    if found == asked:
        return *found, []
    words = f"The size is {found[0]}x{found[1]}, not {asked[0]}x{asked[1]}"
    return *found, [f"{words}: {spec.name} makes multiples of {spec.multiple}."]


def _frames(request: VideoRequest, spec: ModelSpec, available: int | None) -> tuple[int, list[str]]:
    rule, asked = spec.rule, request.frames
    if available is not None:
        most = available if asked is None else min(asked, available)
        frames = next((n for n in range(most, 0, -1) if rule.allows(n)), None)
        if frames is None:
            raise GenerateError(
                f"There are {most} frames, but {spec.name} makes {rule}: give a longer sequence."
            )
        if asked is not None and asked > available:
            return frames, [f"{frames} frames are made, not {asked}: no more of them go in."]
        if frames == most:
            return frames, []
        return frames, [f"The first {frames} of {most} frames are used: {spec.name} makes {rule}."]
    if asked is not None and rule.allows(asked):
        return asked, []
    frames = rule.fit_chunks(asked or spec.frames)
    if frames == (asked or spec.frames):
        return frames, []
    why = "it fills chunks of 29" if fills_chunks(frames) else f"{spec.name} makes {rule}"
    return frames, [f"{frames} frames are made, not {asked or spec.frames}: {why}."]


def pipeline_takes(spec: ModelSpec, task: Task, argument: str) -> bool:
    """Has the model's call this argument?"""
    _, diffusers = libraries()
    pipeline = getattr(diffusers, spec.pipelines[task], None)
    return pipeline is not None and argument in inspect.signature(pipeline.__call__).parameters


def identity(request: VideoRequest, spec: ModelSpec) -> str:
    """Everything that decides the frames, as a sha256: request, contents of the files in it, and models."""
    drawer = getattr(request, "image_model", None)
    others = [] if drawer is None else [revision_here(find_model(drawer, "picture"))]
    return request_hash(request, ["models", REVISION, spec.repo, revision_here(spec), *others])


def revision_here(spec: ModelSpec) -> str | None:
    """The commit of the model on this machine, or the one that would be fetched."""
    folder = weights_folder(spec)
    return spec.revision if folder is None else revision_of(folder, spec)
