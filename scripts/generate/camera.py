"""A picture seen from an exact camera path, and a scene for which that path is the first guess.

python scripts/generate/camera.py photo.jpg "a stone bridge over a river" --degrees 40
"""

from pathlib import Path

import tyro

from gen import CameraRequest, generate
from recon import config_for, reconstruct


def main(
    image: tyro.conf.Positional[Path],
    prompt: tyro.conf.Positional[str],
    /,
    camera: str = "orbit-left",
    degrees: float = 45.0,
    out: Path = Path("camera"),
) -> None:
    """Move a camera around IMAGE and reconstruct what it saw."""
    request = CameraRequest(
        image=image, prompt=prompt, camera=camera, degrees=degrees, out=out.with_suffix(".mp4")
    )
    video = generate(request)
    reconstruct(video.path, out, config_for("standard"), cameras=video.sidecar_path, refine_cameras=True)
    print(f"splatreel view {out}")


if __name__ == "__main__":
    tyro.cli(main)
