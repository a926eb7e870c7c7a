"""How well scenes that move are reconstructed: `splatreel evaluate --suite fourd` with more choices.

python scripts/bench/fourd.py --scenes rigid walker --seeds 0 1 2
python scripts/bench/fourd.py --cameras true
python scripts/bench/fourd.py --scenes rigid --baselines   # other ways to move, on the same still scene
"""

from __future__ import annotations

import tyro

from suites.fourd.suite import run

if __name__ == "__main__":
    tyro.cli(run)
