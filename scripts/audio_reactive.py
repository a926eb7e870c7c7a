"""A picture moves to music, without any model.

python scripts/audio_reactive.py song.mp3 cover.png --set pulse "0:(1.05+0.15*beat)" angle "0:(treble)"
"""

from pathlib import Path

import tyro

from gen.audio_mux import add_sound
from gen.audio_reactive import AudioReactiveRequest, plan_audio_reactive
from gen.encode import write_mp4
from gen.keyframe_request import KeyframesRequest
from gen.keyframes import generate_keyframes


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
    plan, heard = plan_audio_reactive(AudioReactiveRequest(audio=audio, keyframes=keyframes, start=start))
    print(*plan.notes, sep="\n")
    print(f"{len(heard.beats)} beats" + (f" at {heard.bpm:.1f} per minute" if heard.bpm else ""))
    silent = out.with_name(f".{out.stem}.silent.mp4")
    film = generate_keyframes(keyframes, plan=plan)
    try:
        write_mp4(silent, film, width=plan.width, height=plan.height, fps=plan.fps)
        add_sound(silent, audio, out, start=start)
    finally:
        silent.unlink(missing_ok=True)
    print(out)


if __name__ == "__main__":
    tyro.cli(main)
