"""Less flicker in generated clips: exposure that jumps from frame to frame, and textures that shimmer.

Both corrections follow the motion, so what moves is neither smeared nor taken for flicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from gen.clips import read_clip, to_uint8
from gen.errors import GenerateError
from gen.events import Event, FrameRendered, VideoWritten, ignore
from gen.optical_flow import both_flows, pixel_grid, sample
from gen.sidecar import request_hash, settings_of
from gen.types import Video
from gen.video_files import existing_video, write_video
from gen.video_request import check_inputs, check_out

REVISION = 1
"""Goes up whenever the same request would give other frames."""

EXPOSURE_SIZE = 320
"""Long side, pixels, at which exposures are compared: a few numbers a frame need no more."""
SURE = 0.7
"""Trust in a motion from which its pixels tell about exposure."""
GRAIN = 2.0
"""How much more than a patch a single pixel may differ from one that it is averaged with."""
FEW = 200
"""Fewer matched pixels than this say nothing about exposure, as at a cut."""


@dataclass(frozen=True, kw_only=True)
class SmoothRequest:
    """A video with less flicker and shimmer.

    For example:

      splatreel generate smooth clip.mp4 --out calm.mp4
      splatreel generate smooth clip.mp4 --radius 0 --out even_light.mp4
    """

    video: Path
    """A video, a GIF or a folder of pictures."""
    out: Path = Path("clip.mp4")
    """The mp4 file to write; the sidecar goes beside it with the suffix .json."""
    exposure: bool = True
    """Even out brightness and tint."""
    radius: int = 2
    """Frames on each side that a frame is averaged with, along the motion; 0 averages nothing."""

    def __post_init__(self) -> None:
        for name in ("video", "out"):
            object.__setattr__(self, name, Path(getattr(self, name)))
        check_out(self.out)
        check_inputs(self.out, self.video)
        if not 0 <= self.radius <= 8:
            raise GenerateError(f"The radius is {self.radius} frames, but 0 to 8 were expected: 2 is usual.")


def smooth_video(request: SmoothRequest, *, on_event: Callable[[Event], None] = ignore) -> Video:
    """Write a video with less flicker, and its sidecar.

    Nothing is drawn if the same request has made the same file before. Raises `GenerateError` for anything
    the user can put right.
    """
    identity = request_hash(request, ["smoothing", REVISION])
    existing = existing_video(request.out, identity, on_event)
    if existing is not None:
        return existing
    started = time.perf_counter()
    clip = read_clip(request.video)
    frames = clip.frames[:, : clip.size[1] // 2 * 2, : clip.size[0] // 2 * 2]
    before = flicker(frames)
    frames = deflicker(frames) if request.exposure else frames
    frames = smooth(frames, radius=request.radius)
    content = {
        "generator": "smoothing",
        "about": "Frames of a video with less flicker; they show nothing that was not there.",
        "source": {"file": request.video.name, "frames": len(clip), "fps": clip.fps},
        "width": frames.shape[2],
        "height": frames.shape[1],
        "fps": clip.fps,
        "frames": len(frames),
        "settings": settings_of(request),
        "flicker": {"before": round(before, 3), "after": round(flicker(frames), 3)},
        "request_hash": identity,
    }
    video = write_video(request.out, frames, content)
    seconds = time.perf_counter() - started
    on_event(FrameRendered(len(frames) - 1, len(frames), seconds))
    on_event(VideoWritten(request.out, seconds))
    return video


def deflicker(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    span: float = 4.0,
) -> np.ndarray:
    """Frames (uint8 sRGB) whose brightness and tint change only slowly, over about `span` frames.

    Gains of neighbouring frames, a channel each, are measured on what both show; the curve they add up to is
    replaced by a smooth one (after Delon 2006, "Movie and video scale-time equalization"). Cuts stay.
    """
    from scipy.ndimage import gaussian_filter1d

    if len(frames) < 3:
        return frames.copy()
    steps = np.array([_gain_step(a, b) for a, b in pairwise(frames)])
    curve = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])  # [F, 3] log gains
    # Of the odd reflection a ramp stays a ramp; the plain one would bend its ends.
    ends = len(curve) - 1
    padded = np.concatenate([2 * curve[0] - curve[:0:-1], curve, 2 * curve[-1] - curve[-2::-1]])
    gains = np.exp(gaussian_filter1d(padded, span, axis=0)[ends : ends + len(curve)] - curve)
    return to_uint8(frames * gains[:, None, None].astype(np.float32))


def smooth(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    radius: int = 2,
    tolerance: float = 12.0,
) -> np.ndarray:
    """Frames (uint8 sRGB) averaged with up to `radius` neighbours on each side, moved to where things are.

    A neighbour's pixel counts as far as its motion is consistent and its colour within about `tolerance`
    (8-bit values): what was hidden there, or is lit otherwise, stays out (a bilateral filter along motion
    trajectories; Buades et al. 2016, "Patch-based video denoising with optical flow estimation").
    """
    result = frames.astype(np.float32)
    total = np.ones(frames.shape[:3], np.float32)
    grid = pixel_grid(frames[0])
    for distance in range(1, radius + 1):
        nearness = float(np.exp(-0.5 * (2 * distance / (radius + 1)) ** 2))
        for i in range(len(frames) - distance):
            j = i + distance
            forth, back = both_flows(frames[i], frames[j])
            for own, other, flow in ((i, j, forth), (j, i, back)):
                moved = sample(frames[other], grid + flow.shift).astype(np.float32)
                # Strict on patches, whose grain averages out; lenient on pixels, which it may change.
                change = moved - frames[own]
                unlike = (_blur(change) ** 2).mean(-1) + (change**2).mean(-1) / GRAIN**2
                alike = np.exp(-0.5 * unlike / tolerance**2)
                weight = nearness * flow.trust * alike
                result[own] += weight[..., None] * moved
                total[own] += weight
    return to_uint8(result / total[..., None])


def flicker(frames: np.ndarray) -> float:
    """How much frames [F, H, W, 3] uint8 differ from the mean of their neighbours, along the motion: the
    root mean square over trusted pixels, 8-bit values. 0 for a clip that only moves."""
    grid, squares, count = pixel_grid(frames[0]), 0.0, 0.0
    for i in range(1, len(frames) - 1):
        sides, trusts = [], []
        for neighbour in (frames[i - 1], frames[i + 1]):
            flow = both_flows(frames[i], neighbour)[0]
            sides.append(sample(neighbour, grid + flow.shift).astype(np.float32))
            trusts.append(flow.trust > SURE)
        sure = trusts[0] & trusts[1]
        squares += float((((sides[0] + sides[1]) / 2 - frames[i])[sure] ** 2).sum()) / 3
        count += int(sure.sum())
    return (squares / max(1.0, count)) ** 0.5


def _gain_step(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[3] log of b's gain over a's, on pixels that both show; 0 if there are few."""
    import cv2

    factor = min(1.0, EXPOSURE_SIZE / max(a.shape[:2]))
    size = max(16, round(a.shape[1] * factor)), max(16, round(a.shape[0] * factor))
    a, b = (cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in (a, b))
    flow = both_flows(a, b)[0]
    moved = sample(b, pixel_grid(a) + flow.shift)
    # Black and white say little about a gain.
    plain = (np.minimum(a, moved).min(-1) > 12) & (np.maximum(a, moved).max(-1) < 243)
    sure = plain & (flow.trust > SURE)
    if sure.sum() < FEW:
        return np.zeros(3)
    return np.median(np.log(moved[sure].astype(np.float64) / a[sure]), axis=0)


def _blur(change: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.blur(change, (7, 7))
