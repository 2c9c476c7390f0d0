"""Writes a graph as JSON, from which it can be read back whole, and as GraphML for graph tools."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import orjson
from pydantic import ValidationError

from ...errors import ConfigError, StoreError
from ...storage.records import Entity, Relation, Span
from ..networks import nx
from .graph import KnowledgeGraph

FORMAT = "gristmill-knowledge-graph"
VERSION = 1

# What XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_json(graph: KnowledgeGraph, path: str | Path) -> None:
    """Writes node-link JSON as networkx reads it (`node_link_graph(data, edges="edges")`), mentions included.

    A mention is `[chunk, start, end, quote]`. Raises `StoreError` when the file cannot be written; an old file at the
    path then stays as it was.
    """
    content = orjson.dumps(
        {
            "directed": True,
            "multigraph": True,
            "graph": {"format": FORMAT, "version": VERSION},
            "nodes": [_node(entity) for entity in graph.entities.values()],
            "edges": [_edge(relation) for relation in graph.relations.values()],
        }
    )
    _replace(Path(path), lambda file: file.write(content))


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


def write_graphml(graph: KnowledgeGraph, path: str | Path) -> None:
    """Writes GraphML: a directed multigraph whose attributes are strings.

    Mentions stand as their number and the ids of their chunks; control characters that XML cannot carry are left out,
    so GraphML is for looking and JSON for keeping. Raises `StoreError` when the file cannot be written.
    """
    out: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for entity in graph.entities.values():
        out.add_node(
            _legal(entity.id),
            **_strings(
                name=entity.name,
                type=entity.type,
                description=entity.description,
                aliases="; ".join(entity.aliases),
                mentions=str(len(entity.mentions)),
                chunks=" ".join(graph.chunks_of(entity.id)),
            ),
        )
    for relation in graph.relations.values():
        out.add_edge(
            _legal(relation.source),
            _legal(relation.target),
            key=_legal(relation.id),
            **_strings(
                type=relation.type,
                description=relation.description,
                weight=str(relation.weight),
                mentions=str(len(relation.mentions)),
                chunks=" ".join(graph.chunks_of(relation.id)),
            ),
        )

    def write(file: IO[bytes]) -> None:
        # The plain writer whether or not lxml is there, so that the file is the same everywhere.
        nx.write_graphml_xml(out, file)

    _replace(Path(path), write)


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


def _strings(**fields: str) -> dict[str, str]:
    return {name: _legal(text) for name, text in fields.items()}


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes a file beside the path, makes it durable, and puts it in the path's place in one step."""
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
        name = None
    except OSError as error:
        raise StoreError(f"graph file '{path}' cannot be written: {error.strerror}") from error
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)
