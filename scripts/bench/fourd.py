"""How well scenes that move are reconstructed: `splatreel evaluate --suite fourd` with more choices.

python scripts/bench/fourd.py --scenes rigid walker --seeds 0 1 2
python scripts/bench/fourd.py --cameras true
python scripts/bench/fourd.py --scenes rigid --baselines   # other ways to move, on the same still scene
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from recon.config import Preset
from suites.fourd.scenes import SCENES
from suites.fourd.suite import run


def main(
    scenes: tuple[str, ...] = SCENES,
    seeds: tuple[int, ...] = (0,),
    cameras: Literal["own", "true"] = "own",
    preset: Preset = "standard",
    out: Path = Path("fourd_suite"),
    baselines: bool = False,
) -> None:
    """Draw, reconstruct, score.

    Args:
        scenes: Their names.
        seeds: Of looks and motion.
        cameras: Solved ones, or the true ones (an upper bound).
        preset: Of the training.
        out: Where clips and scenes are kept; what is there is not made again.
        baselines: Train other ways to move as well.
    """
    run(scenes, seeds, cameras, preset, out, baselines)


if __name__ == "__main__":
    tyro.cli(main)
