"""What goes into generation and what comes out."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.errors import GenerateError

CAMERA_MOVES = (
    "arc",
    "orbit",
    "orbit_left",
    "orbit_right",
    "spiral",
    "dolly_in",
    "dolly_out",
    "crane",
    "crane_up",
    "crane_down",
    "truck_left",
    "truck_right",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "roll_cw",
    "roll_ccw",
    "zoom_in",
    "zoom_out",
    "static",
)
MOVES_IN_PLACE = CAMERA_MOVES[CAMERA_MOVES.index("pan_left") :]
"""Moves in which the camera stays where it is: their clips have no parallax to reconstruct depth from."""
MAX_SIDE = 4096
MAX_FRAMES = 3600


@dataclass(frozen=True)
class GenerateRequest:
    """Text to video. Every field except `out` decides what is drawn."""

    prompt: str
    """English or Chinese."""
    out: Path
    """The mp4 file to write; the sidecar goes beside it with the suffix .json."""
    frames: int = 29
    width: int = 480
    """Pixels, even."""
    height: int = 270
    """Pixels, even."""
    fps: float = 24.0
    seed: int = 0
    camera: str | None = None
    """One of CAMERA_MOVES, with "_" or "-"; None follows the prompt, which defaults to an arc."""
    arc_degrees: float | None = None
    """How far the camera swings around the scene, pans, tilts or rolls; None keeps neighbouring frames close
    together."""
    truth: bool = False
    """Whether to write the true depth, ids, motion and 3D tracks to a folder beside the video."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        if self.out.suffix.lower() != ".mp4":
            raise GenerateError(
                f'The video would be "{self.out}", but it must end in .mp4: rename the output.'
            )
        for name, value in (("width", self.width), ("height", self.height)):
            if not 64 <= value <= MAX_SIDE or value % 2:
                raise GenerateError(
                    f"The {name} is {value} px, but H.264 video needs an even number from 64 to {MAX_SIDE}: "
                    f"try {min(MAX_SIDE, max(64, value + value % 2))}."
                )
        if not 2 <= self.frames <= MAX_FRAMES:
            raise GenerateError(
                f"The number of frames is {self.frames}, but a clip has 2 to {MAX_FRAMES}: "
                f"29 frames make one chunk of the reconstruction."
            )
        if not (math.isfinite(self.fps) and 1 <= self.fps <= 240):
            raise GenerateError(f"The frame rate is {self.fps}, but it must be from 1 to 240: 24 is usual.")
        if self.camera is not None:
            object.__setattr__(self, "camera", self.camera.replace("-", "_"))
        if self.camera is not None and self.camera not in CAMERA_MOVES:
            raise GenerateError(
                f'The camera move is "{self.camera}", but it must be one of {", ".join(CAMERA_MOVES)}.'
            )
        if self.arc_degrees is not None and not 1.0 <= self.arc_degrees <= 360.0:
            raise GenerateError(
                f"The arc is {self.arc_degrees} degrees, but it must be from 1 to 360: "
                f"leave it out for one that fits the number of frames."
            )


@dataclass(frozen=True)
class Video:
    """A generated video on disk."""

    path: Path
    """The mp4 file."""
    sidecar_path: Path
    """JSON beside it: the words, the settings and the true cameras."""
    width: int
    height: int
    fps: float
    frames: int
    sidecar: dict[str, Any]
    """The sidecar, parsed."""
    reused: bool = False
    """True if the same request had been rendered before and nothing was drawn."""

    @property
    def words_used(self) -> tuple[str, ...]:
        """Words of the prompt that took effect."""
        return tuple(self.sidecar["words"]["used"])

    @property
    def words_ignored(self) -> tuple[str, ...]:
        """Words of the prompt that the generator does not know."""
        return tuple(self.sidecar["words"]["ignored"])
