"""What is measured of a scene that moves: from views and at instants that nobody trained on, against exact
truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from recon.alignment import aligned
from recon.cameras import load_solution
from recon.fourd.motion import Splats4D, skinned
from recon.fourd.splat4d import read_splats
from recon.gaussians import scaled_intrinsics
from recon.losses import masked_ssim, psnr
from recon.raster import render
from recon.refinement import REFINED, refined
from recon.scene import SceneFolder
from recon.types import Cameras, Gaussians
from recon.views import View, Views, held_out
from suites.fourd.scenes import HeldOut, MovingScene

Similarity = tuple[np.ndarray, float, np.ndarray]
"""Rotation [3, 3], scale and shift [3] from the true world to the solved one."""


@dataclass(frozen=True)
class Row:
    """Scores of one scene, of one seed; not a number where there is nothing to measure."""

    full: float
    """PSNR, dB, of held-out views, after their poses were aligned (on still splats)."""
    moving: float
    """Where something moves."""
    still: float
    """Where nothing does."""
    static_moving: float
    """The same without what moves: the baseline."""
    static_still: float
    ssim_moving: float
    """Structural similarity where something moves."""
    placed: float
    """PSNR of whole views at the poses as they were mapped from the truth."""
    drift: float
    """3D track error, percent of the height: median over points and frames."""
    within: float
    """Share of points and frames within 10 % of the height."""
    lifetime: float
    """Seconds that what moves is there, in the mean, as a share of the clip."""
    seam: float
    """Change from frame to frame at chunk borders over that elsewhere, still pixels."""
    mb_per_second: float
    """Megabytes of the file for a second of the clip."""
    seconds: float
    """From the clip to the scene."""


def score(scene: MovingScene, folder: SceneFolder, seconds: float) -> Row:
    """Look at a reconstruction from where nobody filmed."""
    shot = folder.frames().shots[0]
    path = folder.shot_folder(shot) / "splat.ply"
    splats = read_splats(path)
    solved = refined(folder.shot_folder(shot) / REFINED, load_solution(folder, shot)[0])
    similarity = similarity_of(scene, solved)
    times = folder.frames().seconds
    size = path.stat().st_size / 1e6 / float(times[-1] - times[0])
    seam, lifetime = _seam(splats, solved, scene, times, folder), _lifetime(splats, times)
    if similarity is None:  # the truth has no path that could be mapped
        nan = float("nan")
        return Row(nan, nan, nan, nan, nan, nan, nan, nan, nan, lifetime, seam, size, seconds)
    held = Held.of(scene.held_out(), solved, similarity, times, splats.still)
    whole, static = held.scores(splats.at), held.scores(lambda _: splats.still)
    return Row(
        *(whole.full, whole.moving, whole.still, static.moving, static.still),
        *(whole.ssim_moving, whole.placed, *_track_error(splats, scene, similarity, times)),
        *(lifetime, seam, size, seconds),
    )


@dataclass(frozen=True)
class Scores:
    """PSNR in dB, means over held-out views."""

    full: float
    moving: float
    still: float
    ssim_moving: float
    """Structural similarity where something moves."""
    placed: float
    """Of whole views at the poses as they were mapped from the truth; the others are at aligned poses."""


@dataclass(frozen=True)
class Held:
    """Views that nobody trained on, in the world that was solved."""

    masks: list[np.ndarray]
    views: list[tuple[View, View]]
    """Each at the pose as it was mapped from the truth, and as aligned on what stands still."""

    @classmethod
    def of(
        cls,
        held: list[HeldOut],
        solved: Cameras,
        similarity: Similarity,
        times: np.ndarray,
        still: Gaussians,
    ) -> Held:
        views = _views(held, solved, similarity, times)
        pairs = [(views.view(i), aligned(still, views, i)) for i in range(len(held))]
        return cls([one.mask for one in held], pairs)

    @torch.no_grad()
    def scores(self, scene: Callable[[float], Gaussians]) -> Scores:
        """Of what is there at a time."""
        rows = []
        for moves, (given, at) in zip(self.masks, self.views, strict=True):
            mask = torch.tensor(moves).float()
            picture, placed = (
                render(scene(v.seconds), v.camera_from_world, v.K, *moves.shape[::-1]).image.clamp(0, 1)
                for v in (at, given)
            )
            on, similar = float("nan"), float("nan")
            if moves.any():
                on, similar = psnr(picture, at.image, mask), float(masked_ssim(picture, at.image, mask))
            off = psnr(picture, at.image, 1 - mask)
            rows.append([psnr(picture, at.image), on, off, similar, psnr(placed, at.image)])
        return Scores(*np.nanmean(np.array(rows), axis=0).tolist())


def similarity_of(scene: MovingScene, solved: Cameras) -> Similarity | None:
    """From the true world to the solved one; None before a camera that stands. By the rotations, because the
    centres of a straight path say little of them."""
    poses = np.array(json.loads(scene.truth.read_text())["cameras"]["world_from_camera"])
    true, found = poses[solved.numbers], solved.world_from_camera
    u, _, vt = np.linalg.svd(np.einsum("fij,fkj->ik", found[:, :3, :3], true[:, :3, :3]))
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a, b = (centres - centres.mean(0) for centres in (true[:, :3, 3], found[:, :3, 3]))
    if np.linalg.norm(a) < 1e-6 or np.linalg.norm(b) < 1e-6:
        return None
    scale = float(((a @ rotation.T) * b).sum() / (a * a).sum())
    return rotation, scale, found[:, :3, 3].mean(0) - scale * rotation @ true[:, :3, 3].mean(0)


def _lifetime(splats: Splats4D, times: np.ndarray) -> float:
    if splats.moving is None:
        return float("nan")
    with torch.no_grad():
        there = torch.stack([splats.moving.lifetimes.at(float(time)) for time in times])
    return float(there.mean())


def _views(held: list[HeldOut], solved: Cameras, similarity: Similarity, times: np.ndarray) -> Views:
    rotation, scale, shift = similarity
    poses = np.stack([view.world_from_camera for view in held])
    poses[:, :3, 3] = scale * poses[:, :3, 3] @ rotation.T + shift
    poses[:, :3, :3] = rotation @ poses[:, :3, :3]
    height, width = held[0].image.shape[:2]
    K = scaled_intrinsics(np.median(solved.K, axis=0), solved.width, solved.height, width, height)
    cameras = Cameras(np.arange(len(held)), poses, np.tile(K, (len(held), 1, 1)), width, height)
    masks = [np.where(view.mask, np.uint8(0), np.uint8(255)) for view in held]
    return Views([v.image for v in held], cameras, 0, masks, times[[v.frame for v in held]])


def _track_error(
    splats: Splats4D, scene: MovingScene, similarity: Similarity, times: np.ndarray
) -> tuple[float, float]:
    """True points against the Gaussians that are nearest to them where they are first seen, carried along;
    percent of the height, and the share within a tenth of it."""
    if splats.moving is None:
        return float("nan"), float("nan")
    rotation, scale, shift = similarity
    true = scene.tracks()
    points = scale * true.xyz.transpose(1, 0, 2) @ rotation.T + shift
    seen, height = true.visible.T, scale * true.height
    own = splats.moving
    rest = own.gaussians
    strong = rest.logit_opacities.sigmoid() > 0.3
    paths = torch.stack(
        [skinned(rest.means[strong], rest.quats[strong], own.weights[strong], own.bases, t)[0] for t in times]
    ).numpy()
    errors = []
    for i in range(points.shape[1]):
        frames = np.flatnonzero(seen[:, i])
        if len(frames) == 0:
            continue
        start = frames[len(frames) // 2]
        nearest = np.linalg.norm(paths[start] - points[start, i], axis=1).argmin()
        errors.append(np.linalg.norm(paths[:, nearest] - points[:, i], axis=1))
    found = np.array(errors) / height
    return 100 * float(np.median(found)), float((found < 0.1).mean())


@torch.no_grad()
def _seam(
    splats: Splats4D, solved: Cameras, scene: MovingScene, times: np.ndarray, folder: SceneFolder
) -> float:
    """How much more a render changes against the clip at chunk borders than elsewhere; nan for one chunk.
    Steps from or to held-out frames do not count: those are worse wherever they are."""
    borders = {chunk.first for chunk in folder.chunks()} - {0}
    if not borders:
        return float("nan")
    every = folder.info["training"]["held_out_every"]
    unseen = {int(solved.numbers[i]) for i in held_out(len(solved), every)}
    masks = scene.moving()
    jumps, last = {}, None
    for i, number in enumerate(solved.numbers):
        frame = np.asarray(Image.open(scene.frames / f"{number:05d}.png"))
        height, width = frame.shape[:2]
        K = scaled_intrinsics(solved.K[i], solved.width, solved.height, width, height)
        pose = torch.tensor(solved.camera_from_world[i], dtype=torch.float32)
        intrinsics = torch.tensor(K, dtype=torch.float32)
        image = render(splats.at(float(times[number])), pose, intrinsics, width, height).image.numpy()
        error = image - frame / 255
        if last is not None and not unseen & {int(number), int(number) - 1}:
            jumps[int(number)] = np.abs(error - last)[~masks[number]].mean()
        last = error
    at = [jumps[number] for number in borders if number in jumps]
    return float(np.mean(at) / np.mean([jump for number, jump in jumps.items() if number not in borders]))
