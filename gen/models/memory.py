"""How much memory a model takes, before it is loaded, and how to make it fit."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Literal

from gen.errors import GenerateError
from gen.video_request import Memory

Offload = Literal["none", "model", "group"]

WORK = 1.25
"""Memory for activations, as a factor on the weights. Rough: it grows with the number of pixels."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
BIG_PARTS = ("transformer", "transformer_2", "unet")
"""Networks that are quantised."""
QUANTISED = {"none": 1.0, "nf4": 0.3, "int8": 0.55}
"""Share of their 16-bit weights that is left."""
GB = 1e9


def component_bytes(folder: Path, dtype: str, float32_parts: tuple[str, ...] = ()) -> dict[str, int]:
    """Bytes in memory of each component's weights, from the headers of its safetensors files."""
    sizes: dict[str, int] = {}
    for file in sorted(folder.rglob("*.safetensors")):
        component = file.relative_to(folder).parts[0]
        # A repository may hold a whole checkpoint beside its parts, and 16-bit variants beside 32-bit files.
        if file.parent == folder or ".fp16." in file.name or ".non_ema" in file.name:
            continue
        width = BYTES["float32" if component in float32_parts else dtype]
        sizes[component] = sizes.get(component, 0) + _numbers(file) * width
    return sizes


def network_bytes(folder: Path, dtype: str) -> int:
    """Bytes in memory of a network that has a folder of its own."""
    files = [
        file for file in folder.glob("diffusion_pytorch_model*.safetensors") if ".fp16." not in file.name
    ]
    return sum(map(_numbers, files)) * BYTES[dtype]


def choose_offload(
    sizes: dict[str, int], memory: Memory, *, device: str, free: float, host_free: float, name: str
) -> Offload:
    """How to spread components over GPU and host so that they fit; `free` bytes on each.

    Raises `GenerateError` if nothing fits.
    """
    share = QUANTISED[memory.quantise]
    needs = [size * (share if name in BIG_PARTS else 1) for name, size in sizes.items()]
    whole, largest = sum(needs), max(needs, default=0)
    if device == "cpu":
        _require(whole * WORK, host_free, name, "memory")
        return "none"
    if memory.offload == "none":
        _require(whole * WORK, free, name, "GPU memory")
        return "none"
    if memory.offload != "auto":
        _require(whole, host_free, name, "memory")
        return memory.offload
    if whole * WORK <= free:
        return "none"
    _require(whole, host_free, name, "memory")
    return "model" if largest * WORK <= free else "group"


def free_memory(device: str) -> float:
    """Free bytes on a device, or of the host for "cpu"."""
    if device == "cuda":
        import torch

        return float(torch.cuda.mem_get_info()[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    import os

    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _require(need: float, free: float, name: str, what: str) -> None:
    if need > free:
        raise GenerateError(
            f"The model {name} needs about {need / GB:.1f} GB of {what}, but {free / GB:.1f} GB are free: "
            f"choose a smaller model, quantise it (nf4, int8 or a GGUF file), or offload it to a larger host."
        )


def _numbers(file: Path) -> int:
    """How many numbers a safetensors file holds."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    count = 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        numbers = 1
        for side in tensor["shape"]:
            numbers *= side
        count += numbers
    return count
