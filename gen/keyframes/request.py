"""What a film from keyframes is made from: a request, and the settings it comes down to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gen.errors import GenerateError
from gen.keyframes.deforum_settings import (
    KeyframeSettings,
    Mode,
    known_settings,
    read_settings,
    settings_from,
)
from gen.video_request import Memory, check_inputs, check_out


@dataclass(frozen=True, kw_only=True)
class KeyframesRequest:
    """A film drawn frame by frame: each is the one before, moved, then redrawn by an image model (Deforum).

    Without a model nothing is redrawn: a picture or a video is moved as the schedules say, which needs no
    weights and no graphics card.

    For example:

      splatreel generate keyframes --image house.png --overrides zoom "0:(1.01)" angle "0:(0.3*sin(t/9))"
      splatreel generate keyframes --settings deforum.txt --model sd-1.5 --out film.mp4
    """

    out: Path = Path("clip.mp4")
    """The mp4 file to write; the frames are kept as PNG beside it."""
    prompt: str = ""
    """One prompt, or several by frame: `{"0": "a forest --neg people", "max_f/2": "a city"}`."""
    settings: Path | None = None
    """A settings file of Deforum."""
    overrides: Mapping[str, str | float | bool] = field(default_factory=dict)
    """More settings by Deforum's names, such as `zoom` or `diffusion_cadence`; they win over the file."""
    mode: Mode | None = None
    """2D moves a sheet, 3D a camera, Video Input redraws a video; None follows the settings, then 2D."""
    frames: int | None = None
    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    fps: float | None = None
    seed: int | None = None
    model: str | None = None
    """An image model that redraws frames; None redraws nothing."""
    image: Path | None = None
    """The first frame."""
    video: Path | None = None
    """Frames to start from, one for each."""
    depth_model: str | None = None
    """For 3D: a transformers depth model, name or folder; None treats the picture as a flat wall."""
    memory: Memory = field(default_factory=Memory)
    """Where and how the model runs."""

    def __post_init__(self) -> None:
        for name in ("out", "settings", "image", "video"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))
        check_out(self.out)
        check_inputs(
            self.out, *(path for path in (self.settings, self.image, self.video) if path is not None)
        )
        if self.image is not None and self.video is not None:
            raise GenerateError(
                "There are a picture and a video to start from, but a film starts from one of them: leave "
                "one out."
            )
        unknown = sorted(set(self.overrides) - known_settings())
        if unknown:
            raise GenerateError(
                f'"{unknown[0]}" is not a setting of keyframes: choose from '
                f"{', '.join(sorted(known_settings()))}."
            )


def settings_of(request: KeyframesRequest) -> KeyframeSettings:
    """The settings file, the overrides and the request's own fields in one, in this order of weight."""
    content = {} if request.settings is None else read_settings(request.settings)
    prompts = {"animation_prompts": request.prompt} if request.prompt else {}
    settings = settings_from({**content, **request.overrides, **prompts})
    names = ("mode", "frames", "width", "height", "fps", "seed", "image", "video")
    given = {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    return replace(settings, **given)
