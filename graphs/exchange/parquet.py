"""Parquet for engines of tables (DuckDB, Spark, pandas): `entities`, `relations` and `mentions`, one file each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import ConfigError, StoreError
from ...storage.graph import chunks_in
from ...storage.records import Entity, Relation, Span
from .facts import Facts, Place, Places, whole
from .files import placed_folder

FILES = ("entities.parquet", "relations.parquet", "mentions.parquet")
BATCH = 5_000  # records whose rows are in memory at a time
NOWHERE = Place("", "", 0)

Rows = list[dict[str, Any]]


def require_parquet() -> None:
    """Raises `ConfigError` when the extra `parquet` is not installed."""
    _pyarrow()


def write_parquet(graph: Facts, path: str | Path, places: Places | None = None) -> None:
    """Writes a folder with `entities.parquet`, `relations.parquet` and `mentions.parquet`.

    A row of `mentions` is one span: `kind` says of what (`entity`, `relation`, `claim`), `id` is the record's (a
    claim's is its entity's, and `claim` its place in the entity's list), `start` and `end` count characters of the
    chunk. With `places` the document's id and name stand there, and `document_start`, `document_end` count its
    characters. Raises `ConfigError` when the extra `parquet` is not installed, and `StoreError` when the folder cannot
    be written.
    """
    arrow, parquet = _pyarrow()
    schemas = _schemas(arrow)
    with placed_folder(Path(path), FILES) as folder, ExitStack() as stack:
        try:
            writers = {
                name: stack.enter_context(parquet.ParquetWriter(folder / name, schemas[name], compression="zstd"))
                for name in FILES
            }

            def write(name: str, rows: Rows) -> None:
                if rows:
                    writers[name].write_table(arrow.Table.from_pylist(rows, schema=schemas[name]))

            for entities in _batches(graph.entities.values()):
                write("entities.parquet", [_entity(one) for one in entities])
                write("mentions.parquet", [row for one in entities for row in _entity_mentions(one, places or {})])
            for relations in _batches(graph.relations.values()):
                write("relations.parquet", [_relation(one) for one in relations])
                write(
                    "mentions.parquet",
                    [row for one in relations for row in _rows("relation", one.id, None, one.mentions, places or {})],
                )
        except arrow.ArrowException as error:
            raise StoreError(f"graph folder '{path}' cannot be written: {error}") from error


def _pyarrow() -> tuple[Any, Any]:
    # Inside a function: an extra of 150 MB.
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError("the format 'parquet' needs the extra `parquet`: pip install 'gristmill[parquet]'") from error
    return pyarrow, parquet


def _schemas(arrow: Any) -> dict[str, Any]:
    text, number = arrow.string(), arrow.int64()
    texts = arrow.list_(text)
    values = arrow.map_(text, texts)
    claim = arrow.struct([("text", text), ("qualifiers", arrow.map_(text, text))])
    shared = [("mentions", number), ("chunks", texts)]
    return {
        "entities.parquet": arrow.schema(
            [
                *((name, text) for name in ("id", "name", "type", "description")),
                ("aliases", texts),
                ("attributes", values),
                ("claims", arrow.list_(claim)),
                *shared,
            ]
        ),
        "relations.parquet": arrow.schema(
            [
                *((name, text) for name in ("id", "source", "target", "type", "description")),
                ("weight", arrow.float64()),
                ("qualifiers", values),
                ("grounded", arrow.bool_()),
                *shared,
            ]
        ),
        "mentions.parquet": arrow.schema(
            [
                ("kind", text),
                ("id", text),
                ("claim", arrow.int32()),
                ("chunk", text),
                ("start", number),
                ("end", number),
                ("quote", text),
                ("document", text),
                ("document_name", text),
                ("document_start", number),
                ("document_end", number),
            ]
        ),
    }


def _entity(one: Entity) -> dict[str, Any]:
    return {
        "id": whole(one.id),
        "name": whole(one.name),
        "type": whole(one.type),
        "description": whole(one.description),
        "aliases": _whole(one.aliases),
        "attributes": [(whole(name), _whole(values)) for name, values in one.attributes.items()],
        "claims": [
            {
                "text": whole(claim.text),
                "qualifiers": [(whole(name), whole(value)) for name, value in claim.qualifiers.items()],
            }
            for claim in one.claims
        ],
        "mentions": len(one.mentions),
        "chunks": _whole(chunks_in(one.mentions)),
    }


def _relation(one: Relation) -> dict[str, Any]:
    return {
        "id": whole(one.id),
        "source": whole(one.source),
        "target": whole(one.target),
        "type": whole(one.type),
        "description": whole(one.description),
        "weight": one.weight,
        "qualifiers": [(whole(name), _whole(values)) for name, values in one.qualifiers.items()],
        "grounded": one.grounded,
        "mentions": len(one.mentions),
        "chunks": _whole(chunks_in(one.mentions)),
    }


def _entity_mentions(one: Entity, places: Places) -> Rows:
    rows = _rows("entity", one.id, None, one.mentions, places)
    for number, claim in enumerate(one.claims):
        rows += _rows("claim", one.id, number, claim.mentions, places)
    return rows


def _rows(kind: str, id: str, claim: int | None, spans: Iterable[Span], places: Places) -> Rows:
    rows: Rows = []
    for span in spans:
        place = places.get(span.chunk, NOWHERE)
        known = place is not NOWHERE
        rows.append(
            {
                "kind": kind,
                "id": whole(id),
                "claim": claim,
                "chunk": whole(span.chunk),
                "start": span.start,
                "end": span.end,
                "quote": whole(span.quote),
                "document": whole(place.document) if known else None,
                "document_name": whole(place.name) if known else None,
                "document_start": place.start + span.start if known else None,
                "document_end": place.start + span.end if known else None,
            }
        )
    return rows


def _whole(texts: Iterable[str]) -> list[str]:
    return [whole(text) for text in texts]


def _batches(records: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(records)
    while some := list(islice(left, BATCH)):
        yield some
