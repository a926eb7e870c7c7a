"""How well scenes that move are reconstructed, from views and at instants that nobody trained on.

    python scripts/bench/fourd.py --scenes rigid walker --seeds 0 1 2
    python scripts/bench/fourd.py --cameras true

Each scene (see fourd_scenes.py) goes through `reconstruct` as a user's clip would: its cameras are
solved, what moves is found, followed and fitted. "static" is the same scene without what moves: the
first baseline.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from fourd_scenes import FPS, SCENES, HeldOut, MovingScene, draw_scenes

from recon import config_for, reconstruct
from recon.alignment import aligned
from recon.cameras import load_solution
from recon.errors import ReconError
from recon.fourd.motion import Splats4D, skinned
from recon.fourd.splat4d import read_splats
from recon.gaussians import scaled_intrinsics
from recon.losses import psnr
from recon.raster import render
from recon.refinement import REFINED, refined
from recon.scene import SceneFolder
from recon.types import Cameras
from recon.views import Views


@dataclass(frozen=True)
class Row:
    """Scores of one scene, of one seed."""

    full: float
    """PSNR, dB, of held-out views, after their poses were aligned (on still splats)."""
    moving: float
    """Where something moves."""
    still: float
    """Where nothing does."""
    static_moving: float
    """The same without what moves: the baseline."""
    static_still: float
    placed: float
    """PSNR of whole views at the poses as they were mapped from the truth."""
    drift: float
    """3D track error, percent of the height: median over points and frames."""
    within: float
    """Share of points and frames within 10 % of the height."""
    seam: float
    """Change from frame to frame at chunk borders over that elsewhere, still pixels."""
    megabytes: float
    seconds: float


def main(
    scenes: tuple[str, ...] = tuple(SCENES),
    seeds: tuple[int, ...] = (0,),
    cameras: Literal["own", "true"] = "own",
    preset: Literal["preview", "standard", "best"] = "standard",
    out: Path = Path("fourd_bench"),
) -> None:
    """Draw, reconstruct, score.

    Args:
        scenes: Their names.
        seeds: Of looks and motion.
        cameras: Solved ones, or the true ones (an upper bound).
        preset: Of the training.
        out: Where clips and scenes are kept; what is there is not made again.
    """
    print("| scene | " + " | ".join(f.name for f in fields(Row)) + " |")
    print("|" + "---|" * (1 + len(fields(Row))))
    for name in scenes:
        rows: list[Row] = []
        for seed in seeds:
            (scene,) = draw_scenes(out / "clips", (name,), seed)
            target = out / f"{cameras}-{preset}" / f"seed{seed}" / scene.folder.name
            try:
                rows.append(score(scene, target, cameras, preset))
            except ReconError as error:
                print(f"| {name} (seed {seed}) | {error} |", file=sys.stderr)
        if rows:
            table = np.array([[getattr(row, f.name) for f in fields(Row)] for row in rows])
            cells = [_cell(column) for column in table.T]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _cell(values: np.ndarray) -> str:
    if not np.isfinite(values).any():
        return "–"
    spread = f" ± {np.nanstd(values):.2f}" if len(values) > 1 else ""
    return f"{np.nanmean(values):.2f}{spread}"


def score(
    scene: MovingScene, target: Path, cameras: str, preset: Literal["preview", "standard", "best"]
) -> Row:
    """Reconstruct (or continue) a scene and look at it from where nobody filmed."""
    given = scene.truth if cameras == "true" else None
    begun = time.perf_counter()
    folder = reconstruct(scene.frames, target, config_for(preset), fps=FPS, cameras=given)
    seconds = time.perf_counter() - begun
    timing = target / "bench.json"
    if seconds > 10:  # made now, not found
        timing.write_text(json.dumps({"seconds": seconds}))
    seconds = json.loads(timing.read_text())["seconds"] if timing.exists() else seconds
    shot = folder.frames().shots[0]
    splats = read_splats(folder.shot_folder(shot) / "splat.ply")
    solved = refined(folder.shot_folder(shot) / REFINED, load_solution(folder, shot)[0])
    true_poses = np.array(json.loads(scene.truth.read_text())["cameras"]["world_from_camera"])
    similarity = _similarity(true_poses[solved.numbers], solved.world_from_camera)
    times = folder.frames().seconds
    megabytes = (folder.shot_folder(shot) / "splat.ply").stat().st_size / 1e6
    still_only = Splats4D(splats.still)
    if similarity is None:
        nan = float("nan")
        blank = dict.fromkeys((f.name for f in fields(Row)), nan)
        seam = _seam(splats, solved, scene, times, folder)
        return Row(**{**blank, "seam": seam, "megabytes": megabytes, "seconds": seconds})
    held = scene.held_out()
    views = _views(held, solved, similarity, times)
    scores = []
    for index, one in enumerate(held):
        mask = torch.tensor(one.mask).float()
        at = aligned(splats.still, views, index)
        pictures = [
            render(s.at(at.seconds), pose, at.K, mask.shape[1], mask.shape[0]).image.clamp(0, 1)
            for s, pose in (
                (splats, at.camera_from_world),
                (still_only, at.camera_from_world),
                (splats, views.view(index).camera_from_world),
            )
        ]
        whole, static, placed = pictures
        seen = mask if one.mask.any() else None
        on = [
            psnr(picture, at.image, mask) if seen is not None else float("nan") for picture in (whole, static)
        ]
        off = [psnr(picture, at.image, 1 - mask) for picture in (whole, static)]
        scores.append([psnr(whole, at.image), on[0], off[0], on[1], off[1], psnr(placed, at.image)])
    means = np.nanmean(np.array(scores), axis=0)
    drift, within = _track_error(splats, scene, similarity, times)
    seam = _seam(splats, solved, scene, times, folder)
    return Row(*means.tolist(), drift, within, seam, megabytes, seconds)  # pyright: ignore[reportCallIssue]


def _similarity(true: np.ndarray, solved: np.ndarray) -> tuple[np.ndarray, float, np.ndarray] | None:
    """(rotation [3, 3], scale, shift [3]) from the true world to the solved one; None before a camera that
    stands. By the rotations, because the centres of a straight path say little of them."""
    u, _, vt = np.linalg.svd(np.einsum("fij,fkj->ik", solved[:, :3, :3], true[:, :3, :3]))
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    a, b = (centres - centres.mean(0) for centres in (true[:, :3, 3], solved[:, :3, 3]))
    if np.linalg.norm(a) < 1e-6 or np.linalg.norm(b) < 1e-6:
        return None
    scale = float(((a @ rotation.T) * b).sum() / (a * a).sum())
    return rotation, scale, solved[:, :3, 3].mean(0) - scale * rotation @ true[:, :3, 3].mean(0)


def _views(
    held: list[HeldOut], solved: Cameras, similarity: tuple[np.ndarray, float, np.ndarray], times: np.ndarray
) -> Views:
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
    splats: Splats4D, scene: MovingScene, similarity: tuple[np.ndarray, float, np.ndarray], times: np.ndarray
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
    """How much more a render changes against the clip at chunk borders than elsewhere; nan for one chunk."""
    borders = {chunk.first for chunk in folder.chunks()} - {0}
    if not borders:
        return float("nan")
    masks = scene.moving()
    from PIL import Image

    jumps, last = {}, None
    for i, number in enumerate(solved.numbers):
        frame = np.asarray(Image.open(scene.frames / f"{number:05d}.png"))
        height, width = frame.shape[:2]
        K = scaled_intrinsics(solved.K[i], solved.width, solved.height, width, height)
        pose = torch.tensor(solved.camera_from_world[i], dtype=torch.float32)
        intrinsics = torch.tensor(K, dtype=torch.float32)
        image = render(splats.at(float(times[number])), pose, intrinsics, width, height).image.numpy()
        error = image - frame / 255
        if last is not None:
            jumps[int(number)] = np.abs(error - last)[~masks[number]].mean()
        last = error
    at = [jumps[number] for number in borders if number in jumps]
    return float(np.mean(at) / np.mean([jump for number, jump in jumps.items() if number not in borders]))


if __name__ == "__main__":
    tyro.cli(main)
