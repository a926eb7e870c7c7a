"""Scores of a finished scene: image quality from its files, and pose error where the truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from recon.cameras import load_solution
from recon.config import FitConfig
from recon.errors import SceneFolderError
from recon.events import Listener, Notice, ignore
from recon.fitting import score
from recon.fourd.splat4d import read_splats
from recon.lpips_score import lpips_scorer
from recon.raster import render
from recon.refinement import REFINED, refined
from recon.scene import SceneFolder, write_json
from recon.training import load_views, pick_device, score_metrics
from recon.truth import pose_error, read_truth


def evaluate(
    path: Path,
    *,
    truth: Path | None = None,
    device: str = "auto",
    on_event: Listener = ignore,
) -> dict[str, Any]:
    """Score the splats on disk against the frames again and update metrics.json.

    `truth` (see `recon.known_cameras.FORMATS`) adds {"truth": {"ate_percent", "rotation_deg",
    "focal_percent"}} for the main shot as training refined its cameras, and "truth_as_solved" before
    that; without it, a sidecar beside the source video is used if there.
    """
    scene = SceneFolder.open(path)
    if not scene.metrics_path.exists() or "training" not in scene.info:
        raise SceneFolderError(
            f"{path} is not trained yet; run `splatreel reconstruct VIDEO --out {path}` first"
        )
    device = pick_device(device)
    known = FitConfig.__dataclass_fields__
    config = FitConfig(**{k: v for k, v in scene.info["training"].items() if k in known})
    metrics = json.loads(scene.metrics_path.read_text())
    frames = scene.frames()
    shots = [shot for shot in frames.shots if (scene.shot_folder(shot) / "splat.ply").exists()]
    scores, lpips, main, main_solved = [], [], None, None
    scorer = lpips_scorer(device)
    if scorer is None:
        on_event(Notice("LPIPS left out: the lpips package and its AlexNet weights are not on this machine"))
    for shot in shots:
        solved, _ = load_solution(scene, shot)
        cameras = refined(scene.shot_folder(shot) / REFINED, solved)
        if main is None or len(cameras) > len(main):
            main, main_solved = cameras, solved
        views = load_views(scene, shot, cameras, config)
        splats = read_splats(scene.shot_folder(shot) / "splat.ply").to(device)
        views = views.unmasked() if splats.moving else views
        scores += score(splats, views, device, align=True)
        if scorer is not None:
            for index in views.heldout:
                view = views.view(index, device=device)
                height, width = view.image.shape[:2]
                with torch.no_grad():
                    gaussians = splats.at(view.seconds)
                    image = render(gaussians, view.camera_from_world, view.K, width, height).image
                lpips.append(scorer(image.clamp(0, 1), view.image))
    metrics.update(score_metrics(scores))
    if lpips:
        metrics["heldout"]["lpips"] = sum(lpips) / len(lpips)
    truth = truth or sidecar_of(scene)
    if truth is not None and main is not None and main_solved is not None:
        known = read_truth(truth, frames, scene.info["source"].get("fps"))
        metrics["truth"] = pose_error(main, known)
        metrics["truth_as_solved"] = pose_error(main_solved, known)
    write_json(scene.metrics_path, metrics)
    return metrics


def sidecar_of(scene: SceneFolder) -> Path | None:
    """The JSON with true cameras that a generator left beside the source video.

    Cameras that a video model was only asked to follow are none.
    """
    source = Path(scene.info.get("source", {}).get("path", ""))
    sidecar = source.with_suffix(".json")
    if not source.name or not sidecar.is_file():
        return None
    try:
        cameras = json.loads(sidecar.read_text()).get("cameras")
        return sidecar if cameras and not cameras.get("intended") else None
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError):
        return None
