"""Generates a video: a request goes in, an mp4 and its sidecar come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gen.errors import GenerateError
from gen.events import Event, ignore
from gen.requests import Request, TextRequest
from gen.types import GenerateRequest, Video

if TYPE_CHECKING:
    from gen.audio.reactive import AudioReactiveRequest
    from gen.interpolation import InterpolateRequest
    from gen.keyframes.request import KeyframesRequest
    from gen.smoothing import SmoothRequest

    Films = KeyframesRequest | AudioReactiveRequest
    AnyRequest = GenerateRequest | Request | Films | InterpolateRequest | SmoothRequest

COMPOSER = "composer"


def generate(request: AnyRequest, *, on_event: Callable[[Event], None] = ignore) -> Video:
    """Make the video that a request asks for, whichever workflow it is of.

    Nothing is drawn if the same request has made the same file before. The files appear complete or not at
    all. Raises `GenerateError` for anything the user can put right.
    """
    if isinstance(request, TextRequest) and request.model == COMPOSER:
        request = for_composer(request)
    if isinstance(request, GenerateRequest):
        from gen.composed import compose_video

        return compose_video(request, on_event)
    if isinstance(request, Request):
        from gen.workflows import make_video

        return make_video(request, on_event)
    # Those bring their own engines, which import numpy.
    from gen.audio.reactive import AudioReactiveRequest
    from gen.interpolation import InterpolateRequest, interpolate_video
    from gen.keyframes.films import generate_audio_reactive, generate_keyframes_video
    from gen.keyframes.request import KeyframesRequest
    from gen.smoothing import SmoothRequest, smooth_video

    match request:
        case SmoothRequest():
            return smooth_video(request, on_event=on_event)
        case InterpolateRequest():
            return interpolate_video(request, on_event=on_event)
        case AudioReactiveRequest():
            return generate_audio_reactive(request, on_event=on_event)
        case KeyframesRequest():
            return generate_keyframes_video(request, on_event=on_event)


def for_composer(request: TextRequest) -> GenerateRequest:
    """What the composer is to draw. Raises `GenerateError` for what only a video model can follow."""
    sampling = request.sampling
    asked = {
        "recaption": request.recaption,
        "negative": sampling.negative,
        "steps": sampling.steps,
        "guidance": sampling.guidance,
    }
    ignored = [name for name, value in asked.items() if value is not None]
    if ignored:
        raise GenerateError(
            f"The composer takes no {', '.join(ignored)}, so it would be ignored: leave it out, or choose a "
            f"video model (see `splatreel models`)."
        )
    names = ("frames", "width", "height", "fps", "arc_degrees", "camera", "seed", "truth")
    given: dict[str, Any] = {name: getattr(request, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    return GenerateRequest(request.prompt, request.out, **given)
