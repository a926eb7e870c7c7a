"""What is exactly true of a composed clip: depth, ids and motion of every pixel, and 3D tracks of points."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gen.composer.compose import Composition
from gen.composer.intersection import cast_rays
from gen.composer.kernel_types import Pinhole

TRACKS = 512
"""Points that are followed through a clip."""
MOVING_SHARE = 0.5
"""Part of them on what moves, if anything does."""
NEAR = 2e-3
"""Metres by which something may seem to be in front of a point that lies on its surface."""


@dataclass(frozen=True)
class FrameTruth:
    """The truth of one frame, at the centres of its pixels."""

    depth: np.ndarray
    """[H, W] float32, metres along the optical axis; inf for the sky."""
    ids: np.ndarray
    """[H, W] uint16: n for the n-th of the sidecar's objects, counted from 1; 0 for what is around them."""
    moving: np.ndarray
    """[H, W] bool: whether what is seen moves in the world, at any time of the clip."""


@dataclass(frozen=True)
class Tracks:
    """Points on surfaces, followed through a clip."""

    points: np.ndarray
    """[F, N, 3] float32, metres in the world of the sidecar's cameras."""
    pixels: np.ndarray
    """[F, N, 2] float32, where they project; nan behind the camera."""
    visible: np.ndarray
    """[F, N] bool: inside the picture with nothing in front."""
    ids: np.ndarray
    """[N] uint16, as in `FrameTruth`."""
    moving: np.ndarray
    """[N] bool."""


def frame_truth(composition: Composition, frame: int) -> FrameTruth:
    """The truth of one frame."""
    depth, identity = _seen(composition, frame)
    objects, moving = _objects(composition), _moving(composition)
    return FrameTruth(depth.astype(np.float32), objects[identity], moving[identity])


def tracks(composition: Composition, *, count: int = TRACKS, seed: int = 0) -> Tracks:
    """Follow `count` points that are seen at the beginning, in the middle or at the end of a clip."""
    rng = np.random.default_rng(seed)
    frames = len(composition.path.world_from_camera)
    objects, moving = _objects(composition), _moving(composition)
    starts, identities, first = [], [], []
    for start in sorted({0, (frames - 1) // 2, frames - 1}):
        depth, identity = _seen(composition, start)
        camera = composition.path.pinhole(start)
        world = camera.world_from_camera[:3, 3] + depth[..., None] * _rays(composition, camera)
        for wanted, share in ((True, MOVING_SHARE), (False, 1.0 - MOVING_SHARE)):
            rows, columns = np.nonzero(np.isfinite(depth) & (moving[identity] == wanted))
            chosen = rng.permutation(len(rows))[: int(count * (share if moving.any() else 1.0) / 3) + 1]
            starts.append(world[rows[chosen], columns[chosen]])
            identities.append(identity[rows[chosen], columns[chosen]])
            first.append(np.full(len(chosen), start))
    chosen = np.sort(rng.permutation(len(np.concatenate(first)))[:count])
    start, identity, begun = (np.concatenate(a)[chosen] for a in (starts, identities, first))
    points = np.stack([_carried(composition, start, identity, begun, frame) for frame in range(frames)])
    pixels, visible = zip(*(_projected(composition, points[f], f) for f in range(frames)), strict=True)
    return Tracks(
        points.astype(np.float32),
        np.stack(pixels).astype(np.float32),
        np.stack(visible),
        objects[identity],
        moving[identity],
    )


def write_truth(composition: Composition, folder: Path) -> None:
    """Write `00000.npz` … with the fields of `FrameTruth`, and `tracks.npz` with those of `Tracks`."""
    folder.mkdir(parents=True)
    for frame in range(len(composition.path.world_from_camera)):
        np.savez_compressed(folder / f"{frame:05d}.npz", **vars(frame_truth(composition, frame)))
    np.savez_compressed(folder / "tracks.npz", **vars(tracks(composition)))


def _objects(composition: Composition) -> np.ndarray:
    """By identity of a part: the number of its object, from 1. [P + 1] uint16, the last for the sky."""
    objects = np.zeros(len(composition.scene.kind) + len(composition.moving) + 1, np.uint16)
    objects[1 : len(composition.still) + 1] = [part.object + 1 for part in composition.still]
    objects[len(composition.scene.kind) : -1] = [part.object + 1 for part in composition.moving]
    return objects


def _moving(composition: Composition) -> np.ndarray:
    """By identity of a part: whether it moves. [P + 1] bool, the last for the sky."""
    moving = np.zeros(len(composition.scene.kind) + len(composition.moving) + 1, bool)
    moving[len(composition.scene.kind) : -1] = True
    return moving


def _rays(composition: Composition, camera: Pinhole) -> np.ndarray:
    """Directions through the centres of the pixels, one metre along the optical axis, [H, W, 3]."""
    row, column = np.mgrid[: composition.height, : composition.width] + 0.5
    local = [(column - camera.cx) / camera.focal, (row - camera.cy) / camera.focal, np.ones_like(row)]
    return np.stack(local, axis=-1) @ camera.world_from_camera[:3, :3].T


def _seen(composition: Composition, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth [H, W] in metres and the identity [H, W] of the part at every pixel, -1 for the sky."""
    camera, scene = composition.path.pinhole(frame), composition.scene_at(frame)
    directions = _rays(composition, camera).reshape(-1, 3)
    eyes = np.tile(camera.world_from_camera[:3, 3], (len(directions), 1))
    depth, primitive = cast_rays(scene, eyes, directions)
    identity = np.where(primitive < 0, -1, scene.identity[primitive])
    shape = composition.height, composition.width
    return depth.reshape(shape), identity.reshape(shape)


def _carried(
    composition: Composition, start: np.ndarray, identity: np.ndarray, begun: np.ndarray, frame: int
) -> np.ndarray:
    """Points [N, 3] as they were in the frames `begun` [N], where they are in another frame."""
    points = start.copy()
    for number, part in enumerate(composition.moving):
        on_part = identity == len(composition.scene.kind) + number
        for first in np.unique(begun[on_part]):
            chosen = on_part & (begun == first)
            was, now = (composition.world_from_part(part, int(f)) for f in (first, frame))
            motion = now @ np.linalg.inv(was)
            points[chosen] = start[chosen] @ motion[:3, :3].T + motion[:3, 3]
    return points


def _projected(composition: Composition, points: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] of points [N, 3] in a frame and whether they are seen [N]."""
    camera = composition.path.pinhole(frame)
    eye, rotation = camera.world_from_camera[:3, 3], camera.world_from_camera[:3, :3]
    local = (points - eye) @ rotation
    ahead = local[:, 2] > 1e-6
    scale = np.where(ahead, camera.focal / np.where(ahead, local[:, 2], 1.0), np.nan)
    pixels = local[:, :2] * scale[:, None] + (camera.cx, camera.cy)
    inside = ahead & (pixels > 0).all(1) & (pixels < (composition.width, composition.height)).all(1)
    towards = points - eye
    distance, _ = cast_rays(composition.scene_at(frame), np.tile(eye, (len(points), 1)), towards)
    free = (distance - 1.0) * np.linalg.norm(towards, axis=1) > -NEAR
    return pixels, inside & free
