"""Films from keyframes and to a sound, from the request to the files."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from gen.audio.reactive import AudioReactiveRequest
from gen.clips import read_clip
from gen.errors import GenerateError
from gen.events import Event, FrameRendered, VideoReused
from gen.generate import generate
from gen.keyframes.request import KeyframesRequest
from gen.video_request import Memory

BPM = 120
FILES = ["film.json", "film.mp4", "film.sheet.png", "film_frames", "picture.png"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture with detail everywhere."""
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    """Two seconds with a click every half second."""
    rate = 22050
    sound = np.zeros(2 * rate)
    noise = np.random.default_rng(0).normal(size=600) * np.exp(-np.arange(600) / 200)
    for beat in np.arange(0.25, 2, 60 / BPM):
        sound[round(beat * rate) :][:600] += noise
    path = tmp_path / "clicks.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound / abs(sound).max() * 30000).astype(np.int16).tobytes())
    return path


def test_a_film_is_drawn_once_and_says_how(picture: Path, tmp_path: Path) -> None:
    request = KeyframesRequest(
        out=tmp_path / "film.mp4", image=picture, frames=6, overrides={"zoom": "0:(1.1)"}, seed=3
    )
    video = generate(request)
    assert (video.frames, video.width, video.height) == (6, 64, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    sidecar = video.sidecar
    assert sidecar["keyframes"]["schedules"]["zoom"] == "0:(1.1)"
    assert (sidecar["seed"], sidecar["model"], sidecar["settings"]["mode"]) == (3, None, None)
    again: list[Event] = []
    assert generate(request, on_event=again.append).reused
    assert [type(event) for event in again] == [VideoReused]

    # The frames on disk are taken up when only the video is gone.
    request.out.unlink()
    kept = tmp_path / "film_frames/00005.png"
    before = kept.stat().st_mtime_ns
    events: list[Event] = []
    generate(request, on_event=events.append)
    assert kept.stat().st_mtime_ns == before
    assert len([event for event in events if isinstance(event, FrameRendered)]) == 6


def test_another_schedule_or_picture_is_another_film(picture: Path, tmp_path: Path) -> None:
    def film(**fields: object) -> np.ndarray:
        request = {"out": tmp_path / "film.mp4", "image": picture, "frames": 4, **fields}
        video = generate(KeyframesRequest(**request))  # pyright: ignore[reportArgumentType]
        assert not video.reused
        return read_clip(video.path).frames

    plain = film()
    assert (film(overrides={"angle": "0:(5)"})[1:] != plain[1:]).any()
    Image.fromarray(255 - np.asarray(Image.open(picture))).save(picture)
    assert (film() != plain).any()


def test_a_film_to_a_sound_pulses_on_its_beats_and_has_it_inside(picture: Path, clicks: Path) -> None:
    keyframes = KeyframesRequest(
        out=clicks.with_name("film.mp4"),
        image=picture,
        fps=20,
        overrides={"pulse": "0:(1+0.3*beat)", "angle": "0:(0)", "contrast": "0:(1)", "zoom": "0:(1)"},
    )
    video = generate(AudioReactiveRequest(audio=clicks, keyframes=keyframes))
    assert video.frames == 40
    with av.open(str(video.path)) as container:
        (sound,) = container.streams.audio
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(sound)])
    loud = np.flatnonzero(np.abs(heard) > 0.3 * np.abs(heard).max()) / 48000
    beats = np.array(video.sidecar["sound"]["beats"])
    assert video.sidecar["sound"]["bpm"] == pytest.approx(BPM, rel=0.02)
    assert np.abs(beats - np.arange(0.25, 2, 0.5)[: len(beats)]).max() < 0.03
    assert np.abs(loud[:, None] - beats).min(1).max() < 0.08  # what is heard in the file is on the beats
    changed = np.abs(np.diff(read_clip(video.path).frames.astype(float), axis=0)).mean((1, 2, 3))
    largest = (np.sort(np.argsort(changed)[-len(beats) :]) + 1) / 20
    assert np.abs(largest - beats).max() <= 1 / 20 + 1e-6


def test_mistakes_get_a_sentence(picture: Path, clicks: Path) -> None:
    out = clicks.with_name("film.mp4")
    with pytest.raises(GenerateError, match="written over"):
        KeyframesRequest(out=out, video=out)
    with pytest.raises(GenerateError, match="zoom"):
        generate(KeyframesRequest(out=out, image=picture, overrides={"zoom": "0:(1.02*sin(t)"}))
    with pytest.raises(GenerateError, match=r"cannot be read|no sound"):
        generate(AudioReactiveRequest(audio=picture, keyframes=KeyframesRequest(out=out, image=picture)))
    assert not out.exists()


def test_a_model_redraws_what_the_prompts_and_schedules_say(tiny, picture: Path, tmp_path: Path) -> None:
    """With a tiny Stable Diffusion through the same loading code as a real one."""
    tiny.spec("sd-1.5")

    def film(**fields: object) -> np.ndarray:
        schedules = {"steps": "0:(4)", "strength": "0:(0.5)", "diffusion_cadence": 2}
        request = {"out": tmp_path / "film.mp4", "image": picture, "frames": 4, "width": 64, "height": 64}
        request |= {"model": "sd-1.5", "memory": Memory(device="cpu"), "prompt": "a red ball", **fields}
        request["overrides"] = {**schedules, **request.get("overrides", {})}
        video = generate(KeyframesRequest(**request))  # pyright: ignore[reportArgumentType]
        assert not video.reused
        assert video.sidecar["model"]["pipeline"] == "StableDiffusionImg2ImgPipeline"
        shown = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "film_frames").glob("*.png"))]
        video.path.unlink()
        return np.stack(shown)

    plain = film()
    assert plain.shape == (4, 64, 64, 3)
    for change in (
        {"prompt": "a blue box"},
        {"seed": 7},
        {"overrides": {"strength": "0:(0.2)"}},
        {"overrides": {"cfg": "0:(2), 3:(12)"}},
    ):
        assert (film(**change) != plain).any(), change
    assert np.array_equal(film(), plain)


def test_another_commit_of_the_model_is_another_film(
    tiny, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.spec("sd-1.5")
    request = KeyframesRequest(
        out=tmp_path / "film.mp4",
        image=picture,
        frames=2,
        model="sd-1.5",
        memory=Memory(device="cpu"),
        prompt="a red ball",
        overrides={"steps": "0:(2)"},
    )
    for commit in ("a1b2", "c3d4"):
        monkeypatch.setattr("gen.planning.revision_of", lambda folder, spec, commit=commit: commit)
        events: list[Event] = []
        video = generate(request, on_event=events.append)
        assert not video.reused
        assert video.sidecar["model"]["revision"] == commit
        assert not [event for event in events if "earlier run" in getattr(event, "text", "")]
        assert generate(request).reused
