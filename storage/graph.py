"""What of a knowledge graph is read column by column: the rows that walks and counts need, without whole records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from .records import Entity, Relation, Span

BATCH = 10_000  # rows that are in memory as Python's objects at a time

Fact = TypeVar("Fact", Entity, Relation)


class EntityRows(NamedTuple):
    """Some entities, column by column; `chunks` are the ids of the chunks that mention each."""

    ids: Sequence[str]
    names: Sequence[str]
    types: Sequence[str]
    mentions: Sequence[int]
    chunks: Sequence[Sequence[str]]


class RelationRows(NamedTuple):
    """Some relations, column by column; `chunks` are the ids of the chunks that state each."""

    ids: Sequence[str]
    sources: Sequence[str]
    targets: Sequence[str]
    types: Sequence[str]
    weights: Sequence[float]
    chunks: Sequence[Sequence[str]]


def entity_rows(entities: Iterable[Entity]) -> Iterator[EntityRows]:
    """Yields the rows of records."""
    for some in _batches(entities):
        yield EntityRows(
            ids=[one.id for one in some],
            names=[one.name for one in some],
            types=[one.type for one in some],
            mentions=[len(one.mentions) for one in some],
            chunks=[chunks_in(one.mentions) for one in some],
        )


def relation_rows(relations: Iterable[Relation]) -> Iterator[RelationRows]:
    """Yields the rows of records."""
    for some in _batches(relations):
        yield RelationRows(
            ids=[one.id for one in some],
            sources=[one.source for one in some],
            targets=[one.target for one in some],
            types=[one.type for one in some],
            weights=[one.weight for one in some],
            chunks=[chunks_in(one.mentions) for one in some],
        )


def chunks_in(mentions: Iterable[Span]) -> list[str]:
    """Returns the ids of the chunks that spans lie in, sorted."""
    return sorted({span.chunk for span in mentions})


def _batches(records: Iterable[Fact]) -> Iterator[list[Fact]]:
    left = iter(records)
    while some := list(islice(left, BATCH)):
        yield some
