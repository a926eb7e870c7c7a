"""Somebody made of words moves like a sequence of skeletons; without one, like a mannequin that waves.

python scripts/generate/pose.py "an astronaut on the moon" --poses openpose_folder
"""

from pathlib import Path

import tyro

from gen import PoseRequest, generate
from gen.poses.files import write_npz
from gen.poses.mannequin import perform


def main(
    prompt: tyro.conf.Positional[str],
    /,
    poses: Path | None = None,
    model: str | None = None,
    out: Path = Path("pose.mp4"),
) -> None:
    """Make PROMPT follow POSES: OpenPose JSON, COCO JSON, an npz, or drawn skeletons."""
    if poses is None:
        poses = out.with_suffix(".npz")
        poses.parent.mkdir(parents=True, exist_ok=True)
        write_npz(perform("wave", frames=16, width=512, height=512).poses, poses)
    print(generate(PoseRequest(prompt=prompt, poses=poses, model=model, out=out)).path)


if __name__ == "__main__":
    tyro.cli(main)
