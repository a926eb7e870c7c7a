"""A picture becomes a film from keyframes, without any model: the camera flies as the schedules say.

python scripts/generate/keyframes.py house.png --mode 3D --set translation_z "0:(2)" rotation_3d_y "0:(0.2)"
"""

from pathlib import Path
from typing import Literal

import tyro

from gen import GenerateError, generate
from gen.keyframes.request import KeyframesRequest


def main(
    image: tyro.conf.Positional[Path],
    /,
    out: Path = Path("film.mp4"),
    mode: Literal["2D", "3D"] = "2D",
    frames: int = 96,
    depth_model: str | None = None,
    settings: Path | None = None,
    set: dict[str, str] | None = None,
) -> None:
    """Move IMAGE by Deforum's schedules, given in a settings file or by name with --set."""
    try:
        request = KeyframesRequest(
            out=out,
            image=image,
            mode=mode,
            frames=frames,
            depth_model=depth_model,
            settings=settings,
            overrides=set or {},
        )
        video = generate(request)
    except GenerateError as error:
        raise SystemExit(str(error)) from None
    print(*video.sidecar["keyframes"]["notes"], sep="\n")
    print(f"{video.path}; its frames without loss are in {video.path.stem}_frames")


if __name__ == "__main__":
    tyro.cli(main)
