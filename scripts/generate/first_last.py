"""A picture turns into another, and the next, over as many pictures as there are.

python scripts/generate/first_last.py spring.png summer.png autumn.png winter.png
"""

from itertools import pairwise
from pathlib import Path

import tyro

from gen import FirstLastRequest, generate


def main(
    pictures: tyro.conf.Positional[tuple[Path, ...]],
    /,
    prompt: str = "",
    model: str | None = None,
    out: Path = Path("first_last"),
) -> None:
    """Make a video from each of PICTURES to the next."""
    for first, last in pairwise(pictures):
        name = out / f"{first.stem}_{last.stem}.mp4"
        print(generate(FirstLastRequest(first=first, last=last, prompt=prompt, model=model, out=name)).path)


if __name__ == "__main__":
    tyro.cli(main)
