"""What of a video guides a restyling: its edges, its depth, its segments.

Structure from the source, looks from the prompt (Esser et al. 2023, "Structure and content-guided video
synthesis with diffusion models", the paper of Gen-1).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gen.depth_model import load_depth_model

EDGE_SIGMA = 0.33
"""How far Canny's two thresholds lie around the typical gradient."""
EDGE_SHARE = 0.9
"""Part of the pixels that are no edges, of all frames together: one threshold for the clip, so that edges do
not come and go with the light."""
DEPTH_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
"""Apache-2.0; the larger ones are for non-commercial use."""
DEPTH_RANGE = (1.0, 99.0)
"""Percentiles, over the whole clip, that become black and white."""
TINY = 1e-12
SEGMENT_SIZE = 400
"""Long side, pixels, at which regions are found; finer outlines guide nothing."""
SCALE_MEMORY = 0.8
"""How slowly scale and offset of depth may change from frame to frame, which a network for pictures sets anew
in every one: the part of the old value that stays."""


def edges(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    soft: bool = False,
) -> np.ndarray:
    """[F, H, W, 3] uint8: white edges on black, of frames (uint8 sRGB), by Canny; thresholds from the clip.

    `soft` gives their strength instead, as networks do that were trained on HED's edges.
    """
    import cv2

    greys = [cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), 1.0) for frame in frames]
    slopes = [_slope(grey) for grey in greys]
    typical = max(8.0, float(np.quantile(np.stack([slope[::4, ::4] for slope in slopes]), EDGE_SHARE)))
    if soft:
        pictures = [np.clip(cv2.GaussianBlur(slope, (0, 0), 1.5) / typical * 160, 0, 255) for slope in slopes]
    else:
        low, high = (1 - EDGE_SIGMA) * typical, (1 + EDGE_SIGMA) * typical
        pictures = [cv2.Canny(grey, low, high, L2gradient=True) for grey in greys]
    return np.stack(pictures).astype(np.uint8)[..., None].repeat(3, -1)


def depth_frames(
    frames: np.ndarray,  # [F, H, W, 3]
    model: str | Path = DEPTH_MODEL,
    *,
    offline: bool = True,
    device: str | None = None,
    on_frame: Callable[[int], None] = lambda frame: None,
) -> np.ndarray:
    """[F, H, W, 3] uint8: depth of frames (uint8 sRGB) by a transformers depth model, near is white.

    `model` is a local folder or the name of a repository; only safetensors are read, and nothing is fetched
    unless `offline` is false. One range of grey serves the whole clip.
    Raises `GenerateError` if the model cannot be loaded.
    """
    import torch

    depth = load_depth_model(model, offline=offline, device=device)
    nearness = []
    for number, frame in enumerate(frames):
        output = torch.from_numpy(depth(frame))[None, None]
        full = torch.nn.functional.interpolate(output, frame.shape[:2], mode="bicubic")
        nearness.append(depth.nearness(full[0, 0].numpy()))
        on_frame(number)
    return grey_depth(np.stack(nearness))


def grey_depth(nearness: np.ndarray) -> np.ndarray:
    """[F, H, W, 3] uint8 of disparities [F, H, W] whose scale and offset wander from frame to frame: both are
    smoothed over time and one range is used for the whole clip; near is white."""
    levels = np.percentile(nearness, (10, 50, 90), axis=(1, 2)).T  # [F, 3]
    offset, scale = levels[:, 1], np.maximum(levels[:, 2] - levels[:, 0], TINY)
    steady = (nearness - offset[:, None, None]) / scale[:, None, None]
    steady = steady * _slow(scale)[:, None, None] + _slow(offset)[:, None, None]
    low, high = np.percentile(steady[:, ::4, ::4], DEPTH_RANGE)
    grey = np.clip((steady - low) / max(TINY, high - low), 0, 1) * 255
    return np.rint(grey).astype(np.uint8)[..., None].repeat(3, -1)


def segmentation_frames(
    frames: np.ndarray,  # [F, H, W, 3]
    *,
    segments: int = 24,
    seed: int = 0,
) -> np.ndarray:
    """[F, H, W, 3] uint8: frames (uint8 sRGB) as flat regions, each in a colour of its own, the same in all
    frames. By colour and place, without a model: regions, not objects.
    """
    import cv2

    cv2.setRNGSeed(seed)
    factor = min(1.0, SEGMENT_SIZE / max(frames.shape[1:3]))
    width, height = (max(8, round(side * factor)) for side in frames.shape[2:0:-1])
    small = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
    flat = [cv2.pyrMeanShiftFiltering(frame, 8, 16) for frame in small]
    lab = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2LAB) for frame in flat]).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    place = np.broadcast_to(np.stack([x, y], -1) / max(height, width) * 60, (*lab.shape[:3], 2))
    features = np.concatenate([lab, place], -1).astype(np.float32)
    sample = features[:, ::4, ::4].reshape(-1, 5)
    rule = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    count = min(segments, len(sample))
    _, _, centres = cv2.kmeans(sample, count, np.empty(0, np.int32), rule, 2, cv2.KMEANS_PP_CENTERS)
    hues = (np.arange(count) * 0.618 % 1 * 179).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 190), (120 + np.arange(count) % 3 * 60).astype(np.uint8)], -1)
    colours = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    pictures = []
    for frame in features:
        distance = np.stack([((frame - centre) ** 2).sum(-1) for centre in centres], -1)
        number = cv2.medianBlur(distance.argmin(-1).astype(np.uint8), 5)
        pictures.append(colours[cv2.resize(number, frames.shape[2:0:-1], interpolation=cv2.INTER_NEAREST)])
    return np.stack(pictures)


def _slope(grey: np.ndarray) -> np.ndarray:
    import cv2

    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def _slow(values: np.ndarray) -> np.ndarray:
    """[F] smoothed exponentially, forth and back so that nothing lags."""
    result = values.astype(np.float64)
    for _ in range(2):
        for i in range(1, len(result)):
            result[i] = SCALE_MEMORY * result[i - 1] + (1 - SCALE_MEMORY) * result[i]
        result = result[::-1]
    return result
