"""Videos by the built-in composer: a scene made of known words, drawn by a ray tracer."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.composer.prompt import read_prompt
from gen.composer.scene_request import SceneRequest
from gen.errors import GenerateError
from gen.events import (
    Event,
    Notice,
    PromptRead,
    RendererReady,
    RendererStarting,
    VideoWritten,
    told,
)
from gen.sidecar import request_hash
from gen.types import MOVES_IN_PLACE, GenerateRequest, Video
from gen.video_files import existing_video, write_video

if TYPE_CHECKING:
    import numpy as np

    from gen.composer.compose import Composition

GENERATOR = "composer"
COMPOSER_REVISION = 9
"""Goes up whenever the same request would give other frames, so that old videos are drawn anew."""


def compose_video(request: GenerateRequest, on_event: Callable[[Event], None]) -> Video:
    """Compose the scene a prompt asks for and write it as a video with its true cameras."""
    wanted = read_prompt(request.prompt)
    on_event(
        PromptRead(
            used=wanted.used,
            ignored=wanted.ignored,
            objects=tuple(o.describe() for o in wanted.objects),
            notes=wanted.notes,
        )
    )
    identity = request_hash(request, f"{GENERATOR} {COMPOSER_REVISION}")
    existing = existing_video(request.out, identity, on_event)
    if existing is not None:
        return existing

    from gen.composer.compose import compile_kernels, compose, render_frames

    on_event(RendererStarting())
    started = time.perf_counter()
    composition = compose(request, wanted)
    compile_kernels(composition)
    on_event(RendererReady(time.perf_counter() - started))

    notes = _notes(composition)
    for note in notes:
        on_event(Notice(note))

    started = time.perf_counter()
    content = _sidecar_content(request, wanted, composition, identity) | {"notes": [*wanted.notes, *notes]}
    with _truth_of(request, composition) as files:
        frames = told(render_frames(composition), request.frames, on_event)
        video = write_video(request.out, frames, content, files=files)
    on_event(VideoWritten(request.out, time.perf_counter() - started))
    return video


@contextlib.contextmanager
def _truth_of(
    request: GenerateRequest, composition: Composition
) -> Iterator[dict[str, tuple[str, np.ndarray | Path]]]:
    """The truth on disk, if it was asked for, as what `write_video` puts beside the video."""
    if not request.truth:
        yield {}
        return
    from gen.composer.truth import write_truth

    try:
        request.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=request.out.parent, prefix=".truth.") as scratch:
            write_truth(composition, Path(scratch) / "truth")
            yield {"truth": (f"{request.out.stem}.truth", Path(scratch) / "truth")}
    except OSError as error:
        raise GenerateError(
            f'The truth could not be written beside "{request.out}" ({error.strerror or error}): '
            f"choose an output folder that can be written and has room."
        ) from error


def _notes(composition: Composition) -> list[str]:
    """What had to be changed to place the objects, and what the camera's move cannot be used for."""
    notes = [item.note for item in composition.objects if item.note]
    move = composition.path.move
    if move in MOVES_IN_PLACE:
        notes.append(
            f"The camera stays in place ({move}), so the clip has no parallax to reconstruct a scene from: "
            f"arc, orbit and truck_left have."
        )
    return notes


def _sidecar_content(
    request: GenerateRequest, wanted: SceneRequest, composition: Composition, identity: str
) -> dict[str, Any]:
    path = composition.path
    return {
        "generator": GENERATOR,
        "about": "Composed from a list of known words by a ray tracer; no video model was involved.",
        "prompt": request.prompt,
        "seed": request.seed,
        "width": request.width,
        "height": request.height,
        "fps": request.fps,
        "frames": request.frames,
        "words": {"used": list(wanted.used), "ignored": list(wanted.ignored)},
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
