"""Sound as curves over time: loudness, bands, onsets and beats, for schedules that follow music.

numpy and scipy only. Onsets are peaks of the spectral flux; the tempo is the strongest lag of its
autocorrelation (weighted towards 120 bpm); beats follow it by dynamic programming (D. Ellis, "Beat tracking
by dynamic programming", Journal of New Music Research 2007) and are then moved onto the attacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gen.errors import GenerateError

RATE = 22050
"""Samples per second that every sound is brought to; what lies above 11 kHz moves no picture."""
HOP = 128
"""Samples between analysis frames: 5.8 ms."""
BAND_WINDOW, FLUX_WINDOW = 2048, 512
"""Samples: long to tell bass notes apart, short to place an attack."""
BANDS = {"bass": (20, 150), "mid": (150, 2000), "treble": (2000, 8000)}
"""Hz."""
CHANNELS = ("loudness", *BANDS, "onset", "beat")

SHORTEST = 0.1
"""Seconds of sound that a film can follow."""
SILENCE = 10 ** (-60 / 20)
"""A peak below -60 dB of full scale is silence."""
TEMPO_RANGE = (50.0, 220.0)
"""Beats per minute."""
TEMPO_CENTRE, TEMPO_SPREAD = 120.0, 0.9
"""What people tap to: a normal distribution in octaves (Ellis 2007)."""
STRICTNESS = 100.0
"""How much a steady beat counts against strong onsets (Ellis 2007: tightness)."""
RHYTHM, RHYTHM_OF_NOISE = 0.12, 10.0
"""Least autocorrelation of the flux at the tempo for a sound to have beats, and what noise reaches times the
root of its length in hops; drums reach 0.4 and more."""
FEWEST_BEATS = 4
FLUX_BANDS = 24
"""Bands of equal ratio: a bass drum counts as much as a cymbal that has a hundred times its bandwidth."""
LOW_TO_HIGH = (2.0, 0.2)
"""How much the lowest and the highest band count for the flux: people tap to the drum, not to the cymbals."""
ATTACK_REACH = 0.04
"""Seconds to either side of a tracked beat within which its attack is looked for."""
BEAT_DECAY = 0.15
"""Seconds in which the beat channel falls to 1/e."""


@dataclass(frozen=True)
class Sound:
    """One channel of sound at RATE."""

    samples: np.ndarray = field(repr=False)
    """[N] float32, -1..1."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


@dataclass(frozen=True)
class Analysis:
    """What was found in a sound. Curves have a value for every HOP samples."""

    seconds: float
    curves: Mapping[str, np.ndarray] = field(repr=False)
    """loudness, bass, mid, treble, onset: [A] float, 0..1."""
    onsets: np.ndarray
    """Times of attacks, seconds."""
    beats: np.ndarray
    """Times of beats, seconds; empty if there is no rhythm."""
    bpm: float | None
    rhythm: float
    """Autocorrelation of the flux at the tempo, 0..1."""

    def channels(self, frames: int, fps: float) -> dict[str, np.ndarray]:
        """Values for every frame of a film that begins with the sound, [F] in 0..1 each.

        `beat` is 1 at the frame nearest to a beat and decays; it is missing if the sound has no beats.
        """
        edges = np.clip((np.arange(frames + 1) - 0.5) * fps**-1 * RATE / HOP, 0, None)
        channels = {}
        for name, curve in self.curves.items():
            first = np.minimum(np.floor(edges[:-1]).astype(int), len(curve) - 1)
            # An attack is shorter than a frame, so its peak counts; of the others the mean.
            gather = np.maximum if name == "onset" else np.add
            # Only up to the film's end: reduceat takes all that is left for the last frame.
            end = min(len(curve), max(first[-1] + 1, int(edges[-1])))
            count = np.diff(np.append(first, end))
            total = gather.reduceat(curve[:end], first)
            channels[name] = total if name == "onset" else total / np.maximum(count, 1)
        after_end = np.arange(frames) / fps > self.seconds
        channels = {name: np.where(after_end, 0.0, values) for name, values in channels.items()}
        if len(self.beats):
            channels["beat"] = _decaying(self.beats, frames, fps)
        return channels


