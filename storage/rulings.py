"""Rulings: decisions on which references are one entity that no rule derives from the data. They are only ever added.

A person merges, splits or takes a ruling back; a model answers for a pair that rules leave open. What rules decide is
derived again whenever the graph is made, and is not kept here. Nothing here knows how names are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from pydantic import AwareDatetime, Field, model_validator

from .identities import Identities
from .records import Record, content_id

if TYPE_CHECKING:
    from .store import RunStore

PERSON = "person:"
RESOLUTION = "resolution"  # the mark under which the store keeps what was decided when the graph was made
ADD = "INSERT INTO rulings (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
PAGE = 1000


class Ruled(StrEnum):
    """What a ruling does."""

    MERGE = "merge"
    SPLIT = "split"
    UNSURE = "unsure"  # a model that could not tell; the pair is not asked about again
    UNDO = "undo"


class Ruling(Record):
    """One decision.

    merge, unsure: `left` and `right` are reference ids (any id that an entity ever had is one).
    split: the two are kept apart; or, with `documents` or `chunks` and without `right`, what was found there under the
    reference `left` becomes a reference of its own, with `part` as its id.
    `others` are further references that a merge joins to `left`, and that a split keeps apart from `left` or the part.
    undo: takes back the ruling that `undoes` names; an undo can be undone too.

    `by` is `person:NAME`, or a model's name and the prompt's version. `score` is how sure, in [0, 1].
    """

    id: str = Field(min_length=1, max_length=100)
    action: Ruled
    left: str = ""
    right: str = ""
    others: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()
    reason: str = Field(default="", max_length=2000)
    score: float = Field(default=1.0, ge=0, le=1)
    by: str = Field(min_length=1, max_length=300)
    at: AwareDatetime
    undoes: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.action is Ruled.UNDO:
            wrong = not self.undoes or bool(self.left or self.right or self.others)
        elif self.action is Ruled.SPLIT and (self.documents or self.chunks):
            wrong = not self.left or bool(self.right)
        else:
            wrong = not self.left or not self.right or self.left == self.right
        if wrong:
            raise ValueError(
                f"a ruling '{self.action}' with left '{self.left}', right '{self.right}' and undoes '{self.undoes}': "
                f"merge and split name two references, or a split one with documents or chunks; an undo a ruling"
            )
        return self

    @property
    def divides(self) -> bool:
        """Whether it parts one reference by documents or chunks."""
        return self.action is Ruled.SPLIT and bool(self.documents or self.chunks)

    @property
    def part(self) -> str:
        """The id of the reference that a division makes."""
        return content_id("entity", "part", self.id)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pairs of references that it decides, the lesser id first; none for an undo."""
        if self.action is Ruled.UNDO:
            return ()
        one, first = (self.part, self.left) if self.divides else (self.left, self.right)
        return tuple((one, other) if one < other else (other, one) for other in (first, *self.others) if other != one)

    @property
    def personal(self) -> bool:
        """Whether a person decided it."""
        return self.by.startswith(PERSON)


def ordered(rulings: Iterable[Ruling]) -> list[Ruling]:
    """Returns rulings by time, then id, each id once: the same order however they arrived."""
    found = {ruling.id: ruling for ruling in rulings}
    return sorted(found.values(), key=lambda one: (one.at, one.id))


def in_force(rulings: Iterable[Ruling]) -> list[Ruling]:
    """Returns the rulings that no undo in force takes back, without the undos, the oldest first."""
    undone: set[str] = set()
    kept = []
    for ruling in reversed(ordered(rulings)):
        if ruling.id in undone:
            continue
        if ruling.action is Ruled.UNDO:
            undone.add(ruling.undoes)
        else:
            kept.append(ruling)
    return kept[::-1]


class Rulings:
    """The rulings of one run, beside its graph in the same store."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def add(self, *rulings: Ruling) -> None:
        """Adds rulings; returns when they are durable. One whose id is there already is not added again."""
        if rulings:
            await self._store.write((ADD, [(one.id, one.model_dump_json(exclude_defaults=True)) for one in rulings]))

    def since(self, seq: int = 0, limit: int = PAGE) -> list[tuple[int, Ruling]]:
        """Returns up to `limit` rulings with their numbers, those above `seq`, in the order they came."""
        rows = self._store.rows("SELECT seq, body FROM rulings WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [(number, Ruling.model_validate_json(body)) for number, body in rows]

    def all(self) -> Iterator[Ruling]:
        """Yields all rulings in the order they came, a page in memory."""
        seq = 0
        while page := self.since(seq):
            seq = page[-1][0]
            for _, ruling in page:
                yield ruling

    def membership(self) -> Mapping[str, str]:
        """Returns the entity of each id that is not its own, as the stored graph was made; see `Identities`."""
        return Identities(self._store).membership()
