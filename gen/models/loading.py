"""Loading a pipeline: weights from safetensors only, as much of it on the GPU as fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen.errors import GenerateError
from gen.events import Event, ModelLoading, ModelReady, Notice
from gen.models.find import PART, check_class, fetch_command, local_folder, weights_folder
from gen.models.memory import (
    BIG_PARTS,
    GB,
    Offload,
    choose_offload,
    component_bytes,
    free_memory,
    network_bytes,
)
from gen.models.quantised import gguf_bytes, gguf_network, quantisation
from gen.models.spec import Lora, ModelSpec, Part, Task
from gen.video_request import Memory


def load(spec: ModelSpec, task: Task, memory: Memory, on_event: Callable[[Event], None]) -> Any:
    """A diffusers pipeline that does a task, ready to run.

    Raises `GenerateError` if the weights are not here, are of another model, or do not fit.
    """
    torch, diffusers = libraries()
    device = pick_device(memory, on_event)
    folder = weights_folder(spec) or _fetched(spec, task, memory)
    check_class(spec, folder)
    on_event(ModelLoading(spec.name, folder))
    started = time.perf_counter()
    dtype = precision(spec, memory, device)
    part_folders = {part: _part_folder(part, spec, task, memory) for part in spec.parts_for(task)}
    sizes = component_bytes(folder, dtype, spec.float32_parts)
    sizes |= {part.component: network_bytes(there, dtype) for part, there in part_folders.items()}
    if memory.gguf is not None:
        if memory.quantise != "none":
            raise GenerateError(
                f"A GGUF file and {memory.quantise} were asked for, but a GGUF file is quantised already: "
                f"leave one of them out."
            )
        sizes |= {"transformer": gguf_bytes(memory.gguf)}
    free = free_memory(device)
    offload = choose_offload(
        sizes, memory, device=device, free=free, host_free=free_memory("cpu"), name=spec.name
    )
    how = {"none": "", "model": "; networks wait in the host's memory", "group": "; layers wait there"}
    needs = f"{spec.name} has {sum(sizes.values()) / GB:.1f} GB of weights, {free / GB:.1f} GB are free"
    on_event(Notice(f"{needs} on the {device}{how[offload]}."))
    pipeline_class = getattr(diffusers, spec.pipelines[task], None)
    if pipeline_class is None:
        raise GenerateError(
            f"diffusers {diffusers.__version__} has no {spec.pipelines[task]}, which {spec.name} needs: "
            f"install a newer diffusers."
        )
    if device == "cpu" and memory.offload in ("model", "group"):
        text = f"There is no GPU to offload from, so offloading ({memory.offload}) changes nothing."
        on_event(Notice(text, warning=True))
    kind = getattr(torch, dtype)
    parts: dict[str, Any] = {}
    for part, there in part_folders.items():
        with _loading(part.component, there, part.model_class, f"hf download {part.repo}"):
            parts[part.component] = getattr(diffusers, part.model_class).from_pretrained(
                there, local_files_only=True, use_safetensors=True, dtype=kind
            )
    if memory.gguf is not None:
        parts |= gguf_network(diffusers, folder, memory.gguf, kind)
    if memory.quantise != "none":
        parts["quantization_config"] = quantisation(diffusers, memory.quantise, folder, BIG_PARTS, kind)
    with _loading("model", folder, spec.pipelines[task], fetch_command(spec, task)):
        pipeline = pipeline_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype={"default": kind, **dict.fromkeys(spec.float32_parts, torch.float32)},
            **parts,
        )
    if spec.scheduler is not None:
        name, settings = spec.scheduler
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **settings)
    place(pipeline, offload, device, torch)
    _save_memory(pipeline, memory)
    on_event(ModelReady(spec.name, device, time.perf_counter() - started))
    return pipeline


def check_available(spec: ModelSpec, task: Task, memory: Memory) -> None:
    """Raises `GenerateError` if a package or the model is not here and may not be fetched."""
    libraries()
    if memory.online:
        return
    if weights_folder(spec) is None:
        _fetched(spec, task, memory)
    for part in spec.parts_for(task):
        _part_folder(part, spec, task, memory)


def pick_device(memory: Memory, on_event: Callable[[Event], None]) -> str:
    """Where to run. Raises `GenerateError` for a GPU that is not there."""
    torch, _ = libraries()
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if memory.device == "auto":
        device = next(name for name, available in there.items() if available)
        if device == "cpu":
            text = (
                "There is no GPU, so the model runs on the CPU, which works and takes hours for large ones."
            )
            on_event(Notice(text, warning=True))
        return device
    if not there[memory.device]:
        raise GenerateError(
            f"The device is {memory.device}, but PyTorch finds none: install PyTorch for your GPU, or choose "
            f"the cpu, which is slow."
        )
    return memory.device


def precision(spec: ModelSpec, memory: Memory, device: str) -> str:
    """Of the weights. CPUs are slow or wrong in 16 bits."""
    if memory.dtype != "auto":
        return memory.dtype
    return "float32" if device == "cpu" else spec.dtype


def revision_of(folder: Path, spec: ModelSpec) -> str | None:
    """The commit of a model: the hub's cache names its folders so."""
    return folder.name if folder.parent.name == "snapshots" else spec.revision


