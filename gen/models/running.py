"""Runs a model once: a job goes in, frames come out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gen.errors import GenerateError
from gen.events import Event, Notice
from gen.models.job import Job
from gen.models.loading import load
from gen.models.progress import Progress
from gen.models.spec import ModelSpec
from gen.models.steering import steer
from gen.models.trajectories import Cameras
from gen.video_request import Memory

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""What PyTorch says, in lower case, depending on the device."""


@dataclass(frozen=True)
class Footage:
    """What a model made."""

    frames: np.ndarray
    """[F, H, W, 3] uint8 sRGB; F and the size may differ from what was asked for."""
    cameras: Cameras | None = None
    """Those that the model says it used."""


def run(spec: ModelSpec, job: Job, memory: Memory, on_event: Callable[[Event], None]) -> Footage:
    """Load a model and do a job. Raises `GenerateError` for anything the user can put right."""
    pipeline = load(spec, job.task, memory, on_event)
    arguments = call_arguments(spec, type(pipeline), job)
    steer(pipeline, spec, job, memory, on_event)
    pipeline.progress_bar = Progress(on_event)
    output = call(pipeline, arguments, spec, job.seed)
    frames = pictures_of(output, spec)
    if spec.frames > 1 and frames.shape != (job.frames, job.height, job.width, 3):
        on_event(
            Notice(
                f"{spec.name} made {_extent(*frames.shape[:3])}, not "
                f"{_extent(job.frames, job.height, job.width)}: it chooses them itself."
            )
        )
    cameras, used = job.cameras, getattr(output, "c2w", None)
    if cameras is not None and used is not None:
        cameras = replace(cameras, world_from_camera=np.asarray(used, np.float32)[: len(frames)])
    return Footage(frames, cameras)


def call(pipeline: Any, arguments: dict[str, Any], spec: ModelSpec, seed: int) -> Any:
    """Run a pipeline. The same seed gives the same output, and nobody else's random numbers change."""
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices):
            # Some pipelines (SparseCtrl) draw random numbers without asking the generator.
            torch.manual_seed(seed)
            # On the CPU, so that every device starts from the same noise.
            return pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(seed))
    except NameError as error:
        # diffusers imports some packages only if they are there, and then misses them (ftfy for Wan).
        raise GenerateError(
            f"The model {spec.name} needs the package {error.name}, which is not installed: run `pip install "
            f"{error.name}`."
        ) from error
    except RuntimeError as error:
        if not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        raise GenerateError(
            f"The memory is not enough for this with {spec.name}: ask for fewer or smaller frames, offload "
            f"to the host (group), or quantise (nf4)."
        ) from error
    except ValueError as error:
        raise GenerateError(
            f"The model {spec.name} does not accept this: {error} Change the request accordingly."
        ) from error


def call_arguments(spec: ModelSpec, pipeline_class: type, job: Job) -> dict[str, Any]:
    """What a pipeline is called with.

    Defaults are given where the pipeline takes them. What somebody asked for has to be taken: otherwise a
    `GenerateError` says that it would be ignored.
    """
    takes = inspect.signature(pipeline_class.__call__).parameters  # pyright: ignore[reportFunctionMemberAccess]
    offered = {
        "prompt": "",
        "width": job.width,
        "height": job.height,
        "num_frames": job.frames,
        "frame_rate": job.fps,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "output_type": "np",
    }
    if job.guidance is None:
        # Of a second expert or a range, say: with a guidance that was asked for, both follow that.
        offered |= spec.more_guidance
    offered |= spec.arguments
    asked = {
        "prompt": job.prompt or None,
        "negative_prompt": job.negative,
        "num_inference_steps": job.steps,
        "guidance_scale": job.guidance,
        **spec.adapter(job),
    }
    offered, asked = (
        {spec.rename.get(name, name): value for name, value in group.items() if value is not None}
        for group in (offered, asked)
    )
    ignored = [name for name in asked if name not in takes]
    if ignored:
        words = ", ".join(name.replace("_", " ") for name in ignored)
        raise GenerateError(
            f"The model {spec.name} takes no {words} for {job.task}, so it would be ignored: leave it out, "
            f"or choose another model."
        )
    arguments = {**{name: value for name, value in offered.items() if name in takes}, **asked}
    steps, strength = arguments["num_inference_steps"], arguments.get("strength", 1)
    if int(steps * strength) < 1:
        raise GenerateError(
            f"{steps} steps with a strength of {strength:g} change nothing: ask for at least "
            f"{int(1 / strength) + 1} steps, or for more strength."
        )
    return arguments


def pictures_of(output: Any, spec: ModelSpec) -> np.ndarray:
    """The pictures of a pipeline's output as [F, H, W, 3] uint8. Raises `GenerateError` for unusable ones."""
    if any(getattr(output, "nsfw_content_detected", None) or ()):
        raise GenerateError(
            f"The safety checker of {spec.name} has blacked the picture out: change the prompt or the seed."
        )
    return as_frames(output.frames if hasattr(output, "frames") else output.images, spec.name)


def as_frames(output: Any, name: str) -> np.ndarray:
    """Pictures of a pipeline as [F, H, W, 3] uint8. Raises `GenerateError` if they are no numbers."""
    frames = np.asarray(output, np.float32)
    frames = frames[0] if frames.ndim == 5 else frames
    if not np.isfinite(frames).all():
        raise GenerateError(
            f"The model {name} gave no numbers (NaN), as happens in 16 bits: set the dtype to float32."
        )
    return np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)


def _extent(frames: int, height: int, width: int) -> str:
    return f"{frames} frames of {width}x{height}"
