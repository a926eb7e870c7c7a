"""A picture becomes a scene, through the Python API.

    python scripts/image_to_scene.py photo.jpg --out scene

One picture shows one side: a video model imagines the others, the one that is best for it of those on this
machine (`splatreel models` says how to fetch one).
"""

from pathlib import Path

import tyro

from gen import GenerateError, ImageRequest, generate
from recon import Terminal, config_for, evaluate, print_summary, reconstruct
from recon.config import Preset


def main(
    image: tyro.conf.Positional[Path],
    /,
    out: Path = Path("scene"),
    prompt: str = "",
    model: str | None = None,
    preset: Preset = "standard",
) -> None:
    """Make a video that moves around IMAGE, and reconstruct it."""
    video = out.with_suffix(".mp4")
    request = ImageRequest(image=image, prompt=prompt, model=model, out=video, for_reconstruction=True)
    try:
        video = generate(request)
    except GenerateError as error:
        raise SystemExit(str(error)) from None
    with Terminal() as terminal:
        reconstruct(video.path, out, config_for(preset), on_event=terminal)
    print_summary(out, evaluate(out))


if __name__ == "__main__":
    tyro.cli(main)