def fetch_lora(lora: Lora) -> Path:
    """The folder of a LoRA after fetching it."""
    return _download(lora.repo, None, False)


def libraries() -> tuple[Any, Any]:
    """torch and diffusers. Raises `GenerateError` if one is not installed."""
    try:
        import diffusers  # pyright: ignore[reportMissingImports]
        import torch
        import transformers  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise GenerateError(
            f"A video model needs {error.name}, which is not installed: run `pip install '.[gen]'` in "
            f"a checkout."
        ) from error
    # What they would print and draw bars for, events tell.
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    return torch, diffusers


def _part_folder(part: Part, spec: ModelSpec, task: Task, memory: Memory) -> Path:
    """The folder of a network that a task needs besides the pipeline."""
    folder = local_folder(part.repo, None, PART)
    if folder is None and memory.online:
        folder = _download(part.repo, None, spec.gated)
    if folder is None:
        raise GenerateError(
            f'The model {spec.name} needs the {part.component} "{part.repo}" for {task}, which is not on '
            f"this machine: fetch it with `hf download {part.repo}` (licence: {part.licence}), or let it be "
            f"fetched (--online)."
        )
    return folder


@contextmanager
def _loading(what: str, folder: Path, kind: str, fetch: str) -> Iterator[None]:
    """Says in words why weights cannot be loaded."""
    try:
        yield
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise GenerateError(
            f'The {what} "{folder}" could not be loaded ({_short(error)}), but a complete {kind} in '
            f"safetensors was expected: fetch it again with `{fetch}`."
        ) from error


def _fetched(spec: ModelSpec, task: Task, memory: Memory) -> Path:
    """The folder of a model after fetching it, if that is allowed."""
    if memory.online and not Path(spec.repo).is_absolute():
        return _download(spec.repo, spec.revision, spec.gated)
    raise GenerateError(
        f"The model {spec.name} is not on this machine: fetch it with `{fetch_command(spec, task)}` "
        f"(licence: {spec.licence}{_gate(spec.gated, spec.repo)}), let it be fetched (--online), or put it "
        f"into the folder $SPLATREEL_MODELS/{spec.name}."
    )


def _download(repo: str, revision: str | None, gated: bool) -> Path:
    from huggingface_hub import snapshot_download  # pyright: ignore[reportMissingImports]
    from huggingface_hub.errors import (  # pyright: ignore[reportMissingImports]
        GatedRepoError,
        HfHubHTTPError,
    )

    try:
        patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns))
    except GatedRepoError as error:
        raise GenerateError(
            f'The model "{repo}" is gated, and you are not let in{_gate(True, repo)}.'
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise GenerateError(
            f'The model "{repo}" could not be fetched ({_short(error)}): check the connection'
            f"{_gate(gated, repo)}, or fetch it elsewhere and give its folder."
        ) from error


def _gate(gated: bool, repo: str) -> str:
    if not gated:
        return ""
    return f"; gated: accept it on huggingface.co/{repo}, then run `hf auth login`"


def place(pipeline: Any, offload: Offload, device: str, torch: Any) -> None:
    """Put a pipeline where it is to run, or let its parts come there when they are needed."""
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "group":
        pipeline.enable_group_offload(
            onload_device=torch.device(device), offload_type="leaf_level", use_stream=device == "cuda"
        )
    else:
        pipeline.to(device)


def _save_memory(pipeline: Any, memory: Memory) -> None:
    vae = getattr(pipeline, "vae", None)
    for wanted, method in ((memory.tiling, "enable_tiling"), (memory.slicing, "enable_slicing")):
        if wanted and hasattr(vae, method):
            try:
                getattr(vae, method)()
            except NotImplementedError:  # Stable Video Diffusion's has the method and cannot do it.
                continue


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error) else ''}"
