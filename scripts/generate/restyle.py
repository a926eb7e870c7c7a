"""A video in another style or place, from hardly changed to redrawn.

python scripts/generate/restyle.py street.mp4 "the same street in deep snow at night"
"""

from pathlib import Path

import tyro

from gen import RestyleRequest, generate


def main(
    video: tyro.conf.Positional[Path],
    prompt: tyro.conf.Positional[str],
    /,
    strengths: tuple[float, ...] = (0.4, 0.6, 0.8),
    model: str | None = None,
    out: Path = Path("restyle"),
) -> None:
    """Redraw VIDEO as PROMPT says with each strength, above 0 to 1."""
    for strength in strengths:
        name = out / f"strength_{strength:g}.mp4"
        request = RestyleRequest(video=video, prompt=prompt, strength=strength, model=model, out=name)
        print(generate(request).path)


if __name__ == "__main__":
    tyro.cli(main)
