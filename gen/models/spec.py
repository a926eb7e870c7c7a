"""What there is to know about a model before it is loaded: data, one `ModelSpec` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from gen.models.job import Job

Task = Literal[
    "text",
    "image",
    "first_last",
    "restyle",
    "depth",
    "edges",
    "pose",
    "segmentation",
    "animate",
    "fill",
    "camera",
    "travel",
    "picture",
    "redraw",
]
"""What a model can be asked for. `fill` makes the missing frames of a timeline (extend, loop, connect),
`picture` draws one picture of a prompt, `redraw` draws over one."""

Adapter = Callable[["Job"], dict[str, Any]]
"""From a job to the arguments of a pipeline's call; arguments that are None are left out."""

CHUNK, STRIDE = 29, 24
"""Frames of a chunk of the reconstruction, and from one chunk's first frame to the next one's."""
NEAR = 4
"""Frames that a number nobody asked for may be moved by to fill the chunks."""


@dataclass(frozen=True)
class FrameRule:
    """Numbers of frames that a model can make: `step * q + offset`, from `lo` to `hi`."""

    step: int = 1
    offset: int = 0
    lo: int = 1
    hi: int = 1000

    def allows(self, frames: int) -> bool:
        """Can the model make exactly so many?"""
        return self.lo <= frames <= self.hi and (frames - self.offset) % self.step == 0

    def fit(self, frames: int) -> int:
        """The nearest number that the model can make."""
        lowest = self.offset + -(-(self.lo - self.offset) // self.step) * self.step
        highest = self.offset + (self.hi - self.offset) // self.step * self.step
        nearest = self.offset + round((frames - self.offset) / self.step) * self.step
        return min(max(nearest, lowest), highest)

    def fit_chunks(self, frames: int) -> int:
        """The nearest number that the model can make and that fills the chunks, if one is near; or `fit`."""
        fitting = [n for n in range(frames - NEAR, frames + NEAR + 1) if self.allows(n) and fills_chunks(n)]
        return min(fitting, key=lambda n: abs(n - frames), default=self.fit(frames))

    def __str__(self) -> str:
        rule = f"{self.step}k+{self.offset}" if self.step > 1 else "any number of"
        return f"{rule} frames from {self.lo} to {self.hi}"


def fills_chunks(frames: int) -> bool:
    """Do chunks of 29 frames that share 5 with the next end with the last frame?"""
    return frames >= CHUNK and (frames - CHUNK) % STRIDE == 0


@dataclass(frozen=True)
class Part:
    """A network that a pipeline needs and its repository does not hold."""

    component: str
    """The pipeline's name for it, such as `controlnet`."""
    model_class: str
    """In diffusers."""
    repo: str
    tasks: tuple[Task, ...] = ()
    """Tasks that need it; all if empty."""
    licence: str = "see the model card"


@dataclass(frozen=True)
class Lora:
    """Low-rank changes to a model's weights."""

    repo: str
    file: str | None = None
    """None if the repository holds one file only."""
    weight: float = 1.0
    licence: str = "see the model card"


@dataclass(frozen=True)
class ModelSpec:
    """A model. Adding one takes a few lines in `catalogue.py`."""

    name: str
    """What the user calls it."""
    repo: str
    """On the Hugging Face hub; or a local folder."""
    pipelines: Mapping[Task, str]
    """The diffusers class that does a task."""
    adapter: Adapter
    width: int
    """Pixels that it was made for."""
    height: int
    frames: int
    fps: float
    licence: str = "see the model card"
    revision: str | None = None
    """Branch, tag or commit; None is the newest. The commit that was used is in the sidecar."""
    gated: bool = False
    """One has to accept a licence on its page before fetching it."""
    multiple: int = 16
    """Width and height must be multiples of this."""
    fixed_size: bool = False
    """Draws badly in other sizes, so pictures are cropped to this one unless another is asked for."""
    rule: FrameRule = field(default_factory=FrameRule)
    steps: int = 50
    guidance: float | None = 5.0
    """None if the pipeline takes none."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    float32_parts: tuple[str, ...] = ()
    """Components that lose too much in 16 bits."""
    memory_gb: float | None = None
    """Of the GPU, measured by others; None if nobody said."""
    parts: tuple[Part, ...] = ()
    folder_classes: tuple[str, ...] = ()
    """Classes that its `model_index.json` may name besides those of `pipelines`."""
    loras: tuple[Lora, ...] = ()
    """Loaded whenever the model is."""
    scheduler: tuple[str, Mapping[str, Any]] | None = None
    """Class and settings of a scheduler that the model was trained with and its repository does not name."""
    camera_loras: Mapping[str, Lora] = field(default_factory=dict)
    """By camera move."""
    follows_cameras: bool = False
    """Takes exact poses and intrinsics."""
    window: int | None = None
    """Frames it was trained on, if longer clips are made by sliding a window (FreeNoise)."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """Arguments that its pipeline calls differently."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further ones that it is called with."""
    more_guidance: Mapping[str, float] = field(default_factory=dict)
    """Further ones that it is called with unless a guidance is asked for."""
    note: str = ""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it can be asked for."""
        return tuple(self.pipelines)

    def parts_for(self, task: Task) -> tuple[Part, ...]:
        """Networks to be loaded beside it."""
        return tuple(part for part in self.parts if not part.tasks or task in part.tasks)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The nearest size in pixels that it can make."""
        m = self.multiple
        return max(m, round(width / m) * m), max(m, round(height / m) * m)
