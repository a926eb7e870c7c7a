"""Timelines: frames to keep and frames to make, for models that fill in what is missing from a video.

Extending, looping and connecting clips are one task to such a model (VACE: Jiang et al. 2025, "VACE:
All-in-One Video Creation and Editing"): it sees some frames of the clips around a grey gap and a mask of
what to make. It gives every frame back slightly changed, so `restore` puts the originals in again and
matches the colours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gen.clips import Clip, to_uint8
from gen.errors import GenerateError

GREY = 128
"""What a frame that is to be made looks like to the model: the middle of its range."""
KEEP = 8
"""Frames of a clip that the model sees: fewer do not tell it how things move."""
FADE = 4
"""New frames over which what is left of a jump in colour at a seam dies out."""
MAX_GAIN = 1.25
"""A larger change of contrast is not the drift of a model but another picture."""
COARSE = 16
"""A jump at a seam is spread into the new frames without detail finer than this part of the long side,
which would move with nothing and show as a ghost."""


@dataclass(frozen=True)
class Timeline:
    """What a model gets to see: frames to keep, grey ones to make, and the clips around them."""

    frames: np.ndarray
    """[F, H, W, 3] uint8 sRGB, 128 where `keep` is false."""
    keep: np.ndarray
    """[F] bool. The frames that are to be made are in one piece."""
    fps: float
    before: Clip | None = field(default=None, repr=False)
    """The whole clip that the new frames follow; None if they come first."""
    after: Clip | None = field(default=None, repr=False)
    """The whole clip that follows the new frames; None if they come last."""
    is_loop: bool = False
    """`after` is `before` played again, and is left out of the result."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.keep.shape != self.frames.shape[:1]:
            raise ValueError(
                f"frames are {self.frames.shape} and keep is {self.keep.shape}, expected [F, H, W, 3] and [F]"
            )
        made = np.flatnonzero(~self.keep)
        if not len(made) or made[-1] - made[0] + 1 != len(made):
            raise ValueError(f"the frames to make are {made.tolist()}, expected one piece")

    @property
    def made(self) -> slice:
        """The frames that are to be made."""
        numbers = np.flatnonzero(~self.keep)
        return slice(int(numbers[0]), int(numbers[-1]) + 1)


def extend_forward(clip: Clip, *, total: int, keep: int = KEEP) -> Timeline:
    """The last `keep` frames of a clip, then new ones: `total` frames in all."""
    return _around(clip, None, total, keep)


def extend_backward(clip: Clip, *, total: int, keep: int = KEEP) -> Timeline:
    """New frames, then the first `keep` frames of a clip: `total` frames in all."""
    return _around(None, clip, total, keep)


def loop(clip: Clip, *, total: int, keep: int = KEEP) -> Timeline:
    """The end of a clip, new frames, its beginning: after them the clip can start again."""
    return _around(clip, clip, total, keep, is_loop=True)


def connect(before: Clip, after: Clip, *, total: int, keep: int = KEEP) -> Timeline:
    """The end of one clip, a transition to be made, the beginning of another.

    Raises `GenerateError` if they differ in size or frame rate.
    """
    check_alike(before, after)
    return _around(before, after, total, keep)


def check_alike(before: Clip, after: Clip) -> None:
    """Raises `GenerateError` if two clips differ in size or frame rate, so that they cannot be one video."""
    if before.size != after.size:
        raise GenerateError(
            f"The two videos to connect are {before.size[0]}x{before.size[1]} and "
            f"{after.size[0]}x{after.size[1]}, but one size is needed: scale one of them to the other's size."
        )
    if abs(before.fps - after.fps) > 0.01 * before.fps:
        raise GenerateError(
            f"The two videos to connect have {before.fps:g} and {after.fps:g} frames per second, but one "
            f"rate is needed: bring the second to {before.fps:g} with the interpolate workflow."
        )


def between(
    first: np.ndarray,  # [H, W, 3]
    last: np.ndarray,  # [H, W, 3]
    *,
    total: int,
    fps: float,
) -> Timeline:
    """A first and a last picture (uint8 sRGB) and everything between them to be made."""
    if first.shape != last.shape:
        raise GenerateError(
            f"The first picture is {first.shape[1]}x{first.shape[0]} and the last "
            f"{last.shape[1]}x{last.shape[0]}, but one size is needed: crop or scale one of them."
        )
    return _around(Clip(first[None], fps), Clip(last[None], fps), total, 1)


