"""Films that move to music (Kaiber): keyframes whose schedules follow what is heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gen.audio.analysis import CHANNELS, Analysis, analyse, read_sound
from gen.clips import read_clip
from gen.errors import GenerateError
from gen.keyframes.deforum_settings import SCHEDULE_KEYS, read_settings
from gen.keyframes.plan import FPS, KeyframePlan, check_length, plan_keyframes
from gen.keyframes.request import KeyframesRequest, settings_of
from gen.keyframes.schedules import parse_schedule
from gen.types import MAX_FRAMES
from gen.video_request import check_inputs

MOVED: Mapping[str, str] = {
    "zoom": "0:(1)",
    "angle": "0:(0.12*sin(2*pi*t/(8*fps)))",
    "translation_z": "0:(0.5+6*beat)",
    "pulse": "0:(1.06+0.1*beat)",
    "contrast": "0:(0.9+0.2*loudness)",
}
"""What follows the music where nothing is redrawn: the picture swings, leaps at each beat and comes back."""
REDRAWN: Mapping[str, str] = {
    "zoom": "0:(1.004+0.03*beat)",
    "angle": "0:(0.5*sin(2*pi*t/(8*fps)))",
    "translation_z": "0:(1+8*beat)",
    "strength": "0:(0.68-0.18*onset)",
    "noise": "0:(0.03+0.05*treble)",
}
"""What follows the music where a model redraws: beats push inwards, attacks change the picture more."""


@dataclass(frozen=True, kw_only=True)
class AudioReactiveRequest:
    """A film from keyframes that moves to a sound, with the sound under it.

    Formulas in its schedules may use loudness, bass, mid, treble, onset and beat, each from 0 to 1: `beat` is
    1 on a beat and decays, `onset` is high at attacks. What the request does not set follows MOVED, or
    REDRAWN if it has a model.

    For example:

      splatreel generate audio song.mp3 --image cover.png --out film.mp4
      splatreel generate audio song.mp3 --image cover.png --overrides pulse "0:(1.05+0.15*beat)"
    """

    audio: Path
    """A sound file, or a video with sound."""
    keyframes: KeyframesRequest = field(default_factory=KeyframesRequest)
    """Its number of frames defaults to the length of the sound."""
    start: float = 0.0
    """Where in the sound the film begins, seconds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "audio", Path(self.audio))
        check_inputs(self.out, self.audio)
        if self.start < 0:
            raise GenerateError(f"The sound would begin at {self.start:g} s, but at least 0 was expected.")

    @property
    def out(self) -> Path:
        """The mp4 file to write."""
        return self.keyframes.out


def plan_audio_reactive(request: AudioReactiveRequest) -> tuple[KeyframePlan, Analysis]:
    """Every value of every frame, and what was heard.

    Raises `GenerateError` for anything the user can put right, such as a schedule that follows beats where
    there are none.
    """
    sound = read_sound(request.audio, request.start)
    analysis = analyse(sound)
    keyframes = _with_defaults(request.keyframes)
    settings = settings_of(keyframes)
    check_length(settings.frames, settings.fps)  # what follows divides by them
    fps = settings.fps
    if fps is None:
        fps = FPS if settings.video is None else read_clip(settings.video, most=1).fps / settings.every_nth
    frames = settings.frames
    if frames is None:
        frames = max(2, min(MAX_FRAMES, round(sound.seconds * fps)))
    keyframes = replace(keyframes, frames=frames, fps=fps)
    heard = frozenset().union(
        *(parse_schedule(text, name, CHANNELS).names for name, text in settings.schedules.items())
    ) & set(CHANNELS)
    if "beat" in heard and not len(analysis.beats):
        raise GenerateError(
            f'No beats were found in "{request.audio}" (its rhythm is {analysis.rhythm:.2f}), but the '
            f"schedules follow them: use loudness, bass, mid, treble or onset instead, as in "
            f"0:(1+0.1*loudness)."
        )
    plan = plan_keyframes(keyframes, analysis.channels(frames, fps))
    notes = [*plan.notes]
    if not heard:
        notes.append("No schedule follows the sound: use loudness, bass, mid, treble, onset or beat in one.")
    if settings.frames is None and frames / fps < sound.seconds - 1 / fps:
        notes.append(f"The film ends after {frames / fps:.1f} s of the sound: {frames} frames are the most.")
    if frames / fps > sound.seconds + 1 / fps:
        notes.append(f"The sound ends after {sound.seconds:.1f} s; the film goes on in silence.")
    return replace(plan, notes=tuple(notes)), analysis


def describe_sound(request: AudioReactiveRequest, analysis: Analysis) -> dict[str, object]:
    """What was heard, for a sidecar."""
    return {
        "file": str(request.audio),
        "start": request.start,
        "seconds": round(analysis.seconds, 3),
        "bpm": None if analysis.bpm is None else round(analysis.bpm, 2),
        "beats": [round(float(time), 3) for time in analysis.beats],
        "onsets": len(analysis.onsets),
    }


def _with_defaults(keyframes: KeyframesRequest) -> KeyframesRequest:
    """The request with schedules that follow the sound wherever it has none of its own."""
    content = {} if keyframes.settings is None else read_settings(keyframes.settings)
    own = {SCHEDULE_KEYS[name] for name in {**content, **keyframes.overrides} if name in SCHEDULE_KEYS}
    defaults = MOVED if keyframes.model is None else REDRAWN
    added = {name: text for name, text in defaults.items() if name not in own}
    return replace(keyframes, overrides={**added, **keyframes.overrides})
