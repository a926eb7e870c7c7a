"""What a prompt asks for, once it has been read."""

from dataclasses import dataclass

from gen.composer.vocabulary import SIZES


@dataclass(frozen=True)
class ObjectRequest:
    """One noun of the prompt with its adjectives, where it is to be and how it is to move."""

    kind: str
    count: int = 1
    color: str | None = None
    material: str | None = None
    size: str | None = None
    motion: str | None = None
    relation: str | None = None
    """Where it is relative to its anchor: on, under, beside, behind, front, left or right."""
    anchor: int | None = None
    """Index of the request that `relation` refers to."""

    @property
    def scale(self) -> float:
        """Scale factor of the size word."""
        return SIZES[self.size] if self.size else 1.0

    def describe(self) -> str:
        """What was understood, in a few words: "2 dog run behind"."""
        return " ".join(filter(None, (f"{self.count} {self.kind}", self.motion, self.relation)))


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
