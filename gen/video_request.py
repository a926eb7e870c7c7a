"""What all requests to a video model share, and the checks that every request makes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gen.errors import GenerateError

if TYPE_CHECKING:
    from gen.models.spec import Task

Choice = Literal["auto", "none", "model", "group"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Quantise = Literal["none", "nf4", "int8"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a model draws. What is left out is what the model was made for."""

    negative: str | None = None
    """What is not to be seen."""
    steps: int | None = None
    """Denoising steps: more are slower and finer."""
    guidance: float | None = None
    """How strictly the prompt is followed (classifier-free guidance)."""

    def __post_init__(self) -> None:
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise GenerateError(f"The number of steps is {self.steps}, but 1 to 1000 were expected.")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Where and how a model runs."""

    device: Device = "auto"
    """`auto` takes the GPU if there is one; the CPU works and is slow."""
    offload: Choice = "auto"
    """Keep parts in the host's memory: none, whole networks (model), or layers (group); auto: what fits."""
    tiling: bool = True
    """Decode large pictures in tiles."""
    slicing: bool = True
    """Decode frames one after another."""
    dtype: Precision = "auto"
    """Of the weights; `auto` is the model's own on a GPU and float32 on the CPU."""
    quantise: Quantise = "none"
    """Store the largest network in 4 (nf4, bitsandbytes) or 8 bits (int8, torchao)."""
    gguf: Path | None = None
    """A GGUF file to take the largest network from."""
    online: bool = False
    """Fetch a model that is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """What all requests to a video model share."""

    out: Path = Path("clip.mp4")
    """The mp4 file to write; the sidecar goes beside it with the suffix .json."""
    model: str | None = None
    """A name of `splatreel models` or a folder; without one the first that can do it and is here."""
    frames: int | None = None
    """How many the model makes; its own number if left out, rounded to what it can make."""
    width: int | None = None
    """Pixels; the model's own if left out, rounded to what it can make."""
    height: int | None = None
    """Pixels."""
    fps: float | None = None
    """Frames per second of the result; the model's own if left out."""
    seed: int = 0
    """The same seed gives the same video."""
    png: bool = False
    """Also keep the frames as PNG, which reconstruction prefers."""
    sampling: Sampling = field(default_factory=Sampling)
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        for item in fields(self):
            if "Path" in str(item.type) and isinstance(value := getattr(self, item.name), str):
                object.__setattr__(self, item.name, Path(value))
        check_out(self.out)
        inputs = [getattr(self, item.name) for item in fields(self) if item.name != "out"]
        check_inputs(self.out, *(value for value in inputs if isinstance(value, Path)))
        for name in ("frames", "width", "height"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 8192:
                raise GenerateError(f"{name} is {value}, but a number from 1 to 8192 was expected.")
        if self.fps is not None and not 1 <= self.fps <= 240:
            raise GenerateError(f"The frame rate is {self.fps}, but it must be from 1 to 240: 24 is usual.")

    @property
    def task(self) -> Task:
        """What the model has to be able to do."""
        raise NotImplementedError


def check_out(out: Path) -> None:
    """Raises `GenerateError` for an output that is no mp4 file."""
    if out.suffix.lower() != ".mp4":
        raise GenerateError(f'The video would be "{out}", but it must end in .mp4: rename the output.')


def check_inputs(out: Path, *inputs: Path) -> None:
    """Raises `GenerateError` for an output that is one of the files to be read."""
    if any(path.resolve() == out.resolve() for path in inputs):
        raise GenerateError(
            f'The video would be written over "{out}", which it is made from: choose another output file '
            f"(--out)."
        )
