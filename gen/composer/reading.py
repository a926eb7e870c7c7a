"""The grammar of prompts: which adjective, motion and relation belong to which noun."""

from dataclasses import dataclass, field, replace

from gen.composer.nouns import CROWDS
from gen.composer.scene_request import ObjectRequest
from gen.composer.tokens import Token
from gen.composer.vocabulary import PRONOUNS

INDEFINITE = ("a", "an")
ARTICLES = (*INDEFINITE, "the")
"""Words that begin a noun phrase."""
BREAKS = (",", ".", "and", "with", "和", "与")
"""Words after which a verb form belongs to what comes next: "a red ball and a spinning cube"."""
MOVERS = (
    *("car", "truck", "bus", "rocket", "robot", "person", "woman", "child", "girl"),
    *("dog", "cat", "sheep", "duck", "ball", "windmill"),
)
"""What is meant when a verb could belong to two nouns: "a ball on a table bouncing"."""
SMALL = (
    "cup",
    "book",
    "vase",
    "lamp",
    "ball",
    "box",
    "cat",
    "duck",
    "plant",
    "flower",
    "pumpkin",
    "mushroom",
)
"""What a whole list of is on something: "two cups, a vase and a book on a table"."""


@dataclass
class Reading:
    """What has been understood so far. Adjectives wait for the next noun."""

    tokens: list[Token]
    objects: list[ObjectRequest] = field(default_factory=list)
    ground: str = "grass"
    ground_adjectives: dict[str, str] = field(default_factory=dict)
    light: str = "day"
    camera: str = "arc"
    used: set[int] = field(default_factory=set)
    """Positions of the words that took effect."""
    silent: set[int] = field(default_factory=set)
    """Positions of words that need none: "on" of "on grass"."""
    adjectives: dict[str, str] = field(default_factory=dict)
    count: int | None = None
    waiting: dict[str, int] = field(default_factory=dict)
    """Category of each waiting word: its position."""
    phrase_open: bool = False
    """Whether an article or a number has begun a noun phrase that still lacks its noun."""
    definite: bool = False
    """Whether that was "the"."""
    current: int | None = None
    """The object named last."""
    last_object: int = -2
    """Position of its word."""
    listed: list[int] = field(default_factory=list)
    """Objects of the list that goes on: "two cups, a vase and"."""
    relation: tuple[str, int | None, int] | None = None
    """A relation that waits for its anchor: (which, subject, position)."""
    fronted: tuple[str, int, int] | None = None
    """A relation that waits for its subject: (which, anchor, position)."""
    subject: int | None = None
    """The object before a Chinese "在"."""

    def take(self, position: int) -> None:
        """Read the token at a position; they come in order."""
        token = self.tokens[position]
        if token.category in ("color", "material", "size"):
            self.adjectives[token.category] = token.value
            self.waiting[token.category] = position
        elif token.category == "number":
            self._begin_phrase()
            self.count = int(token.value)
            self.waiting["number"] = position
        elif token.text in ARTICLES:
            self._begin_phrase()
            self.definite = token.text == "the"
        elif token.text in PRONOUNS:
            self._take_pronoun()
        elif token.text == "在":
            self.subject = self.current
        elif token.category == "crowd" and self.current is not None and self.last_object == position - 1:
            self._change(self.current, count=CROWDS[token.value][1])  # "pine forest"
            self.used.add(position)
        elif token.category in ("object", "crowd"):
            self._take_object(position, token)
        elif token.category == "relation":
            self.relation = (token.value, self.current, position)
            self._drop_adjectives()
        elif token.category == "place":
            self._take_place(position, token)
        elif token.category == "motion":
            self._take_motion(position, token)
        elif token.category == "ground":
            self._take_ground(position, token)
        elif token.category in ("light", "camera"):
            setattr(self, token.category, token.value)
            self.used.add(position)
            self._pass_over_relation()
        elif token.text == ".":
            self.listed = []
        elif token.category == "unknown":
            self.relation = None  # "behind an astronaut"
            if token.text.isascii():
                self.phrase_open = False

    def _take_object(self, position: int, token: Token) -> None:
        index = self._named_before(position, token)
        if index is None:
            kind, count = CROWDS[token.value] if token.category == "crowd" else (token.value, 1)
            count = self.count if self.count is not None and token.category == "object" else count
            index = len(self.objects)
            self.objects.append(ObjectRequest(kind, count))
            self._change(index, **self.adjectives)
        self._use_adjectives(position)
        if self.relation is not None:
            relation, subject, at = self.relation
            self.relation = None
            if subject is None or subject == index:
                self.fronted = (relation, index, at)
            else:
                for item in self._list_up_to(subject, relation):
                    self._relate(item, relation, index, at)
            self.listed = []
        elif self.fronted is not None and self.fronted[1] != index:
            relation, anchor, at = self.fronted
            self.fronted = None
            self._relate(index, relation, anchor, at)
        self.current, self.last_object = index, position
        self.listed.append(index)

    def _named_before(self, position: int, token: Token) -> int | None:
        """The object that "the table", or a bare "桌子" before "上" or "在", refers back to."""
        if token.category != "object" or self.count is not None:
            return None
        follower = self._follower(position)
        bare = not self.adjectives and (follower.category == "place" or follower.text == "在")
        if not (self.definite or (bare and not token.text.isascii())):
            return None
        for index in range(len(self.objects) - 1, -1, -1):
            known = vars(self.objects[index])
            if known["kind"] == token.value and all(known[c] == v for c, v in self.adjectives.items()):
                return index
        return None

    def _list_up_to(self, subject: int, relation: str) -> list[int]:
        """What a relation places: its subject, and small things listed before it."""
        before = [] if relation not in ("on", "under") else [i for i in self.listed if i < subject]
        small = all(self.objects[item].kind in SMALL for item in (*before, subject))
        return [*(before if small else ()), subject]

    def _take_pronoun(self) -> None:
        """ "A table with a lamp on it": the lamp's anchor, or else what was named before the lamp."""
        if self.relation is None:
            return
        relation, subject, at = self.relation
        self.relation = None
        if subject is None:
            return
        anchor = self.objects[subject].anchor
        if anchor is None:  # "it" is what came before, or what that is placed by
            before = subject - 1
            anchor = self.objects[before].anchor if before >= 0 else None
            anchor = before if anchor is None else anchor
        if anchor >= 0:
            self._relate(subject, relation, anchor, at)

    def _take_place(self, position: int, token: Token) -> None:
        """ "桌子上": the object just named is the anchor, of what stands before "在" or of what comes."""
        before = self.tokens[position - 1] if position else None
        if before is not None and before.text == "的" and position > 1:
            before = self.tokens[position - 2]
        if before is not None and before.category == "ground":
            self.silent.add(position)
        elif before is not None and before.category == "object" and self.current is not None:
            if self.subject is not None and self.subject != self.current:
                self._relate(self.subject, token.value, self.current, position)
            else:
                self.fronted = (token.value, self.current, position)
        elif before is not None and before.text in PRONOUNS and self.current is not None:
            anchor = self.objects[self.current].anchor
            self.fronted = (token.value, self.current if anchor is None else anchor, position)
        elif before is not None and before.text in (",", ".") and self.current is not None:
            self.fronted = (token.value, self.current, position)  # "一座房子，旁边有两棵树"
        self.subject = None

    def _take_motion(self, position: int, token: Token) -> None:
        before = self.tokens[position - 1].text if position else ","
        attributive = self._follower(position).text == "的"
        if self.current is None or self.phrase_open or attributive or before in BREAKS:
            self.adjectives["motion"] = token.value
            self.waiting["motion"] = position
            return
        mover = self.current
        for index, request in enumerate(self.objects):
            if self.objects[mover].kind not in MOVERS and request.anchor == mover and request.kind in MOVERS:
                mover = index
        if self.objects[mover].motion is None:
            self._change(mover, motion=token.value)
            self.used.add(position)

    def _take_ground(self, position: int, token: Token) -> None:
        self.ground = token.value
        is_noun = not token.text.endswith("y") or token.text == "city"  # not "snowy"
        if not {"size", "motion"} & self.adjectives.keys() and self.count in (None, 1) and is_noun:
            self.ground_adjectives = dict(self.adjectives)
            self._use_adjectives(position)
        self.used.add(position)
        self._pass_over_relation()

    def _pass_over_relation(self) -> None:
        """ "On grass", "by night": what stood before the place or the time was no relation."""
        if self.relation is not None:
            self.silent.add(self.relation[2])
            self.relation = None

    def _relate(self, subject: int, relation: str, anchor: int, position: int) -> None:
        """Place one object by another, unless that is placed by the first."""
        above: int | None = anchor
        while above is not None:
            if above == subject:
                return
            above = self.objects[above].anchor
        if self.objects[subject].anchor is None:
            self._change(subject, relation=relation, anchor=anchor)
            self.used.add(position)

    def _change(self, index: int, **fields: object) -> None:
        self.objects[index] = replace(self.objects[index], **fields)  # pyright: ignore[reportArgumentType]

    def _follower(self, position: int) -> Token:
        return self.tokens[position + 1] if position + 1 < len(self.tokens) else Token("", "stop")

    def _begin_phrase(self) -> None:
        self._drop_adjectives()
        self.phrase_open, self.definite = True, False

    def _use_adjectives(self, position: int) -> None:
        self.used |= {*self.waiting.values(), position}
        self._drop_adjectives()
        self.phrase_open = self.definite = False

    def _drop_adjectives(self) -> None:
        """A new noun phrase begins: what still waits belonged to a word the composer does not know."""
        self.waiting, self.adjectives, self.count = {}, {}, None