def masks(timeline: Timeline) -> np.ndarray:
    """[F, H, W] uint8: black (0) keeps a frame, white (255) has it made."""
    white = np.where(timeline.keep, 0, 255).astype(np.uint8)
    return np.broadcast_to(white[:, None, None], timeline.frames.shape[:3]).copy()


def restore(
    generated: np.ndarray,  # [F, H, W, 3]
    timeline: Timeline,
) -> Clip:
    """The whole clip: the originals as they were, the new frames (uint8 sRGB) in their colours.

    What the model made of the kept frames shows how it shifts colours; the new frames are corrected by it,
    and the rest of the jump at a seam dies out over the next FADE frames. No original frame is changed.
    Raises `GenerateError` if the model gave another number or size of frames.
    """
    if generated.shape != timeline.frames.shape:
        raise GenerateError(
            f"The model gave {_describe(generated)}, but {_describe(timeline.frames)} were asked for: "
            f"ask for a number of frames and a size that the model can make."
        )
    made = timeline.made
    new = generated[made].astype(np.float32)
    position = np.linspace(0, 1, len(new) + 2, dtype=np.float32)[1:-1]
    sides = []
    if timeline.before is not None:
        sides.append((slice(None, made.start), made.start - 1, 1 - position))
    if timeline.after is not None:
        sides.append((slice(made.stop, None), made.stop, position))

    corrected, total = np.zeros_like(new), np.zeros(len(new), np.float32)
    residuals = []
    for kept, seam, nearness in sides:
        gain, offset = _colour_match(generated[kept], timeline.frames[kept])
        weight = nearness if len(sides) == 2 else np.ones_like(nearness)
        corrected += weight[:, None, None, None] * (new * gain + offset)
        total += weight
        residuals.append((seam, timeline.frames[seam] - (generated[seam] * gain + offset)))
    corrected /= total[:, None, None, None]
    for seam, residual in residuals:
        distance = np.abs(np.arange(made.start, made.stop) - seam)
        fade = np.clip(1 - distance / (FADE + 1), 0, 1).astype(np.float32)
        corrected += fade[:, None, None, None] * _without_detail(residual)

    parts = [to_uint8(corrected)]
    if timeline.before is not None:
        parts.insert(0, timeline.before.frames)
    if timeline.after is not None and not timeline.is_loop:
        parts.append(timeline.after.frames)
    return Clip(np.concatenate(parts), timeline.fps)


def _around(
    before: Clip | None, after: Clip | None, total: int, keep: int, *, is_loop: bool = False
) -> Timeline:
    clips = [clip for clip in (before, after) if clip is not None]
    if keep < 1:
        raise GenerateError(
            f"{keep} frames would be kept as context, but at least 1 is needed: {KEEP} is usual."
        )
    for clip in clips:
        if len(clip) < keep:
            raise GenerateError(
                f"The clip has {len(clip)} frames, but {keep} of them are to guide the new ones: "
                f"give a longer clip or keep {len(clip)}."
            )
    if total <= keep * len(clips):
        raise GenerateError(
            f"{total} frames in all are asked for, but {keep * len(clips)} of them are kept, so none would "
            f"be new: ask for at least {keep * len(clips) + 1}, or keep fewer."
        )
    width, height = clips[0].size
    frames = np.full((total, height, width, 3), GREY, np.uint8)
    kept = np.zeros(total, bool)
    if before is not None:
        frames[:keep], kept[:keep] = before.frames[-keep:], True
    if after is not None:
        frames[-keep:], kept[-keep:] = after.frames[:keep], True
    return Timeline(frames, kept, clips[0].fps, before, after, is_loop)


def _colour_match(made: np.ndarray, original: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset [3] that give one stack of frames the mean and spread of another, per channel.

    Means and spreads (Reinhard et al. 2001, "Color transfer between images"), not a regression: that would
    take detail which the model lost or moved for lower contrast.
    """
    axes = (0, 1, 2)
    gain = (original.std(axes) + 1) / (made.std(axes) + 1)
    gain = np.clip(gain, 1 / MAX_GAIN, MAX_GAIN)
    return gain.astype(np.float32), (original.mean(axes) - gain * made.mean(axes)).astype(np.float32)


def _without_detail(residual: np.ndarray) -> np.ndarray:
    import cv2

    sigma = max(residual.shape[:2]) / COARSE
    return cv2.GaussianBlur(residual, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def _describe(frames: np.ndarray) -> str:
    return f"{frames.shape[0]} frames of {frames.shape[2]}x{frames.shape[1]}"
