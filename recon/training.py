"""Stage 3: Gaussians for every shot, and what a user gets from them (splats, metrics, pictures).

A shot is trained as a whole, because all its chunks share one world; a chunk's `splat.ply` holds the
Gaussians that its own cameras see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from recon import schedule
from recon.config import FitConfig
from recon.events import Evaluated, Event, Listener, StageFinished, StageStarted, TrainStep, ignore
from recon.fitting import SPLITS, ViewScore, fit, score
from recon.fourd.motion import Splats4D
from recon.fourd.shot import add_motion
from recon.fourd.splat4d import write_splats
from recon.pictures import write_orbit, write_side_by_side
from recon.raster import render
from recon.refinement import REFINED, write_refined
from recon.scene import SceneFolder, hash_of, hash_of_file, link_or_copy, remove, replacing, write_json
from recon.snapshot import Snapshots
from recon.start import first_gaussians
from recon.types import Cameras, Chunk, Frames, Points, Shot
from recon.viewing_arc import viewing_arc
from recon.views import Views

LOG_EVERY = 10


def pick_device(device: str = "auto") -> str:
    """ "cuda" when torch can use one, else "cpu"; a name is taken as it is."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def train(
    scene: SceneFolder,
    placed: dict[int, tuple[Cameras, Points]],
    config: FitConfig,
    *,
    device: str = "auto",
    force: bool = False,
    on_event: Listener = ignore,
) -> dict[str, Any]:
    """Train every shot that has cameras (by shot index) and write the result; returns the metrics."""
    device = pick_device(device)
    masks = [hash_of_file(path) for path in sorted(scene.root.glob("shots/*/masks"))]
    key = hash_of("train", scene.info["stages"]["cameras"]["key"], asdict(config), *masks)
    if not force and scene.is_done("train", key) and scene.splat_path.exists():
        on_event(StageStarted("training", done_before=True))
        return json.loads(scene.metrics_path.read_text())
    on_event(StageStarted("training"))
    shots = {shot.index: shot for shot in scene.frames().shots}
    seconds, metrics = 0.0, {}
    for index, (cameras, points) in placed.items():
        folder = scene.shot_folder(shots[index])
        if force:
            remove(folder)
        views = load_views(scene, shots[index], cameras, config)
        result = fit_shot(views, points, config, folder, key=key, device=device, on_event=on_event)
        metrics[index] = write_shot(scene, shots[index], views, result, device)
        seconds += metrics[index]["seconds"]
    summary = write_scene(scene, metrics, placed, seconds)
    scene.info["seed"] = config.seed
    scene.info["training"] = {**asdict(config), "device": device}
    scene.mark_done("train", key, seconds)
    on_event(StageFinished("training", seconds, in_words(summary)))
    return summary


@dataclass(frozen=True)
class ShotFit:
    """What a shot becomes."""

    splats: Splats4D
    cameras: Cameras
    """Refined."""
    scores: tuple[ViewScore, ...]
    """Of all pixels; those that move count only when their motion was fitted."""
    seconds: float
    still_scores: tuple[ViewScore, ...] = ()
    """With motion: of what stands still, before that."""


def load_views(scene: SceneFolder, shot: Shot, cameras: Cameras, config: FitConfig) -> Views:
    """The undistorted images of a shot, from its chunk folders, with the masks of what moves, from the
    shot's folder `masks` (named as the frames; a frame without one counts as a whole)."""
    masks = scene.shot_folder(shot) / "masks"

    def mask_of(number: int) -> Path | None:
        path = masks / Frames.file_name(number)
        return path if path.exists() else None

    folder_of = {
        number: scene.chunk_folder(chunk) / "images"
        for chunk in scene.chunks()
        if chunk.shot == shot.index
        for number in chunk.numbers
    }
    return Views.load(
        lambda number: folder_of[number] / Frames.file_name(number),
        cameras,
        long_side=config.long_side,
        held_out_every=config.held_out_every,
        mask_of=mask_of,
        seconds=scene.frames().seconds[cameras.numbers],
    )


