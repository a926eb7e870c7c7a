"""Reads a prompt: which objects, ground, light and camera move its words ask for."""

import re
from dataclasses import dataclass, field, replace

from gen.composer.vocabulary import (
    CATEGORIES,
    CROWDS,
    NUMBERS,
    OBJECTS,
    PLURALS,
    SIZES,
    STOP_WORDS,
)
from gen.errors import GenerateError

MAX_PER_WORD = 12
MAX_OBJECTS = 24

ARTICLES = ("a", "an", "the")
"""Words that begin a noun phrase."""

COMPANIONS: dict[str, tuple[tuple[str, int], ...]] = {
    "grass": (("tree", 1), ("rock", 2), ("bush", 1)),
    "autumn": (("tree", 2), ("rock", 1), ("barrel", 1)),
    "desert": (("rock", 3), ("cactus", 2)),
    "sand": (("rock", 3), ("barrel", 1)),
    "snow": (("snowman", 1), ("pine", 2)),
    "floor": (("box", 1), ("ball", 1), ("pillar", 1)),
}
"""What stands on each ground when the prompt names a place, a light or a move but no object."""


@dataclass(frozen=True)
class ObjectRequest:
    """One noun of the prompt with its adjectives."""

    kind: str
    count: int = 1
    color: str | None = None
    material: str | None = None
    size: str | None = None

    @property
    def scale(self) -> float:
        """Scale factor of the size word."""
        return SIZES[self.size] if self.size else 1.0


@dataclass(frozen=True)
class SceneRequest:
    """What a prompt asks for."""

    objects: tuple[ObjectRequest, ...]
    ground: str = "grass"
    ground_color: str | None = None
    ground_material: str | None = None
    light: str = "day"
    camera: str = "arc"
    used: tuple[str, ...] = ()
    """Words of the prompt that took effect, in its order."""
    ignored: tuple[str, ...] = ()
    """Words of the prompt that did not."""
    notes: tuple[str, ...] = ()
    """What was decided without being asked, in sentences."""


@dataclass(frozen=True)
class _Token:
    """A word or a known phrase of the prompt."""

    text: str
    category: str
    """A vocabulary category, "number", "crowd", "stop" or "unknown"."""
    value: str = ""


def read_prompt(prompt: str) -> SceneRequest:
    """Read a prompt in English or Chinese. Raises `GenerateError` when no word of it can be drawn."""
    tokens = _tokenize(prompt)
    reading = _Reading()
    for position, token in enumerate(tokens):
        reading.take(position, token)
    used = tuple(t.text for i, t in enumerate(tokens) if i in reading.used)
    ignored = tuple(
        t.text
        for i, t in enumerate(tokens)
        if i not in reading.used and t.category not in ("stop", "number") and t.text not in STOP_WORDS
    )
    if not used:
        raise GenerateError(_nothing_known(prompt, ignored))
    objects, notes = _limited(reading.objects)
    if not objects:
        objects = [ObjectRequest(kind, count) for kind, count in COMPANIONS[reading.ground]]
        names = ", ".join(f"{o.count} {o.kind}" for o in objects)
        notes.append(f"The prompt names no object the composer knows, so it placed: {names}.")
    return SceneRequest(
        objects=tuple(objects),
        ground=reading.ground,
        ground_color=reading.ground_adjectives.get("color"),
        ground_material=reading.ground_adjectives.get("material"),
        light=reading.light,
        camera=reading.camera,
        used=used,
        ignored=ignored,
        notes=tuple(notes),
    )


@dataclass
class _Reading:
    """What has been understood so far. Adjectives wait for the next noun."""

    objects: list[ObjectRequest] = field(default_factory=list)
    ground: str = "grass"
    ground_adjectives: dict[str, str] = field(default_factory=dict)
    light: str = "day"
    camera: str = "arc"
    used: set[int] = field(default_factory=set)
    adjectives: dict[str, str] = field(default_factory=dict)
    count: int | None = None
    waiting: dict[str, int] = field(default_factory=dict)
    """Category of each waiting word: its position."""
    last_object: int = -2

    def take(self, position: int, token: _Token) -> None:
        """Read one more token."""
        if token.category in ("color", "material", "size"):
            self.adjectives[token.category] = token.value
            self.waiting[token.category] = position
        elif token.category == "number":
            self._drop_adjectives()
            self.count = int(token.value)
            self.waiting["number"] = position
        elif token.text in ARTICLES:
            self._drop_adjectives()
        elif token.category == "crowd" and self.objects and self.last_object == position - 1:
            self.objects[-1] = replace(self.objects[-1], count=CROWDS[token.value][1])  # "pine forest"
            self.used.add(position)
        elif token.category in ("object", "crowd"):
            kind, count = CROWDS[token.value] if token.category == "crowd" else (token.value, 1)
            count = self.count if self.count is not None and token.category == "object" else count
            self.objects.append(ObjectRequest(kind, count, **self.adjectives))
            self.last_object = position
            self._use_adjectives(position)
        elif token.category == "ground":
            self.ground = token.value
            if "size" not in self.adjectives and self.count in (None, 1) and self._ends_noun(token):
                self.ground_adjectives = dict(self.adjectives)
                self._use_adjectives(position)
            self.used.add(position)
        elif token.category == "light":
            self.light = token.value
            self.used.add(position)
        elif token.category == "camera":
            self.camera = token.value
            self.used.add(position)

    def _ends_noun(self, token: _Token) -> bool:
        """Whether a ground word is a noun that adjectives may belong to, not one itself ("snowy")."""
        return not token.text.endswith("y")

    def _use_adjectives(self, position: int) -> None:
        self.used |= {*self.waiting.values(), position}
        self._drop_adjectives()

    def _drop_adjectives(self) -> None:
        """A new noun phrase begins: what still waits belonged to a word the composer does not know."""
        self.waiting, self.adjectives, self.count = {}, {}, None


