"""What changes a loaded pipeline before it runs: LoRAs, and the sliding window for long clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gen.errors import GenerateError
from gen.events import Event, Notice
from gen.models.find import local_folder
from gen.models.job import Job
from gen.models.loading import fetch_lora
from gen.models.spec import Lora, ModelSpec
from gen.video_request import Memory

STRIDE = 4
"""Frames from one FreeNoise window to the next."""


def steer(
    pipeline: Any, spec: ModelSpec, job: Job, memory: Memory, on_event: Callable[[Event], None]
) -> None:
    """Give a pipeline its LoRAs and its window. Raises `GenerateError` for a LoRA that does not fit."""
    loras = (*spec.loras, *job.loras)
    _load_loras(pipeline, spec, loras, memory)
    window = window_of(spec, job)
    if window is None:
        return
    if not hasattr(pipeline, "enable_free_noise"):
        most = pipeline.motion_adapter.config.motion_max_seq_length
        if job.frames > most:
            raise GenerateError(
                f"{job.frames} frames were asked for, but {spec.name} makes at most {most} for {job.task}: "
                f"ask for fewer."
            )
        return
    if loras:
        # FreeNoise rebuilds the motion modules and stumbles over LoRA layers in them.
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    seen = min(window, job.frames)  # FreeNoise fails on a clip shorter than its window.
    pipeline.enable_free_noise(context_length=seen, context_stride=min(STRIDE, seen))
    if job.frames > window:
        on_event(Notice(f"{job.frames} frames are made in windows of {window} that share noise (FreeNoise)."))


def window_of(spec: ModelSpec, job: Job) -> int | None:
    """The frames that a model sees together, if it has to look through a window.

    It has to for longer clips than it was trained on, and for several prompts, which only FreeNoise blends.
    """
    if job.window is not None or spec.window is None:
        return job.window
    return spec.window if job.frames > spec.window or isinstance(job.prompt, Mapping) else None


def _load_loras(pipeline: Any, spec: ModelSpec, loras: tuple[Lora, ...], memory: Memory) -> None:
    for number, lora in enumerate(loras):
        file = _lora_file(lora, memory)
        name = f"lora{number}"
        unfit = f'The LoRA "{file}" does not fit {spec.name}'
        try:
            pipeline.load_lora_weights(
                str(file.parent), weight_name=file.name, adapter_name=name, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
            raise GenerateError(
                f"{unfit} ({str(error).strip()[:200]}): it was made for another model."
            ) from error
        # Weights that no layer is named after are passed over by diffusers with no more than a warning.
        if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
            raise GenerateError(f"{unfit}, none of whose layers it names: it was made for another model.")
    if loras:
        pipeline.set_adapters([f"lora{n}" for n in range(len(loras))], [lora.weight for lora in loras])


def _lora_file(lora: Lora, memory: Memory) -> Path:
    folder = local_folder(lora.repo, None, lora.file or "")
    if folder is None and memory.online:
        folder = fetch_lora(lora)
    if folder is None:
        raise GenerateError(
            f'The LoRA "{lora.repo}" is not on this machine: fetch it with `hf download {lora.repo}` '
            f"(licence: {lora.licence}), or let it be fetched (--online)."
        )
    if lora.file:
        return folder / lora.file
    # Offline, diffusers does not look for the name itself.
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise GenerateError(
            f'The folder "{folder}" has {len(files)} files with weights, but one LoRA was expected: fetch it '
            f"again with `hf download {lora.repo}`."
        )
    return files[0]
