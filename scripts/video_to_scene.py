"""A video becomes a scene, through the Python API; then it is shown.

python scripts/video_to_scene.py clip.mp4 --out scene --preset preview
"""

from pathlib import Path

import tyro

from recon import Terminal, config_for, evaluate, print_summary, reconstruct
from recon.config import Preset
from viewer import view


def main(
    video: tyro.conf.Positional[Path],
    /,
    out: Path = Path("scene"),
    preset: Preset = "standard",
    show: bool = True,
) -> None:
    """Reconstruct VIDEO (any video, a GIF or a folder of images) and open it in a browser."""
    with Terminal() as terminal:
        reconstruct(video, out, config_for(preset), on_event=terminal)
    print_summary(out, evaluate(out))
    if show:
        view(out)


if __name__ == "__main__":
    tyro.cli(main)
