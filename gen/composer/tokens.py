"""Cuts a prompt into words and known phrases, in English and Chinese."""

import re
from dataclasses import dataclass
from functools import cache

from gen.composer.nouns import CROWDS, PLURALS
from gen.composer.vocabulary import CATEGORIES, NUMBERS, STOP_WORDS


@dataclass(frozen=True)
class Token:
    """A word or a known phrase of the prompt."""

    text: str
    category: str
    """A vocabulary category, "number", "crowd", "stop" or "unknown"."""
    value: str = ""


def tokenize(prompt: str) -> list[Token]:
    """Longest known phrase first; what is left is words (Latin) or runs of characters (Chinese)."""
    phrases = _phrases()
    longest = max(len(p.split()) for p in phrases)
    longest_cjk = max(len(p) for p in phrases if not p.isascii())
    tokens: list[Token] = []
    for chunk in re.findall(r"[a-z]+|\d+|[^\W\da-z_]+|[,.;:，。；：、]", prompt.lower()):
        if not chunk.isalnum():
            tokens.append(Token("." if chunk in ".;:。；：" else ",", "stop"))
            continue
        if chunk.isascii():
            tokens.append(_word(chunk))
            continue
        start = 0
        unknown = ""
        while start < len(chunk):
            match = next(
                (
                    chunk[start : start + n]
                    for n in range(longest_cjk, 0, -1)
                    if start + n <= len(chunk) and chunk[start : start + n] in phrases
                ),
                None,
            )
            if match is None:
                unknown += chunk[start]
                start += 1
                continue
            if unknown:
                tokens.append(Token(unknown, "unknown"))
                unknown = ""
            tokens.append(phrases[match])
            start += len(match)
        if unknown:
            tokens.append(Token(unknown, "unknown"))
    return _join_phrases(tokens, phrases, longest)


def _join_phrases(tokens: list[Token], phrases: dict[str, Token], longest: int) -> list[Token]:
    """Merge neighbours that form a known phrase: "pine trees", "zoom in"; settle "stone"."""
    joined: list[Token] = []
    i = 0
    while i < len(tokens):
        for n in range(longest, 1, -1):
            text = " ".join(t.text for t in tokens[i : i + n])
            words = text.split()
            phrase = phrases.get(text) or phrases.get(" ".join([*words[:-1], _singular(words[-1])]))
            if len(words) == n and phrase is not None:
                joined.append(Token(text, phrase.category, phrase.value))
                i += n
                break
        else:
            token = tokens[i]
            follower = tokens[i + 1].category if i + 1 < len(tokens) else "stop"
            if token.text == "stone":
                is_adjective = follower in ("object", "crowd", "size", "color", "material")
                token = Token(
                    "stone", "material" if is_adjective else "object", "stone" if is_adjective else "rock"
                )
            joined.append(token)
            i += 1
    return joined


def _word(word: str) -> Token:
    """Token of one Latin word or number."""
    if word.isdigit():
        return Token(word, "number", word[:4])
    known = _phrases()
    token = known.get(word) or known.get(_singular(word))
    return Token(word, token.category, token.value) if token else Token(word, "unknown")


def _singular(word: str) -> str:
    return PLURALS.get(word) or (word[:-1] if word.endswith("s") and len(word) > 3 else word)


@cache
def _phrases() -> dict[str, Token]:
    """Every known word or phrase to its token."""
    table = {w: Token(w, "stop") for w in STOP_WORDS}
    table |= {w: Token(w, "number", str(n)) for w, n in NUMBERS.items()}
    table |= {w: Token(w, "crowd", w) for w in CROWDS}
    for category, lists in reversed(CATEGORIES.items()):
        table |= {w: Token(w, category, value) for value, words in lists.items() for w in words}
    return table
