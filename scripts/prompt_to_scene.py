"""A prompt becomes a scene, through the Python API.

python scripts/prompt_to_scene.py "a snowman and two pine trees in the snow" --out snowman
"""

from pathlib import Path

import tyro

from gen import GenerateRequest, generate
from recon import Terminal, config_for, evaluate, print_summary, reconstruct
from recon.config import Preset


def main(
    prompt: tyro.conf.Positional[str], /, out: Path = Path("scene"), preset: Preset = "standard"
) -> None:
    """Compose a video of PROMPT, reconstruct it, and compare the cameras with the true ones."""
    video = generate(GenerateRequest(prompt, out.with_suffix(".mp4")))
    if video.words_ignored:
        print("words the composer does not know:", ", ".join(video.words_ignored))
    with Terminal() as terminal:
        reconstruct(video.path, out, config_for(preset), on_event=terminal)
    print_summary(out, evaluate(out, truth=video.sidecar_path))


if __name__ == "__main__":
    tyro.cli(main)
