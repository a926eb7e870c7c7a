"""Camera moves: each model follows them in its own way, or has to be told in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gen.errors import GenerateError
from gen.models.spec import Lora, ModelSpec
from gen.models.trajectories import DISTANCE, FIELD_OF_VIEW, Cameras, lens, trajectory
from gen.nearest import did_you_mean

CameraMove = Literal[
    "static",
    "orbit-left",
    "orbit-right",
    "dolly-in",
    "dolly-out",
    "truck-left",
    "truck-right",
    "crane-up",
    "crane-down",
    "pan-left",
    "pan-right",
    "tilt-up",
    "tilt-down",
    "roll-cw",
    "roll-ccw",
    "zoom-in",
    "zoom-out",
]
CAMERA_WORDS: dict[str, str] = {
    "static": "The camera stands still on a tripod.",
    "orbit-left": "The camera slowly orbits to the left around the subject at a constant speed.",
    "orbit-right": "The camera slowly orbits to the right around the subject at a constant speed.",
    "dolly-in": "The camera slowly moves forward towards the subject.",
    "dolly-out": "The camera slowly moves backward away from the subject.",
    "truck-left": "The camera slides smoothly to the left.",
    "truck-right": "The camera slides smoothly to the right.",
    "crane-up": "The camera slowly rises on a crane, looking at the subject.",
    "crane-down": "The camera slowly sinks on a crane, looking at the subject.",
    "pan-left": "The camera slowly pans to the left.",
    "pan-right": "The camera slowly pans to the right.",
    "tilt-up": "The camera slowly tilts up.",
    "tilt-down": "The camera slowly tilts down.",
    "roll-cw": "The camera slowly rolls clockwise.",
    "roll-ccw": "The camera slowly rolls counterclockwise.",
    "zoom-in": "The camera slowly zooms in.",
    "zoom-out": "The camera slowly zooms out.",
}
"""What a model that follows nothing but words is told."""
DEFAULT_MOVE = "orbit-left"
"""It shows a thing from more sides than any other."""


@dataclass(frozen=True)
class Direction:
    """How a model is made to move the camera."""

    move: str
    by: Literal["cameras", "lora", "words"]
    sentence: str
    """For the user."""
    cameras: Cameras | None = None
    loras: tuple[Lora, ...] = ()
    words: str = ""
    """To be added to the prompt."""


def direct(
    spec: ModelSpec,
    move: str,
    *,
    frames: int,
    width: int,
    height: int,
    degrees: float | None = None,
    distance: float = DISTANCE,
    field_of_view: float = FIELD_OF_VIEW,
) -> Direction:
    """The best way that a model has to follow a move: exact cameras, a LoRA made for it, or the prompt."""
    check_move(move)
    if spec.follows_cameras:
        cameras = Cameras(
            trajectory(move, frames, degrees=degrees, distance=distance), lens(width, height, field_of_view)
        )
        sentence = f"Camera {move}: {spec.name} follows exact poses, which are in the sidecar."
        return Direction(move, "cameras", sentence, cameras=cameras)
    if degrees is not None:
        raise GenerateError(
            f"A turn of {degrees:g} degrees was asked for, but {spec.name} follows no exact cameras: leave "
            f"the degrees out, or choose a model for the camera workflow."
        )
    lora = spec.camera_loras.get(move)
    if lora is not None:
        sentence = f"Camera {move}: {spec.name} with the LoRA {lora.repo} ({lora.licence})."
        return Direction(move, "lora", sentence, loras=(lora,))
    sentence = f'Camera {move}: {spec.name} has only words for it, so the prompt says "{CAMERA_WORDS[move]}"'
    return Direction(move, "words", sentence, words=CAMERA_WORDS[move])


def check_move(move: str) -> None:
    """Raises `GenerateError` for what is no camera move."""
    if move not in CAMERA_WORDS:
        raise GenerateError(
            f'The camera move is "{move}"{did_you_mean(move, CAMERA_WORDS)}, but it must be one of '
            f"{', '.join(get_args(CameraMove))}."
        )
