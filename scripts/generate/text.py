"""One prompt by several video models, side by side in folders of their own.

python scripts/generate/text.py "a lighthouse in a storm" --models wan-2.1-1.3b ltx-0.9.5
"""

from pathlib import Path

import tyro

from gen import TextRequest, generate


def main(
    prompt: tyro.conf.Positional[str], /, models: tuple[str, ...] = ("composer",), out: Path = Path("text")
) -> None:
    """Make a video of PROMPT with each of the models."""
    for model in models:
        video = generate(TextRequest(prompt=prompt, model=model, out=out / f"{model}.mp4"))
        print(f"{model}: {video.path}, {video.frames} frames of {video.width}x{video.height}")


if __name__ == "__main__":
    tyro.cli(main)
