"""A picture becomes a film from keyframes, without any model: the camera flies as the schedules say.

python scripts/keyframes.py house.png --mode 3D --set translation_z "0:(2)" rotation_3d_y "0:(0.3*sin(t/20))"
"""

from pathlib import Path
from typing import Literal

import tyro

from gen.encode import write_mp4
from gen.keyframe_plan import plan_keyframes
from gen.keyframe_request import KeyframesRequest
from gen.keyframes import frames_folder, generate_keyframes


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
    request = KeyframesRequest(
        out=out,
        image=image,
        mode=mode,
        frames=frames,
        depth_model=depth_model,
        settings=settings,
        overrides=set or {},
    )
    plan = plan_keyframes(request)
    print(*plan.notes, sep="\n")
    write_mp4(out, generate_keyframes(request, plan=plan), width=plan.width, height=plan.height, fps=plan.fps)
    print(f"{out}, and its frames without loss in {frames_folder(out)}")


if __name__ == "__main__":
    tyro.cli(main)
