"""Runs a video model for a request: a request goes in, an mp4, its sidecar and a contact sheet come out."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from gen.errors import GenerateError
from gen.events import Event, Notice, VideoWritten, told
from gen.models.camera import DEFAULT_MOVE
from gen.models.catalogue import RECONSTRUCTION_ORDER
from gen.models.find import find_model, is_here
from gen.models.loading import check_available
from gen.models.running import Footage, run
from gen.models.spec import ModelSpec
from gen.planning import identity, revision_here
from gen.requests import CameraRequest, ChainRequest, ImageRequest, Request, TextRequest
from gen.sidecar import settings_of
from gen.types import Video
from gen.video_files import existing_video, write_video
from gen.video_request import VideoRequest

if TYPE_CHECKING:
    from gen.jobs import Prepared

PACKAGES = ("diffusers", "transformers", "torch")


def make_video(request: Request, on_event: Callable[[Event], None]) -> Video:
    """Do what a request asks for with a video model.

    Nothing is drawn if the same request has made the same file before. The files appear whole or not at all.
    Raises `GenerateError` for anything the user can put right.
    """
    if isinstance(request, TextRequest | ImageRequest) and request.for_reconstruction:
        request = best_for_reconstruction(request)
    spec = find_model(request.model, request.task)
    hashed = identity(request, spec)
    existing = existing_video(request.out, hashed, on_event)
    if existing is not None:
        return existing

    check_available(spec, request.task, request.memory)
    from gen.jobs import prepare

    prepared = prepare(request, spec, on_event)
    for note in prepared.notes:
        on_event(Notice(note))
    started = time.perf_counter()
    footage = run(spec, prepared.job, request.memory, on_event)
    clip = prepared.finish(footage.frames)
    if request.fps is not None:
        clip = replace(clip, fps=request.fps)
    height, width = clip.frames.shape[1:3]
    content = {
        **_about(request, spec, prepared, footage),
        "width": width,
        "height": height,
        "fps": clip.fps,
        "frames": len(clip),
        "request_hash": hashed,
        "seconds": round(time.perf_counter() - started, 3),
    }
    files = {"frames": (f"{request.out.stem}_frames", clip.frames)} if request.png else {}
    video = write_video(request.out, told(clip.frames, len(clip), on_event), content, files=files)
    on_event(VideoWritten(request.out, time.perf_counter() - started))
    return video


def best_for_reconstruction(request: TextRequest | ImageRequest) -> Request:
    """What becomes the best splat: exact cameras, else an orbit LoRA, else camera words.

    A picture goes to the first of `RECONSTRUCTION_ORDER` on this machine; what the request names stays.
    Raises `GenerateError` for what that model would ignore.
    """
    move = request.camera or DEFAULT_MOVE
    if isinstance(request, TextRequest):
        return replace(request, camera=move)
    here = [name for name in RECONSTRUCTION_ORDER if is_here(find_model(name), None)]
    model = request.model or (here or RECONSTRUCTION_ORDER)[0]
    if "camera" not in find_model(model).tasks:
        return replace(request, model=model, camera=move)
    for name in ("motion", "noise"):
        if getattr(request, name) is not None:
            raise GenerateError(
                f"{name} is {getattr(request, name)}, but {model}, the best here for a reconstruction, "
                f"takes no {name}: leave it out, or choose another model."
            )
    shared: dict[str, Any] = {item.name: getattr(request, item.name) for item in fields(VideoRequest)}
    return CameraRequest(
        **{**shared, "model": model},
        prompt=request.prompt,
        image=request.image,
        camera=move,
        recaption=request.recaption,
        for_reconstruction=True,
    )


def _about(request: Request, spec: ModelSpec, prepared: Prepared, footage: Footage) -> dict[str, Any]:
    """The sidecar, apart from the video's own numbers."""
    job, task = prepared.job, request.task
    settings = settings_of(request)
    settings["sampling"] = {
        "steps": job.steps or spec.steps,
        "guidance": spec.guidance if job.guidance is None else job.guidance,
        "negative": job.negative,
        **(spec.more_guidance if job.guidance is None else {}),
        **spec.arguments,
    }
    content: dict[str, Any] = {
        "generator": spec.name,
        "about": "Made by a video model; what it shows has never been there.",
        "prompt": getattr(request, "prompt", "") or getattr(request, "prompts", ""),
        **prepared.said,
        "seed": request.seed,
        "workflow": type(request).__name__.removesuffix("Request"),
        "model": {
            "name": spec.name,
            "repo": spec.repo,
            "revision": revision_here(spec),
            "pipeline": spec.pipelines[task],
            "licence": spec.licence,
            "parts": [part.repo for part in spec.parts_for(task)],
            "loras": [
                {"repo": lora.repo, "weight": lora.weight, "licence": lora.licence}
                for lora in (*spec.loras, *job.loras)
            ],
        },
        "settings": settings,
        "notes": list(prepared.notes),
        "versions": {name: _version(name) for name in PACKAGES},
    }
    if isinstance(request, ChainRequest) or (isinstance(request, CameraRequest) and request.image is None):
        drawer = find_model(request.image_model, "picture")
        content["image_model"] = {
            "name": drawer.name,
            "repo": drawer.repo,
            "revision": revision_here(drawer),
            "licence": drawer.licence,
        }
    if footage.cameras is not None:
        # Followed only as well as the model can: a prior to refine, not a truth to measure against.
        content["cameras"] = {**footage.cameras.to_json(), "intended": True}
    return content


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
