"""Reads the settings of Deforum: the files of its web-UI extension and of its original notebook.

Both are JSON with the same names for what they share. What this build does not use is listed; what would
change the film and is not built is an error in a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from gen.errors import GenerateError
from gen.keyframes.pictures import ColourSpace, Noise
from gen.keyframes.schedules import prompts_by_frame
from gen.keyframes.warps import Border

Mode = Literal["2D", "3D", "Video Input"]
Coherence = ColourSpace | Literal["video"]
SeedBehavior = Literal["iter", "fixed", "random", "ladder", "alternate", "schedule"]

DEFAULT_SCHEDULES: Mapping[str, str] = {
    "angle": "0:(0)",
    "zoom": "0:(1.0025+0.002*sin(1.25*3.14*t/30))",
    "translation_x": "0:(0)",
    "translation_y": "0:(0)",
    "translation_z": "0:(1.75)",
    "transform_center_x": "0:(0.5)",
    "transform_center_y": "0:(0.5)",
    "rotation_3d_x": "0:(0)",
    "rotation_3d_y": "0:(0)",
    "rotation_3d_z": "0:(0)",
    "perspective_flip_theta": "0:(0)",
    "perspective_flip_phi": "0:(0)",
    "perspective_flip_gamma": "0:(0)",
    "perspective_flip_fv": "0:(53)",
    "fov": "0:(70)",
    "near": "0:(200)",
    "far": "0:(10000)",
    "strength": "0:(0.65)",
    "noise": "0:(0.065)",
    "contrast": "0:(1.0)",
    "cfg": "0:(7)",
    "steps": "0:(25)",
    "seed": "0:(s)",
    "pulse": "0:(1)",
}
"""Deforum's defaults. `pulse` is ours: it enlarges the frame that is shown and is not carried on."""

SCHEDULE_KEYS = {
    **{"scale": "cfg", "near_plane": "near", "far_plane": "far"},
    **{name: name for name in DEFAULT_SCHEDULES if name != "seed"},
    **{f"{name}_schedule": name for name in ("fov", "near", "far", "strength", "noise", "contrast", "seed")},
    **{"cfg_scale_schedule": "cfg", "steps_schedule": "steps"},
}
"""Deforum's name: ours. Where a file has two names for one schedule, the later in this table counts."""

_BOOKKEEPING = """
batch_name filename_format outdir timestring save_settings save_samples save_sample_per_step display_samples
show_sample_per_step make_grid grid_rows n_batch n_samples seed_internal sd_model_name sd_model_hash
deforum_git_commit_id resume_from_timestring resume_timestring skip_video_creation delete_imgs
delete_input_frames store_frames_in_ram make_gif add_soundtrack soundtrack_path save_depth_maps render_steps
path_name_modifier image_path mp4_path from_img2img_instead_of_link override_settings_with_file
custom_settings_file motion_preview_mode motion_preview_length motion_preview_step
"""
"""Settings that say where files go and what is shown: nothing in the pictures depends on them."""


@dataclass(frozen=True, kw_only=True)
class KeyframeSettings:
    """Everything that a settings file can decide about the frames."""

    prompts: Mapping[str, str] = field(default_factory=dict)
    """Frame: prompt, which may end in `--neg what to avoid`."""
    schedules: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_SCHEDULES))
    mode: Mode = "2D"
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    seed: int | None = None
    seed_behavior: SeedBehavior = "iter"
    seed_every: int = 1
    """Pictures drawn one after another that share a seed if it is iterated."""
    cadence: int = 1
    """A model redraws one of so many frames."""
    coherence: Coherence | None = "LAB"
    """What keeps the colours: matching to the first frame in a colour space, or to a video's frames."""
    noise: Noise = "perlin"
    border: Border = "replicate"
    uses_depth: bool = True
    """Whether 3D warps use a depth model, if there is one."""
    flips: bool = False
    """Whether the perspective flips of 2D mode take part."""
    image: Path | None = None
    video: Path | None = None
    every_nth: int = 1
    """Which frames of the video are used."""
    unused: tuple[str, ...] = ()
    """Names in the file that have no effect here."""


def read_settings(path: Path) -> dict[str, Any]:
    """The content of a settings file. Raises `GenerateError` if it is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GenerateError(
            f'The Deforum settings "{path}" cannot be read ({reason}): give the JSON text file that Deforum '
            f"writes beside its frames."
        ) from error
    if not isinstance(content, dict) or not set(content) & known_settings():
        raise GenerateError(
            f'"{path}" holds none of Deforum\'s settings, such as "zoom" or "max_frames": give the JSON text '
            f"file that Deforum writes beside its frames."
        )
    return content


def settings_from(content: Mapping[str, Any]) -> KeyframeSettings:
    """Settings by Deforum's names. Raises `GenerateError` for a wrong value or what is not built."""
    _refuse_features(content)
    schedules = dict(DEFAULT_SCHEDULES)
    for name, own in SCHEDULE_KEYS.items():
        is_off = name == "steps_schedule" and not _flag(content.get("enable_steps_scheduling", True))
        value = content.get(name)
        if value is None or is_off:
            continue
        if not isinstance(value, (str, int, float)):
            raise GenerateError(
                f'The setting "{name}" is {json.dumps(value, default=str)}, but a schedule was expected: '
                f"write it like 0:(1.0), 30:(1.02*sin(t))."
            )
        schedules[own] = str(value)
    fields: dict[str, Any] = {}
    for name in _FIELDS:
        if content.get(name) is not None:
            fields[_FIELDS[name][0]] = _converted(name, content[name])
    if not _flag(content.get("use_init", True)):
        fields.pop("image", None)
    if fields.get("mode") != "Video Input":
        fields.pop("video", None)  # Files name a video even where the mode does not use it.
    if "prompts" in fields:
        fields["prompts"] = _with_common_words(fields["prompts"], content)
    unused = sorted(set(content) - known_settings() - set(_BOOKKEEPING.split()) - set(_FEATURES))
    return KeyframeSettings(**fields, schedules=schedules, unused=tuple(unused))


