"""Runs a model once: a job goes in, frames come out."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.errors import GenerateError
from gen.events import Event, Notice, StepDone
from gen.models.find import local_folder
from gen.models.job import Job
from gen.models.loading import fetch_lora, load
from gen.models.spec import Lora, ModelSpec
from gen.models.trajectories import Cameras
from gen.requests import Memory

STRIDE = 4
"""Frames from one FreeNoise window to the next."""


@dataclass(frozen=True)
class Footage:
    """What a model made."""

    frames: np.ndarray
    """[F, H, W, 3] uint8 sRGB; F and the size may differ from what was asked for."""
    cameras: Cameras | None = None
    """Those that the model says it used."""


def run(spec: ModelSpec, job: Job, memory: Memory, on_event: Callable[[Event], None]) -> Footage:
    """Load a model and do a job. Raises `GenerateError` for anything the user can put right."""
    import torch

    pipeline = load(spec, job.task, memory, on_event)
    arguments = call_arguments(spec, type(pipeline), job)
    _steer(pipeline, spec, job, memory, on_event)
    pipeline.progress_bar = _Progress(on_event)
    try:
        output = pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(job.seed))
    except torch.OutOfMemoryError as error:
        raise GenerateError(
            f"The memory is not enough for {job.frames} frames of {job.width}x{job.height} with {spec.name}: "
            f"ask for fewer or smaller ones, offload to the host (group), or quantise (nf4)."
        ) from error
    except ValueError as error:
        raise GenerateError(
            f"The model {spec.name} does not accept this: {error} Change the request accordingly."
        ) from error
    frames = as_frames(output.frames if hasattr(output, "frames") else output.images, spec.name)
    cameras, used = job.cameras, getattr(output, "c2w", None)
    if cameras is not None and used is not None:
        cameras = replace(cameras, world_from_camera=np.asarray(used, np.float32)[: len(frames)])
    return Footage(frames, cameras)


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
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "output_type": "np",
    }
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
            f"The model {spec.name} takes no {words} for {job.task}, so it would be ignored: leave it out, or "
            f"choose another model."
        )
    return {**{name: value for name, value in offered.items() if name in takes}, **asked}


def as_frames(output: Any, name: str) -> np.ndarray:
    """Pictures of a pipeline as [F, H, W, 3] uint8. Raises `GenerateError` if they are no numbers."""
    frames = np.asarray(output, np.float32)
    frames = frames[0] if frames.ndim == 5 else frames
    if not np.isfinite(frames).all():
        raise GenerateError(
            f"The model {name} gave no numbers (NaN), as happens in 16 bits: set the dtype to float32."
        )
    return np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)


def _steer(
    pipeline: Any, spec: ModelSpec, job: Job, memory: Memory, on_event: Callable[[Event], None]
) -> None:
    """Give a pipeline its LoRAs and its window."""
    loras = (*spec.loras, *job.loras)
    for number, lora in enumerate(loras):
        folder = _lora_folder(lora, memory)
        names = {"weight_name": lora.file} if lora.file else {}
        try:
            pipeline.load_lora_weights(
                str(folder), adapter_name=f"lora{number}", local_files_only=True, **names
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise GenerateError(
                f'The LoRA "{folder}" does not fit {spec.name} ({str(error)[:200]}): it was made for another '
                f"model."
            ) from error
    if loras:
        pipeline.set_adapters(
            [f"lora{number}" for number in range(len(loras))], [lora.weight for lora in loras]
        )
    if job.window is not None:
        if loras:
            # FreeNoise rebuilds the motion modules and stumbles over LoRA layers in them.
            pipeline.fuse_lora()
            pipeline.unload_lora_weights()
        pipeline.enable_free_noise(context_length=job.window, context_stride=min(STRIDE, job.window))
        on_event(
            Notice(f"{job.frames} frames are made in windows of {job.window} that share noise (FreeNoise).")
        )


def _lora_folder(lora: Lora, memory: Memory) -> Path:
    folder = local_folder(lora.repo, None, lora.file or "")
    if folder is not None:
        return folder
    if memory.online:
        return fetch_lora(lora)
    raise GenerateError(
        f'The LoRA "{lora.repo}" is not on this machine: fetch it with `hf download {lora.repo}` (licence: '
        f"{lora.licence}), or let it be fetched (online)."
    )


class _Progress:
    """Stands in for a pipeline's progress bar, which every pipeline has; their callbacks differ."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event

    @contextmanager
    def _bar(self, total: int) -> Iterator[_Bar]:
        yield _Bar(total, self._on_event)

    def __call__(self, iterable: Iterable[Any] | None = None, total: int | None = None) -> Any:
        if iterable is None:
            return self._bar(total or 0)
        return self._counted(list(iterable))

    def _counted(self, items: list[Any]) -> Iterator[Any]:
        bar = _Bar(len(items), self._on_event)
        for item in items:
            yield item
            bar.update()


class _Bar:
    """Turns a pipeline's ticks into events."""

    def __init__(self, total: int, on_event: Callable[[Event], None]) -> None:
        self._total, self._on_event = total, on_event
        self._done, self._started = 0, time.perf_counter()

    def update(self, steps: int = 1) -> None:
        self._done += steps
        seconds = time.perf_counter() - self._started
        left = seconds / self._done * max(0, self._total - self._done)
        self._on_event(StepDone(self._done, self._total, seconds, left))

    def set_postfix(self, *args: Any, **kwargs: Any) -> None:
        """Some pipelines name the stage they are in."""
