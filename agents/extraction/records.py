"""What an extractor brings back from a chunk (`Extraction`), with its books.

These records know no model and no graph: merging them is `graphs/knowledge/merge.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from ...storage.records import Claim, Record, Span, Usage


class Books(Record):
    """The count of one sort of record, entities or relations: `found + created = kept + merged + dropped`.

    found:    records in the model's answers.
    created:  records made here: endpoints that a relation names and the chunk has verbatim.
    kept:     distinct records of the result; merged: those that equal one that was there already.
    dropped:  by reason; docs/knowledge-graph.md lists the reasons.
    mended:   records that stayed, changed or with a doubt, by reason. Not part of the sum.
    """

    found: int = 0
    created: int = 0
    kept: int = 0
    merged: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    mended: dict[str, int] = Field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether every record is accounted for."""
        return self.found + self.created == self.kept + self.merged + sum(self.dropped.values())

    def __add__(self, other: Books) -> Books:
        return Books(
            found=self.found + other.found,
            created=self.created + other.created,
            kept=self.kept + other.kept,
            merged=self.merged + other.merged,
            dropped=_sum(self.dropped, other.dropped),
            mended=_sum(self.mended, other.mended),
        )


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


class FoundEntity(Record):
    """An entity as one chunk has it. `mentions` are the quote and every occurrence of the name, ascending.

    `typed` is false when nobody gave the type: it is the schema's fallback for a type that the schema does not list.
    `attributes` are those that its type lists: name → the values as the chunk writes them, sorted. `claims` are
    statements about it alone, each with its spans in the chunk.
    """

    name: str
    type: str
    typed: bool = True
    descriptions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()


class FoundRelation(Record):
    """A relation as one chunk has it; `source` and `target` are names of entities of the same extraction.

    `qualifiers` say under what it holds: name → the values as the chunk writes them, sorted. `grounded` is false when
    no quote was found in the chunk: the mention is then the shortest span that has both names.
    """

    source: str
    target: str
    type: str
    descriptions: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    qualifiers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    grounded: bool = True


class Extraction(Record):
    """What one chunk gave. `by` is what read it: `model`, `terms` for the rules that need none, or `seed`: the
    chunk is made of a seed graph's statements.

    `rounds` counts the calls that answered, `source_tokens` are the chunk's own. `stopped` says why no further gleaning
    round ran: `nothing_new`, `low_yield`, `limit`, or the reason code of the model error that ended it (what was found
    before is kept); `rescued` is the reason why the rules read a chunk that a model should have read.
    `detail_books` count attributes and qualifiers.
    """

    chunk: str
    by: Literal["model", "terms", "seed"] = "model"
    rescued: str = ""
    source_tokens: int = 0
    entities: tuple[FoundEntity, ...] = ()
    relations: tuple[FoundRelation, ...] = ()
    entity_books: Books = Books()
    relation_books: Books = Books()
    claim_books: Books = Books()
    detail_books: Books = Books()
    rounds: int = 0
    stopped: str = ""
    usage: Usage = Usage()
    model: str = ""

    @property
    def books(self) -> dict[str, Books]:
        """The books by what they count."""
        return {
            "entities": self.entity_books,
            "relations": self.relation_books,
            "claims": self.claim_books,
            "details": self.detail_books,
        }
