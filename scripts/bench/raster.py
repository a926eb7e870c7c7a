"""Speed of the CPU rasterizer: stages in milliseconds, ratios of instruction sets and of threads.

    python scripts/bench/raster.py
    python scripts/bench/raster.py --gaussians 50000 --sizes 480x270 --rounds 15

Figures are medians; everything on one line was measured in turn within one run, so ratios hold even where
the machine's speed drifts.
"""

from __future__ import annotations

import math
import os
import statistics
import time

import torch
import tyro

from recon.raster import core

STAGES = ("project", "sort", "bin", "blend", "blend_backward", "project_backward")


def synthetic(count: int, width: int, height: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Gaussians filling the view, 3-sigma radius about 4 px (log-normal), opacity 0.1 to 0.9, SH degree 3."""
    g = torch.Generator().manual_seed(0)
    focal = 0.9 * width
    z = 2 + 8 * torch.rand(count, generator=g)
    x = (torch.rand(count, generator=g) * 1.1 - 0.55) * width / focal * z
    y = (torch.rand(count, generator=g) * 1.1 - 0.55) * height / focal * z
    pixels = torch.exp(math.log(1.4) + 0.6 * torch.randn(count, generator=g)).clamp(0.15, 25)
    scales = (pixels * z / focal)[:, None] * torch.exp(0.4 * torch.randn(count, 3, generator=g))
    parameters = [
        torch.stack([x, y, z], -1),
        torch.randn(count, 4, generator=g),
        scales,
        0.1 + 0.8 * torch.rand(count, generator=g),
        0.1 * torch.randn(count, 16, 3, generator=g),
    ]
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return [p.requires_grad_() for p in parameters], K


def measure(
    parameters: list[torch.Tensor], K: torch.Tensor, width: int, height: int
) -> tuple[float, float, dict[str, float]]:
    """Forward and backward in ms, and the core's statistics."""
    weight = torch.ones(height, width, 3)
    begun = time.perf_counter()
    image, _, _, info = core.rasterize_core(
        *parameters,  # pyright: ignore[reportArgumentType]
        camera_from_world=torch.eye(4),
        K=K,
        width=width,
        height=height,
        sh_degree=3,
        background=torch.zeros(3),
        with_depth=False,
    )
    middle = time.perf_counter()
    image.backward(weight)
    end = time.perf_counter()
    for parameter in parameters:
        parameter.grad = None
    return 1e3 * (middle - begun), 1e3 * (end - middle), info["statistics"]


def main(
    gaussians: tuple[int, ...] = (1_000, 10_000, 50_000, 200_000),
    sizes: tuple[str, ...] = ("480x270", "960x540"),
    rounds: int = 9,
) -> None:
    """Print a table: one line per scene, our fastest kernels with all threads against the other choices."""
    cores = os.cpu_count() or 1
    choices = [(name, cores) for name in ("baseline", "avx2", "avx512") if runs(name)]
    choices.append((choices[-1][0], 1))
    best = choices[-2]
    print(f"{cores} cores, fastest kernels {best[0]}; ms forward + backward, medians of {rounds}\n")
    head = [f"{name} x{threads}" for name, threads in choices]
    print("| scene | " + " | ".join(head) + " | " + " | ".join(STAGES) + " | M slots/s | MB |")
    print("|---" * (len(head) + len(STAGES) + 3) + "|")
    for size in sizes:
        width, height = map(int, size.split("x"))
        for count in gaussians:
            parameters, K = synthetic(count, width, height)
            times: dict[tuple[str, int], list[tuple[float, float]]] = {choice: [] for choice in choices}
            stages: list[dict[str, float]] = []
            for _ in range(rounds):
                for choice in choices:
                    core.select_kernels(choice[0])
                    core.set_threads(choice[1])
                    forward, backward, statistics_ = measure(parameters, K, width, height)
                    times[choice].append((forward, backward))
                    if choice == best:
                        stages.append(statistics_)
            total = {c: statistics.median(f + b for f, b in t) for c, t in times.items()}
            cells = [f"{total[c]:.1f} ({total[c] / total[best]:.2f}x)" for c in choices]
            middle = {key: statistics.median(s[key] for s in stages) for key in stages[0]}
            parts = [f"{middle[f'ms_{stage}']:.1f}" for stage in STAGES]
            rate = middle["evaluated"] / (1e3 * (middle["ms_blend"] + middle["ms_blend_backward"]))
            row = [f"{count:,} at {size}", *cells, *parts, f"{rate:.0f}", f"{middle['bytes'] / 1e6:.0f}"]
            print("| " + " | ".join(row) + " |")


def runs(name: str) -> bool:
    """Can this processor run these kernels?"""
    try:
        core.select_kernels(name)
    except core.CoreError:
        return False
    return True


if __name__ == "__main__":
    tyro.cli(main)
