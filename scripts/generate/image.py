"""A picture comes alive, calmly and wildly: Stable Video Diffusion's motion bucket.

python scripts/generate/image.py photo.jpg
"""

from pathlib import Path

import tyro

from gen import ImageRequest, generate


def main(
    image: tyro.conf.Positional[Path],
    /,
    motions: tuple[int, ...] = (30, 127, 220),
    model: str = "svd-xt",
    out: Path = Path("image"),
) -> None:
    """Make a video of IMAGE with each amount of motion, 1 to 255."""
    for motion in motions:
        request = ImageRequest(image=image, motion=motion, model=model, out=out / f"motion_{motion}.mp4")
        print(generate(request).path)


if __name__ == "__main__":
    tyro.cli(main)
