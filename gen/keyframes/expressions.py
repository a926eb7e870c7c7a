"""Formulas in schedules: `1.02 + 0.1*sin(2*pi*t/fps)`, read by recursive descent and evaluated with numpy.

Nothing but numbers, known names and the functions below can be written, so a settings file from a stranger
can do no harm. Meaning and precedence are those of numexpr, which Deforum's users know; but `a & b` and
`a | b` join whole comparisons, brackets or not, and take nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import NoReturn

import numpy as np

from gen.errors import GenerateError

Values = np.ndarray | np.float64
Variables = Mapping[str, Values]
Compute = Callable[[Variables], Values]

MAX_OPERATIONS = 200
"""In one formula; with MAX_DEPTH it keeps reading and evaluating far from Python's recursion limit."""
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>\*\*|//|<=|>=|==|!=|&&|\|\||[-+*/%<>&|~(),:"'])
    |(?P<other>\S)|(?P<end>$))""",
    re.VERBOSE,
)


def _all_of(function: Callable) -> Callable:
    return lambda *values: reduce(function, values)


FUNCTIONS: dict[str, tuple[Callable, int, int]] = {
    **{
        name: (getattr(np, name), 1, 1)
        for name in (
            *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
            *("exp", "expm1", "log", "log10", "log1p", "sqrt", "abs", "floor", "ceil", "round", "sign"),
        )
    },
    "arctan2": (np.arctan2, 2, 2),
    "min": (_all_of(np.minimum), 2, 8),
    "max": (_all_of(np.maximum), 2, 8),
    "clip": (lambda value, low, high: np.minimum(np.maximum(value, low), high), 3, 3),
    "where": (lambda condition, yes, no: np.where(condition != 0, yes, no), 3, 3),
}
"""Name: numpy function, fewest and most arguments."""

_COMPARISONS = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_SUMS = {"+": np.add, "-": np.subtract}
_PRODUCTS = {"*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.mod}


@dataclass(frozen=True)
class Expression:
    """A formula that has been read."""

    compute: Compute
    """Maps arrays of one shape, one for each name, to values of that shape or a scalar."""
    names: frozenset[str] = frozenset()
    """The variables it mentions."""
    number: float | None = None
    """Its value if it is nothing but a number with a sign."""
    is_condition: bool = False


@dataclass(frozen=True)
class Token:
    """A piece of the text."""

    kind: str
    text: str
    position: int
    """Characters before it."""


class Reader:
    """Reads formulas from a text, token by token. `subject` is what the errors call it, such as "zoom"."""

    def __init__(self, text: str, names: Collection[str], subject: str) -> None:
        self.text, self.names, self.subject = text, names, subject
        self.tokens: list[Token] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or "end"
            self.tokens.append(Token(kind, match[kind], match.start(kind)))
            if kind == "end":
                break
        self.index = self.depth = self.operations = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.index]

    def take(self, *signs: str) -> str | None:
        """Move past the next token if it is one of the signs."""
        if self.token.kind != "sign" or self.token.text not in signs:
            return None
        self.index += 1
        return self.tokens[self.index - 1].text

    def expect(self, sign: str, advice: str) -> None:
        """Move past a sign that has to come next."""
        if not self.take(sign):
            self.fail(f'"{sign}"', advice)

    def fail(self, expected: str, advice: str, token: Token | None = None) -> NoReturn:
        """Raise an error that points at a token, the next one unless another is given."""
        token = token or self.token
        found = "the end" if token.kind == "end" else f'"{token.text}"'
        if token.text == "^":
            advice = "write ** for a power"
        raise GenerateError(
            f"The {self.subject} schedule has {found} at character {token.position + 1} of "
            f"'{_around(self.text, token.position)}', but {expected} was expected: {advice}."
        )

    def expression(self) -> Expression:
        """A whole formula."""
        self.operations = 0
        return self._disjunction()

    def _disjunction(self) -> Expression:
        return self._joined(self._conjunction, {"|": np.logical_or, "||": np.logical_or}, conditions=True)

    def _conjunction(self) -> Expression:
        return self._joined(self._comparison, {"&": np.logical_and, "&&": np.logical_and}, conditions=True)

    def _comparison(self) -> Expression:
        left = self._sum()
        sign = self.take(*_COMPARISONS)
        if not sign:
            return left
        result = self._combine(_COMPARISONS[sign], (left, self._sum()), is_condition=True)
        if self.token.text in _COMPARISONS:
            self.fail("the end of the comparison", "compare two at a time, as in (0 < t) & (t < 5)")
        return result

    def _sum(self) -> Expression:
        return self._joined(self._product, _SUMS)

    def _product(self) -> Expression:
        return self._joined(self._signed, _PRODUCTS)

    def _joined(
        self, part: Callable[[], Expression], signs: Mapping[str, Callable], conditions: bool = False
    ) -> Expression:
        """Parts with signs between them, worked out from left to right."""
        first = self.token
        left = part()
        while sign := self.take(*signs):
            second = self.token
            right = part()
            for side, token in ((left, first), (right, second)):
                if conditions and not side.is_condition:
                    self.fail(
                        "a comparison", f'"{sign}" joins comparisons, as in (t > 5) {sign} (t < 9)', token
                    )
            left = self._combine(signs[sign], (left, right), is_condition=conditions)
        return left

    def _signed(self) -> Expression:
        self._deeper()
        start = self.token
        sign = self.take("-", "+", "~")
        value = self._signed() if sign else self._power()
        if sign == "~":
            if not value.is_condition:
                self.fail("a comparison", '"~" turns a comparison around, as in ~(t > 5)', start)
            value = self._combine(np.logical_not, (value,), is_condition=True)
        elif sign == "-":
            number = None if value.number is None else -value.number
            value = self._combine(np.negative, (value,), number=number)
        self.depth -= 1
        return value

    def _power(self) -> Expression:
        base = self._atom()
        # Binds tighter than a sign before it and looser than one after it: -2**-1 is -(2**(-1)).
        return self._combine(np.power, (base, self._signed())) if self.take("**") else base

    def _atom(self) -> Expression:
        token = self.token
        if token.kind == "number":
            self.index += 1
            value = np.float64(token.text)
            return Expression(lambda variables: value, number=float(value))
        if token.kind == "name":
            self.index += 1
            return self._call(token) if self.take("(") else self._variable(token)
        if self.take("("):
            inner = self._disjunction()
            self.expect(")", "close every bracket that is opened")
            return inner
        self.fail("a number, a name or a bracket", "complete or correct the formula there")

    def _variable(self, token: Token) -> Expression:
        name = token.text
        if name in FUNCTIONS:
            self.fail('"(" after a function', f"write {name}(...)")
        if name not in self.names:
            self.fail(f"one of {', '.join(sorted(self.names))}", "use a name from this list", token)
        return Expression(lambda variables: variables[name], frozenset({name}))

    def _call(self, token: Token) -> Expression:
        if token.text not in FUNCTIONS:
            self.fail(f"one of {', '.join(sorted(FUNCTIONS))}", "use a function from this list", token)
        function, fewest, most = FUNCTIONS[token.text]
        arguments = [self._disjunction()]
        while self.take(","):
            arguments.append(self._disjunction())
        if not fewest <= len(arguments) <= most:
            count = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.fail(f"{count} values in {token.text}()", f"it has {len(arguments)}", token)
        self.expect(")", "close every bracket that is opened")
        return self._combine(function, tuple(arguments))

    def _combine(
        self,
        function: Callable,
        parts: tuple[Expression, ...],
        number: float | None = None,
        is_condition: bool = False,
    ) -> Expression:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            self.fail(f"at most {MAX_OPERATIONS} operations in a formula", "split it into several keys")
        computes = [part.compute for part in parts]
        return Expression(
            lambda variables: function(*(compute(variables) for compute in computes)),
            frozenset().union(*(part.names for part in parts)),
            number,
            is_condition,
        )

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"at most {MAX_DEPTH} brackets or signs inside each other", "simplify the formula")


def _around(text: str, position: int, reach: int = 30) -> str:
    """A piece of a long text with the position in it, so that an error stays one line."""
    start, stop = max(0, position - reach), position + reach
    cut = " ".join(text[start:stop].split())
    return ("…" if start else "") + cut + ("…" if stop < len(text) else "")