def _tokenize(prompt: str) -> list[_Token]:
    """Longest known phrase first; what is left is words (Latin) or runs of characters (Chinese)."""
    phrases = _phrases()
    longest = max(len(p.split()) for p in phrases)
    longest_cjk = max(len(p) for p in phrases if not p.isascii())
    tokens: list[_Token] = []
    for chunk in re.findall(r"[a-z]+|\d+|[^\W\da-z_]+", prompt.lower()):
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
                tokens.append(_Token(unknown, "unknown"))
                unknown = ""
            tokens.append(phrases[match])
            start += len(match)
        if unknown:
            tokens.append(_Token(unknown, "unknown"))
    return _join_phrases(tokens, phrases, longest)


def _join_phrases(tokens: list[_Token], phrases: dict[str, _Token], longest: int) -> list[_Token]:
    """Merge neighbours that form a known phrase: "pine trees", "zoom in"; settle "stone"."""
    joined: list[_Token] = []
    i = 0
    while i < len(tokens):
        for n in range(longest, 1, -1):
            text = " ".join(t.text for t in tokens[i : i + n])
            words = text.split()
            phrase = phrases.get(text) or phrases.get(" ".join([*words[:-1], _singular(words[-1])]))
            if len(words) == n and phrase is not None:
                joined.append(_Token(text, phrase.category, phrase.value))
                i += n
                break
        else:
            token = tokens[i]
            follower = tokens[i + 1].category if i + 1 < len(tokens) else "stop"
            if token.text == "stone":
                is_adjective = follower in ("object", "crowd", "size", "color", "material")
                token = _Token(
                    "stone", "material" if is_adjective else "object", "stone" if is_adjective else "rock"
                )
            joined.append(token)
            i += 1
    return joined


def _word(word: str) -> _Token:
    """Token of one Latin word or number."""
    if word.isdigit():
        return _Token(word, "number", word[:4])
    known = _phrases()
    token = known.get(word) or known.get(_singular(word))
    return _Token(word, token.category, token.value) if token else _Token(word, "unknown")


def _singular(word: str) -> str:
    return PLURALS.get(word) or (word[:-1] if word.endswith("s") and len(word) > 3 else word)


def _phrases() -> dict[str, _Token]:
    """Every known word or phrase to its token."""
    table = {w: _Token(w, "stop") for w in STOP_WORDS}
    table |= {w: _Token(w, "number", str(n)) for w, n in NUMBERS.items()}
    table |= {w: _Token(w, "crowd", w) for w in CROWDS}
    for category, lists in reversed(CATEGORIES.items()):
        table |= {w: _Token(w, category, value) for value, words in lists.items() for w in words}
    return table


def _limited(objects: list[ObjectRequest]) -> tuple[list[ObjectRequest], list[str]]:
    """Cap the counts, and say so."""
    notes: list[str] = []
    kept: list[ObjectRequest] = []
    room = MAX_OBJECTS
    for request in objects:
        count = min(request.count, MAX_PER_WORD, room)
        if count < request.count:
            notes.append(
                f"Drew {count} of {request.count} {request.kind}: "
                f"a scene holds {MAX_OBJECTS} objects, {MAX_PER_WORD} of a kind."
            )
        if count > 0:
            kept.append(replace(request, count=count))
            room -= count
    return kept, notes


def _nothing_known(prompt: str, ignored: tuple[str, ...]) -> str:
    found = f'"{", ".join(ignored[:8])}"' if ignored else "no word"
    asked = (
        f'found {found} in the prompt "{prompt.strip()[:60]}"' if prompt.strip() else "found an empty prompt"
    )
    return (
        f"The composer draws only words it knows and {asked}; it expected an object "
        f"({', '.join(OBJECTS)}) or a ground, light or camera word "
        f"(snow, sunset, orbit, …): put one of these into the prompt."
    )
