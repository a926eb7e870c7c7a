"""The depth or edges of a video with the looks of a picture, or of words (Gen-1).

python scripts/generate/structure.py clip.mp4 --style clay.jpg --kind edges
"""

from pathlib import Path
from typing import Literal

import tyro

from gen import StructureRequest, generate


def main(
    video: tyro.conf.Positional[Path],
    /,
    prompt: str = "",
    style: Path | None = None,
    kind: Literal["depth", "edges"] = "depth",
    model: str | None = None,
    out: Path = Path("structure.mp4"),
) -> None:
    """Keep what VIDEO shows where, and give it other looks."""
    request = StructureRequest(video=video, prompt=prompt, style=style, kind=kind, model=model, out=out)
    print(generate(request).path)


if __name__ == "__main__":
    tyro.cli(main)
