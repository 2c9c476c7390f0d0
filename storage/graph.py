"""The knowledge graph in a run's tables: whole records, and beside them the columns that walks and counts need.

A graph of a million entities is loaded from the columns alone; a record is read when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import orjson

from .database import Database, Row
from .records import Entity, Relation, Span
from .schema import PUT_ENTITY, PUT_RELATION, Statement

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


FactRows = TypeVar("FactRows", EntityRows, RelationRows)


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


def one_batch(kind: type[FactRows], batches: Iterable[FactRows]) -> FactRows:
    """Returns the rows of all batches in one."""
    columns: list[list[Any]] = [[] for _ in kind._fields]
    for batch in batches:
        for column, more in zip(columns, batch, strict=True):
            column.extend(more)
    return kind(*columns)


def stored_entity_rows(database: Database) -> Iterator[EntityRows]:
    """Yields the rows of a run's entities, by id, without their records."""
    stream = database.stream("SELECT id, name, type, mentions, chunks FROM entities ORDER BY id")
    for ids, names, types, mentions, chunks in _columns(stream):
        yield EntityRows(ids, names, types, mentions, _lists(chunks))


def stored_relation_rows(database: Database) -> Iterator[RelationRows]:
    """Yields the rows of a run's relations, by id, without their records."""
    stream = database.stream("SELECT id, source, target, type, weight, chunks FROM relations ORDER BY id")
    for ids, sources, targets, types, weights, chunks in _columns(stream):
        yield RelationRows(ids, sources, targets, types, weights, _lists(chunks))


def put_entities(entities: Iterable[Entity]) -> Statement:
    """Returns the statement that stores entities, each in place of the one with its id."""
    return PUT_ENTITY, [
        (one.id, one.name, one.type, len(one.mentions), _chunks(one), one.model_dump_json(exclude_defaults=True))
        for one in entities
    ]


def put_relations(relations: Iterable[Relation]) -> Statement:
    """Returns the statement that stores relations, each in place of the one with its id."""
    return PUT_RELATION, [
        (
            *(one.id, one.source, one.target, one.type, one.weight, _chunks(one)),
            one.model_dump_json(exclude_defaults=True),
        )
        for one in relations
    ]


def _chunks(record: Entity | Relation) -> str:
    return orjson.dumps(chunks_in(record.mentions)).decode()


def _lists(texts: Iterable[str]) -> list[list[str]]:
    found: list[list[str]] = orjson.loads(f"[{','.join(texts)}]")  # at once: a parse for each would take twice the time
    return found


def _columns(rows: Iterator[Row]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    while some := list(islice(rows, BATCH)):
        yield tuple(zip(*some, strict=True))


def chunks_in(mentions: Iterable[Span]) -> list[str]:
    """Returns the ids of the chunks that spans lie in, sorted."""
    return sorted({span.chunk for span in mentions})


def _batches(records: Iterable[Fact]) -> Iterator[list[Fact]]:
    left = iter(records)
    while some := list(islice(left, BATCH)):
        yield some
