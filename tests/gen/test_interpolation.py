"""Interpolation and smoothing on clips whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gen.clips import read_clip
from gen.encode import write_mp4
from gen.errors import GenerateError
from gen.events import Event, FrameRendered, VideoReused, VideoWritten
from gen.generate import generate
from gen.interpolation import (
    InterpolateRequest,
    interpolate,
    interpolate_video,
    rate_positions,
    to_rate,
)
from gen.rife import rife_weights
from gen.smoothing import SmoothRequest, deflicker, flicker, smooth

HEIGHT, WIDTH = 120, 200


def texture(seed: int, height: int = HEIGHT + 80, width: int = WIDTH + 160) -> np.ndarray:
    """Detail of all sizes, like most things: [height, width, 3] float32."""
    import cv2

    rng = np.random.default_rng(seed)
    layers = [
        s**1.3 * cv2.GaussianBlur(rng.standard_normal((height, width, 3), np.float32), (0, 0), s)
        for s in (2, 4, 8, 16)
    ]
    picture = sum(layers)
    return np.clip((picture - np.mean(picture)) / np.std(picture) * 45 + 128, 0, 255)


def moved(picture: np.ndarray, x: float, y: float, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    import cv2

    return cv2.warpAffine(
        picture, np.array([[1, 0, x], [0, 1, y]], np.float64), (width, height), flags=cv2.INTER_CUBIC
    )


def sliding(t: float, seed: int = 1) -> np.ndarray:
    """A texture that slides 12 pixels a frame to the right and 5 up."""
    return np.clip(moved(texture(seed), 12 * t - 60, -5 * t - 20), 0, 255).round().astype(np.uint8)


def two_layers(t: float) -> np.ndarray:
    """A patch moves 14 pixels a frame over a background that moves 5 the other way."""
    front, inside = texture(2, 60, 70) * [1, 0.7, 0.5], np.ones((60, 70), np.float32)
    cover = moved(inside, 50 + 14 * t, 30)[..., None]
    picture = moved(texture(1), -60 - 5 * t, -20) * (1 - cover) + moved(front, 50 + 14 * t, 30) * cover
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def blend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.astype(float) + b) / 2


@pytest.mark.parametrize("factor", [2, 4])
def test_a_sliding_texture_is_where_it_should_be(factor: int) -> None:
    made = interpolate(np.stack([sliding(0), sliding(1)]), factor)
    assert made.shape == (factor + 1, HEIGHT, WIDTH, 3)
    for i in range(1, factor):
        inner = np.s_[10:-10, 20:-20]
        assert psnr(made[i][inner], sliding(i / factor)[inner]) > 38


def test_given_frames_stay_as_they_are() -> None:
    frames = np.stack([two_layers(t) for t in range(3)])
    made = interpolate(frames, 3)
    assert len(made) == 7
    assert np.array_equal(made[::3], frames)


def test_occlusion_is_not_a_ghost() -> None:
    a, truth, b = two_layers(0), two_layers(0.5), two_layers(1)
    made = interpolate(np.stack([a, b]), 2)[1]
    assert psnr(made, truth) > psnr(blend(a, b), truth) + 5
    uncovered = np.s_[35:85, 40:56]  # behind the patch: seen in the second frame only
    assert psnr(made[uncovered], truth[uncovered]) > psnr(blend(a, b)[uncovered], truth[uncovered]) + 1


def test_nothing_is_mixed_across_a_cut() -> None:
    before, after = sliding(0, seed=1) // 3, 255 - sliding(0, seed=7) // 3
    made = interpolate(np.stack([before, after]), 4)
    assert np.array_equal(made[1], before)
    assert all(np.array_equal(made[i], after) for i in (2, 3))


def test_a_loop_comes_back_to_its_beginning() -> None:
    frames = np.stack([sliding(t) for t in (0, 0.5, 1, 0.5)])
    made = interpolate(frames, 2, loop=True)
    assert len(made) == 8
    inner = np.s_[10:-10, 20:-20]
    assert psnr(made[7][inner], sliding(0.25)[inner]) > 38  # between the last frame and the first


def test_uneven_times_become_even() -> None:
    times = np.array([0.0, 0.1, 0.4, 0.5])
    made = to_rate(np.stack([sliding(10 * t / 4) for t in times]), times, 10)
    assert len(made) == 6
    inner = np.s_[10:-10, 20:-20]
    for i, frame in enumerate(made):
        assert psnr(frame[inner], sliding(i / 4)[inner]) > 35


@pytest.mark.parametrize(("fps", "count"), [(24, 10), (10, 5), (48, 19), (30, 12)])
def test_rates_keep_the_length(fps: float, count: int) -> None:
    positions = rate_positions(10, 24.0, fps)
    assert positions[0] == 0
    assert positions[-1] <= 9
    assert len(positions) == pytest.approx(9 / 24 * fps + 1, abs=1)
    assert np.allclose(np.diff(positions), 24 / fps)
    assert len(rate_positions(10, 24.0, fps, loop=True)) == pytest.approx(10 / 24 * fps, abs=0.6)


def test_a_video_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.mp4"
    write_mp4(source, [sliding(t / 4) for t in range(5)], width=WIDTH, height=HEIGHT, fps=8)
    request = InterpolateRequest(video=source, out=tmp_path / "out.mp4", factor=2)
    events: list[Event] = []
    video = interpolate_video(request, on_event=events.append)
    assert (video.frames, video.fps, video.width, video.height) == (9, 16, WIDTH, HEIGHT)
    assert video.sidecar["original_frames"] == [0, 2, 4, 6, 8]
    assert len([event for event in events if isinstance(event, FrameRendered)]) == 9
    assert isinstance(events[-1], VideoWritten)
    clip = read_clip(video.path)
    assert (len(clip), clip.fps) == (9, 16)

    again: list[Event] = []
    with monkeypatch.context() as patch:  # a long clip is not decoded for nothing
        patch.delattr("gen.interpolation.read_clip")
        assert interpolate_video(request, on_event=again.append).reused
    assert [type(event) for event in again] == [VideoReused]
    assert interpolate_video(InterpolateRequest(video=source, out=request.out, fps=12)).frames == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.mp4",
        "out.json",
        "out.mp4",
        "out.sheet.png",
    ]


def test_real_clips_beat_blending(shared_clips: Path) -> None:
    """A sample of what scripts/bench/interpolation.py measures in full."""
    gains = []
    for name, starts in (("generated_ship", (0, 24)), ("fox", (0, 14))):
        frames = read_clip(shared_clips / f"{name}.mp4").frames
        for i in starts:
            a, truth, b = (frame[: frame.shape[0] // 2 * 2 : 2, ::2] for frame in frames[i : i + 3])
            made = interpolate(np.stack([a, b]), 2)[1]
            gains.append(psnr(made, truth) - psnr(blend(a, b), truth))
    assert np.mean(gains) > 1.5
    assert min(gains) > 1.5


@pytest.mark.skipif(rife_weights() is None, reason="the package with RIFE's weights is not installed")
def test_rife_finds_the_middle() -> None:
    made = interpolate(np.stack([sliding(0), sliding(1)]), 2, method="rife")
    inner = np.s_[10:-10, 20:-20]
    assert psnr(made[1][inner], sliding(0.5)[inner]) > 30


@pytest.fixture(scope="module")
def steady() -> np.ndarray:
    return np.stack([two_layers(t / 4) for t in range(9)])


def test_exposure_flicker_goes(steady: np.ndarray) -> None:
    gains = np.exp(np.random.default_rng(0).normal(0, 0.08, (9, 1, 1, 3)))
    flickering = np.clip(steady * gains, 0, 255).round().astype(np.uint8)
    calm = deflicker(flickering)
    assert flicker(flickering) > 7
    assert flicker(calm) < flicker(steady) + 0.5


def test_a_calm_video_is_written_once_and_never_over_its_source(tmp_path: Path, steady: np.ndarray) -> None:
    gains = np.linspace(0.9, 1.1, len(steady))[[4, 0, 8, 2, 6, 1, 7, 3, 5]]
    flickering = np.clip(steady * gains[:, None, None, None], 0, 255).round().astype(np.uint8)
    source = tmp_path / "in.mp4"
    write_mp4(source, flickering, width=flickering.shape[2], height=flickering.shape[1], fps=8)
    request = SmoothRequest(video=source, out=tmp_path / "out.mp4", radius=1)
    video = generate(request)
    assert (video.frames, video.fps) == (9, 8)
    assert video.sidecar["flicker"]["after"] < 0.6 * video.sidecar["flicker"]["before"]
    assert generate(request).reused
    with pytest.raises(GenerateError, match="written over"):
        SmoothRequest(video=source, out=source)


def test_a_slow_change_of_light_stays(steady: np.ndarray) -> None:
    dusk = np.clip(steady * np.geomspace(1, 0.6, 9)[:, None, None, None], 0, 255).round().astype(np.uint8)
    assert psnr(deflicker(dusk), dusk) > 45


def test_shimmer_goes_and_moving_edges_stay(steady: np.ndarray) -> None:
    import cv2

    rng = np.random.default_rng(0)
    grain = np.stack(
        [cv2.GaussianBlur(rng.standard_normal(steady.shape[1:], np.float32), (0, 0), 1.5) for _ in steady]
    )
    shimmering = np.clip(steady + 6 * grain / grain.std(), 0, 255).round().astype(np.uint8)
    calm = smooth(shimmering)
    assert flicker(calm) < 0.5 * flicker(shimmering)
    assert psnr(calm, steady) > psnr(shimmering, steady) + 3

    averaged = (steady[:-2].astype(float) + steady[1:-1] + steady[2:]) / 3
    assert psnr(smooth(steady)[1:-1], steady[1:-1]) > psnr(averaged, steady[1:-1]) + 6
    # The patch's edge: as steep as it was.
    row = np.s_[4, 60, 40:80]
    steepest = [np.abs(np.diff(f[row].astype(float), axis=0)).sum(1).max() for f in (steady, smooth(steady))]
    assert steepest[1] > 0.85 * steepest[0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda p: interpolate(np.stack([sliding(0)] * 2), 9), ["9", "2 to 8"]),
        (lambda p: interpolate(np.stack([sliding(0)]), 2), ["1 frame"]),
        (lambda p: to_rate(np.stack([sliding(0)] * 3), np.array([0, 2, 1.0]), 24), ["3 times", "in order"]),
        (lambda p: to_rate(np.stack([sliding(0)] * 3), 8.0, 0), ["frame rate is 0"]),
        (lambda p: InterpolateRequest(video=p, out=p / "o.mp4"), ["neither"]),
        (
            lambda p: InterpolateRequest(video=p, out=p / "o.mp4", factor=2, fps=30),
            ["a factor and a frame rate"],
        ),
        (lambda p: InterpolateRequest(video=p, out=p / "o.gif", factor=2), [".mp4"]),
        (
            lambda p: interpolate_video(InterpolateRequest(video=p / "no.mp4", out=p / "o.mp4", factor=2)),
            ["no.mp4", "is not there"],
        ),
    ],
)
def test_wrong_input_is_a_sentence(wrong, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(GenerateError) as raised:
        wrong(tmp_path)
    assert "\n" not in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def test_foreign_files_are_not_overwritten(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_mp4(source, [sliding(0), sliding(1)], width=WIDTH, height=HEIGHT, fps=8)
    out.write_bytes(b"precious")
    with pytest.raises(GenerateError, match="not made by splatreel"):
        interpolate_video(InterpolateRequest(video=source, out=out, factor=2))
    assert out.read_bytes() == b"precious"
