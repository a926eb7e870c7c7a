"""`splatreel generate WORKFLOW`: the requests as a command line, and what a run says on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from gen.audio.reactive import AudioReactiveRequest
from gen.errors import GenerateError
from gen.events import (
    Event,
    FrameRendered,
    ModelLoading,
    ModelReady,
    Notice,
    PromptRead,
    RendererReady,
    StepDone,
    VideoReused,
    VideoWritten,
)
from gen.interpolation import InterpolateRequest
from gen.keyframes.request import KeyframesRequest
from gen.requests import (
    AnimateRequest,
    CameraRequest,
    ChainRequest,
    ConnectRequest,
    ExtendRequest,
    FirstLastRequest,
    ImageRequest,
    LoopRequest,
    PoseRequest,
    RestyleRequest,
    StructureRequest,
    TextRequest,
    TravelRequest,
)
from gen.smoothing import SmoothRequest

WORKFLOWS: dict[str, type] = {
    "text": TextRequest,
    "image": ImageRequest,
    "chain": ChainRequest,
    "camera": CameraRequest,
    "first-last": FirstLastRequest,
    "restyle": RestyleRequest,
    "structure": StructureRequest,
    "pose": PoseRequest,
    "animate": AnimateRequest,
    "extend": ExtendRequest,
    "loop": LoopRequest,
    "connect": ConnectRequest,
    "travel": TravelRequest,
    "keyframes": KeyframesRequest,
    "audio": AudioReactiveRequest,
    "interpolate": InterpolateRequest,
    "smooth": SmoothRequest,
}
EXAMPLES = """Make a video, from which `splatreel reconstruct` makes a scene. Without a workflow it is text.

For example:

  splatreel generate "a snowman and two pine trees in the snow" --out snowman.mp4
  splatreel generate image photo.jpg --prompt "a stone bridge" --for-reconstruction
  splatreel generate extend clip.mp4 --direction backward
  splatreel generate interpolate clip.mp4 --factor 2

`splatreel models` lists the models that can do it, and how to fetch them; the composer, which draws text
without any model, needs none. `splatreel generate WORKFLOW --help` explains each."""


def parse(args: list[str]) -> Any:
    """The request of a command line. Raises `GenerateError` for a workflow that is misspelt."""
    known: Any = Union[  # noqa: UP007 - made of values
        tuple(Annotated[kind, tyro.conf.subcommand(name)] for name, kind in WORKFLOWS.items())
    ]
    return tyro.cli(
        known,
        prog="splatreel generate",
        description=EXAMPLES,
        args=_with_workflow(args),
        config=(tyro.conf.PositionalRequiredArgs, tyro.conf.OmitArgPrefixes),
    )


def _with_workflow(args: list[str]) -> list[str]:
    """A prompt alone is for the workflow `text`."""
    if not args or args[0] in WORKFLOWS or args[0] in ("-h", "--help"):
        return args
    word = args[0]
    near = get_close_matches(word, WORKFLOWS, n=1, cutoff=0.75)
    if near:
        raise GenerateError(
            f'There is no workflow "{word}"; did you mean "{near[0]}"? If it is a prompt, say '
            f'`splatreel generate text "{word}"`.'
        )
    return ["text", *args]


def listener(terminal: Callable[[Any], None]) -> Callable[[Event], None]:
    """Tells gen's events to recon's terminal."""
    from recon import events as shown

    drawing = False

    def draw() -> None:
        nonlocal drawing
        if not drawing:
            terminal(shown.StageStarted("video"))
        drawing = True

    def listen(event: Event) -> None:
        match event:
            case PromptRead(used, ignored, objects, notes):
                text = "The built-in composer draws what it has words for (not a video model)."
                terminal(shown.Notice(text))
                things = f"; objects: {', '.join(objects)}" if objects else ""
                terminal(shown.Notice(f"words used: {', '.join(used)}{things}"))
                if ignored:
                    text = f"words ignored, not in its list: {', '.join(ignored)}"
                    terminal(shown.Notice(text, warning=True))
                for note in notes:
                    terminal(shown.Notice(note))
                draw()
            case Notice(text, warning):
                terminal(shown.Notice(text, warning=warning))
            case ModelLoading(name, folder):
                terminal(shown.StageStarted("model"))
                terminal(shown.StageProgress("model", 0, None, f"loading {name} from {folder}"))
            case ModelReady(name, device, seconds):
                terminal(shown.StageFinished("model", seconds, f"{name} on {device}"))
            case StepDone(step, steps, _, left):
                draw()
                terminal(shown.StageProgress("video", step, steps, f"denoising, {left:.0f} s left"))
            case RendererReady(seconds) if seconds > 2:
                terminal(shown.Notice(f"ray tracer compiled in {seconds:.0f} s (once on this machine)"))
            case FrameRendered(frame, frames, _):
                draw()
                terminal(shown.StageProgress("video", frame + 1, frames))
            case VideoWritten(path, seconds):
                terminal(shown.StageFinished("video", seconds, f"{path}, {_beside(path)}"))
            case VideoReused(path):
                terminal(shown.StageFinished("video", 0.0, f"{path} is there from an earlier run"))

    return listen


def _beside(path: Path) -> str:
    sheet = path.with_name(f"{path.stem}.sheet.png")
    return f"{path.with_suffix('.json').name}" + (f" and {sheet.name}" if sheet.exists() else "")
