"""What came before a video, and what comes after it.

python scripts/generate/extend.py clip.mp4 --prompt "a boat crosses the lake"
"""

from pathlib import Path

import tyro

from gen import ExtendRequest, generate


def main(
    video: tyro.conf.Positional[Path],
    /,
    prompt: str = "",
    model: str | None = None,
    out: Path = Path("extend"),
) -> None:
    """Make VIDEO longer at its beginning, then at its end."""
    earlier = generate(
        ExtendRequest(video=video, prompt=prompt, direction="backward", model=model, out=out / "before.mp4")
    )
    both = generate(ExtendRequest(video=earlier.path, prompt=prompt, model=model, out=out / "longer.mp4"))
    print(f"{both.path}: {both.frames} frames")


if __name__ == "__main__":
    tyro.cli(main)
