"""`splatreel generate WORKFLOW`: the requests as a command line."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Union

import tyro

from gen.audio.reactive import AudioReactiveRequest
from gen.errors import GenerateError
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
