"""How well scenes that move are reconstructed, from views and at instants that nobody trained on.

    python scripts/bench/fourd.py --scenes rigid walker --seeds 0 1 2
    python scripts/bench/fourd.py --cameras true
    python scripts/bench/fourd.py --scenes rigid --baselines   # other ways to move, on the same still scene

Each scene (see fourd_scenes.py) goes through `reconstruct` as a user's clip would: its cameras are
solved, what moves is found, followed and fitted. "static" is the same scene without what moves: the
first baseline.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from fourd_baselines import frame_by_frame, with_paths
from fourd_scenes import FPS, SCENES, HeldOut, MovingScene, draw_scenes

from recon import config_for, reconstruct
from recon.alignment import aligned
from recon.cameras import load_solution
from recon.config import FitConfig
from recon.errors import ReconError
from recon.fitting import fit
from recon.fourd.fit import moving_budget
from recon.fourd.motion import Splats4D, skinned
from recon.fourd.shot import STEPS, find_movers
from recon.fourd.splat4d import read_splats
from recon.gaussians import scaled_intrinsics
from recon.losses import psnr
from recon.raster import render
from recon.refinement import REFINED, refined
from recon.scene import SceneFolder
from recon.training import config_for_shot, load_views
from recon.types import Cameras, Gaussians
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
    baselines: bool = False,
) -> None:
    """Draw, reconstruct, score.

    Args:
        scenes: Their names.
        seeds: Of looks and motion.
        cameras: Solved ones, or the true ones (an upper bound).
        preset: Of the training.
        out: Where clips and scenes are kept; what is there is not made again.
        baselines: Train other ways to move as well (see fourd_baselines.py).
    """
    print("| scene | " + " | ".join(f.name for f in fields(Row)) + " |")
    print("|" + "---|" * (1 + len(fields(Row))))
    for name in scenes:
        rows: list[Row] = []
        others: list[dict[str, Scores]] = []
        for seed in seeds:
            (scene,) = draw_scenes(out / "clips", (name,), seed)
            target = out / f"{cameras}-{preset}" / f"seed{seed}" / scene.folder.name
            try:
                rows.append(score(scene, target, cameras, preset))
                if baselines:
                    others.append(compare(scene, SceneFolder.open(target), config_for(preset)))
            except ReconError as error:
                print(f"| {name} (seed {seed}) | {error} |", file=sys.stderr)
        if rows:
            table = np.array([[getattr(row, f.name) for f in fields(Row)] for row in rows])
            cells = [_cell(column) for column in table.T]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        for way in others[0] if others else ():
            table = np.array([[getattr(found[way], f.name) for f in fields(Scores)] for found in others])
            cells = [f"{f.name} {_cell(column)}" for f, column in zip(fields(Scores), table.T, strict=True)]
            print(f"  {name}, {way}: " + ", ".join(cells), flush=True)


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
    if similarity is None:
        nan = float("nan")
        blank = dict.fromkeys((f.name for f in fields(Row)), nan)
        seam = _seam(splats, solved, scene, times, folder)
        return Row(**{**blank, "seam": seam, "megabytes": megabytes, "seconds": seconds})
    held = _Held.of(scene.held_out(), solved, similarity, times)
    whole, static = held.scores(splats.at, splats.still), held.scores(lambda _: splats.still, splats.still)
    drift, within = _track_error(splats, scene, similarity, times)
    seam = _seam(splats, solved, scene, times, folder)
    return Row(
        *(whole.full, whole.moving, whole.still, static.moving, static.still, whole.placed),
        *(drift, within, seam, megabytes, seconds),
    )


@dataclass(frozen=True)
class Scores:
    """PSNR in dB, means over held-out views."""

    full: float
    moving: float
    still: float
    placed: float
    """Of whole views at the poses as they were mapped from the truth; the others are at aligned poses."""


@dataclass(frozen=True)
class _Held:
    """Views that nobody trained on, in the world that was solved."""

    masks: list[np.ndarray]
    views: Views

    @classmethod
    def of(
        cls,
        held: list[HeldOut],
        solved: Cameras,
        similarity: tuple[np.ndarray, float, np.ndarray],
        times: np.ndarray,
    ) -> _Held:
        return cls([one.mask for one in held], _views(held, solved, similarity, times))

    @torch.no_grad()
    def scores(self, scene: Callable[[float], Gaussians], still: Gaussians) -> Scores:
        """Of what is there at a time; poses are aligned on what stands still."""
        rows = []
        for index, moves in enumerate(self.masks):
            mask = torch.tensor(moves).float()
            given, at = self.views.view(index), aligned(still, self.views, index)
            picture, placed = (
                render(scene(v.seconds), v.camera_from_world, v.K, *moves.shape[::-1]).image.clamp(0, 1)
                for v in (at, given)
            )
            on = psnr(picture, at.image, mask) if moves.any() else float("nan")
            rows.append(
                [psnr(picture, at.image), on, psnr(picture, at.image, 1 - mask), psnr(placed, at.image)]
            )
        return Scores(*np.nanmean(np.array(rows), axis=0).tolist())


def compare(scene: MovingScene, folder: SceneFolder, config: FitConfig) -> dict[str, Scores]:
    """The baselines, on the still scene and the points in space that the reconstruction started from."""
    shot = folder.frames().shots[0]
    cameras, points = load_solution(folder, shot)
    views = load_views(folder, shot, cameras, config)
    config = config_for_shot(config, views, points)
    key = folder.info["stages"]["train"]["key"]
    before = fit(views, _not_again, config, folder.shot_folder(shot), key=key)
    views = views.with_cameras(before.cameras)
    still = before.gaussians
    movers = find_movers(views, still, points, config)
    true_poses = np.array(json.loads(scene.truth.read_text())["cameras"]["world_from_camera"])
    similarity = _similarity(true_poses[cameras.numbers], before.cameras.world_from_camera)
    if movers is None or similarity is None:
        return {}
    budget = moving_budget(config, views, float(movers.masks.mean()))
    own = replace(config, steps=round(STEPS * config.steps), budget=budget)
    first = movers.first_splats(still, own).moving
    assert first is not None
    held = _Held.of(scene.held_out(), before.cameras, similarity, folder.frames().seconds)
    ways = {
        "static": lambda: lambda time: still,
        "per frame": lambda: frame_by_frame(views, still, first, own),
        "cubic": lambda: with_paths(3, views, still, first, own),
        "linear": lambda: with_paths(1, views, still, first, own),
    }
    return {name: held.scores(way(), still) for name, way in ways.items()}


def _not_again() -> Gaussians:
    raise ReconError("the scene was trained by another version; delete it and run again")


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
