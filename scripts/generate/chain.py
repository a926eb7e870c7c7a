"""Words to a picture by an image model, and the picture to a video.

python scripts/generate/chain.py "a lighthouse on a cliff" --image-model sdxl --model svd-xt
"""

from pathlib import Path

import tyro

from gen import ChainRequest, generate


def main(
    prompt: tyro.conf.Positional[str],
    /,
    image_model: str = "sdxl",
    model: str = "svd-xt",
    out: Path = Path("chain.mp4"),
) -> None:
    """Draw PROMPT as a picture, then make it move."""
    print(generate(ChainRequest(prompt=prompt, image_model=image_model, model=model, out=out)).path)


if __name__ == "__main__":
    tyro.cli(main)
