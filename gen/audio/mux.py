"""Puts sound under a video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gen.errors import GenerateError

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer

BIT_RATE = 192_000
"""Of AAC, bits per second."""
RATE = 48_000


def add_sound(video: Path, sound: Path, out: Path, *, start: float = 0.0) -> None:
    """Write an mp4 with the pictures of one file, untouched, and the sound of another as AAC.

    The sound begins at `start` seconds of its file and ends with the pictures. Raises `GenerateError` if
    either cannot be read.
    """
    import av
    from av.error import FFmpegError

    try:
        options = {"movflags": "+faststart"}
        with (
            av.open(str(video)) as pictures,
            av.open(str(sound)) as music,
            av.open(str(out), "w", format="mp4", options=options) as container,
        ):
            if not music.streams.audio:
                raise GenerateError(f'"{sound}" has no sound in it: give music or a video with sound.')
            source = pictures.streams.video[0]
            tick = source.time_base or Fraction(1)
            seconds = float((source.duration or 0) * tick)
            for name, value in pictures.metadata.items():
                container.metadata[name] = value
            picture_stream = container.add_stream_from_template(source)
            sound_stream = container.add_stream("aac", rate=RATE, layout="stereo")
            sound_stream.bit_rate = BIT_RATE
            sounds = _encoded(music, sound_stream, start, seconds)
            waiting = next(sounds, None)
            for packet in pictures.demux(source):
                if packet.dts is None:
                    continue
                # In the order of time, so that a player finds both where it is reading.
                while waiting is not None and _seconds(waiting) <= packet.dts * tick:
                    container.mux(waiting)
                    waiting = next(sounds, None)
                packet.stream = picture_stream
                container.mux(packet)
            while waiting is not None:
                container.mux(waiting)
                waiting = next(sounds, None)
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GenerateError(
            f'The sound of "{sound}" could not be put under the video ({reason}): check that it plays.'
        ) from error


def _encoded(music: InputContainer, stream: AudioStream, start: float, seconds: float) -> Iterator[Packet]:
    """The music between `start` and `start + seconds`, encoded."""
    import av

    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE, frame_size=1024)
    skip, wanted, done = round(start * RATE), round(seconds * RATE), 0
    for frame in chain(music.decode(music.streams.audio[0]), [None]):
        for part in resampler.resample(frame):
            samples = part.to_ndarray()
            cut = samples[:, max(0, skip) :][:, : wanted - done]
            skip -= samples.shape[1]
            if cut.shape[1]:
                planes = np.ascontiguousarray(cut, np.float32)
                piece = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
                piece.sample_rate, piece.pts, piece.time_base = RATE, done, Fraction(1, RATE)
                done += cut.shape[1]
                yield from stream.encode(piece)
        if done == wanted:
            break
    yield from stream.encode(None)


def _seconds(packet: Packet) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(1))
