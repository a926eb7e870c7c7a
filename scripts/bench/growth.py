"""How cost grows: with Gaussians, pixels, frames and threads, as plots and as exponents.

    python scripts/bench/growth.py --plot docs/growth.png

An exponent of 1 is linear growth, below 1 cheaper. Medians; the built-in synthetic scene.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from raster import TrainingStep, activated, forward_backward, synthetic

from recon.config import config_for
from recon.fitting import fit
from recon.gaussians import SH_DC
from recon.pictures import to_uint8
from recon.raster import core, render
from recon.start import first_gaussians
from recon.types import Cameras, Gaussians, Points
from recon.views import Views

BLEND = ("ms_blend", "ms_blend_backward")


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope in a double logarithmic plot."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def step_milliseconds(count: int, width: int, height: int, rounds: int) -> float:
    """A whole training step."""
    step = TrainingStep(*synthetic(count, width, height), width, height)
    return statistics.median([step.milliseconds() for _ in range(rounds + 2)][2:])


def blend_milliseconds(threads: int, rounds: int) -> float:
    """Both blend stages, 50,000 Gaussians at 480x270."""
    core.set_threads(threads)
    parameters, K = synthetic(50_000, 480, 270)
    leaves = activated(parameters)
    found = [forward_backward(leaves, K, 480, 270)[2] for _ in range(rounds + 2)][2:]
    core.set_threads(0)
    return statistics.median(sum(s[stage] for stage in BLEND) for s in found)


def path_of_views(frames: int) -> tuple[Views, Points]:
    """A camera that moves sideways past the synthetic scene, four pixels a frame."""
    parameters, K = synthetic(20_000, 480, 270)
    parameters["sh"][:, 1:] = 0
    gaussians = Gaussians(**parameters)
    poses = np.repeat(np.eye(4)[None], frames, 0)
    poses[:, 0, 3] = np.linspace(-1, 1, frames) * 0.02 * frames
    cameras = Cameras(np.arange(frames), poses, np.repeat(K.double().numpy()[None], frames, 0), 480, 270)
    with torch.no_grad():
        images = [
            to_uint8(render(gaussians, torch.tensor(pose, dtype=torch.float32), K, 480, 270).image)
            for pose in cameras.camera_from_world
        ]
    pick = np.random.default_rng(0).choice(len(gaussians), 2000, replace=False)
    rgb = (255 * (0.5 + SH_DC * parameters["sh"][pick, 0].numpy()).clip(0, 1)).astype(np.uint8)
    points = Points(parameters["means"][pick].double().numpy(), rgb, np.full(2000, 0.5, np.float32))
    return Views(images, cameras, 8), points


def training_seconds(frames: int, steps_per_frame: int = 10) -> float:
    """First Gaussians, a few steps for every frame, and scores."""
    views, points = path_of_views(frames)
    config = replace(config_for("standard"), steps=steps_per_frame * frames)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        fit(views, first_gaussians(views, points, config), config, Path(folder))
        return time.perf_counter() - begun


def main(rounds: int = 7, plot: Path | None = None) -> None:
    """Print the table, draw the plot."""
    cores = os.cpu_count() or 1
    counts = [10_000, 30_000, 100_000, 300_000, 1_000_000]
    sides = [(240, 136), (480, 270), (960, 540), (1920, 1080)]
    frames = [15, 29, 58, 116]
    threads = [1 << k for k in range(cores.bit_length()) if 1 << k <= cores]
    pixels = [w * h for w, h in sides]
    series = {
        "Gaussians (960x540)": (counts, [step_milliseconds(n, 960, 540, rounds) for n in counts], "step, ms"),
        "pixels (50,000 Gaussians)": (
            pixels,
            [step_milliseconds(50_000, w, h, rounds) for w, h in sides],
            "step, ms",
        ),
        "frames (10 steps each)": (frames, [training_seconds(f) for f in frames], "training, s"),
        "threads (both blend stages)": (threads, [blend_milliseconds(t, rounds) for t in threads], "ms"),
    }
    print("| cost against | values | cost | exponent |\n|---|---|---|---|")
    for name, (x, y, unit) in series.items():
        slope = f"{exponent(x, y):.2f}" if len(x) > 1 else "–"
        values = ", ".join(f"{v:,}" for v in x)
        print(f"| {name} | {values} | {', '.join(f'{v:.1f}' for v in y)} ({unit}) | {slope} |")
    if plot:
        draw(series, plot)


def draw(series: dict[str, tuple[list[int], list[float], str]], path: Path) -> None:
    """One panel each, with a dashed line of linear growth (or of perfect scaling)."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(series), figsize=(4 * len(series), 3.4))
    for axes, (name, (x, y, unit)) in zip(panels, series.items(), strict=True):
        power = -1 if name.startswith("threads") else 1
        axes.loglog(x, y, marker="o")
        axes.loglog(x, [y[0] * (v / x[0]) ** power for v in x], "--", lw=1, color="grey")
        axes.set(xlabel=name, ylabel=unit)
        axes.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    print(f"\n{path}")


if __name__ == "__main__":
    tyro.cli(main)
