"""What refining poses in training gains on wrong cameras, and what it costs on right ones.

    python scripts/bench/refinement.py                      # the built-in generator's house, 1° and 1 % noise
    python scripts/bench/refinement.py --preset preview --degrees 0.5 --percent 0.5 --seeds 3

Every frame's true camera is turned by a random angle (so many degrees, RMS) and shifted by a random step
(percent of the median depth, RMS). Held-out frames are as wrong as the others, so three of their numbers are
printed: at the pose that was given, moved as its neighbours were; aligned to the picture from there; and
aligned to it from the true pose, brought into the world of the refined training cameras. Only the last
one is about the scene alone: from a wrong pose the alignment does not always arrive.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from gen import GenerateRequest, generate
from recon.alignment import aligned
from recon.cameras import place_cameras
from recon.config import Preset, config_for
from recon.fitting import Fit, ViewScore, fit, score_view
from recon.known_cameras import KnownCameras
from recon.splitting import split
from recon.start import first_gaussians
from recon.training import load_views
from recon.truth import align, pose_error
from recon.types import Cameras
from recon.undistort import Lens
from recon.views import Views

PROMPT = "a red house with a pine tree, a well and a bench on grass"


def disturbed(cameras: Cameras, degrees: float, percent: float, seed: int) -> Cameras:
    """Cameras with random turns and shifts; the median depth of our world is 1."""
    rng = np.random.default_rng(seed)
    count = len(cameras)
    poses = cameras.world_from_camera.copy()
    turns = np.radians(degrees) / np.sqrt(3) * rng.normal(size=(count, 3))
    poses[:, :3, :3] = poses[:, :3, :3] @ Rotation.from_rotvec(turns).as_matrix()
    poses[:, :3, 3] += percent / 100 / np.sqrt(3) * rng.normal(size=(count, 3))
    return replace(cameras, world_from_camera=poses)


def mean_of(scores: tuple[ViewScore, ...], name: str) -> float:
    """Mean PSNR of a split."""
    return float(np.mean([score.psnr for score in scores if score.split == name]))


def from_true_poses(result: Fit, true: Cameras, views: Views) -> float:
    """Mean PSNR of the held-out views, aligned from where they truly are among the training cameras."""
    world = align(true.centres[views.train], result.cameras.centres[views.train])
    moved = replace(true, world_from_camera=world.poses(true.world_from_camera), K=result.cameras.K)
    there = views.with_cameras(moved)
    scores = [score_view(result.gaussians, aligned(result.gaussians, there, i), "") for i in views.heldout]
    return float(np.mean([score.psnr for score in scores]))


def main(
    preset: Preset = "standard",
    degrees: Annotated[float, tyro.conf.arg(help="RMS turn of a disturbed camera.")] = 1.0,
    percent: Annotated[float, tyro.conf.arg(help="RMS shift, percent of the median depth.")] = 1.0,
    seeds: int = 1,
) -> None:
    """Print one table: cameras right and wrong, refined and not."""
    console = Console(width=130, highlight=False)
    table = Table(box=None)
    for name in (
        "cameras",
        "refined",
        "held out dB",
        "aligned dB",
        "from truth dB",
        "train dB",
        "rotation °",
        "ATE %",
        "ms/step",
    ):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        clip = work / "clip.mp4"
        generate(GenerateRequest(PROMPT, clip))
        scene = split(clip, work / "scene")
        ((cameras, points),) = place_cameras(scene, cameras_file=clip.with_suffix(".json")).values()
        lens = Lens(cameras.width, cameras.height, cameras.K[0])
        truth = KnownCameras(cameras.numbers, cameras.world_from_camera, lens)
        for seed in range(seeds):
            for wrong in (False, True):
                given = disturbed(cameras, degrees, percent, seed) if wrong else cameras
                for refine in (False, True):
                    config = replace(config_for(preset, seed=seed), refine_poses=refine)
                    views = load_views(scene, scene.frames().shots[0], given, config)
                    began = time.perf_counter()
                    result = fit(
                        views,
                        lambda views=views, config=config: first_gaussians(views, points, config),
                        config,
                        work / f"fit_{seed}_{wrong}_{refine}",
                    )
                    error = pose_error(result.cameras, truth)
                    table.add_row(
                        f"{degrees}° {percent} %" if wrong else "true",
                        "yes" if refine else "no",
                        f"{mean_of(result.scores, 'heldout'):.2f}",
                        f"{mean_of(result.scores, 'heldout_aligned'):.2f}",
                        f"{from_true_poses(result, cameras, views):.2f}",
                        f"{mean_of(result.scores, 'train'):.2f}",
                        f"{error['rotation_deg']:.3f}",
                        f"{error['ate_percent']:.3f}",
                        f"{1000 * result.seconds / config.steps:.1f}",
                    )
                    console.print(
                        f"seed {seed}, wrong {wrong}, refined {refine}: {time.perf_counter() - began:.0f} s"
                    )
        console.print(table)


if __name__ == "__main__":
    tyro.cli(main)
