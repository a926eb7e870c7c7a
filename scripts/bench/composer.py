"""Scenes from composed clips: are all frames placed, and where; how good are held-out views; what it costs.

python scripts/bench/composer.py                      # twelve prompts, the first six reconstructed
python scripts/bench/composer.py --scenes 12 --preset standard --work /tmp/composed
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from gen import GenerateRequest, generate
from gen.events import RendererReady
from recon import config_for, evaluate, reconstruct
from recon.config import Preset
from recon.events import ignore

PROMPTS = (
    "a red brick house with three pine trees and a small blue car",
    "a wooden table with a cup on it, two chairs and a lamp in a room",
    "一座红色房子，旁边有两棵松树",
    "a stone tower behind a fountain at sunset",
    "雪地里的雪人和一座木屋",
    "a car driving in front of a church",
    "a robot walking beside a windmill on a cobbled street",
    "房间里有一张桌子和四把椅子",
    "a bouncing ball and two wooden boxes in the desert",
    "街道上有一辆公共汽车和一盏路灯",
    "two sheep beside a wooden fence",
    "a marble column, a vase with a flower and a cat under a table",
)


@dataclass
class Row:
    """A prompt and what became of it."""

    prompt: str
    ignored: int
    draw_s: float
    """Per frame."""
    placed: str = ""
    ate_percent: float | None = None
    psnr: float | None = None
    total_s: float | None = None


def drawn(prompt: str, out: Path) -> tuple[Row, Path]:
    """Draw the clip of a prompt; without the time of compiling the ray tracer."""
    compiled = 0.0

    def listen(event: object) -> None:
        nonlocal compiled
        if isinstance(event, RendererReady):
            compiled = event.seconds

    began = time.perf_counter()
    video = generate(GenerateRequest(prompt, out), on_event=listen)
    seconds = (time.perf_counter() - began - compiled) / video.frames
    return Row(prompt, len(video.words_ignored), 0.0 if video.reused else seconds), video.sidecar_path


def main(scenes: int = 6, preset: Preset = "preview", work: Path | None = None) -> None:
    """Draw the prompts, reconstruct the first SCENES of them and print one table."""
    with tempfile.TemporaryDirectory() as scratch:
        work = work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        table = Table("prompt", "s a frame", "placed", "ATE %", "held-out dB", "s to the scene")
        for number, prompt in enumerate(PROMPTS):
            row, sidecar = drawn(prompt, work / f"{number:02d}.mp4")
            if number < scenes:
                scene, began = work / f"{number:02d}", time.perf_counter()
                reconstruct(sidecar.with_suffix(".mp4"), scene, config_for(preset), on_event=ignore)
                evaluate(scene, truth=sidecar)
                row.total_s = time.perf_counter() - began
                metrics = json.loads((scene / "metrics.json").read_text())
                row.placed = f"{metrics['placed']}/{metrics['frames']}"
                row.ate_percent, row.psnr = metrics["truth"]["ate_percent"], metrics["heldout"]["psnr"]
            print(row, flush=True)
            numbers = zip((row.ate_percent, row.psnr, row.total_s), (3, 1, 0), strict=True)
            cells = ["" if value is None else f"{value:.{digits}f}" for value, digits in numbers]
            table.add_row(row.prompt, f"{row.draw_s:.2f}", row.placed, *cells)
        Console(width=140).print(table)


if __name__ == "__main__":
    tyro.cli(main)
