"""Offers what the user may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean "…"?)` to go behind the word, or nothing if no name is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{near[0]}"?)' if near else ""
