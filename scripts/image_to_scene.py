"""A picture becomes a scene, through the Python API.

    python scripts/image_to_scene.py photo.jpg --out scene

One picture shows one side: a video model has to imagine the others. This build has none, so the script
stops with a sentence that says so; what follows is how the video is used once one is there.
"""

from pathlib import Path

import tyro

from gen import GenerateError, generate_from_image
from recon import Terminal, config_for, evaluate, print_summary, reconstruct
from recon.config import Preset


def main(
    image: tyro.conf.Positional[Path], /, out: Path = Path("scene"), preset: Preset = "standard"
) -> None:
    """Make a video that moves around IMAGE, and reconstruct it."""
    try:
        video = generate_from_image(image, out=out.with_suffix(".mp4"))
    except GenerateError as error:
        raise SystemExit(str(error)) from None
    with Terminal() as terminal:
        reconstruct(video.path, out, config_for(preset), on_event=terminal)
    print_summary(out, evaluate(out))


if __name__ == "__main__":
    tyro.cli(main)
