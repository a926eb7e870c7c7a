"""Generates a video: a prompt goes in, an mp4 and its sidecar come out."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.composer.prompt import SceneRequest, read_prompt
from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.events import (
    Event,
    FrameRendered,
    PromptRead,
    RendererReady,
    RendererStarting,
    VideoReused,
    VideoWritten,
)
from gen.sidecar import FORMAT, VERSION, file_sha256, read_sidecar, request_hash, sidecar_path, write_json
from gen.types import GenerateRequest, Video

if TYPE_CHECKING:
    import numpy as np

    from gen.composer.compose import Composition

GENERATOR = "composer"
COMPOSER_REVISION = 2
"""Goes up whenever the same request would give other frames, so that old videos are drawn anew."""


def _silent(event: Event) -> None:
    """The listener of a caller who gave none."""


def generate(request: GenerateRequest, *, on_event: Callable[[Event], None] = _silent) -> Video:
    """Compose the scene a prompt asks for and write it as a video.

    Nothing is drawn if the same request has been rendered to the same file before. The files appear
    complete or not at all. Raises `GenerateError` for anything the user can put right.
    """
    wanted = read_prompt(request.prompt)
    on_event(
        PromptRead(
            used=wanted.used,
            ignored=wanted.ignored,
            objects=tuple(f"{o.count} {o.kind}" for o in wanted.objects),
            notes=wanted.notes,
        )
    )
    identity = request_hash(request, f"{GENERATOR} {COMPOSER_REVISION}")
    existing = _existing_video(request.out, identity)
    if existing is not None:
        on_event(VideoReused(request.out))
        return existing

    from gen.composer.compose import compile_kernels, compose

    on_event(RendererStarting())
    started = time.perf_counter()
    composition = compose(request, wanted)
    compile_kernels(composition)
    on_event(RendererReady(time.perf_counter() - started))

    started = time.perf_counter()
    content = _sidecar_content(request, wanted, composition, identity)
    frames = _reported(composition, on_event)
    content = _write_files(request, frames, content)
    on_event(VideoWritten(request.out, time.perf_counter() - started))
    return _video(request.out, content)


def generate_from_image(image: Path, *, out: Path) -> Video:
    """Turning one image into a video needs a video model; this build has none. Always raises."""
    raise GenerateError(
        f'To turn the image "{image}" into the video "{out}" a video model has to imagine the other views, '
        f"and this build has none: describe the scene in words, or give a video of it."
    )


def _existing_video(out: Path, identity: str) -> Video | None:
    """The video of an earlier run of this request. Refuses to overwrite files that are not ours."""
    sidecar = read_sidecar(out)
    for path in (out, sidecar_path(out)):
        if path.is_dir() or (path.exists() and sidecar is None):
            raise GenerateError(
                f'"{path}" is there already and was not made by splatreel, and it would be overwritten: '
                f"move it away or choose another output file."
            )
    if sidecar is None or sidecar.get("request_hash") != identity or not out.exists():
        return None
    return _video(out, sidecar, reused=True) if sidecar["video"]["sha256"] == file_sha256(out) else None


def _reported(composition: "Composition", on_event: Callable[[Event], None]) -> "Iterator[np.ndarray]":
    """The frames of a composition, each announced once it is in the video."""
    from gen.composer.compose import render_frames

    frames = len(composition.path.world_from_camera)
    started = time.perf_counter()
    for frame, rgb in enumerate(render_frames(composition)):
        yield rgb
        on_event(FrameRendered(frame, frames, time.perf_counter() - started))


def _write_files(
    request: GenerateRequest, frames: "Iterator[np.ndarray]", content: dict[str, Any]
) -> dict[str, Any]:
    """Write video and sidecar under temporary names, then move both into place.

    The sidecar moves first: it carries the video's hash, so a kill between the two moves shows up as
    a mismatch next time and the video is drawn again.
    """
    out, sidecar = request.out, sidecar_path(request.out)
    video_part = out.with_name(f".{out.name}.{os.getpid()}.part")
    sidecar_part = out.with_name(f".{sidecar.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_mp4(video_part, frames, width=request.width, height=request.height, fps=request.fps)
        content = {**content, "video": {"file": out.name, "sha256": file_sha256(video_part)}}
        write_json(sidecar_part, content)
        os.replace(sidecar_part, sidecar)
        os.replace(video_part, out)
    except OSError as error:
        raise GenerateError(
            f'The video could not be written to "{out}" ({error.strerror or error}): '
            f"choose an output folder that can be written and has room."
        ) from error
    finally:
        video_part.unlink(missing_ok=True)
        sidecar_part.unlink(missing_ok=True)
    return content


def _sidecar_content(
    request: GenerateRequest, wanted: SceneRequest, composition: "Composition", identity: str
) -> dict[str, Any]:
    path = composition.path
    return {
        "format": FORMAT,
        "version": VERSION,
        "generator": GENERATOR,
        "about": "Composed from a list of known words by a ray tracer; no video model was involved.",
        "prompt": request.prompt,
        "seed": request.seed,
        "width": request.width,
        "height": request.height,
        "fps": request.fps,
        "frames": request.frames,
        "words": {"used": list(wanted.used), "ignored": list(wanted.ignored)},
        "notes": list(wanted.notes),
        "objects": [item.describe() for item in composition.objects],
        "settings": {
            "ground": wanted.ground,
            "light": wanted.light,
            "camera": path.move,
            "arc_degrees": path.arc_degrees,
            "target": list(path.target),
        },
        "request_hash": identity,
        "cameras": path.to_json(),
    }


def _video(path: Path, sidecar: dict[str, Any], reused: bool = False) -> Video:
    return Video(
        path=path,
        sidecar_path=sidecar_path(path),
        width=sidecar["width"],
        height=sidecar["height"],
        fps=sidecar["fps"],
        frames=sidecar["frames"],
        sidecar=sidecar,
        reused=reused,
    )
