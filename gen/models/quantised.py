"""Weights in fewer bits: bitsandbytes and torchao while loading, GGUF from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gen.errors import GenerateError
from gen.video_request import Quantise

PACKAGES = {"nf4": "bitsandbytes", "int8": "torchao", "gguf": "gguf"}


def quantisation(
    diffusers: Any, quantise: Quantise, folder: Path, components: tuple[str, ...], dtype: Any
) -> Any:
    """How a pipeline is to quantise its large networks. Raises `GenerateError` without the package for it."""
    need(PACKAGES[quantise], quantise)
    if quantise == "nf4":
        how = diffusers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    else:
        from torchao.quantization import Int8WeightOnlyConfig  # pyright: ignore[reportMissingImports]

        how = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    there = [name for name in components if (folder / name).is_dir()]
    # By component: diffusers' other way, quant_backend, fails with transformers 5.
    return diffusers.PipelineQuantizationConfig(quant_mapping=dict.fromkeys(there, how))


def gguf_network(diffusers: Any, folder: Path, file: Path, dtype: Any) -> dict[str, Any]:
    """The transformer of a GGUF file, for a pipeline whose other parts are in a folder."""
    need(PACKAGES["gguf"], "gguf")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    entry = index.get("transformer")
    if not entry:
        raise GenerateError(
            f'"{folder}" has no transformer, so the GGUF file "{file}" has no place in it: leave it out.'
        )
    network = getattr(diffusers, entry[1])
    try:
        loaded = network.from_single_file(
            str(file),
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
            config=str(folder),
            subfolder="transformer",
            dtype=dtype,
        )
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise GenerateError(
            f'The GGUF file "{file}" could not be read as a {entry[1]} ({error}): fetch the one of this '
            f"model."
        ) from error
    return {"transformer": loaded}


def gguf_bytes(file: Path) -> int:
    """Bytes of a GGUF file, which stays quantised in memory. Raises `GenerateError` if it is not there."""
    if not file.is_file():
        raise GenerateError(f'The GGUF file "{file}" is not there: check the path.')
    return file.stat().st_size


def need(package: str, quantise: str) -> None:
    """Raises `GenerateError` if a package that a way of quantising needs is not installed."""
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise GenerateError(
            f"Quantising to {quantise} needs the package {package}, which is not installed: run "
            f"`pip install {package}`, or leave quantising out."
        )
