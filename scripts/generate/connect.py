"""Several videos become one, with a transition made between each and the next.

python scripts/generate/connect.py a.mp4 b.mp4 c.mp4 --prompt "day turns to night"
"""

from pathlib import Path

import tyro

from gen import ConnectRequest, generate


def main(
    videos: tyro.conf.Positional[tuple[Path, ...]],
    /,
    prompt: str = "",
    model: str | None = None,
    out: Path = Path("connect"),
) -> None:
    """Join VIDEOS in their order."""
    joined = videos[0]
    for number, after in enumerate(videos[1:], 1):
        request = ConnectRequest(
            before=joined, after=after, prompt=prompt, model=model, out=out / f"joined_{number}.mp4"
        )
        joined = generate(request).path
    print(joined)


if __name__ == "__main__":
    tyro.cli(main)