def fit_shot(
    views: Views,
    points: Points,
    config: FitConfig,
    folder: Path,
    *,
    key: str = "",
    device: str = "cpu",
    on_event: Listener = ignore,
) -> ShotFit:
    """The first Gaussians, then the training loop with its log, then what moves."""
    folder.mkdir(parents=True, exist_ok=True)
    with TrainLog(folder / "train.jsonl") as log, Snapshots(folder) as look:

        def tell(event: Event) -> None:
            log(event)
            on_event(event)

        config = config_for_shot(config, views, points)
        start = partial(first_gaussians, views, points, config, on_event=tell)
        found = fit(views, start, config, folder, key=key, device=device, look=look, on_event=tell)
        if config.motion == "off":
            return ShotFit(Splats4D(found.gaussians), found.cameras, found.scores, found.seconds)
        seen = views.with_cameras(found.cameras)
        later = partial(_later, tell, config.steps, found.seconds)
        rest = {"key": key, "device": device, "look": look, "on_event": later}
        splats, spent = add_motion(seen, found.gaussians, points, config, folder, **rest)
        if splats.moving is None:
            return ShotFit(splats, found.cameras, found.scores, found.seconds)
        scores = score(splats, seen.unmasked(), device, align=True)
        return ShotFit(splats, found.cameras, scores, found.seconds + spent, found.scores)


def config_for_shot(config: FitConfig, views: Views, points: Points) -> FitConfig:
    """The settings with as many Gaussians and spherical harmonics as the shot can tell apart."""
    degree = schedule.sh_degree_for(config, viewing_arc(views.cameras, points))
    return replace(config, budget=schedule.budget_for(config, views.size), sh_degree=degree)


def _later(tell: Listener, steps: int, seconds: float, event: Event) -> None:
    """Tell of a training that goes on after another one of so many steps and seconds: one count for both."""
    if isinstance(event, TrainStep):
        before = {"step": steps + event.step, "total": steps + event.total}
        event = replace(event, **before, seconds=seconds + event.seconds)
    tell(event)


