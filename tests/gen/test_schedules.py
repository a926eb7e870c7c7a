"""Schedules: what they evaluate to, written out frame by frame, and what they refuse."""

import math
import time

import numpy as np
import pytest

from gen.errors import GenerateError
from gen.keyframes.schedules import (
    Clock,
    evaluate_schedule,
    parse_schedule,
    prompts_by_frame,
    prompts_over_time,
)

FRAMES, FPS, SEED = 60, 24.0, 42
LAST = FRAMES - 1
BASS = np.abs(np.sin(np.arange(FRAMES) / 3))
CLOCK = Clock(FRAMES, FPS, SEED, {"bass": BASS})


def numbers(*keys):
    """A straight line through (frame, value) pairs."""
    frames, values = zip(*keys, strict=True)
    return lambda t: float(np.interp(t, frames, values))


PLAIN = {
    "0:(0.65)": lambda t: 0.65,
    "1.5": lambda t: 1.5,
    "0:(0), 59:(59)": lambda t: float(t),
    "0:(-2), 10:(4), 50:(.5)": numbers((0, -2), (10, 4), (50, 0.5)),
    "10:(3), 20:(5)": numbers((10, 3), (20, 5)),
    "0:(1.0), 30:(1.02*sin(t))": lambda t: (
        1.02 * math.sin(t) if t >= 30 else 1 + (1.02 * math.sin(30) - 1) * t / 30
    ),
    "0: (1.0025+0.002*sin(1.25*3.14*t/30))": lambda t: 1.0025 + 0.002 * math.sin(1.25 * 3.14 * t / 30),
    "0:(t**2/100), 20:(7), 40:(9)": lambda t: t**2 / 100 if t < 20 else min(9.0, 7 + (t - 20) / 10),
    '0:(s), 1:(-1), "max_f-2":(-1), "max_f-1":(s)': numbers((0, 42), (1, -1), (57, -1), (58, 42)),
    "0:(1), max_f/2:(3)": numbers((0, 1), (29, 3)),
    "0:(where(t<10, 1, where(t%4==0, 2, 0.5)))": lambda t: 1 if t < 10 else 2 if t % 4 == 0 else 0.5,
    "0:(where((t>5)&(t<9)|(t==20), 1, 0))": lambda t: float(5 < t < 9 or t == 20),
    "0:(t>5 & ~(t>9))": lambda t: float(t > 5 and not t > 9),
    "0:(clip(t/10, 0.5, 3) - min(t, 4, 2) + max(1, t-50))": lambda t: (
        min(max(t / 10, 0.5), 3) - min(t, 4, 2) + max(1, t - 50)
    ),
    "0:(-2**2 + 2**-1 + 2**3**2 - -t)": lambda t: -(2**2) + 2**-1 + 2 ** (3**2) + t,
    "0:((t-30)%7 + (t//8)*2)": lambda t: (t - 30) % 7 + (t // 8) * 2,
    "0:(abs(cos(2*pi*t/fps)) + tan(t/50) + sqrt(t))": lambda t: (
        abs(math.cos(2 * math.pi * t / 24)) + math.tan(t / 50) + math.sqrt(t)
    ),
    "0:(exp(-t/10) + floor(t/7) + ceil(t/7) + log(t+1))": lambda t: (
        math.exp(-t / 10) + math.floor(t / 7) + math.ceil(t / 7) + math.log(t + 1)
    ),
    "0:(1+0.1*bass), 40:(t/max_f)": lambda t: 1 + 0.1 * BASS[t] if t < 40 else t / LAST,
    "0:(arctan2(t, 3) * 1e-1 + round(t/3) + sign(t-5)), 30:(2),": lambda t: (
        math.atan2(t, 3) * 0.1 + round(t / 3) + (t > 5) - (t < 5) if t < 30 else 2
    ),
}


@pytest.mark.parametrize("text", PLAIN, ids=range(len(PLAIN)))
def test_a_schedule_is_what_a_plain_evaluation_gives(text):
    expected = [PLAIN[text](t) for t in range(FRAMES)]
    np.testing.assert_allclose(evaluate_schedule(text, CLOCK, "zoom"), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", ["0:(0), 30:(t)", "0:(t), 30:(1), 31:(s)", '"max_f-3":(2), 5:(1)'])
def test_a_value_does_not_depend_on_the_order_of_keys_or_on_spaces(text):
    mixed = ", ".join(reversed(text.split(", "))).replace(":", " :  ")
    assert np.array_equal(evaluate_schedule(text, CLOCK, "zoom"), evaluate_schedule(mixed, CLOCK, "zoom"))


def test_keys_outside_the_clip_are_passed_over():
    assert np.array_equal(evaluate_schedule("0:(1), 500:(9)", CLOCK, "zoom"), np.ones(FRAMES))
    with pytest.raises(GenerateError, match=r"first key at frame 500, but the clip has frames 0 to 59"):
        evaluate_schedule("500:(9)", CLOCK, "zoom")


def test_a_discarded_branch_may_divide_by_zero():
    values = evaluate_schedule("0:(where(t == 0, 1, sin(t)/t))", CLOCK, "zoom")
    assert values[0] == 1
    assert values[3] == math.sin(3) / 3


HOSTILE = {
    "0:(9**9**9)": "gives inf at frame 0.*a power that is too large",
    "0:(__import__('os').system('x'))": 'has "__import__" at character 4.*a function from this list',
    "0:(t.__class__)": 'has "." at character 5',
    "0:(eval(t))": 'has "eval" at character 4',
    "0:([t][0])": r'has "\[" at character 4',
    "0:(lambda: 1)": 'has "lambda" at character 4',
    "0:('a'*99)": 'has "\'" at character 4',
    "0:(foo+1)": 'has "foo" at character 4.*bass, fps, max_f, pi, s, t',
    "0:(ｔ)": 'has "ｔ" at character 4',
    "0:(1": 'has the end at character 5.*"\\)" was expected',
    "0:(1))": r'has "\)" at character 6',
    "0:(1), 5": '":" was expected',
    "0:(1) 5:(2)": '"," or the end was expected',
    "0:()": r'has "\)" at character 4',
    "0:(1+)": r'has "\)" at character 6.*a number, a name or a bracket',
    "0:(2^3)": r"has \"\^\".*write \*\* for a power",
    "0:(0 < t < 5)": r"compare two at a time",
    "0:(t & 1)": 'has "t" at character 4.*a comparison was expected',
    "0:(sin)": r"write sin\(\.\.\.\)",
    "0:(sin(1, 2))": r"1 values in sin\(\) was expected: it has 2",
    "0:(clip(t, 1))": r"3 values in clip\(\) was expected: it has 2",
    "t:(1)": 'has "t" at character 1.*fps, max_f, pi, s was expected',
    '"max_f-1:(1)': "close the quotes",
    "0:(1/0)": "gives inf at frame 0",
    "0:(sqrt(t-5))": "gives nan at frame 0",
    "0:(1/(t-7))": "gives inf at frame 7",
    "5:(1e999)": "gives inf at frame 5",
    "": "has 0 characters",
    "0:(" + "(" * 500 + "1" + ")" * 500 + ")": "at most 40 brackets",
    "0:(" + "-" * 9999 + "1)": "at most 40 brackets",
    "0:(" + "1+" * 9999 + "1)": "at most 200 operations",
    "0:(" + "1**" * 500 + "1)": "at most 40 brackets",
    "0:(1)" * 50_000: "has 250000 characters",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_schedule_is_refused_in_one_line_that_points_at_the_place(text):
    started = time.perf_counter()
    with pytest.raises(GenerateError, match=HOSTILE[text]) as error:
        evaluate_schedule(text, CLOCK, "zoom")
    message = str(error.value)
    assert message.startswith("The zoom schedule ")
    assert len(message) < 400
    assert "\n" not in message
    assert time.perf_counter() - started < 1


def test_the_longest_formula_that_can_be_read_can_be_evaluated():
    assert evaluate_schedule("0:(" + "1+" * 200 + "1)", CLOCK, "zoom")[0] == 201
    assert evaluate_schedule("0:(" + "-(" * 19 + "1" + ")" * 19 + ")", CLOCK, "zoom")[0] == -1


def test_a_formula_costs_no_more_for_a_long_clip():
    started = time.perf_counter()
    evaluate_schedule("0: (1.0025+0.002*sin(1.25*3.14*t/30)+0.1*max(0, cos(t/7)))", Clock(3600), "zoom")
    assert time.perf_counter() - started < 0.1


def test_a_schedule_knows_the_channels_it_follows():
    schedule = parse_schedule("0:(1), 30:(beat*t + bass)", "zoom", ["beat", "bass", "mid"])
    assert schedule.names == {"beat", "bass", "t"}


def test_prompts_hold_until_the_next():
    prompts = {"max_f/2": "b", "0": "a", "50": "c"}
    assert prompts_over_time(prompts, CLOCK) == ["a"] * 29 + ["b"] * 21 + ["c"] * 10
    assert prompts_over_time({"20": "late"}, CLOCK) == ["late"] * FRAMES
    assert prompts_by_frame('{"0": "a", "30": "b"}') == {"0": "a", "30": "b"}
    assert prompts_by_frame("a city") == {"0": "a city"}


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({}, "no prompts"),
        ({"first": "a"}, 'prompt schedule has "first" at character 1'),
        ({"0)": "a"}, "the end"),
    ],
)
def test_wrong_prompts_are_a_sentence(prompts, message):
    with pytest.raises(GenerateError, match=message):
        prompts_over_time(prompts, CLOCK)
    with pytest.raises(GenerateError, match="prompts cannot be read"):
        prompts_by_frame('{"0": "a", }')
