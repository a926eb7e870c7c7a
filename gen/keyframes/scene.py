"""What a camera that has moved sees of a picture with depth.

The depth is carried to the new view with a z-buffer, and every pixel there is looked up in the picture, so
nothing is resampled twice. What comes into view from behind something is filled from the farther side.
"""

from __future__ import annotations

import numpy as np

from gen.clips import to_uint8
from gen.keyframes.warps import Border, border_mode, intrinsics

NEAREST = 0.02
"""A camera never comes closer than this to what it sees, in depths."""
SAME_SURFACE = 0.05
"""Depths that differ by less than this part, or that shift a pixel by less than 1, belong to one surface."""
BEHIND = 2
"""Power of depth by which the farther of two surfaces fills a hole between them."""
REFINEMENTS = 3
"""Steps that bring the carried depth, known to a pixel, to its value between pixels."""


def warp_scene(
    picture: np.ndarray,  # [H, W, 3]
    depth: np.ndarray,  # [H, W]
    motion: np.ndarray,  # [4, 4]
    old_focal: float,
    new_focal: float,
    border: Border,
) -> np.ndarray:  # [H, W, 3]
    """A picture (uint8 sRGB) with depth after the camera has moved and changed its focal length (pixels).

    `motion` takes points seen before to points seen after; camera axes x right, y down, z forward.
    """
    if np.array_equal(motion, np.eye(4)) and old_focal == new_focal:
        return picture
    import cv2

    height, width = depth.shape
    depth = np.ascontiguousarray(depth, np.float32)
    forward = _Projection(motion, old_focal, new_focal, width, height)
    backward = _Projection(np.linalg.inv(motion), new_focal, old_focal, width, height)
    carried = _carry(depth, *forward(depth))
    is_seen = np.isfinite(carried)
    shift_at_1 = old_focal * float(np.linalg.norm(motion[:3, 3]))  # pixels
    new_depth = _filled_from_behind(carried[..., None])[..., 0]
    for _ in range(REFINEMENTS):
        x, y, expected = backward(new_depth)
        found = cv2.remap(depth, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        is_near = np.abs(found - expected) < SAME_SURFACE * expected
        is_same = is_near | (np.abs(1 / found - 1 / expected) * shift_at_1 < 1)
        new_depth = np.where(is_same, np.maximum(new_depth * found / expected, NEAREST), new_depth)
    x, y, expected = backward(new_depth)
    looked_up = cv2.remap(picture, x, y, cv2.INTER_CUBIC, None, border_mode(border))
    is_outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    is_known = is_outside | (is_seen & is_same)
    if is_known.all():
        return looked_up
    known_depth = np.where(is_known, new_depth, np.nan)
    filled = _filled_from_behind(np.dstack([looked_up, known_depth]).astype(np.float32))[..., :3]
    return np.where(is_known[..., None], looked_up, to_uint8(filled))


class _Projection:
    """Where the pixels of one view, at given depths, lie in another."""

    def __init__(self, motion: np.ndarray, focal: float, other_focal: float, width: int, height: int) -> None:
        other = intrinsics(other_focal, width, height)
        rays = np.linalg.inv(intrinsics(focal, width, height))
        y, x = np.mgrid[:height, :width].astype(np.float32) + np.float32(0.5)
        # A point at depth d lies at d * turned + moved for the other camera.
        turned = (other @ motion[:3, :3] @ rays).astype(np.float32)
        self.turned = [row[0] * x + row[1] * y + row[2] for row in turned]
        self.moved = (other @ motion[:3, 3]).astype(np.float32)

    def __call__(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Column and row, counted from the centre of the top-left pixel, and depth there: [H, W] each."""
        x, y, z = (turn * depth + move for turn, move in zip(self.turned, self.moved, strict=True))
        z = np.maximum(z, np.float32(NEAREST))
        return x / z - np.float32(0.5), y / z - np.float32(0.5), z


def _carry(depth: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:  # [H, W]
    """The depths that pixels bring to a new view, the nearest on top; NaN where none arrives.

    Every pixel covers the four around its new place, which leaves no cracks up to twice the size.
    """
    height, width = depth.shape
    carried = np.full(
        (height + 4, width + 4), np.nan, np.float32
    )  # A rim of 2 catches what leaves the frame.
    far_to_near = np.argsort(-z, axis=None)
    column = np.clip(np.floor(x.ravel()[far_to_near]), -2, width).astype(np.int64) + 2
    row = np.clip(np.floor(y.ravel()[far_to_near]), -2, height).astype(np.int64) + 2
    corner = row * (width + 4) + column
    # For each pixel its four places one after another, so that the nearest is written last everywhere.
    places = corner[:, None] + np.array([0, 1, width + 4, width + 5])
    carried.ravel()[places.ravel()] = np.repeat(z.ravel()[far_to_near], 4)
    return carried[2:-2, 2:-2]


def _filled_from_behind(layers: np.ndarray) -> np.ndarray:  # [H, W, C]
    """Layers with the places where the last of them, depth, is NaN filled from the farthest surface around.

    A pyramid: each level keeps the mean of the farthest pixels of 2x2, and holes take theirs from above.
    """
    import cv2

    height, width, count = layers.shape
    is_hole = np.isnan(layers[..., -1:])
    if not is_hole.any():
        return layers
    if height == width == 1:
        return np.ones_like(layers)
    padded = np.pad(layers, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=np.nan)
    parts = np.stack([padded[row::2, column::2] for row in (0, 1) for column in (0, 1)])
    depth = np.where(np.isnan(parts[..., -1:]), -np.inf, parts[..., -1:])
    is_back = (depth >= depth.max(0) * (1 - SAME_SURFACE)) & np.isfinite(depth)
    number = is_back.sum(0)
    mean = np.where(is_back, parts, 0).sum(0) / np.maximum(number, 1)
    above = _filled_from_behind(np.where(number > 0, mean, np.nan).astype(np.float32))
    weight = (above[..., -1:] / above[..., -1].max()) ** BEHIND
    size = (2 * above.shape[1], 2 * above.shape[0])
    up = cv2.resize(np.concatenate([above * weight, weight], -1), size, interpolation=cv2.INTER_LINEAR)
    filled = up[:height, :width, :count] / np.maximum(up[:height, :width, count:], 1e-20)
    return np.where(is_hole, filled, layers)