def read_sound(path: Path, start: float = 0.0) -> Sound:
    """The sound of an audio or video file from `start` seconds on.

    Raises `GenerateError` for a file that cannot be read, has no sound, or hardly any after `start`.
    """
    import av
    from av.error import FFmpegError

    pieces = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise GenerateError(f'"{path}" has no sound in it: give music or a video with sound.')
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
            for frame in container.decode(container.streams.audio[0]):
                pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GenerateError(
            f'"{path}" cannot be read as sound ({reason}): give a WAV, MP3, FLAC, OGG, M4A or video file.'
        ) from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    sound = Sound(samples[round(start * RATE) :])
    if sound.seconds < SHORTEST:
        part, advice = (f" from {start:g} s on", "start earlier") if start else ("", "give a longer one")
        raise GenerateError(
            f'"{path}" has {len(samples) / RATE:.2g} s of sound, but at least {SHORTEST:g} s{part} were '
            f"expected: {advice}."
        )
    return sound


def analyse(sound: Sound) -> Analysis:
    """Loudness, bands, onsets, tempo and beats. Raises `GenerateError` if there is nothing but silence."""
    if np.abs(sound.samples).max() < SILENCE:
        raise GenerateError(
            "The sound is silent from beginning to end: check that it is the right file and the right part."
        )
    spectrum = _spectrogram(sound.samples, BAND_WINDOW)
    hertz = np.fft.rfftfreq(BAND_WINDOW, 1 / RATE)
    power = spectrum**2
    curves = {"loudness": np.sqrt(power.mean(1))}
    for name, (low, high) in BANDS.items():
        curves[name] = np.sqrt(power[:, (hertz >= low) & (hertz < high)].mean(1))
    flux = _flux(_spectrogram(sound.samples, FLUX_WINDOW))
    peaks = _peaks(flux)
    full = {name: np.percentile(curve, 99) for name, curve in curves.items()}
    curves["onset"] = flux
    full["onset"] = np.median(flux[peaks]) if len(peaks) else flux.max()
    curves = {name: np.clip(curve / max(full[name], 1e-9), 0, 1) for name, curve in curves.items()}
    period, rhythm = _tempo(flux)
    attacks = _attack_curve(sound.samples)
    has_rhythm = rhythm >= max(RHYTHM, RHYTHM_OF_NOISE / np.sqrt(len(flux)))
    beats = _track(flux, period) * HOP / RATE if has_rhythm else np.zeros(0)
    beats = beats if len(beats) >= FEWEST_BEATS else np.zeros(0)
    return Analysis(
        seconds=sound.seconds,
        curves=curves,
        onsets=_onto_attacks(peaks * HOP / RATE, attacks),
        beats=_onto_attacks(beats, attacks),
        bpm=60 * RATE / HOP / period if len(beats) else None,
        rhythm=rhythm,
    )


def _spectrogram(samples: np.ndarray, window: int) -> np.ndarray:  # [A, window // 2 + 1]
    """Magnitudes under a Hann window, one row for every HOP samples, centred on them."""
    padded = np.pad(samples, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP]
    shape = np.hanning(window).astype(np.float32)
    # In pieces: all windows of a song at once would be gigabytes.
    pieces = [np.abs(np.fft.rfft(frames[i : i + 4096] * shape)) for i in range(0, len(frames), 4096)]
    return np.concatenate(pieces).astype(np.float32)


