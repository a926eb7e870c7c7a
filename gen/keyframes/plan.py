"""What a film from keyframes will be, worked out before its first frame is drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gen.clips import Clip, fit_picture, read_clip, read_picture
from gen.errors import GenerateError
from gen.keyframes.deforum_settings import KeyframeSettings
from gen.keyframes.request import KeyframesRequest, settings_of
from gen.keyframes.schedules import Clock, evaluate_schedule, prompts_over_time
from gen.keyframes.warps import camera_motions, sheet_motions
from gen.types import MAX_FRAMES, MAX_SIDE

REVISION = 2
"""Goes up whenever the same request would give other frames."""
FRAMES, FPS, SIDE = 120, 24.0, 512
"""For requests and settings that do not say."""
LONG_SIDE = 960
"""Of a film in the size of its picture, which may come from a camera with many more pixels."""
MODEL_MULTIPLE = 8
"""Image models work on blocks of 8 pixels."""
MAX_SEED = 2**32


@dataclass(frozen=True, kw_only=True)
class KeyframePlan:
    """Every value of every frame. `F` frames, all schedules evaluated."""

    settings: KeyframeSettings
    frames: int
    width: int
    height: int
    fps: float
    seed: int
    values: Mapping[str, np.ndarray]
    """Each schedule at every frame: [F]."""
    prompts: tuple[str, ...]
    negatives: tuple[str, ...]
    seeds: tuple[int, ...]
    redraws: np.ndarray
    """[F] how far a model redraws each frame, as diffusers counts it: 0 not at all, 1 from nothing."""
    picture: np.ndarray | None = field(repr=False)
    """[H, W, 3] uint8, the first frame if one was given."""
    clip: Clip | None = field(repr=False)
    """The video to start from, if one was given."""
    model: str | None
    depth_model: str | None
    notes: tuple[str, ...]
    """What was decided without being asked, in sentences."""

    @cached_property
    def motions(self) -> np.ndarray:
        """From each frame's predecessor to it: [F, 3, 3] of a sheet (pixels), [F, 4, 4] of a camera."""
        if self.settings.mode == "3D":
            return camera_motions(dict(self.values))
        if self.settings.mode == "Video Input":
            return np.tile(np.eye(3), (self.frames, 1, 1))
        return sheet_motions(dict(self.values), self.width, self.height)

    def describe(self) -> dict[str, Any]:
        """The plan for a sidecar: settings and schedules as they were written, seeds, what was not used."""
        settings = self.settings
        return {
            "mode": settings.mode,
            "prompts": dict(settings.prompts),
            "schedules": dict(settings.schedules),
            "model": self.model,
            "depth_model": self.depth_model,
            "cadence": settings.cadence,
            "color_coherence": settings.coherence,
            "noise": settings.noise,
            "border": settings.border,
            "seed": self.seed,
            "seed_behavior": settings.seed_behavior,
            "redrawn_frames": int(np.count_nonzero(self.redraws)),
            "unused_settings": list(settings.unused),
            "notes": list(self.notes),
        }

    def fingerprint(self, commit: str | None = None) -> str:
        """A sha256 over everything that decides the frames; `commit` is that of the image model, if known."""
        described = {name: value for name, value in self.describe().items() if name != "notes"}
        words = [self.prompts, self.negatives]
        digest = hashlib.sha256(json.dumps([REVISION, commit, described, *words]).encode())
        digest.update(json.dumps([self.seeds, self.width, self.height, self.frames]).encode())
        for name in sorted(self.values):
            digest.update(self.values[name].tobytes())
        for pixels in (self.picture, None if self.clip is None else self.clip.frames):
            digest.update(b"-" if pixels is None else np.ascontiguousarray(pixels).tobytes())
        return digest.hexdigest()


