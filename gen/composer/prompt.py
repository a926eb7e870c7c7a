"""Reads a prompt: which objects, ground, light and camera move its words ask for."""

from dataclasses import replace

from gen.composer.nouns import OBJECTS
from gen.composer.reading import Reading
from gen.composer.scene_request import ObjectRequest, SceneRequest
from gen.composer.tokens import tokenize
from gen.composer.vocabulary import STOP_WORDS
from gen.errors import GenerateError

MAX_PER_WORD = 12
MAX_OBJECTS = 24

COMPANIONS: dict[str, tuple[tuple[str, int], ...]] = {
    "grass": (("tree", 1), ("rock", 2), ("bush", 1)),
    "autumn": (("tree", 2), ("rock", 1), ("barrel", 1)),
    "desert": (("rock", 3), ("cactus", 2)),
    "sand": (("rock", 3), ("barrel", 1)),
    "snow": (("snowman", 1), ("pine", 2)),
    "floor": (("box", 1), ("ball", 1), ("pillar", 1)),
    "street": (("car", 1), ("streetlamp", 1), ("mailbox", 1)),
    "plaza": (("fountain", 1), ("bench", 2)),
    "dirt": (("barrel", 2), ("fence", 2), ("pumpkin", 2)),
    "room": (("sofa", 1), ("bookshelf", 1), ("lamp", 1), ("plant", 1)),
}
"""What stands on each ground when the prompt names a place, a light or a move but no object."""


def read_prompt(prompt: str) -> SceneRequest:
    """Read a prompt in English or Chinese. Raises `GenerateError` when no word of it can be drawn."""
    tokens = tokenize(prompt)
    reading = Reading(tokens)
    for position in range(len(tokens)):
        reading.take(position)
    used = tuple(t.text for i, t in enumerate(tokens) if i in reading.used)
    ignored = tuple(
        t.text
        for i, t in enumerate(tokens)
        if i not in reading.used | reading.silent
        and t.category not in ("stop", "number")
        and t.text not in STOP_WORDS
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


def _limited(objects: list[ObjectRequest]) -> tuple[list[ObjectRequest], list[str]]:
    """Cap the counts, and say so."""
    notes: list[str] = []
    kept: dict[int, ObjectRequest] = {}
    room = MAX_OBJECTS
    for index, request in enumerate(objects):
        count = min(request.count, MAX_PER_WORD, room)
        if count < request.count:
            notes.append(
                f"Drew {count} of {request.count} {request.kind}: "
                f"a scene holds {MAX_OBJECTS} objects, {MAX_PER_WORD} of a kind."
            )
        if count > 0:
            kept[index] = replace(request, count=count)
            room -= count
    places = {index: place for place, index in enumerate(kept)}
    result = []
    for request in kept.values():
        anchor = places.get(request.anchor) if request.anchor is not None else None
        result.append(
            replace(request, anchor=anchor, relation=request.relation if anchor is not None else None)
        )
    return result, notes


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
