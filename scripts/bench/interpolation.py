"""How well dropped frames come back: blending, our interpolation, and RIFE where its package is present.

    python scripts/bench/interpolation.py clip.mp4 other.mp4

Every second frame is dropped and restored from its neighbours; PSNR in dB against what was dropped. Frames
without even steps (photographs, stuttering video) are not where the middle is: the second table lets every
method look for the moment that fits each dropped frame best, so that it shows the motion alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tyro

from gen.clips import read_clip
from gen.flow_interpolation import flow_between
from gen.rife import load_rife, rife_weights

MOMENTS = np.arange(1, 10) / 10
Start = Callable[[np.ndarray, np.ndarray], Callable[[float], np.ndarray]]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR of 8-bit frames, dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(np.float64) - b) ** 2))))


def blend_between(a: np.ndarray, b: np.ndarray) -> Callable[[float], np.ndarray]:
    """What fading one frame into the other gives."""
    return lambda t: np.rint((1 - t) * a.astype(np.float32) + t * b)


def shrunk(frames: np.ndarray, long_side: int) -> np.ndarray:
    """Frames [F, H, W, 3] at most `long_side` pixels wide and high."""
    factor = min(1.0, long_side / max(frames.shape[1:3]))
    size = round(frames.shape[2] * factor), round(frames.shape[1] * factor)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def main(
    clips: tyro.conf.Positional[list[Path]],
    /,
    long_side: int = 640,
    best_moment: bool = False,
    every: int = 1,
) -> None:
    """Measure on CLIPS; of the dropped frames only `every` so many."""
    methods: dict[str, Start] = {"blend": blend_between, "flow": flow_between}
    if rife_weights() is not None:
        methods["rife"] = load_rife()
    for title, moments in [("at the middle", [0.5]), ("at the best moment", [0.5, *MOMENTS])][
        : 1 + best_moment
    ]:
        print(f"\n{title:24s}" + "".join(f"{name:>9s}" for name in methods) + "   flow-blend   s/frame")
        gains = []
        for path in clips:
            frames = shrunk(read_clip(path).frames, long_side)
            scores: dict[str, list[float]] = {name: [] for name in methods}
            seconds = dict.fromkeys(methods, 0.0)
            dropped = range(1, len(frames) - 1, 2 * every)
            for i in dropped:
                for name, start in methods.items():
                    began = time.perf_counter()
                    between = start(frames[i - 1], frames[i + 1])
                    scores[name].append(max(psnr(between(float(t)), frames[i]) for t in moments))
                    seconds[name] += time.perf_counter() - began
            means = {name: float(np.mean(values)) for name, values in scores.items()}
            gains.append(means["flow"] - means["blend"])
            rates = " ".join(f"{name} {seconds[name] / len(dropped) / len(moments):.2f}" for name in methods)
            columns = "".join(f"{mean:9.2f}" for mean in means.values())
            print(f"{path.stem[:23]:24s}{columns}{gains[-1]:+13.2f}   {rates}", flush=True)
        print(f"{'mean gain':24s}" + " " * 9 * len(methods) + f"{np.mean(gains):+13.2f}")


if __name__ == "__main__":
    tyro.cli(main)
