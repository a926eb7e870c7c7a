"""Values over time, written the way Deforum's users write them: `0:(1.0), 30:(1.02*sin(t)), "max_f-1":(s)`.

Between keys that are plain numbers the value goes in a straight line; a key with a formula is worked out for
every frame until the next key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from gen.errors import GenerateError
from gen.keyframes.expressions import Expression, Reader, Values, Variables

KEY_NAMES = ("fps", "max_f", "pi", "s")
"""What a key may be computed from: everything but the time."""
MAX_CHARACTERS = 200_000


@dataclass(frozen=True)
class Clock:
    """The frames that schedules are worked out for, and what formulas may refer to."""

    frames: int
    fps: float = 24.0
    seed: int = 0
    """`s` in formulas."""
    channels: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Names of their own, such as those of a sound: [F] each."""

    def __post_init__(self) -> None:
        for name, values in self.channels.items():
            if np.shape(values) != (self.frames,):
                raise ValueError(f"channel {name} is {np.shape(values)}, expected ({self.frames},)")

    def variables(self) -> dict[str, Values]:
        """The values of every name, [F] or a scalar: t, s, max_f, fps, pi and the channels."""
        constants = {"s": self.seed, "max_f": self.frames - 1, "fps": self.fps, "pi": np.pi}
        return {
            "t": np.arange(self.frames, dtype=np.float64),
            **{name: np.float64(value) for name, value in constants.items()},
            **{name: np.asarray(values, np.float64) for name, values in self.channels.items()},
        }


@dataclass(frozen=True)
class Schedule:
    """A schedule that has been read."""

    text: str
    subject: str
    """What it is the schedule of, such as "zoom"; errors say it."""
    keys: tuple[tuple[Expression, Expression], ...]
    """The frame and the value of each key."""

    @property
    def names(self) -> frozenset[str]:
        """The variables that the values mention."""
        return frozenset().union(*(value.names for _, value in self.keys))

    def values(self, clock: Clock) -> np.ndarray:  # [F]
        """The value at every frame. Keys outside the clip are passed over, as Deforum does.

        Raises `GenerateError` if no key lies inside the clip, or if a formula gives no finite number.
        """
        variables = clock.variables()
        ordered = sorted({_frame(key, variables): value for key, value in self.keys}.items())
        inside = [(frame, value) for frame, value in ordered if 0 <= frame < clock.frames]
        if not inside:
            raise GenerateError(
                f"The {self.subject} schedule has its first key at frame {ordered[0][0]}, but the clip has "
                f"frames 0 to {clock.frames - 1}: add a key such as 0:(1)."
            )
        values = np.full(clock.frames, np.nan)
        ends = [frame for frame, _ in inside[1:]] + [clock.frames]
        for (start, value), end in zip(inside, ends, strict=True):
            held = slice(start, start + 1 if value.number is not None else end)
            now = {
                name: known[held] if isinstance(known, np.ndarray) else known
                for name, known in variables.items()
            }
            values[held] = self._finite(value, now, start)
        known = np.flatnonzero(~np.isnan(values))
        return np.interp(np.arange(clock.frames), known, values[known])

    def _finite(self, value: Expression, variables: Variables, start: int) -> np.ndarray:
        with np.errstate(all="ignore"):
            result = np.broadcast_to(np.asarray(value.compute(variables), np.float64), variables["t"].shape)
        wrong = np.flatnonzero(~np.isfinite(result))
        if len(wrong):
            raise GenerateError(
                f"The {self.subject} schedule gives {result[wrong[0]]} at frame {start + wrong[0]}, but a "
                f"finite number was expected: look for a division by zero, a root or logarithm of a negative "
                f"number, or a power that is too large."
            )
        return result


def parse_schedule(text: str | float, subject: str, channels: Collection[str] = ()) -> Schedule:
    """Read a schedule; a single number or formula is the same as one key at frame 0.

    Formulas may use t (frame), s (seed), max_f (last frame), fps, pi and the channels. Raises `GenerateError`
    that points at the place where the text goes wrong.
    """
    text = str(text).strip()
    if not text or len(text) > MAX_CHARACTERS:
        raise GenerateError(
            f"The {subject} schedule has {len(text)} characters, but 1 to {MAX_CHARACTERS} were expected: "
            f"write it like 0:(1.0), 30:(1.02*sin(t))."
        )
    names = {"t", *KEY_NAMES, *channels}
    reader = Reader(text, names, subject)
    if ":" not in text:
        value = reader.expression()
        keys = [(_constant(0), value)]
    else:
        keys = []
        while not keys or (reader.take(",") and reader.token.kind != "end"):
            reader.names = KEY_NAMES
            key = _key(reader)
            reader.names = names
            reader.expect(":", "write each key as frame:(value)")
            keys.append((key, reader.expression()))
    if reader.token.kind != "end":
        reader.fail('"," or the end', "separate the keys with commas and check the brackets")
    return Schedule(text, subject, tuple(keys))


def evaluate_schedule(text: str | float, clock: Clock, subject: str) -> np.ndarray:  # [F]
    """The value of a schedule at every frame; see `parse_schedule` and `Schedule.values`."""
    return parse_schedule(text, subject, clock.channels).values(clock)


def prompts_over_time(prompts: Mapping[str, str], clock: Clock) -> list[str]:
    """The prompt at every frame, [F]: each holds from its key, `"30"` or `"max_f/2"`, until the next."""
    if not prompts:
        raise GenerateError(
            'There are no prompts, but one for frame 0 is needed: write {"0": "a lighthouse"}.'
        )
    variables = clock.variables()
    ordered = []
    for text, prompt in prompts.items():
        reader = Reader(str(text), KEY_NAMES, "prompt")
        key = _key(reader)
        if reader.token.kind != "end":
            reader.fail("the end of the frame number", 'write prompts like {"0": "a", "30": "b"}')
        ordered.append((_frame(key, variables), str(prompt)))
    ordered.sort(key=lambda item: item[0])
    starts = np.array([frame for frame, _ in ordered])
    current = np.searchsorted(starts, np.arange(clock.frames), side="right") - 1
    return [ordered[max(0, index)][1] for index in current]


def prompts_by_frame(prompt: str) -> dict[str, str]:
    """A prompt, or several in Deforum's form `{"0": "a", "30": "b"}`."""
    if not prompt.lstrip().startswith("{"):
        return {"0": prompt}
    try:
        prompts = json.loads(prompt)
    except ValueError as error:
        raise GenerateError(
            f'The prompts cannot be read ({error}): write them as JSON, {{"0": "a", "30": "b"}}.'
        ) from error
    return {str(frame): str(text) for frame, text in prompts.items()}


def _key(reader: Reader) -> Expression:
    """The frame of a key: a number or a formula, which Deforum's users put in quotes."""
    quote = reader.take('"', "'")
    key = reader.expression()
    if quote:
        reader.expect(quote, "close the quotes around the key")
    return key


def _frame(key: Expression, variables: Variables) -> int:
    with np.errstate(all="ignore"):
        frame = float(key.compute(variables))
    return int(np.floor(frame)) if np.isfinite(frame) else -1


def _constant(number: float) -> Expression:
    return Expression(lambda variables: np.float64(number), number=number)
