"""JSON in networkx's node-link form: everything that a graph holds, and it comes back whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from ...errors import ConfigError
from ...storage.records import Entity, Relation, Span
from ..knowledge.graph import KnowledgeGraph
from .facts import Facts, whole
from .files import placed_file

FORMAT = "gristmill-knowledge-graph"
VERSION = 1


def write_json(graph: Facts, path: str | Path) -> None:
    """Writes node-link JSON as networkx reads it (`node_link_graph(data, edges="edges")`), mentions included.

    A mention of an entity or a relation is `[chunk, start, end, quote]`. One record stands on each line. Raises
    `StoreError` when the file cannot be written; an old file at the path then stays as it was.
    """
    head = {"format": FORMAT, "version": VERSION}
    with placed_file(Path(path)) as file:
        file.write(b'{"directed":true,"multigraph":true,"graph":' + orjson.dumps(head) + b',"nodes":[')
        for number, entity in enumerate(graph.entities.values()):
            file.write((b",\n" if number else b"\n") + dumped(_node(entity)))
        file.write(b'\n],"edges":[')
        for number, relation in enumerate(graph.relations.values()):
            file.write((b",\n" if number else b"\n") + dumped(_edge(relation)))
        file.write(b"\n]}\n")


def read_json(path: str | Path) -> KnowledgeGraph:
    """Reads what `write_json` wrote; raises `ConfigError` naming the file and what is wrong with it."""
    try:
        data = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"graph file '{path}' cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"graph file '{path}' is not JSON: {error}") from error
    kind = data.get("graph") if isinstance(data, dict) else None
    if not isinstance(kind, dict) or kind.get("format") != FORMAT or kind.get("version") != VERSION:
        raise ConfigError(f"graph file '{path}' is not a {FORMAT} of version {VERSION}; write it with write_json")
    try:
        entities = [Entity(**{**node, "mentions": _spans(node["mentions"])}) for node in data["nodes"]]
        relations = [_relation(edge) for edge in data["edges"]]
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise ConfigError(f"graph file '{path}' has a node or an edge that is not whole: {error}") from error
    return KnowledgeGraph(entities, relations)


def dumped(value: Any) -> bytes:
    """Returns a JSON value in UTF-8; what UTF-8 cannot hold becomes U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:  # nearly always there is nothing to mend, so it is looked for only when it was found
        return orjson.dumps(_mended(value))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, dict):
        return {whole(key): _mended(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(one) for one in value]
    return value


def _node(entity: Entity) -> dict[str, Any]:
    return {**entity.model_dump(exclude={"mentions"}), "mentions": _rows(entity.mentions)}


def _edge(relation: Relation) -> dict[str, Any]:
    fields = relation.model_dump(exclude={"mentions", "id"})
    return {**fields, "key": relation.id, "mentions": _rows(relation.mentions)}


def _relation(edge: dict[str, Any]) -> Relation:
    fields = {name: value for name, value in edge.items() if name not in {"key", "mentions"}}
    return Relation(id=edge["key"], mentions=_spans(edge["mentions"]), **fields)


def _rows(spans: tuple[Span, ...]) -> list[tuple[str, int, int, str]]:
    return [(span.chunk, span.start, span.end, span.quote) for span in spans]


def _spans(rows: list[list[Any]]) -> tuple[Span, ...]:
    return tuple(Span(chunk=chunk, start=start, end=end, quote=quote) for chunk, start, end, quote in rows)