def plan_keyframes(
    request: KeyframesRequest, channels: Mapping[str, np.ndarray] | None = None
) -> KeyframePlan:
    """Read the settings and pictures of a request and work out every frame's values.

    `channels` are further names for formulas, such as those of a sound: [F] each. Raises `GenerateError` for
    anything the user can put right.
    """
    settings = settings_of(request)
    notes: list[str] = []
    check_length(settings.frames, settings.fps)  # before a video is read for nothing
    if request.depth_model is not None and settings.mode != "3D":
        raise GenerateError(
            f"A depth model was given, but the mode is {settings.mode}, which has no depth, so it would be "
            f"ignored: leave it out, or choose 3D."
        )
    clip, picture = _pictures(settings, request.model)
    width, height = _size(settings, request.model, clip, picture)
    clip = None if clip is None else clip.resized(width, height)
    picture = None if picture is None else fit_picture(picture, width, height)
    own = (FRAMES, FPS) if clip is None else (len(clip), clip.fps)
    frames = own[0] if settings.frames is None else settings.frames
    fps = own[1] if settings.fps is None else settings.fps
    seed = settings.seed or 0
    if seed < 0:
        seed = 0
        notes.append("The seed was to be drawn by lot; seed 0 is used, so that the film can be made again.")
    check_length(frames, fps)
    if clip is not None and frames > len(clip):
        notes.append(f"The video has {len(clip)} frames; it starts again after them.")
    clock = Clock(frames, fps, seed, channels or {})
    values = {name: evaluate_schedule(text, clock, name) for name, text in settings.schedules.items()}
    _check_values(values)
    if not settings.flips:
        values |= {name: np.zeros(frames) for name in values if name.startswith("perspective_flip_")}
    if not settings.prompts and request.model is None:
        settings = replace(settings, prompts={"0": ""})
    prompts, negatives = zip(
        *(_parts(text) for text in prompts_over_time(settings.prompts, clock)), strict=True
    )
    notes += _notes(settings, request)
    return KeyframePlan(
        settings=settings,
        frames=frames,
        width=width,
        height=height,
        fps=fps,
        seed=seed,
        values=values,
        prompts=prompts,
        negatives=negatives,
        seeds=_seeds(settings, values["seed"], seed),
        redraws=_redraws(settings, values, request.model, has_picture=picture is not None),
        picture=picture,
        clip=clip,
        model=request.model,
        depth_model=request.depth_model if settings.mode == "3D" and settings.uses_depth else None,
        notes=tuple(notes),
    )


def _pictures(settings: KeyframeSettings, model: str | None) -> tuple[Clip | None, np.ndarray | None]:
    if settings.video is not None:
        most = None if settings.frames is None else settings.frames * settings.every_nth
        clip = read_clip(settings.video, fps=settings.fps or FPS, most=most)
        return Clip(clip.frames[:: settings.every_nth], clip.fps / settings.every_nth), None
    if settings.mode == "Video Input":
        raise GenerateError(
            'The mode "Video Input" redraws a video, but none was given: give one, or choose mode 2D or 3D.'
        )
    if settings.coherence == "video":
        raise GenerateError(
            "The colours are to follow a video, but none was given: give one, or set color_coherence to LAB."
        )
    if settings.image is not None:
        return None, read_picture(settings.image)
    if model is None:
        raise GenerateError(
            "Without a model there is nothing to start from: give a picture or a video to move, or a model "
            "that draws the prompt."
        )
    return None, None


def check_length(frames: int | None, fps: float | None) -> None:
    """Raises `GenerateError` for too few or too many frames, or a frame rate that nothing plays."""
    frames, fps = FRAMES if frames is None else frames, FPS if fps is None else fps
    if not (2 <= frames <= MAX_FRAMES and 1 <= fps <= 240):
        raise GenerateError(
            f"The film would have {frames} frames at {fps:g} per second, but 2 to {MAX_FRAMES} frames at "
            f"1 to 240 per second were expected: change frames or fps."
        )


