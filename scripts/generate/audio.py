"""A picture moves to music, without any model.

python scripts/generate/audio.py song.mp3 cover.png --set pulse "0:(1.05+0.15*beat)" angle "0:(treble)"
"""

from pathlib import Path

import tyro

from gen import GenerateError, generate
from gen.audio.reactive import AudioReactiveRequest
from gen.keyframes.request import KeyframesRequest


def main(
    audio: tyro.conf.Positional[Path],
    image: tyro.conf.Positional[Path],
    /,
    out: Path = Path("film.mp4"),
    start: float = 0.0,
    frames: int | None = None,
    set: dict[str, str] | None = None,
) -> None:
    """Move IMAGE to AUDIO; schedules may use loudness, bass, mid, treble, onset and beat."""
    keyframes = KeyframesRequest(out=out, image=image, frames=frames, overrides=set or {})
    try:
        video = generate(AudioReactiveRequest(audio=audio, keyframes=keyframes, start=start))
    except GenerateError as error:
        raise SystemExit(str(error)) from None
    sound = video.sidecar["sound"]
    print(f"{len(sound['beats'])} beats" + (f" at {sound['bpm']:.1f} per minute" if sound["bpm"] else ""))
    print(video.path)


if __name__ == "__main__":
    tyro.cli(main)
