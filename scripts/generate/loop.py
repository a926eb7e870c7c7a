"""A video that goes on forever: new frames lead from its end back to its beginning.

python scripts/generate/loop.py clip.mp4
"""

from pathlib import Path

import tyro

from gen import LoopRequest, generate


def main(
    video: tyro.conf.Positional[Path],
    /,
    prompt: str = "",
    model: str | None = None,
    out: Path = Path("loop.mp4"),
) -> None:
    """Close VIDEO to a loop."""
    print(generate(LoopRequest(video=video, prompt=prompt, model=model, out=out)).path)


if __name__ == "__main__":
    tyro.cli(main)
