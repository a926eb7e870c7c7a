"""Sound: beats where they are, curves that schedules can follow, sound under the film."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from gen.audio.analysis import RATE, Sound, analyse, read_sound
from gen.audio.mux import add_sound
from gen.audio.reactive import AudioReactiveRequest, describe_sound, plan_audio_reactive
from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.keyframes.drawing import generate_keyframes
from gen.keyframes.request import KeyframesRequest
from gen.keyframes.schedules import Clock, evaluate_schedule


def clicks(bpm: float, seconds: float = 10, first: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """A click track over a little noise, [N] float32, and the times of its clicks."""
    times = np.arange(first, seconds - 0.2, 60 / bpm)
    generator = np.random.default_rng(0)
    samples = generator.normal(0, 0.003, round(RATE * seconds))
    for time in times:
        start = round(time * RATE)
        samples[start : start + 400] += generator.normal(0, 0.3, 400) * np.exp(-np.arange(400) / 80)
    return samples.astype(np.float32), times


def band(bpm: float, seconds: float = 12) -> tuple[np.ndarray, np.ndarray]:
    """Bass drum on the beat, cymbal between the beats, a chord underneath."""
    t = np.arange(round(0.3 * RATE)) / RATE
    drum = (
        np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-30 * t)))) * np.exp(-12 * t) * np.minimum(1, t / 0.005)
    )
    cymbal = np.random.default_rng(3).normal(0, 0.1, 600) * np.exp(-np.arange(600) / 150)
    all_time = np.arange(round(seconds * RATE)) / RATE
    samples = 0.1 * sum(np.sin(2 * np.pi * hertz * all_time) for hertz in (220, 277, 330))
    times = np.arange(0.3, seconds - 1, 60 / bpm)
    for time in times:
        for sound, at in ((drum, time), (cymbal, time + 30 / bpm)):
            start = round(at * RATE)
            samples[start : start + len(sound)] += sound
    return (0.4 * samples).astype(np.float32), times


def write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(RATE * seconds)).astype(np.float32)


@pytest.mark.parametrize("bpm", [75, 100, 120, 128, 140])
def test_beats_of_a_click_track_are_found_within_30_ms(bpm):
    samples, times = clicks(bpm)
    heard = analyse(Sound(samples))
    assert len(heard.beats) == len(times)
    assert np.abs(heard.beats - times).max() < 0.005  # six times better than asked for
    assert heard.bpm == pytest.approx(bpm, rel=0.002)
    assert np.abs(heard.onsets - times).max() < 0.010


@pytest.mark.parametrize("bpm", [90, 124])
def test_beats_are_on_the_drum_and_not_on_the_cymbal(bpm):
    samples, times = band(bpm)
    beats = analyse(Sound(samples)).beats
    assert max(np.abs(beats - time).min() for time in times) < 0.015
    assert len(beats) <= len(times) + 1


@pytest.mark.parametrize(
    "samples",
    [noise(4), noise(12, seed=1), 0.4 * np.sin(2 * np.pi * 110 * np.arange(8 * RATE) / RATE)],
    ids=["short noise", "noise", "drone"],
)
def test_there_are_no_beats_where_there_is_no_rhythm(samples):
    heard = analyse(Sound(samples.astype(np.float32)))
    assert len(heard.beats) == 0
    assert heard.bpm is None
    assert "beat" not in heard.channels(24, 24)


def test_channels_follow_the_sound():
    t = np.arange(4 * RATE) / RATE
    low, high = np.sin(2 * np.pi * 80 * t), np.sin(2 * np.pi * 4000 * t)
    samples = np.where(t < 2, low, 0.5 * high).astype(np.float32)
    channels = analyse(Sound(samples)).channels(120, 24)
    assert all(values.shape == (120,) for values in channels.values())
    assert all(values.min() >= 0 and values.max() <= 1 for values in channels.values())
    assert channels["bass"][10:40].min() > 0.9 > 0.1 > channels["bass"][56:90].max()
    assert channels["treble"][56:90].min() > 0.9 > 0.1 > channels["treble"][10:40].max()
    assert channels["loudness"][20] > 1.5 * channels["loudness"][70]
    assert channels["onset"].argmax() == 48
    assert all(values[100:].max() == 0 for values in channels.values())  # the sound is over


@pytest.mark.parametrize("fps", [24, 30, 1])
def test_a_film_shorter_than_the_sound_hears_its_own_part_of_it(fps):
    t = np.arange(6 * RATE) / RATE
    samples = (np.where(t < 4, 0.1, 1) * np.sin(2 * np.pi * 80 * t)).astype(np.float32)
    heard = analyse(Sound(samples))
    whole, part = heard.channels(round(6 * fps), fps), heard.channels(round(2 * fps), fps)
    for name, values in part.items():
        assert values.max() <= 1
        np.testing.assert_allclose(values, whole[name][: len(values)], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("seconds", [0.1, 0.15, 0.4])
def test_a_very_short_sound_can_be_followed(seconds):
    heard = analyse(Sound(noise(seconds)))
    channels = heard.channels(12, 24)
    assert len(heard.beats) == 0
    assert all(
        np.isfinite(values).all() and 0 <= values.min() <= values.max() <= 1 for values in channels.values()
    )


@pytest.mark.parametrize("fps", [24, 30, 12.5])
def test_a_zoom_that_follows_the_beat_peaks_on_it(fps):
    samples, times = clicks(120)
    frames = round(10 * fps)
    clock = Clock(frames, fps, channels=analyse(Sound(samples)).channels(frames, fps))
    zoom = evaluate_schedule("0:(1 + 0.1*beat)", clock, "zoom")
    peaks = np.flatnonzero(zoom > np.maximum(np.roll(zoom, 1), np.roll(zoom, -1)))
    assert np.abs(peaks / fps - times).max() <= 0.5 / fps + 0.010  # on the nearest frame
    np.testing.assert_allclose(zoom[peaks], 1.1)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_wav(folder / "clicks.wav", clicks(120, 4)[0])
    write_wav(folder / "noise.wav", noise(4))
    write_wav(folder / "click.wav", noise(0.05))
    write_wav(folder / "silence.wav", np.zeros(RATE * 2, np.float32))
    (folder / "text.mp3").write_text("no sound at all")
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), np.uint8)
    write_mp4(folder / "mute.mp4", pictures, width=64, height=64, fps=24)
    write_mp4(folder / "slow.mp4", pictures, width=64, height=64, fps=12)
    Image.fromarray(pictures[0]).resize((96, 64)).save(folder / "picture.png")
    return folder


def request(files: Path, out: Path, sound: str = "clicks.wav", **fields) -> AudioReactiveRequest:
    own = {name: fields.pop(name) for name in ("start",) if name in fields}
    fields = {"image": files / "picture.png"} | fields
    keyframes = KeyframesRequest(out=out / "film.mp4", **fields)
    return AudioReactiveRequest(audio=files / sound, keyframes=keyframes, **own)


def test_a_picture_moves_to_music_without_any_model(files, tmp_path):
    asked = request(files, tmp_path)
    plan, heard = plan_audio_reactive(asked)
    assert plan.frames == 96  # as long as the sound
    beats = np.rint(heard.beats * 24).astype(int)
    assert np.array_equal(np.flatnonzero(np.isclose(plan.values["pulse"], 1.16)), beats)
    frames = np.stack(list(generate_keyframes(asked.keyframes, plan=plan))).astype(float)
    change = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    assert change[beats - 1].min() > 2 * np.median(change)
    assert describe_sound(asked, heard)["bpm"] == pytest.approx(120, abs=0.2)


def test_own_schedules_win_and_the_start_shifts_the_beats(files, tmp_path):
    asked = request(files, tmp_path, start=0.5, overrides={"pulse": "0:(1)", "angle": "0:(onset)"}, frames=24)
    plan, heard = plan_audio_reactive(asked)
    assert set(plan.values["pulse"]) == {1.0}
    assert plan.values["angle"].max() > 0.9
    assert heard.beats[0] == pytest.approx(0.25, abs=0.01)


def test_the_schedules_of_a_settings_file_win_too(files, tmp_path):
    settings = tmp_path / "settings.txt"
    settings.write_text('{"angle": "0:(3)", "max_frames": 12, "fps": 12}')
    plan, _ = plan_audio_reactive(request(files, tmp_path, settings=settings))
    assert (plan.frames, plan.fps, set(plan.values["angle"])) == (12, 12, {3.0})
    assert plan.values["pulse"].max() > 1.1


def test_a_model_follows_the_music_too(files, tmp_path):
    plan, _ = plan_audio_reactive(request(files, tmp_path, model="some", prompt="waves"))
    assert plan.redraws.max() == pytest.approx(0.5, abs=0.02)
    assert plan.values["zoom"].max() > 1.03


def test_the_sound_lies_under_the_pictures(files, tmp_path):
    pictures = np.random.default_rng(1).integers(0, 255, (48, 64, 64, 3), np.uint8)
    write_mp4(tmp_path / "mute.mp4", pictures, width=64, height=64, fps=24)
    add_sound(tmp_path / "mute.mp4", files / "clicks.wav", tmp_path / "film.mp4", start=0.4)
    with av.open(str(tmp_path / "film.mp4")) as film, av.open(str(tmp_path / "mute.mp4")) as mute:
        lengths = {s.type: float((s.duration or 0) * (s.time_base or 0)) for s in film.streams}
        assert lengths == {"video": 2.0, "audio": pytest.approx(2.0, abs=0.03)}
        assert film.streams.audio[0].codec_context.name == "aac"
        both = [[frame.to_ndarray() for frame in file.decode(video=0)] for file in (film, mute)]
    assert np.array_equal(*both)
    heard = analyse(read_sound(tmp_path / "film.mp4"))
    assert np.abs(heard.onsets - [0.35, 0.85, 1.35, 1.85]).max() < 0.010


@pytest.mark.parametrize(
    ("sound", "fields", "message"),
    [
        ("silence.wav", {}, "silent from beginning to end"),
        ("noise.wav", {}, r"No beats were found.*use loudness.*0:\(1\+0.1\*loudness\)"),
        ("mute.mp4", {}, "has no sound in it"),
        ("text.mp3", {}, "cannot be read as sound"),
        ("none.wav", {}, "cannot be read as sound.*No such file"),
        ("clicks.wav", {"start": 9.0}, "has 4 s of sound.*from 9 s on.*start earlier"),
        ("click.wav", {}, "has 0.05 s of sound.*at least 0.1 s were expected: give a longer one"),
        ("clicks.wav", {"start": -1.0}, "begin at -1 s"),
        ("clicks.wav", {"fps": 0}, "at 0 per second"),
        ("clicks.wav", {"frames": 0}, "would have 0 frames"),
    ],
)
def test_bad_sound_is_a_sentence(files, tmp_path, sound, fields, message):
    with pytest.raises(GenerateError, match=message):
        plan_audio_reactive(request(files, tmp_path, sound, **fields))


def test_noise_can_be_followed_by_its_loudness(files, tmp_path):
    quiet = {"pulse": "0:(1+0.1*loudness)", "translation_z": "0:(1)"}
    plan, _ = plan_audio_reactive(request(files, tmp_path, "noise.wav", overrides=quiet))
    assert plan.values["pulse"].std() > 0


def test_a_video_that_moves_to_a_sound_keeps_its_speed(files, tmp_path):
    still = {"pulse": "1", "translation_z": "0"}
    asked = request(files, tmp_path, video=files / "slow.mp4", image=None, overrides=still)
    plan, _ = plan_audio_reactive(asked)
    assert (plan.fps, plan.frames) == (12, 48)  # of 4 s
    nth = {
        "extract_nth_frame": 2,
        "animation_mode": "Video Input",
        "video_init_path": str(files / "slow.mp4"),
    }
    plan, _ = plan_audio_reactive(request(files, tmp_path, image=None, overrides={**still, **nth}))
    assert (plan.fps, plan.frames) == (6, 24)


@pytest.mark.parametrize(("fields", "notes"), [({}, True), ({"frames": 8}, False)])
def test_a_sound_that_is_longer_than_any_film_is_said_to_be(files, tmp_path, monkeypatch, fields, notes):
    monkeypatch.setattr("gen.audio.reactive.MAX_FRAMES", 24)
    plan, _ = plan_audio_reactive(request(files, tmp_path, **fields))
    assert any("ends after 1.0 s of the sound" in note for note in plan.notes) == notes
