"""The closing words of a run: what came out, how good it is, where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COLOUR = {"good": "green", "unsure": "yellow", "failed": "red"}


def print_summary(scene: Path, metrics: dict[str, Any]) -> None:
    """Print the metrics of a scene as a small table."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    verdict = metrics["verdict"]
    placed = f"{metrics['placed']} of {metrics['frames']} frames placed"
    table.add_row("cameras", f"[{COLOUR[verdict]}]{verdict}[/], {placed}")
    if verdict != "good":
        table.add_row("", metrics["reason"])
    for split, name in (
        ("heldout", "held-out views"),
        ("heldout_aligned", "the same, aligned"),
        ("train", "training views"),
    ):
        if scores := metrics.get(split):
            lpips = f"  LPIPS {scores['lpips']:.3f}" if "lpips" in scores else ""
            table.add_row(name, f"PSNR {scores['psnr']:.2f} dB  SSIM {scores['ssim']:.3f}{lpips}")
    if truth := metrics.get("truth"):
        path = "" if truth["ate_percent"] is None else f"ATE {truth['ate_percent']:.3f} % of the path, "
        table.add_row(
            "true cameras",
            f"{path}rotation {truth['rotation_deg']:.3f}°, focal length {truth['focal_percent']:.2f} % off",
        )
    seconds = metrics["seconds"]
    parts = ", ".join(f"{name} {seconds[name]:.0f} s" for name in ("frames", "cameras", "train"))
    table.add_row("time", f"{seconds['total']:.0f} s ({parts})")
    table.add_row("splats", f"{metrics['gaussians']:,} in {scene / 'scene.ply'}")
    table.add_row("pictures", f"{scene / 'shots'}/*/renders (source | render), orbit.mp4")
    console = Console(highlight=False)
    console.print()
    console.print(table)