def _flux(spectrum: np.ndarray) -> np.ndarray:  # [A]
    """How much louder each moment is than the one before, over all bands, without its local level."""
    from scipy.ndimage import uniform_filter1d

    edges = np.unique(np.geomspace(1, spectrum.shape[1] - 1, FLUX_BANDS + 1).round().astype(int))
    bands = np.sqrt(
        np.add.reduceat(spectrum**2, edges, axis=1) / np.diff(np.append(edges, spectrum.shape[1]))
    )
    level = np.log1p(1000 * bands / bands.max())
    lag = max(1, FLUX_WINDOW // HOP // 2)
    rise = np.maximum(0, level[lag:] - level[:-lag]) @ np.linspace(*LOW_TO_HIGH, len(edges)) / len(edges)
    flux = np.concatenate([np.zeros(lag), rise])
    flux[-FLUX_WINDOW // HOP :] = 0  # A sound that is cut off there ends with a click.
    second = round(RATE / HOP)
    return np.maximum(0, flux - uniform_filter1d(flux, second))


def _tempo(flux: np.ndarray) -> tuple[float, float]:
    """The time between beats in hops, and how strongly the flux repeats after it (0..1)."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import correlate

    # An attack is a spike: without smoothing, beats that jitter by a few milliseconds would not correlate.
    smooth = gaussian_filter1d(flux, 2.0)
    smooth = smooth - smooth.mean()
    correlation = correlate(smooth, smooth, method="fft")[len(smooth) - 1 :]
    # Shorter overlaps at longer lags would favour fast tempos.
    correlation /= np.arange(len(smooth), 0, -1)
    correlation /= max(correlation[0], 1e-12)
    slowest, fastest = (60 * RATE / HOP / bpm for bpm in TEMPO_RANGE)
    lags = np.arange(int(fastest), min(int(slowest), len(smooth) // 2) + 1)
    if len(lags) < 3:
        return fastest, 0.0
    octaves = np.log2(60 * RATE / HOP / lags / TEMPO_CENTRE)
    weighted = correlation[lags] * np.exp(-0.5 * (octaves / TEMPO_SPREAD) ** 2)
    best = int(lags[np.argmax(weighted)])
    return best + _parabola(correlation, best), float(correlation[best])


def _track(flux: np.ndarray, period: float) -> np.ndarray:  # [B]
    """Beats, in hops: a chain of moments with much flux whose distances stay near the period."""
    from scipy.ndimage import gaussian_filter1d

    score = gaussian_filter1d(flux, period / 32)
    score = score / max(score.std(), 1e-9)
    distances = np.arange(round(period / 2), round(2 * period) + 1)
    cost = STRICTNESS * np.log(distances / period) ** 2
    total, previous = score.copy(), np.full(len(score), -1)
    for now in range(distances[0], len(score)):
        reach = distances[distances <= now]
        options = total[now - reach] - cost[: len(reach)]
        best = int(np.argmax(options))
        if options[best] > 0:
            total[now] += options[best]
            previous[now] = now - reach[best]
    at = int(len(total) - 1 - np.argmax(total[::-1][: round(2 * period)]))
    beats = []
    while at >= 0:
        beats.append(at)
        at = int(previous[at])
    beats = np.array(beats[::-1])
    # The chain runs on through the silence before and after the music.
    loud = np.flatnonzero(score[beats] > 0.5 * np.sqrt(np.mean(score[beats] ** 2)))
    return beats[loud[0] : loud[-1] + 1].astype(float) if len(loud) else np.zeros(0)


def _peaks(flux: np.ndarray) -> np.ndarray:
    """Hops at which the flux stands out."""
    from scipy.signal import find_peaks

    gap = round(0.05 * RATE / HOP)
    return find_peaks(flux, height=max(2 * flux.std(), 1e-6), distance=gap)[0]


def _attack_curve(samples: np.ndarray) -> np.ndarray:  # [N // 32]
    """How fast the loudness rises, every 32 samples (1.5 ms): the steepest place is the attack."""
    from scipy.ndimage import gaussian_filter1d

    step = 32
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    loudness = np.sqrt(gaussian_filter1d((blocks**2).mean(1), 1.0))
    # Without a floor the steepest place would be the first trace of an attack, before anyone hears it.
    level = np.log(loudness + 0.1 * np.percentile(loudness, 99))
    return np.maximum(0, np.gradient(level))


def _onto_attacks(times: np.ndarray, attacks: np.ndarray) -> np.ndarray:
    """Times in seconds, each moved to the steepest rise of loudness near it, if there is a clear one."""
    rate = RATE / 32
    floor = 4 * attacks.mean()
    moved = []
    for time in times:
        first = max(0, round((time - ATTACK_REACH) * rate))
        near = attacks[first : round((time + ATTACK_REACH) * rate) + 1]
        if len(near) and near.max() > floor:
            peak = first + int(np.argmax(near))
            time = (peak + _parabola(attacks, peak) + 0.5) / rate
        moved.append(time)
    return np.array(moved)


def _parabola(values: np.ndarray, peak: int) -> float:
    """Where between samples a peak lies, -0.5..0.5: the top of a parabola through it and its neighbours."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    left, middle, right = values[peak - 1 : peak + 2]
    curvature = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0


def _decaying(times: np.ndarray, frames: int, fps: float) -> np.ndarray:  # [F]
    """1 at the frame nearest to each time, then falling until the next."""
    starts = np.unique(np.rint(times * fps).astype(int))
    frame = np.arange(frames)
    latest = np.searchsorted(starts, frame, side="right") - 1
    since = frame - starts[np.maximum(latest, 0)]
    return np.where(latest >= 0, np.exp(-since / (fps * BEAT_DECAY)), 0.0)