class TrainLog:
    """A listener that writes train.jsonl: one JSON object a line. Steps that are trained again after a
    kill replace those logged before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: int | None = None

    def __enter__(self) -> TrainLog:
        self.file = self.path.open("a")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrainStep):
            if self.first is None:
                self._forget_from(event.step)
            if event.step % LOG_EVERY == 0 or event.step == event.total:
                self._write(event)
        elif isinstance(event, Evaluated):
            self._write(event)

    def _write(self, event: TrainStep | Evaluated) -> None:
        self.file.write(json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n")
        self.file.flush()

    def _forget_from(self, step: int) -> None:
        self.first = step
        kept = []
        for line in self.path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # cut off by a kill
                continue
            if entry["step"] < step:
                kept.append(line + "\n")
        self.file.close()
        with replacing(self.path) as part:
            part.write_text("".join(kept))
        self.file = self.path.open("a")


# -- what is written -----------------------------------------------------------------------------


def write_shot(scene: SceneFolder, shot: Shot, views: Views, result: ShotFit, device: str) -> dict[str, Any]:
    """splat.ply, refined cameras, renders, orbit and metrics of a shot and of its chunks."""
    folder = scene.shot_folder(shot)
    views = views.with_cameras(result.cameras)
    write_refined(folder / REFINED, result.cameras)
    splats = result.splats
    write_splats(folder / "splat.ply", splats)
    write_side_by_side(folder / "renders", splats, views, device)
    write_orbit(folder / "orbit.mp4", splats, views.cameras, views.size, views.seconds)
    chunks = [chunk for chunk in scene.chunks() if chunk.shot == shot.index]
    for chunk in chunks:
        path = scene.chunk_folder(chunk) / "splat.ply"
        if len(chunks) == 1:
            link_or_copy(folder / "splat.ply", path)
        else:
            write_splats(path, seen_by(splats, views, chunk, device))
        own = [s for s in result.scores if s.number in chunk.numbers]
        write_json(scene.chunk_folder(chunk) / "metrics.json", score_metrics(own))
    metrics = {**score_metrics(result.scores), "gaussians": len(splats), "seconds": result.seconds}
    if splats.moving is not None:
        still = score_metrics(result.still_scores)
        del still["views"]
        metrics["motion"] = {
            "moving": len(splats.moving),
            "bases": len(splats.moving.bases),
            "still_before": still,
        }
    write_json(folder / "metrics.json", metrics)
    return metrics


@torch.no_grad()
def seen_by(splats: Splats4D, views: Views, chunk: Chunk, device: str) -> Splats4D:
    """The Gaussians that touch the images of a chunk."""
    seen = torch.zeros(len(splats), dtype=torch.bool, device=splats.still.means.device)
    for index, number in enumerate(views.cameras.numbers):
        if number in chunk.numbers:
            view = views.view(index, device=device)
            height, width = view.image.shape[:2]
            gaussians = splats.at(view.seconds)
            seen |= render(gaussians, view.camera_from_world, view.K, width, height, sh_degree=0).visible
    count = len(splats.still)
    moving = splats.moving.select(seen[count:]) if splats.moving and seen[count:].any() else None
    return Splats4D(splats.still.select(seen[:count]), moving)


def score_metrics(scores: Iterable[ViewScore]) -> dict[str, Any]:
    """Means over training and held-out views (at solved and at aligned poses), and every view's own score."""
    scores = list(scores)
    metrics: dict[str, Any] = {}
    for split in SPLITS:
        part = [s for s in scores if s.split == split]
        if part:
            metrics[split] = {
                name: sum(getattr(s, name) for s in part) / len(part) for name in ("psnr", "ssim")
            }
    views = [{"frame": s.number, "split": s.split, "psnr": s.psnr, "ssim": s.ssim} for s in scores]
    return {**metrics, "views": views}


def write_scene(
    scene: SceneFolder,
    shots: dict[int, dict[str, Any]],
    placed: dict[int, tuple[Cameras, Points]],
    train_seconds: float,
) -> dict[str, Any]:
    """scene.ply (of the shot with most frames) and the metrics of the whole."""
    frames = scene.frames()
    main = max(shots, key=lambda index: len(placed[index][0]))
    cameras = placed[main][0]
    scene.info["main_shot"] = main
    link_or_copy(scene.shot_folder(frames.shots[main]) / "splat.ply", scene.splat_path)
    stages = {name: stamp["seconds"] for name, stamp in scene.info["stages"].items()}
    seconds = {
        "frames": stages.get("frames", 0.0),
        "cameras": stages.get("cameras", 0.0),
        "train": train_seconds,
    }
    views = [view for metrics in shots.values() for view in metrics["views"]]
    scores = [ViewScore(v["frame"], v["split"], v["psnr"], v["ssim"]) for v in views]
    summary = {
        "frames": len(frames),
        "placed": sum(len(cameras) for cameras, _ in placed.values()),
        "verdict": cameras.verdict,
        "reason": cameras.reason,
        "gaussians": shots[main]["gaussians"],
        **({"motion": shots[main]["motion"]} if "motion" in shots[main] else {}),
        **score_metrics(scores),
        "seconds": {**seconds, "total": sum(seconds.values())},
    }
    write_json(scene.metrics_path, summary)
    return summary


def in_words(metrics: dict[str, Any]) -> str:
    """One line for the terminal."""
    held_out = metrics.get("heldout") or metrics["train"]
    kind = "held-out" if "heldout" in metrics else "training"
    moving = f" ({metrics['motion']['moving']:,} of them move)" if "motion" in metrics else ""
    return (
        f"{metrics['gaussians']:,} Gaussians{moving}, {kind} PSNR {held_out['psnr']:.2f} dB, "
        f"SSIM {held_out['ssim']:.3f} ({metrics['train']['psnr']:.2f} dB on training frames)"
    )
