"""Speed of the CPU rasterizer: stages, share of the machine's FMA peak, threads, memory, PyTorch twin.

    python scripts/bench/raster.py
    python scripts/bench/raster.py --gaussians 50000 --sizes 480x270 --rounds 15

Figures are medians; everything on one line was measured in turn within one run, so ratios hold even where the
machine's speed drifts.
"""

from __future__ import annotations

import math
import os
import statistics
import time

import torch
import tyro

from recon.raster import core
from recon.raster.core_step import AdamRates, CoreStep
from recon.raster.twin import rasterize_twin

STAGES = ("project", "sort", "bin", "blend", "blend_backward", "project_backward")
FLOPS = {"blend": 32, "blend_backward": 60}
"""Operations per pixel slot, counted by hand; a fused multiply-add is two."""
TWIN_LIMIT = 1_000
"""Gaussians up to which the twin is timed: it blends every Gaussian over every pixel."""


def synthetic(count: int, width: int, height: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Gaussians filling the view, 3-sigma radius about 4 px (log-normal), opacity 0.1 to 0.9, SH degree 3."""
    g = torch.Generator().manual_seed(0)
    focal = 0.9 * width
    z = 2 + 8 * torch.rand(count, generator=g)
    x = (torch.rand(count, generator=g) * 1.1 - 0.55) * width / focal * z
    y = (torch.rand(count, generator=g) * 1.1 - 0.55) * height / focal * z
    pixels = torch.exp(math.log(1.4) + 0.6 * torch.randn(count, generator=g)).clamp(0.15, 25)
    scales = (pixels * z / focal)[:, None] * torch.exp(0.4 * torch.randn(count, 3, generator=g))
    opacities = 0.1 + 0.8 * torch.rand(count, generator=g)
    parameters = {
        "means": torch.stack([x, y, z], -1),
        "quats": torch.randn(count, 4, generator=g),
        "log_scales": scales.log(),
        "logit_opacities": opacities.logit(),
        "sh": 0.1 * torch.randn(count, 16, 3, generator=g),
    }
    K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return parameters, K


def activated(parameters: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Leaves for autograd: exponential of scales, sigmoid of opacities."""
    means, quats, log_scales, logit_opacities, sh = parameters.values()
    tensors = (means, quats, log_scales.exp(), logit_opacities.sigmoid(), sh)
    return [t.clone().requires_grad_() for t in tensors]


def forward_backward(
    leaves: list[torch.Tensor], K: torch.Tensor, width: int, height: int
) -> tuple[float, float, dict[str, float]]:
    """Forward and backward through autograd in ms, and the core's statistics."""
    weight = torch.ones(height, width, 3)
    begun = time.perf_counter()
    image, _, _, info = core.rasterize_core(
        *leaves,  # pyright: ignore[reportArgumentType]
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
    for leaf in leaves:
        leaf.grad = None
    return 1e3 * (middle - begun), 1e3 * (end - middle), info["statistics"]


class TrainingStep:
    """Whole steps of the optimiser on one view, so small that nothing moves."""

    def __init__(self, parameters: dict[str, torch.Tensor], K: torch.Tensor, width: int, height: int) -> None:
        self.parameters = {name: t.clone() for name, t in parameters.items()}
        self.first = {name: torch.zeros_like(t) for name, t in parameters.items()}
        self.second = {name: torch.zeros_like(t) for name, t in parameters.items()}
        self.target = torch.rand(height, width, 3)
        self.K, self.core_step = K, CoreStep()
        sizes = dict.fromkeys((*parameters, "sh_rest"), 1e-9)
        self.rates = AdamRates(sizes, 0.9, 0.999, 1e-9, 1e-9, noise=1e-9)

    def milliseconds(self) -> float:
        begun = time.perf_counter()
        self.core_step(
            *(self.parameters, self.first, self.second, self.target, torch.eye(4), self.K),
            **{"sh_degree": 3, "background": torch.zeros(3), "ssim_weight": 0.2, "rates": self.rates},
        )
        return 1e3 * (time.perf_counter() - begun)


def twin_milliseconds(leaves: list[torch.Tensor], K: torch.Tensor, width: int, height: int) -> float:
    """One forward and backward pass of the PyTorch twin."""
    begun = time.perf_counter()
    options = {"sh_degree": 3, "background": torch.zeros(3)}
    rasterize_twin(*leaves, torch.eye(4), K, width, height, **options)[0].sum().backward()  # pyright: ignore
    return 1e3 * (time.perf_counter() - begun)


def fma_peak() -> float:
    """GFLOP/s of a large matrix product: what the machine's multiply-add units give, with all threads."""
    a, best = torch.rand(1536, 1536), 0.0
    for _ in range(8):
        begun = time.perf_counter()
        torch.mm(a, a)
        best = max(best, 2 * 1536**3 / (time.perf_counter() - begun) / 1e9)
    return best


def runs(name: str) -> bool:
    """Can this processor run these kernels?"""
    try:
        core.select_kernels(name)
    except core.CoreError:
        return False
    return True


def median_by_key(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def main(
    gaussians: tuple[int, ...] = (1_000, 10_000, 50_000, 200_000, 500_000),
    sizes: tuple[str, ...] = ("480x270", "960x540", "1920x1080"),
    rounds: int = 9,
    twin: bool = True,
) -> None:
    """Print three tables: passes by instruction set and threads, stages, and the distance to the peak."""
    cores = os.cpu_count() or 1
    choices = [(name, cores) for name in ("baseline", "avx2", "avx512") if runs(name)]
    best = choices[-1]
    choices.append((best[0], 1))
    peak = fma_peak()
    print(f"{cores} threads, {best[0]}, sgemm {peak:.0f} GFLOP/s; ms, medians of {rounds}\n")
    head = [f"{name} x{threads}" for name, threads in choices]
    passes, stages, shares = [], [], []
    for size in sizes:
        width, height = map(int, size.split("x"))
        for count in gaussians:
            core._Context._free.clear()  # the memory of a scene, not of those before it
            parameters, K = synthetic(count, width, height)
            leaves, step = activated(parameters), TrainingStep(parameters, K, width, height)
            times: dict[tuple[str, int], list[float]] = {choice: [] for choice in choices}
            found: dict[tuple[str, int], list[dict[str, float]]] = {choice: [] for choice in choices}
            whole: list[float] = []
            forward: list[float] = []
            for _ in range(rounds + 1):
                for choice in choices:
                    core.select_kernels(choice[0])
                    core.set_threads(choice[1])
                    ms_forward, ms_backward, statistics_ = forward_backward(leaves, K, width, height)
                    times[choice].append(ms_forward + ms_backward)
                    found[choice].append(statistics_)
                    if choice == best:
                        forward.append(ms_forward)
                        whole.append(step.milliseconds())
            total = {choice: statistics.median(t[1:]) for choice, t in times.items()}
            middle = {choice: median_by_key(rows[1:]) for choice, rows in found.items()}
            name, b, one = f"{count:,} at {size}", middle[best], middle[choices[-1]]
            slower = "–"
            if twin and count <= TWIN_LIMIT and size == sizes[0]:
                slower = f"{twin_milliseconds(leaves, K, width, height) / total[best]:,.0f}x"
            ms_forward, ms_step = statistics.median(forward[1:]), statistics.median(whole[1:])
            cells = [f"{total[c]:.1f} ({total[c] / total[best]:.2f}x)" for c in choices]
            passes.append(
                [name, *cells, f"{ms_forward:.1f}", f"{ms_step:.1f} ({ms_step / total[best]:.2f}x)", slower]
            )
            scaling = [
                one[f"ms_{stage}"] / max(b[f"ms_{stage}"], 1e-3) for stage in ("blend", "blend_backward")
            ]
            stages.append(
                [name, *(f"{b[f'ms_{stage}']:.1f}" for stage in STAGES), *(f"{s:.2f}x" for s in scaling)]
            )
            giga = [b["evaluated"] / b[f"ms_{stage}"] / 1e6 for stage in FLOPS]
            share = [g * flops / peak for g, flops in zip(giga, FLOPS.values(), strict=True)]
            shares.append(
                [
                    *(name, f"{b['pairs']:,.0f}", f"{b['evaluated'] / 1e6:.1f} M"),
                    *(f"{g:.2f}" for g in giga),
                    *(f"{100 * s:.0f} %" for s in share),
                    f"{b['bytes'] / 1e6:.0f}",
                ]
            )
    print_table(["scene", *head, "forward alone", "whole training step", "PyTorch twin"], passes)
    print_table(["scene", *STAGES, "blend by threads", "blend backward by threads"], stages)
    rates = ["G slots/s forward", "backward", "of peak forward", "backward"]
    print_table(["scene", "tile pairs", "pixel slots", *rates, "MB held by the core"], shares)


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Markdown."""
    print("\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    tyro.cli(main)
