"""A video with more frames a second, through the Python API.

python scripts/generate/interpolate.py clip.mp4 --out smooth.mp4 --factor 4
python scripts/generate/interpolate.py clip.mp4 --out smooth.mp4 --fps 60
"""

from pathlib import Path

import tyro

from gen import GenerateError
from gen.interpolation import InterpolateRequest, Method, interpolate_video


def main(
    video: tyro.conf.Positional[Path],
    /,
    out: Path,
    factor: int | None = None,
    fps: float | None = None,
    loop: bool = False,
    method: Method = "flow",
) -> None:
    """Fill in frames between those of VIDEO: FACTOR times as many, or FPS a second."""
    try:
        request = InterpolateRequest(video=video, out=out, factor=factor, fps=fps, loop=loop, method=method)
        result = interpolate_video(request)
    except GenerateError as error:
        raise SystemExit(str(error)) from None
    print(f"{result.path}: {result.frames} frames at {result.fps:g} per second")


if __name__ == "__main__":
    tyro.cli(main)
