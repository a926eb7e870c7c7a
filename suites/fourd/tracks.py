"""A composition in which something moves as it is told, and points followed on it through the clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gen.composer.compose import Composition, Part
from gen.composer.intersection import cast_rays
from gen.composer.truth import frame_truth

POINTS = 400
"""Followed on what moves."""
SAME = 3e-3
"""Share of its distance by which something may be in front of a point that is seen."""


@dataclass(frozen=True)
class Filmed(Composition):
    """A composition in which a mover moves; the `object` of its parts is the number of a rigid part."""

    world_from_parts: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 4, 4)))
    """[F, parts, 4, 4]."""

    def world_from_part(self, part: Part, frame: int) -> np.ndarray:
        return self.world_from_parts[frame, part.object]


@dataclass(frozen=True, repr=False)
class TrueTracks:
    """Points on the surface of what moves, each on one of its rigid parts."""

    xyz: np.ndarray
    """[P, F, 3] metres in the world of the sidecar."""
    visible: np.ndarray
    """[P, F] bool: in the picture with nothing in front."""
    part: np.ndarray
    """[P] int, number of the rigid part (of a cloth: the cell)."""
    height: float
    """Of what moves, metres."""


def follow(whole: Filmed, height: float, rng: np.random.Generator) -> TrueTracks:
    """Points under random pixels of what moves, in fifteen frames of the clip, through all frames."""
    poses, moving = whole.world_from_parts, []
    shown = [(f, frame_truth(whole, f)) for f in np.linspace(0, len(poses) - 1, 15).round().astype(int)]
    shown = [(frame, truth) for frame, truth in shown if truth.moving.any()]
    for frame, truth in shown:
        rows, columns = np.nonzero(truth.moving)
        chosen = rng.permutation(len(rows))[: math.ceil(POINTS / len(shown))]
        rows, columns = rows[chosen], columns[chosen]
        camera, depth = whole.path.pinhole(frame), truth.depth[rows, columns].astype(float)
        rays = [(columns + 0.5 - camera.cx) / camera.focal, (rows + 0.5 - camera.cy) / camera.focal]
        local = depth[:, None] * np.stack([*rays, np.ones(len(rows))], 1)
        world = _applied(camera.world_from_camera, local)
        part = truth.ids[rows, columns].astype(int) - 1
        moving.append((part, _applied(np.linalg.inv(poses[frame])[part], world)))
    part, at_rest = (np.concatenate(arrays) for arrays in zip(*moving, strict=True))
    xyz = np.stack([_applied(pose[part], at_rest) for pose in poses], 1)
    visible = np.stack([_visible(whole, xyz[:, frame], frame) for frame in range(len(poses))], 1)
    return TrueTracks(xyz, visible, part, height)


def _visible(whole: Filmed, points: np.ndarray, frame: int) -> np.ndarray:
    """Whether points [P, 3] are in the picture with nothing in front."""
    camera = whole.path.pinhole(frame)
    eye, rotation = camera.world_from_camera[:3, 3], camera.world_from_camera[:3, :3]
    local = (points - eye) @ rotation
    ahead = local[:, 2] > 0
    pixels = local[:, :2] * camera.focal / np.where(ahead, local[:, 2], 1.0)[:, None] + (camera.cx, camera.cy)
    inside = ahead & (pixels > 0).all(1) & (pixels < (whole.width, whole.height)).all(1)
    reached, _ = cast_rays(whole.scene_at(frame), np.tile(eye, (len(points), 1)), points - eye)
    return inside & (reached > 1 - SAME)


def _applied(transforms: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 3] under transforms [4, 4] or [N, 4, 4]."""
    return np.einsum("...ij,...j->...i", transforms[..., :3, :3], points) + transforms[..., :3, 3]
