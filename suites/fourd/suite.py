"""The suite "fourd": drawn scenes that move, reconstructed as a user's clips would be, and scored.

"static" is the same scene without what moves, the first baseline; others are in `suites.fourd.baselines`.
"""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from recon import config_for, reconstruct
from recon.cameras import load_solution
from recon.config import FitConfig, Preset
from recon.errors import ReconError
from recon.events import Listener, ignore
from recon.fitting import fit
from recon.fourd.shot import find_movers
from recon.scene import SceneFolder
from recon.training import config_for_shot, load_views
from recon.types import Gaussians
from suites.fourd.baselines import frame_by_frame, with_paths
from suites.fourd.scenes import FPS, SCENES, MovingScene, draw_scenes
from suites.fourd.scoring import Held, Row, Scores, score, similarity_of

FOUND = 10.0
"""Seconds; what took less was there already, and its time is that of the first run."""


def run(
    scenes: tuple[str, ...] = SCENES,
    seeds: tuple[int, ...] = (0,),
    cameras: Literal["own", "true"] = "own",
    preset: Preset = "standard",
    out: Path = Path("fourd_suite"),
    baselines: bool = False,
    on_event: Annotated[Listener, tyro.conf.Suppress] = ignore,
) -> dict[str, list[Row]]:
    """Draw, reconstruct, score, and print a table; returns the rows of each scene, one for each seed.

    Args:
        scenes: Their names.
        seeds: Of looks and motion.
        cameras: Solved ones, or the true ones (an upper bound).
        preset: Of the training.
        out: Where clips and scenes are kept; what is there is not made again.
        baselines: Train other ways to move as well (see `suites.fourd.baselines`).
        on_event: Told of the reconstructions.

    Raises:
        ReconError: A name that no scene has.
    """
    unknown = sorted(set(scenes) - set(SCENES))
    if unknown:
        raise ReconError(f"found no scene {unknown[0]!r} in the suite, expected some of: {', '.join(SCENES)}")
    console = Console(width=200, highlight=False)
    rows: dict[str, list[Row]] = {name: [] for name in scenes}
    others: dict[str, list[dict[str, Scores]]] = {name: [] for name in scenes}
    for name in scenes:
        for seed in seeds:
            (scene,) = draw_scenes(out / "clips", (name,), seed)
            target = out / f"{cameras}-{preset}" / f"seed{seed}" / scene.folder.name
            try:
                folder, seconds = _reconstructed(scene, target, cameras, preset, on_event)
                row = score(scene, folder, seconds)
                rows[name].append(row)
                if baselines:
                    others[name].append(compare(scene, folder))
                console.print(f"{name}, seed {seed}: {row.full:.2f} dB, {row.moving:.2f} dB where it moves")
            except ReconError as error:
                console.print(f"{name}, seed {seed}: {error}")
    done = {name: found for name, found in rows.items() if found}
    console.print(_table(done, [f.name for f in fields(Row)]))
    by_way = {
        f"{name}, {way}": [one[way] for one in found]
        for name, found in others.items()
        for way in (found[0] if found else ())
    }
    if by_way:
        console.print(_table(by_way, [f.name for f in fields(Scores)]))
    return rows


def _reconstructed(
    scene: MovingScene, target: Path, cameras: str, preset: Preset, on_event: Listener
) -> tuple[SceneFolder, float]:
    """Made, continued or found; and the seconds that it took."""
    given = scene.truth if cameras == "true" else None
    begun = time.perf_counter()
    folder = reconstruct(scene.frames, target, config_for(preset), fps=FPS, cameras=given, on_event=on_event)
    seconds = time.perf_counter() - begun
    timing = target / "seconds.json"
    if seconds > FOUND or not timing.exists():
        timing.write_text(json.dumps(seconds))
    return folder, json.loads(timing.read_text())


def _table(rows: dict[str, list[Row]] | dict[str, list[Scores]], names: list[str]) -> Table:
    table = Table("scene", box=box.MARKDOWN)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for scene, found in rows.items():
        values = np.array([[getattr(row, name) for name in names] for row in found])
        table.add_row(scene, *(_cell(column) for column in values.T))
    return table


def _cell(values: np.ndarray) -> str:
    if not np.isfinite(values).any():
        return "–"
    spread = f" ± {np.nanstd(values):.2f}" if len(values) > 1 else ""
    return f"{np.nanmean(values):.2f}{spread}"


def compare(scene: MovingScene, folder: SceneFolder) -> dict[str, Scores]:
    """The baselines, on the still scene and the points in space that the reconstruction started from."""
    shot = folder.frames().shots[0]
    cameras, points = load_solution(folder, shot)
    config = FitConfig(**{name: value for name, value in folder.info["training"].items() if name != "device"})
    views = load_views(folder, shot, cameras, config)
    config = config_for_shot(config, views, points)
    key = folder.info["stages"]["train"]["key"]
    before = fit(views, _not_again, config, folder.shot_folder(shot), key=key)
    views = views.with_cameras(before.cameras)
    still = before.gaussians
    movers = find_movers(views, still, points, config)
    similarity = similarity_of(scene, before.cameras)
    if movers is None or similarity is None:
        return {}
    own = movers.settings(config)
    first = movers.first_splats(still, own).moving
    assert first is not None
    held = Held.of(scene.held_out(), before.cameras, similarity, folder.frames().seconds, still)
    ways = {
        "static": lambda: lambda time: still,
        "per frame": lambda: frame_by_frame(views, still, first, own),
        "cubic": lambda: with_paths(3, views, still, first, own),
        "linear": lambda: with_paths(1, views, still, first, own),
    }
    return {name: held.scores(way()) for name, way in ways.items()}


def _not_again() -> Gaussians:
    raise ReconError("the scene was trained by another version; delete it and run again")
