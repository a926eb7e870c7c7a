"""Files: video and sidecar appear complete or not at all, once per request."""

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import gen
from gen import FrameRendered, GenerateError, GenerateRequest, PromptRead, VideoReused, VideoWritten

PROMPT = "a red ball and a unicorn"
SMALL: dict[str, Any] = {"frames": 4, "width": 96, "height": 64}


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "folder" / "clip.mp4"
    events: list[gen.Event] = []
    request = GenerateRequest(PROMPT, out, **SMALL, seed=5)
    return request, gen.generate(request, on_event=events.append), events


def test_video_is_what_was_asked_for(made):
    request, video, events = made
    frames = decode(video.path)
    assert frames.shape == (4, 64, 96, 3)
    with av.open(str(video.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 24)
    assert sorted(p.name for p in request.out.parent.iterdir()) == ["clip.json", "clip.mp4", "clip.sheet.png"]
    assert [e.frame for e in events if isinstance(e, FrameRendered)] == [0, 1, 2, 3]
    assert isinstance(events[0], PromptRead)
    assert events[0].ignored == ("unicorn",)
    assert isinstance(events[-1], VideoWritten)


def test_encoding_is_near_lossless(made):
    from gen.composer.compose import compose, render_frames
    from gen.composer.prompt import read_prompt

    request, video, _ = made
    drawn = np.stack(list(render_frames(compose(request, read_prompt(request.prompt)))))
    decoded = decode(video.path)
    luma_error = drawn.mean(3) - decoded.mean(3)  # colour is kept at half the resolution
    assert 10 * np.log10(255**2 / np.mean(luma_error**2)) > 36
    assert np.abs(drawn.mean((0, 1, 2)) - decoded.mean((0, 1, 2))).max() < 1.5  # no colour shift


def test_sidecar_is_complete(made):
    _, video, _ = made
    sidecar = json.loads(video.sidecar_path.read_text(encoding="utf-8"))
    assert sidecar == video.sidecar
    assert (sidecar["format"], sidecar["version"], sidecar["generator"]) == ("splatreel-video", 1, "composer")
    assert (sidecar["prompt"], sidecar["seed"]) == (PROMPT, 5)
    assert (sidecar["width"], sidecar["height"], sidecar["fps"], sidecar["frames"]) == (96, 64, 24.0, 4)
    assert sidecar["words"] == {"used": ["red", "ball"], "ignored": ["unicorn"]}
    assert sidecar["objects"][0]["kind"] == "ball"
    cameras = sidecar["cameras"]
    assert (cameras["convention"], cameras["world_up"]) == ("opencv", [0, 0, 1])
    assert (cameras["intrinsics"]["cx"], cameras["intrinsics"]["cy"]) == (48.0, 32.0)
    assert np.array(cameras["world_from_camera"]).shape == (4, 4, 4)


def test_the_same_request_is_not_drawn_twice(made):
    request, video, _ = made
    before = video.path.stat().st_mtime_ns
    events: list[gen.Event] = []
    again = gen.generate(request, on_event=events.append)
    assert again.reused
    assert again.sidecar == video.sidecar
    assert isinstance(events[-1], VideoReused)
    assert video.path.stat().st_mtime_ns == before


def test_the_same_request_elsewhere_gives_the_same_frames_and_another_seed_does_not(made, tmp_path):
    _, video, _ = made
    same = gen.generate(GenerateRequest(PROMPT, tmp_path / "same.mp4", **SMALL, seed=5))
    other = gen.generate(GenerateRequest(PROMPT, tmp_path / "other.mp4", **SMALL, seed=6))
    assert same.path.read_bytes() == video.path.read_bytes()
    assert not np.array_equal(decode(other.path), decode(video.path))


def test_a_damaged_video_or_a_changed_request_is_drawn_anew(tmp_path):
    out = tmp_path / "clip.mp4"
    first = gen.generate(GenerateRequest(PROMPT, out, **SMALL))
    intact = out.read_bytes()
    out.write_bytes(intact[: len(intact) // 2])
    assert not gen.generate(GenerateRequest(PROMPT, out, **SMALL)).reused
    assert out.read_bytes() == intact
    changed = gen.generate(GenerateRequest(PROMPT, out, **SMALL, seed=1))
    assert changed.sidecar["request_hash"] != first.sidecar["request_hash"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_what_was_there(tmp_path, stop):
    out = tmp_path / "clip.mp4"
    gen.generate(GenerateRequest(PROMPT, out, **SMALL))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupt(event):
        if isinstance(event, FrameRendered) and event.frame == 1:
            raise stop

    with pytest.raises(stop):
        gen.generate(GenerateRequest(PROMPT, out, **SMALL, seed=9), on_event=interrupt)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.modules["gen.video_files"], "write_json", full)
    with pytest.raises(GenerateError, match=r"No space left on device.*choose an output folder"):
        gen.generate(GenerateRequest(PROMPT, tmp_path / "clip.mp4", **SMALL))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clip.mp4", "clip.json"])
def test_files_of_others_are_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(GenerateError, match="not made by splatreel"):
        gen.generate(GenerateRequest(PROMPT, tmp_path / "clip.mp4", **SMALL))
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 481}, "width is 481 px.*even number.*try 482"),
        ({"height": 0}, "height is 0 px.*try 64"),
        ({"frames": 1}, "number of frames is 1"),
        ({"fps": float("nan")}, "frame rate is nan"),
        ({"camera": "teleport"}, 'camera move is "teleport".*arc, orbit'),
        ({"arc_degrees": 720.0}, "arc is 720.0 degrees"),
        ({"out": Path("clip.avi")}, "must end in .mp4"),
    ],
)
def test_wrong_requests_say_what_is_expected(fields, message):
    with pytest.raises(GenerateError, match=message):
        GenerateRequest(**{"prompt": PROMPT, "out": Path("clip.mp4"), **fields})


def test_without_a_writable_cache_the_kernels_still_compile(monkeypatch):
    import numba

    from gen.composer import textures

    real = numba.njit

    def njit(*args, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(textures.numba, "njit", njit)
    assert textures.cached_jit(lambda x: x + 1)(1) == 2
