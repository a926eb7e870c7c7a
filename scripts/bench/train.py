"""Time to quality: held-out PSNR against seconds of training, ours against plainer ways.

    python scripts/bench/train.py                        # the built-in generator's house
    python scripts/bench/train.py SCENE --steps 300 600  # a scene folder whose cameras are solved
    python scripts/bench/train.py SCENE --plot docs/time_to_quality.png

All run on the same core; a clock starts before the first Gaussians are made and stops for scoring. "plain" is
3DGS as published (Kerbl et al. 2023), shortened to 3000 steps: sparse points, its step sizes, full resolution
throughout, growth by MCMC (5 % each 100 steps, Kheradmand et al. 2024) or by its own densification. Each of
our points is a training of its own, with the schedule stretched to that many steps.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from recon import SceneFolder, mcmc, place_cameras, schedule
from recon.config import FitConfig, config_for
from recon.descent import BETA1, BETA2, background_at, bias_correction
from recon.fitting import fit, mean_score, score
from recon.optimizer import Optimizer
from recon.raster.core_step import AdamRates, CoreStep
from recon.raster.twin import rotation_matrices
from recon.start import first_gaussians
from recon.training import config_for_shot, load_views
from recon.types import Gaussians, Points
from recon.views import Views

PLAIN_STEPS = 3000
PLAIN_RATES = {"quats": 1e-3, "log_scales": 5e-3, "logit_opacities": 5e-2, "sh": 2.5e-3, "sh_rest": 1.25e-4}
PLAIN_MEANS_LR = 1.6e-4, 1.6e-6
PLAIN_REFINE, PLAIN_GROWTH = 100, 1.05
DENSIFY_FROM, DENSIFY_UNTIL = 300, 1500
DENSIFY_GRADIENT, DENSIFY_SIZE = 2e-4, 0.01
"""Of 3DGS: mean gradient of the pixel position in normalised coordinates; size from which it is split."""


@dataclass
class Curve:
    """A line of the table and of the plot."""

    name: str
    points: list[tuple[int, float, float, float, int]]
    """(steps, seconds, held-out PSNR, SSIM, Gaussians)"""


class Clock:
    """Seconds of work; scoring stops it."""

    def __init__(self) -> None:
        self.begun, self.paused = time.perf_counter(), 0.0

    def seconds(self) -> float:
        return time.perf_counter() - self.begun - self.paused

    def score(self, gaussians: Gaussians, views: Views, steps: int) -> tuple[int, float, float, float, int]:
        seconds, begun = self.seconds(), time.perf_counter()
        mean = mean_score(score(gaussians, views, only=views.heldout), steps, seconds)
        self.paused += time.perf_counter() - begun
        return steps, seconds, mean.psnr, mean.ssim, len(gaussians)


def ours(name: str, views: Views, points: Points, config: FitConfig, all_steps: Sequence[int]) -> Curve:
    """One training for every number of steps."""
    curve = Curve(name, [])
    for steps in all_steps:
        changed = replace(config, steps=steps)
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            start = first_gaussians(views, points, changed)
            begun = time.perf_counter()
            result = fit(views, start, changed, Path(folder))
            clock.paused += time.perf_counter() - begun - result.seconds  # what `fit` spends on scores
        curve.points.append(clock.score(result.gaussians, views, steps))
    return curve


Grow = Callable[[Optimizer, torch.Tensor, int], torch.Tensor]
"""(optimizer, pixel gradients, step) to new pixel gradients."""


def plain(name: str, views: Views, points: Points, config: FitConfig, grow: Grow, noise: bool) -> Curve:
    """3DGS with its own step sizes at full resolution."""
    curve, clock, core_step = Curve(name, []), Clock(), CoreStep()
    optimizer = Optimizer(first_gaussians(views, points, replace(config, dense=False)), "cpu")
    pixel_gradients = torch.zeros(len(optimizer.gaussians), 2)
    for step in range(PLAIN_STEPS):
        view = views.view(views.train[schedule.view_at(config, step, len(views.train))])
        first, last = PLAIN_MEANS_LR
        lr = first * (last / first) ** (step / PLAIN_STEPS)
        correction = bias_correction(step)
        count = len(optimizer.gaussians)
        rates = AdamRates(
            {name: correction * rate for name, rate in {"means": lr, **PLAIN_RATES}.items()},
            *(BETA1, BETA2, config.opacity_weight / count if noise else 0.0),
            *(
                config.scale_weight / (3 * count) if noise else 0.0,
                mcmc.NOISE_LR * lr if noise else 0.0,
                step,
            ),
        )
        core_step(
            *(optimizer.params, optimizer.first, optimizer.second),
            *(view.image, view.camera_from_world, view.K),
            sh_degree=min(config.sh_degree, 4 * step // PLAIN_STEPS),
            background=background_at(config, step),
            ssim_weight=config.ssim_weight,
            rates=rates,
            pixel_gradients=pixel_gradients,
        )
        pixel_gradients = grow(optimizer, pixel_gradients, step + 1)
        if (step + 1) % (PLAIN_STEPS // 20) == 0:
            curve.points.append(clock.score(optimizer.gaussians, views, step + 1))
    return curve


def grow_by_mcmc(config: FitConfig) -> Grow:
    """Relocation and 5 % more, each 100 steps up to 85 %."""

    def grow(optimizer: Optimizer, sums: torch.Tensor, step: int) -> torch.Tensor:
        if step % PLAIN_REFINE == 0 and step <= 0.85 * PLAIN_STEPS:
            wanted = min(config.budget, int(PLAIN_GROWTH * len(optimizer.gaussians)))
            optimizer.refine(config, step, wanted=wanted)
            return torch.zeros(len(optimizer.gaussians), 2)
        return sums

    return grow


def grow_by_gradient(config: FitConfig, long_side: int) -> Grow:
    """Clone small and split large Gaussians whose pixel position has a large gradient; drop the faint."""

    def grow(optimizer: Optimizer, sums: torch.Tensor, step: int) -> torch.Tensor:
        if step % PLAIN_REFINE or not DENSIFY_FROM <= step <= DENSIFY_UNTIL:
            return sums
        p = optimizer.params
        mean = sums[:, 0] / sums[:, 1].clamp_min(1) * long_side / 2
        hot = mean > DENSIFY_GRADIENT
        scales = p["log_scales"].exp().amax(1)
        room = config.budget - len(scales)
        chosen = hot.nonzero()[:, 0][mean[hot].argsort(descending=True)[:room]]
        large = chosen[scales[chosen] > DENSIFY_SIZE]
        optimizer.append(chosen)  # the copies are at the end
        p = optimizer.params
        generator = schedule.generator(config, "refine", step)
        copies = torch.arange(len(scales), len(p["means"]))[scales[chosen] > DENSIFY_SIZE]
        for rows in (large, copies):
            spread = p["log_scales"][rows].exp() * torch.randn(len(rows), 3, generator=generator)
            R = rotation_matrices(p["quats"][rows])
            p["means"][rows] += (R @ spread[..., None])[..., 0]
            p["log_scales"][rows] -= math.log(1.6)
        optimizer.keep(p["logit_opacities"].sigmoid() > mcmc.DEAD_OPACITY)
        return torch.zeros(len(optimizer.gaussians), 2)

    return grow


def house(folder: Path) -> SceneFolder:
    """The built-in generator's video with its own cameras."""
    from gen import GenerateRequest, generate
    from recon import split

    video = generate(GenerateRequest("a red brick house with three pine trees", folder / "house.mp4"))
    scene = split(video.path, folder / "scene")
    place_cameras(scene, cameras_file=video.path.with_suffix(".json"))
    return scene


