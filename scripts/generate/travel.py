"""The four seasons in one clip: prompts at frames that blend into each other (AnimateDiff).

python scripts/generate/travel.py "an old oak on a hill"
"""

from pathlib import Path

import tyro

from gen import TravelRequest, generate


def main(
    prompt: tyro.conf.Positional[str],
    /,
    frames: int = 64,
    model: str | None = None,
    out: Path = Path("seasons.mp4"),
) -> None:
    """Take PROMPT through the year."""
    seasons = ("spring", "summer", "autumn", "winter")
    prompts = {number * frames // 4: f"{prompt} in {season}" for number, season in enumerate(seasons)}
    print(generate(TravelRequest(prompts=prompts, frames=frames, model=model, out=out)).path)


if __name__ == "__main__":
    tyro.cli(main)