def known_settings() -> frozenset[str]:
    """The names of all settings that have an effect."""
    return frozenset(_FIELDS) | frozenset(SCHEDULE_KEYS) | _MODIFIERS


def _with_common_words(prompts: Mapping[str, str], content: Mapping[str, Any]) -> dict[str, str]:
    """Prompts with the words that the extension adds to all of them."""
    also = str(content.get("animation_prompts_positive") or "").strip()
    never = str(content.get("animation_prompts_negative") or "").strip()
    joined = {}
    for frame, text in prompts.items():
        positive, _, negative = text.partition("--neg")
        positive = ", ".join(part for part in (positive.strip(), also) if part)
        negative = ", ".join(part for part in (negative.strip(), never) if part)
        joined[frame] = f"{positive} --neg {negative}" if negative else positive
    return joined


_FEATURES: Mapping[str, tuple[str, str]] = {
    "use_mask": ("false", "masks"),
    "use_noise_mask": ("false", "noise masks"),
    "use_mask_video": ("false", "video masks"),
    "use_looper": ("false", "guided images"),
    "hybrid_generate_inputframes": ("false", "hybrid video"),
    "hybrid_motion": ("None", "hybrid video"),
    "hybrid_composite": ("None", "hybrid video"),
    "enable_checkpoint_scheduling": ("false", "changing the model on the way"),
    "cn_1_enabled": ("false", "ControlNet"),
    "parseq_manifest": ("", "Parseq"),
}
"""Deforum's features that are not built: the value that switches each off, and what to call it."""


def _refuse_features(content: Mapping[str, Any]) -> None:
    for name, (off, feature) in _FEATURES.items():
        value = str(content.get(name) or "").strip().lower()
        if value not in ("", "false", off.lower()):
            raise GenerateError(
                f'The settings switch on {feature} ("{name}": {json.dumps(content[name])}), which keyframes '
                f'do not have: set it to "{off}" to go on without.'
            )


def _converted(name: str, value: object) -> Any:
    try:
        return _FIELDS[name][1](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise GenerateError(
            f'The setting "{name}" is {json.dumps(value, default=str)}, which cannot be used ({error}): '
            f"correct it."
        ) from error


def _one_of(choices: Mapping[str, Any]) -> Callable[[object], Any]:
    def choose(value: object) -> Any:
        key = str(value).strip().lower()
        if key not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return choices[key]

    return choose


def _named(values: Iterable[str]) -> dict[str, str]:
    return {value.lower(): value for value in values}


def _prompts(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(frame): str(text) for frame, text in value.items()}
    return prompts_by_frame(str(value))


def _count(value: Any) -> int:
    return max(1, int(value))


def _path(value: object) -> Path | None:
    return Path(str(value)) if value else None


def _flag(value: object) -> bool:
    return str(value).lower() in ("true", "1")


_COHERENCE = {"none": None, "video input": "video", "video": "video"} | {
    f"{prefix}{space.lower()}": space for prefix in ("match frame 0 ", "") for space in get_args(ColourSpace)
}
_NOISES = {"perlin": "perlin", "uniform": "gaussian", "gaussian": "gaussian"}
_BORDERS = _named(get_args(Border)) | {"border": "replicate", "zeros": "replicate", "reflection": "reflect"}

_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "W": ("width", int),
    "H": ("height", int),
    "fps": ("fps", float),
    "max_frames": ("frames", int),
    "seed": ("seed", int),
    "seed_behavior": ("seed_behavior", _one_of(_named(get_args(SeedBehavior)))),
    "seed_iter_N": ("seed_every", _count),
    "diffusion_cadence": ("cadence", _count),
    "animation_mode": ("mode", _one_of(_named(get_args(Mode)))),
    "color_coherence": ("coherence", _one_of(_COHERENCE)),
    "noise_type": ("noise", _one_of(_NOISES)),
    "padding_mode": ("border", _one_of(_BORDERS)),
    "border": ("border", _one_of(_BORDERS)),
    "use_depth_warping": ("uses_depth", _flag),
    "flip_2d_perspective": ("flips", _flag),
    "enable_perspective_flip": ("flips", _flag),
    "init_image": ("image", _path),
    "video_init_path": ("video", _path),
    "extract_nth_frame": ("every_nth", _count),
    "prompts": ("prompts", _prompts),
    "animation_prompts": ("prompts", _prompts),
}
"""Deforum's name: the field it sets and how its value is read."""

_MODIFIERS = frozenset(
    {"use_init", "enable_steps_scheduling", "animation_prompts_positive", "animation_prompts_negative"}
)
