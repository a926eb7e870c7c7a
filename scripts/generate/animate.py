"""The person of a photo moves like somebody in a video (Animate Anyone, MagicAnimate).

python scripts/generate/animate.py photo.jpg dance.mp4
"""

from pathlib import Path
from typing import Literal

import tyro

from gen import AnimateRequest, generate


def main(
    image: tyro.conf.Positional[Path],
    dance: tyro.conf.Positional[Path],
    /,
    kind: Literal["skeleton", "segmentation"] = "skeleton",
    model: str | None = None,
    out: Path = Path("animate.mp4"),
) -> None:
    """Find how the person in DANCE moves, and let the one of IMAGE do so."""
    request = AnimateRequest(image=image, driving=dance, kind=kind, extract=True, model=model, out=out)
    print(generate(request).path)


if __name__ == "__main__":
    tyro.cli(main)
