"""Timelines: what is kept comes back as it was, what is made takes its colours."""

from __future__ import annotations

import numpy as np
import pytest

from gen.clips import Clip
from gen.contact_sheet import contact_sheet, sheet_frames
from gen.errors import GenerateError
from gen.timeline import (
    GREY,
    Timeline,
    between,
    connect,
    extend_backward,
    extend_forward,
    loop,
    masks,
    restore,
)


def clip(frames: int, seed: int = 0, width: int = 48, height: int = 32, fps: float = 16.0) -> Clip:
    """A smooth picture that brightens, so that no two frames are alike."""
    rng = np.random.default_rng(seed)
    picture = rng.uniform(40, 160, (4, 6, 3)).repeat(height // 4, 0).repeat(width // 6, 1)
    return Clip(np.stack([picture + i for i in range(frames)]).astype(np.uint8), fps)


def as_model(timeline: Timeline, truth: np.ndarray, gain: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """What a model that knows the truth would give, with its own idea of colours."""
    assert truth.shape == timeline.frames.shape
    return np.clip(truth * gain + offset, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("build", "first_kept", "length", "originals"),
    [
        (lambda a, b: extend_forward(a, total=21), slice(0, 8), 20 + 13, [(0, 20)]),
        (lambda a, b: extend_backward(a, total=21), slice(13, 21), 20 + 13, [(13, 33)]),
        (lambda a, b: loop(a, total=21), slice(0, 8), 20 + 5, [(0, 20)]),
        (lambda a, b: connect(a, b, total=21), slice(0, 8), 20 + 5 + 20, [(0, 20), (25, 45)]),
    ],
)
def test_originals_come_back_exactly(build, first_kept, length, originals) -> None:
    a, b = clip(20), clip(20, seed=1)
    timeline = build(a, b)
    assert len(timeline.frames) == 21
    assert timeline.keep[first_kept].all()
    assert (timeline.frames[~timeline.keep] == GREY).all()
    noise = np.random.default_rng(2).integers(0, 255, timeline.frames.shape, np.uint8)
    whole = restore(noise, timeline)
    assert len(whole) == length
    assert whole.fps == 16
    for (start, stop), source in zip(originals, (a, b), strict=False):
        assert np.array_equal(whole.frames[start:stop], source.frames)


def test_context_is_what_touches_the_gap() -> None:
    a, b = clip(20), clip(20, seed=1)
    timeline = connect(a, b, total=21, keep=3)
    assert np.array_equal(timeline.frames[:3], a.frames[-3:])
    assert np.array_equal(timeline.frames[-3:], b.frames[:3])
    again = loop(a, total=21, keep=3)
    assert np.array_equal(again.frames[-3:], a.frames[:3])


def test_black_keeps_and_white_makes() -> None:
    timeline = extend_forward(clip(10), total=12, keep=4)
    mask = masks(timeline)
    assert mask.shape == timeline.frames.shape[:3]
    assert mask.dtype == np.uint8
    assert (mask[:4] == 0).all()
    assert (mask[4:] == 255).all()


@pytest.mark.parametrize("ends", ["forward", "both"])
def test_colours_of_a_model_are_undone(ends: str) -> None:
    truth = clip(40)
    if ends == "forward":
        timeline = extend_forward(Clip(truth.frames[:20], 16), total=28)
        span, new = slice(12, 40), slice(20, 40)
    else:
        timeline = connect(Clip(truth.frames[:15], 16), Clip(truth.frames[25:], 16), total=26)
        span, new = slice(7, 33), slice(15, 25)
    shifted = as_model(timeline, truth.frames[span], gain=0.9, offset=24)
    error = np.abs(restore(shifted, timeline).frames[new].astype(float) - truth.frames[new])
    raw = np.abs(shifted[timeline.made].astype(float) - truth.frames[new])
    assert raw.mean() > 4
    assert error.mean() < 1


def test_each_side_of_a_gap_has_its_own_correction() -> None:
    truth = clip(40)
    timeline = connect(Clip(truth.frames[:15], 16), Clip(truth.frames[25:], 16), total=26)
    offset = np.linspace(0, 24, 26)[:, None, None, None]
    drifted = as_model(timeline, truth.frames[7:33], offset=offset)
    error = np.abs(restore(drifted, timeline).frames[15:25].astype(float) - truth.frames[15:25])
    assert np.abs(offset[8:18]).mean() > 10
    assert error.mean() < 2.5


def test_a_jump_at_the_seam_fades_out() -> None:
    truth = clip(30)
    timeline = extend_forward(Clip(truth.frames[:20], 16), total=18)
    made = truth.frames[12:30].astype(float)
    made[:, :, 24:] += np.linspace(0, 20, 18)[
        :, None, None, None
    ]  # one half gets brighter: no global gain helps
    made = made.round().clip(0, 255).astype(np.uint8)
    whole = restore(made, timeline).frames.astype(float)
    bright = whole[:, :, 36:].mean((1, 2, 3)) - truth.frames[:, :, 36:].mean((1, 2, 3))
    assert abs(bright[20] - bright[19]) < 3  # 8 frames of drift are not seen in one step
    assert bright[29] > 10  # and what the model drew later is left alone


def test_between_two_pictures() -> None:
    first, last = clip(1).frames[0], clip(1, seed=1).frames[0]
    timeline = between(first, last, total=9, fps=8)
    assert timeline.keep.tolist() == [True] + [False] * 7 + [True]
    whole = restore(np.full_like(timeline.frames, 90), timeline)
    assert len(whole) == 9
    assert np.array_equal(whole.frames[0], first)
    assert np.array_equal(whole.frames[-1], last)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: extend_forward(clip(5), total=21), ["5 frames", "8", "keep 5"]),
        (lambda: extend_forward(clip(20), total=8), ["8 frames", "at least 9"]),
        (lambda: extend_forward(clip(20), total=21, keep=0), ["at least 1"]),
        (lambda: loop(clip(20), total=16), ["16", "at least 17"]),
        (lambda: connect(clip(20), clip(20, width=96), total=30), ["48x32", "96x32"]),
        (lambda: connect(clip(20), clip(20, fps=30), total=30), ["16", "30", "interpolate"]),
        (lambda: between(clip(1).frames[0], clip(1, width=96).frames[0], total=5, fps=8), ["48x32", "96x32"]),
        (
            lambda: restore(np.zeros((16, 32, 48, 3), np.uint8), extend_forward(clip(20), total=17)),
            ["16 frames of 48x32", "17 frames of 48x32"],
        ),
    ],
)
def test_wrong_input_is_a_sentence(wrong, words: list[str]) -> None:
    with pytest.raises(GenerateError) as raised:
        wrong()
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_contact_sheet_shows_the_frames_in_order() -> None:
    frames = np.stack([np.full((30, 40, 3), value, np.uint8) for value in (40, 80, 120, 160, 200)])
    sheet = contact_sheet(frames, columns=3, width=400)
    assert sheet.shape[1] == 400
    assert sheet.dtype == np.uint8
    tile = (400 - 4) // 3
    below_labels = round(tile * 30 / 40) - 10
    row = 4 + below_labels
    assert [int(sheet[row, 4 + tile // 2 + i * tile, 0]) for i in range(3)] == [40, 80, 120]
    assert int(sheet[row + round(tile * 0.75), 4 + tile // 2 + tile, 0]) == 200


def test_contact_sheet_of_a_long_clip_has_its_ends() -> None:
    frames = np.zeros((100, 30, 40, 3), np.uint8)
    frames[0], frames[-1] = 255, 200
    sheet = contact_sheet(frames, columns=6, width=600)
    assert (sheet[50, 30:80] == 255).all()
    assert (sheet[-30, -60:-20] == 200).all()
    numbers = sheet_frames(100)
    assert (contact_sheet(frames[numbers], numbers=numbers, columns=6, width=600) == sheet).all()