def _size(
    settings: KeyframeSettings, model: str | None, clip: Clip | None, picture: np.ndarray | None
) -> tuple[int, int]:
    """Width and height: as asked for, else those of the picture, else SIDE."""
    shape = clip.frames.shape[1:3] if clip is not None else picture.shape[:2] if picture is not None else None
    multiple = MODEL_MULTIPLE if model else 2
    scale = 1.0 if shape is None else min(1.0, LONG_SIDE / max(shape))
    own = (SIDE, SIDE) if shape is None else (shape[1] * scale, shape[0] * scale)
    sizes = []
    for name, asked, natural in (("width", settings.width, own[0]), ("height", settings.height, own[1])):
        side = max(64, round(natural / MODEL_MULTIPLE) * MODEL_MULTIPLE) if asked is None else asked
        if not 64 <= side <= MAX_SIDE or side % multiple:
            nearest = min(MAX_SIDE, max(64, round(side / multiple) * multiple))
            raise GenerateError(
                f"The {name} is {side} px, but a multiple of {multiple} from 64 to {MAX_SIDE} was expected: "
                f"try {nearest}."
            )
        sizes.append(side)
    return sizes[0], sizes[1]


def _check_values(values: Mapping[str, np.ndarray]) -> None:
    for name, least in (("zoom", 0.01), ("pulse", 0.01), ("near", 1.0)):
        wrong = np.flatnonzero(values[name] < least)
        if len(wrong):
            raise GenerateError(
                f"The {name} schedule gives {values[name][wrong[0]]:g} at frame {wrong[0]}, but at least "
                f"{least:g} was expected: 1 leaves a zoom as it is."
            )


def _parts(prompt: str) -> tuple[str, str]:
    """What to show and what to avoid: `a castle --neg people`."""
    positive, _, negative = prompt.partition("--neg")
    return positive.strip(), negative.strip()


def _redraws(
    settings: KeyframeSettings, values: Mapping[str, np.ndarray], model: str | None, *, has_picture: bool
) -> np.ndarray:  # [F]
    """How far each frame is redrawn: diffusers counts up what Deforum's strength counts down."""
    redraws = np.clip(1 - values["strength"], 0, 1)
    if model is None:
        return np.zeros_like(redraws)
    # A model that takes at least one step; a hair more, because it rounds the steps down.
    redraws = np.where(redraws > 0, np.clip(redraws, 1 / np.maximum(values["steps"], 1) + 1e-6, 1), 0)
    if settings.video is not None:
        return redraws
    redraws[np.arange(len(redraws)) % settings.cadence != 0] = 0
    redraws[0] = 0 if has_picture else 1
    return redraws


def _seeds(settings: KeyframeSettings, schedule: np.ndarray, seed: int) -> tuple[int, ...]:
    """The seed of each frame; those below 0 in a schedule, and random ones, come from the film's seed."""
    # Of pictures that are drawn, as in Deforum: every second frame alone would always have the same of two.
    number = np.arange(len(schedule)) // (settings.cadence if settings.video is None else 1)
    if settings.seed_behavior == "schedule":
        seeds = np.rint(schedule).astype(np.int64)
    elif settings.seed_behavior == "random":
        seeds = np.full(len(number), -1)
    else:
        steps = {
            "iter": number // settings.seed_every,
            "fixed": 0 * number,
            "alternate": number % 2,
            "ladder": number // 2 + 2 * (number % 2),  # two up, one down
        }
        seeds = seed + steps[settings.seed_behavior]
    lots = np.random.default_rng(seed).integers(MAX_SEED, size=len(number))
    return tuple(int(value) for value in np.where(seeds < 0, lots, seeds % MAX_SEED))


def _notes(settings: KeyframeSettings, request: KeyframesRequest) -> list[str]:
    notes = []
    if settings.unused:
        notes.append(f"Settings that have no effect here: {', '.join(settings.unused)}.")
    if request.model is None:
        notes.append("No model was given: the pictures are moved, and nothing is redrawn.")
    if settings.mode == "3D" and (request.depth_model is None or not settings.uses_depth):
        notes.append("No depth model is used: the 3D camera moves in front of a flat wall.")
    return notes
