"""A seed: a knowledge graph of the user's own, as its file has it, before it becomes a part of a campaign's graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...agents.names import MAX_NAME, one_line, tidy
from ...errors import ConfigError

MAX_NODES, MAX_EDGES = 2_000_000, 5_000_000
MAX_TEXT = 20_000  # characters of a description or a value
RELATED = "related to"

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(slots=True)
class Node:
    """An entity of a seed. `type` is empty when the file gives none; `claims` are statements with their qualifiers."""

    name: str = ""
    type: str = ""
    aliases: dict[str, None] = field(default_factory=dict)  # a dict is an ordered set
    descriptions: dict[str, None] = field(default_factory=dict)
    attributes: dict[str, dict[str, None]] = field(default_factory=dict)
    claims: dict[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Edge:
    """A relation of a seed; `source` and `target` are keys of its nodes."""

    source: str
    predicate: str
    target: str
    description: str = ""
    qualifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Seed:
    """Entities by the key that the file knows them by (an id, an IRI, a name), and the relations among them.

    What a file says is taken in piece by piece; `fail` names the line. Nothing grows without bound.
    """

    path: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Edge] = field(default_factory=dict)

    def fail(self, line: int | None, what: str) -> ConfigError:
        """Returns the error for a line, or for the whole file."""
        where = "" if line is None else f" line {line}"
        return ConfigError(f"seed graph '{self.path}'{where}: {what}")

    def node(self, key: str, line: int | None = None) -> Node:
        """Returns the node with this key, made when it is not there."""
        found = self.nodes.get(key)
        if found is None:
            if len(self.nodes) >= MAX_NODES:
                raise self.fail(line, f"there are more than {MAX_NODES:,} entities; give a part of the graph")
            found = self.nodes[key] = Node()
        return found

    def named(self, text: str, kind: str = "", line: int | None = None) -> str:
        """Takes in an entity that the file knows by its name; returns its key."""
        name = self.name(text, line)
        node = self.node(name, line)
        node.name = name
        if kind:
            self.set_type(node, kind, line)
        return name

    def name(self, text: str, line: int | None = None) -> str:
        """Returns a name on one line; raises `ConfigError` for none, and for one that is a whole passage."""
        name = tidy(text[: 2 * MAX_NAME])
        if not name:
            raise self.fail(line, f"{text[:40]!r} is no name; give every entity one")
        if len(name) > MAX_NAME:
            raise self.fail(line, f"the name {name[:40]!r}... has more than {MAX_NAME} characters; shorten it")
        return name

    def set_type(self, node: Node, kind: str, line: int | None = None) -> None:
        """Takes a node's type; the first that a file gives stays."""
        kind = one_line(kind[: 2 * MAX_NAME])
        if len(kind) > MAX_NAME:
            raise self.fail(line, f"the type {kind[:40]!r}... has more than {MAX_NAME} characters; shorten it")
        node.type = node.type or kind

    def text(self, text: str, line: int | None = None) -> str:
        """Returns a description or a value on one line."""
        if len(text) > MAX_TEXT:
            raise self.fail(line, f"the text {text[:40]!r}... has more than {MAX_TEXT:,} characters; shorten it")
        return one_line(text)

    def add(self, edge: Edge, line: int | None = None) -> None:
        """Takes in a relation; one that is there already is not taken twice."""
        if len(self.edges) >= MAX_EDGES:
            raise self.fail(line, f"there are more than {MAX_EDGES:,} relations; give a part of the graph")
        if len(edge.predicate) > MAX_NAME:
            short = f"the relation {edge.predicate[:40]!r}... has more than {MAX_NAME} characters; shorten it"
            raise self.fail(line, short)
        self.edges.setdefault((edge.source, edge.predicate, edge.target), edge)

    def attribute(self, node: Node, name: str, value: str, line: int | None = None) -> None:
        """Takes in a value that is no entity."""
        name, value = words(self.text(name, line)), self.text(value, line)
        if name and value:
            node.attributes.setdefault(name, {})[value] = None

    def finished(self) -> Seed:
        """Checks that something was read, and gives its key's words to what has no name."""
        if not self.nodes:
            raise self.fail(None, "it has no entity; check that it is the file that you meant")
        for key, node in self.nodes.items():
            node.name = node.name or self.name(local_name(key))
            node.aliases.pop(node.name, None)
        return self


def words(predicate: str) -> str:
    """Returns a relation's name in words: `livesIn` and `lives_in` are `lives in`; a phrase stays as it is."""
    text = one_line(predicate)
    if " " in text or "/" in text:
        return text
    return _HUMP.sub(" ", text.replace("_", " ")).strip().lower() if text != text.upper() else text.replace("_", " ")


def local_name(key: str) -> str:
    """Returns the last part of an IRI in words (`http://x.org/e/Brent_goose` is `Brent goose`); else the key itself."""
    if ":" not in key or " " in key:
        return key
    last = re.split(r"[/#:]", key.rstrip("/#:"))[-1]
    return last.replace("_", " ") or key


def values_of(value: object) -> tuple[str, ...]:
    """Returns the texts of a JSON value that is a text or a list of some."""
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, Iterable) else ()
