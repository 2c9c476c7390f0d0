"""GraphML for graph tools: Gephi, yEd, Cytoscape, igraph, networkx. (http://graphml.graphdrawing.org)

Written element by element. What has parts (aliases, attributes, claims, qualifiers) is JSON in a string, since GraphML
has no lists; a seed of another campaign reads it back (`triples_graphml.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from ...storage.graph import chunks_in
from ...storage.records import Claim, Entity, Relation
from .facts import Facts, whole
from .files import placed_file
from .node_link import dumped

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
NODE_KEYS = {
    "name": "string",
    "type": "string",
    "description": "string",
    "aliases": "string",
    "attributes": "string",
    "claims": "string",
    "mentions": "int",
    "chunks": "string",
}
EDGE_KEYS = {
    "type": "string",
    "description": "string",
    "weight": "double",
    "qualifiers": "string",
    "grounded": "boolean",
    "mentions": "int",
    "chunks": "string",
}

# What XML 1.0 cannot carry, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RETURN = {"\r": "&#13;"}  # a bare one would be read as a line feed


def write_graphml(graph: Facts, path: str | Path) -> None:
    """Writes a directed multigraph. `weight` and `mentions` are numbers, `grounded` is a boolean, the rest strings.

    `chunks` are the ids of the chunks that mention it, with a space between them. Control characters that XML cannot
    carry are left out, and the places of mentions are not in it: GraphML is for looking, JSON for keeping. Raises
    `StoreError` when the file cannot be written; an old file at the path then stays as it was.
    """
    with placed_file(Path(path)) as file:
        file.write(_head().encode())
        for entity in graph.entities.values():
            inner = _data("n", NODE_KEYS, _node(entity))
            file.write(f"<node id={_quoted(entity.id)}>{inner}</node>\n".encode())
        for relation in graph.relations.values():
            inner = _data("e", EDGE_KEYS, _edge(relation))
            ends = f"source={_quoted(relation.source)} target={_quoted(relation.target)}"
            file.write(f"<edge id={_quoted(relation.id)} {ends}>{inner}</edge>\n".encode())
        file.write(b"</graph>\n</graphml>\n")


def _head() -> str:
    keys = [
        f'<key id="{letter}_{name}" for="{element}" attr.name="{name}" attr.type="{kind}"/>'
        for letter, element, types in (("n", "node", NODE_KEYS), ("e", "edge", EDGE_KEYS))
        for name, kind in types.items()
    ]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<graphml xmlns="{NAMESPACE}">', *keys]
    return "\n".join([*lines, '<graph id="G" edgedefault="directed">', ""])


def _node(entity: Entity) -> dict[str, str]:
    return {
        "name": entity.name,
        "type": entity.type,
        "description": entity.description,
        "aliases": _json(entity.aliases),
        "attributes": _json(entity.attributes),
        "claims": _json(_claims(entity.claims)),
        "mentions": str(len(entity.mentions)),
        "chunks": " ".join(chunks_in(entity.mentions)),
    }


def _edge(relation: Relation) -> dict[str, str]:
    return {
        "type": relation.type,
        "description": relation.description,
        "weight": repr(relation.weight),
        "qualifiers": _json(relation.qualifiers),
        "grounded": str(relation.grounded).lower(),
        "mentions": str(len(relation.mentions)),
        "chunks": " ".join(chunks_in(relation.mentions)),
    }


def _claims(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    return [{"text": one.text, "qualifiers": one.qualifiers} for one in claims]


def _data(letter: str, keys: Iterable[str], values: dict[str, str]) -> str:
    """The values that are not empty, in the order of the keys."""
    filled = ((key, _legal(values[key])) for key in keys)
    return "".join(f'<data key="{letter}_{key}">{escape(text, _RETURN)}</data>' for key, text in filled if text)


def _json(value: Any) -> str:
    return dumped(value).decode() if value else ""


def _quoted(text: str) -> str:
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", whole(text))
