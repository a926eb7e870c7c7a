"""How far away what moves is, as a learned model of depth sees it, brought to the scale of the still scene.

A model's inverse depth is right up to a scale and an offset, of the whole clip or of each frame
(Ranftl et al. 2020, "Towards robust monocular depth estimation", equation 1). Still points, whose depth is
known, tell both.
"""

from __future__ import annotations

import numpy as np

from recon.flow import project
from recon.fourd.contact import Contact
from recon.plugins.interfaces import DepthGuess
from recon.types import Points

FEWEST = 20
"""Still points in a frame, from which its scale and offset are told."""
ROUNDS = 10
"""Of reweighted least squares."""
OUTLIER = 2.5
"""Times the median miss, beyond which a still point is not believed: it is hidden, or the model is wrong."""
FARTHEST = 20.0
"""Times the farthest still point, beyond which a depth is none."""


def learned_depths(
    guess: DepthGuess,  # of F frames [H, W] px
    at: np.ndarray,  # [P, 2] pixels of tracks, where they were sown
    sown: np.ndarray,  # [P] frames
    moving: np.ndarray,  # [F, H, W] bool, what moves
    points: Points,
    K: np.ndarray,  # [F, 3, 3] pixels of the masks
    camera_from_world: np.ndarray,  # [F, 4, 4]
) -> Contact:
    """Depths of tracks, nan where the frame shows too few still points; all are believed alike."""
    samples = [_still(f, guess, moving, points, K, camera_from_world) for f in range(len(moving))]
    out = np.full(len(at), np.nan)
    per_frame = guess.scale == "frame"
    shared = None if per_frame else _fit(*np.concatenate(samples, 1), offset=False)
    for frame in np.unique(sown):
        fit = _fit(*samples[frame], offset=True) if per_frame else shared
        if fit is None:
            continue
        own = np.flatnonzero(sown == frame)
        inverse = fit[0] * _sampled(guess.inverse_depth[frame], at[own]) + fit[1]
        nearest = FARTHEST / samples[frame][1].min() if samples[frame].shape[1] else np.inf
        known = inverse * nearest > 1
        out[own[known]] = 1 / inverse[known]
    return Contact(out, np.isfinite(out))


def _still(
    frame: int,
    guess: DepthGuess,
    moving: np.ndarray,
    points: Points,
    K: np.ndarray,
    camera_from_world: np.ndarray,
) -> np.ndarray:
    """[2, M] inverse depths of the still points in a frame, by the model and by their places."""
    pixels, z = project(points.xyz, K[frame], camera_from_world[frame])
    height, width = moving.shape[1:]
    inside = (z > 0) & (pixels > 0).all(1) & (pixels < [width, height]).all(1)
    pixels, z = pixels[inside], z[inside]
    still = ~moving[frame, pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    return np.stack([_sampled(guess.inverse_depth[frame], pixels[still]), 1 / z[still]])


def _sampled(field: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[P] values of the pixels [P, 2]: between near and far there is nothing to interpolate."""
    x, y = at.astype(int).T
    return field[y.clip(0, len(field) - 1), x.clip(0, field.shape[1] - 1)].astype(float)


def _fit(model: np.ndarray, true: np.ndarray, *, offset: bool) -> tuple[float, float] | None:
    """Scale and offset that take inverse depths [M] of the model to those of the scene, by reweighted least
    squares; None when there are too few, or when far things would come near."""
    if len(model) < FEWEST:
        return None
    columns = np.stack([model, np.ones(len(model)) if offset else np.zeros(len(model))], 1)
    weights = np.ones(len(model))
    scale = np.zeros(2)
    for _ in range(ROUNDS):
        rows = weights[:, None] * columns
        scale = np.linalg.lstsq(rows, weights * true, rcond=None)[0]
        miss = np.abs(columns @ scale - true)
        middle = OUTLIER * np.median(miss) + 1e-12
        weights = np.sqrt(np.minimum(1.0, middle / np.maximum(miss, 1e-12)))
    return (float(scale[0]), float(scale[1])) if scale[0] > 0 else None