def report(curves: list[Curve]) -> None:
    """A table, and how much sooner ours is where plain ends."""
    print("| way | steps | seconds | held-out PSNR | SSIM | Gaussians |\n|---|---|---|---|---|---|")
    for curve in curves:
        for steps, seconds, psnr, ssim, count in curve.points:
            print(f"| {curve.name} | {steps} | {seconds:.1f} | {psnr:.2f} | {ssim:.4f} | {count:,} |")
    for goal in (curve for curve in curves if curve.name.startswith("plain")):
        _, goal_seconds, goal_psnr, _, _ = goal.points[-1]
        for curve in curves:
            reached = [seconds for _, seconds, psnr, _, _ in curve.points if psnr >= goal_psnr]
            if curve is not goal and reached:
                print(
                    f"\n{goal_psnr:.2f} dB, where {goal.name} ends after {goal_seconds:.1f} s: "
                    f"{curve.name} after {min(reached):.1f} s, {goal_seconds / min(reached):.1f}x sooner"
                )


def draw(curves: list[Curve], path: Path) -> None:
    """PSNR against seconds."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for curve in curves:
        axes.plot(
            [p[1] for p in curve.points], [p[2] for p in curve.points], marker="o", ms=3, label=curve.name
        )
    axes.set(xscale="log", xlabel="seconds", ylabel="held-out PSNR, dB")
    ticks = [1, 2, 5, 10, 20, 50, 100, 200]
    axes.set_xticks(ticks, map(str, ticks))
    axes.xaxis.minorticks_off()
    axes.set_xlim(1, 2 * max(p[1] for curve in curves for p in curve.points))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    print(f"\n{path}")


def main(
    scene: Annotated[Path | None, tyro.conf.Positional] = None,
    steps: tuple[int, ...] = (150, 300, 600, 1200, 2400),
    plain_steps: bool = True,
    plot: Path | None = None,
) -> None:
    """Print the table; `plain_steps` off skips the slow baselines."""
    with tempfile.TemporaryDirectory() as folder:
        opened = SceneFolder.open(scene) if scene else house(Path(folder))
        placed = place_cameras(opened)
        index = max(placed, key=lambda i: len(placed[i][0]))
        cameras, points = placed[index]
        config = config_for("standard")
        shot = next(s for s in opened.frames().shots if s.index == index)
        views = load_views(opened, shot, cameras, config)
        config = config_for_shot(config, views, points)
        print(f"{views.size[0]}x{views.size[1]}, {len(views.train)} views, budget {config.budget:,}\n")
        curves = [
            ours("ours", views, points, config, steps),
            ours("ours, sparse start", views, points, replace(config, dense=False), steps),
        ]
        if plain_steps:
            by_gradient = grow_by_gradient(config, max(views.size))
            curves += [
                plain("plain, MCMC", views, points, config, grow_by_mcmc(config), noise=True),
                plain("plain, 3DGS densification", views, points, config, by_gradient, noise=False),
            ]
    report(curves)
    if plot:
        draw(curves, plot)


if __name__ == "__main__":
    tyro.cli(main)
