"""Films drawn frame by frame from schedules, as files: from keyframes (Deforum) and to a sound (Kaiber)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gen.audio.reactive import AudioReactiveRequest, describe_sound, plan_audio_reactive
from gen.events import Event, VideoWritten
from gen.keyframes.drawing import generate_keyframes, model_commit
from gen.keyframes.plan import KeyframePlan, plan_keyframes
from gen.keyframes.request import KeyframesRequest
from gen.models.find import find_model
from gen.models.image_to_image import Redraw
from gen.sidecar import request_hash, settings_of
from gen.types import Video
from gen.video_files import SoundTrack, existing_video, write_video

REVISION = 2
"""Goes up whenever the same request would give other frames."""


def generate_keyframes_video(
    request: KeyframesRequest, *, redraw: Redraw | None = None, on_event: Callable[[Event], None]
) -> Video:
    """A film from keyframes as an mp4 with its sidecar; the frames stay as PNG beside it.

    The same request goes on where it was cut off, and is not drawn twice. Raises `GenerateError` for anything
    the user can put right.
    """
    return _film(request, request, lambda: (plan_keyframes(request), {}, None), redraw, on_event)


def generate_audio_reactive(
    request: AudioReactiveRequest, *, redraw: Redraw | None = None, on_event: Callable[[Event], None]
) -> Video:
    """A film that moves to a sound, with the sound in it, as an mp4 with its sidecar.

    The same request goes on where it was cut off, and is not drawn twice. Raises `GenerateError` for anything
    the user can put right, such as a schedule that follows beats where there are none.
    """

    def plan() -> tuple[KeyframePlan, dict[str, Any], SoundTrack]:
        planned, heard = plan_audio_reactive(request)
        return planned, {"sound": describe_sound(request, heard)}, SoundTrack(request.audio, request.start)

    return _film(request, request.keyframes, plan, redraw, on_event)


def _film(
    request: KeyframesRequest | AudioReactiveRequest,
    keyframes: KeyframesRequest,
    planned: Callable[[], tuple[KeyframePlan, dict[str, Any], SoundTrack | None]],
    redraw: Redraw | None,
    on_event: Callable[[Event], None],
) -> Video:
    commit = None if keyframes.model is None else model_commit(keyframes.model)
    identity = request_hash(request, ["keyframes", REVISION, commit])
    existing = existing_video(request.out, identity, on_event)
    if existing is not None:
        return existing
    started = time.perf_counter()
    plan, more, sound = planned()
    content = {
        "generator": "keyframes" if keyframes.model is None else f"keyframes ({keyframes.model})",
        "about": _about(keyframes),
        "prompt": keyframes.prompt,
        "seed": plan.seed,
        "width": plan.width,
        "height": plan.height,
        "fps": plan.fps,
        "frames": plan.frames,
        "model": _model(keyframes),
        "keyframes": plan.describe(),
        "settings": settings_of(request),
        "request_hash": identity,
        **more,
    }
    frames = generate_keyframes(keyframes, plan=plan, redraw=redraw, on_event=on_event)
    video = write_video(request.out, frames, content, sound=sound)
    on_event(VideoWritten(request.out, time.perf_counter() - started))
    return video


def _about(request: KeyframesRequest) -> str:
    if request.model is None:
        return "A picture or a video moved by schedules; no model was involved."
    return "Drawn frame by frame by an image model; what it shows has never been there."


def _model(request: KeyframesRequest) -> dict[str, Any] | None:
    if request.model is None:
        return None
    spec = find_model(request.model, "redraw")
    return {
        "name": spec.name,
        "repo": spec.repo,
        "revision": model_commit(request.model),
        "pipeline": spec.pipelines["redraw"],
        "licence": spec.licence,
    }
