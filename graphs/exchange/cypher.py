"""A script in Cypher that Neo4j (`cypher-shell -f`) and Memgraph (`mgconsole <`) take.

Every value is a quoted literal of a batch that `UNWIND` goes through, every node and relationship is merged by its id,
so the script may run again. Texts are hostile: none can end its literal. Labels and types cannot be values in Cypher;
they are made of letters, digits and underscores only, and what a source wrote stands in the property `type`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ...storage.records import Entity, Relation, Span, content_id
from .facts import Facts, Place, Places, claim_id, whole
from .files import placed_file
from .node_link import dumped

BATCH = 500  # rows of a statement
WAITING = 50_000  # rows that gather until their batches are full
CODES = 1_000  # different labels or types; a graph database has room for some ten thousand, and a hostile file for more
LONGEST = 60  # characters of a label

Value = str | int | float | bool | tuple[str, ...] | tuple[int, ...]
Row = Mapping[str, Value]

HEAD = """\
// A knowledge graph written by gristmill. Nodes are Entity, Claim, Chunk and Document, and each has a unique id.
// Make the index first, else merging takes time in proportion to the square of the graph's size.
//   Neo4j:    CREATE CONSTRAINT node_id IF NOT EXISTS FOR (n:Node) REQUIRE n.id IS UNIQUE
//   Memgraph: CREATE INDEX ON :Node(id)
"""
ENTITY = """\
MERGE (n:Node {{id: row.id}})
SET n:Entity, n:{code}, n.name = row.name, n.type = row.type, n.description = row.description, n.aliases = row.aliases,
    n.attributes = row.attributes"""
CHUNK = """\
MERGE (n:Node {id: row.id})
SET n:Chunk, n.start = row.start
MERGE (d:Node {id: row.document})
SET d:Document, d.name = row.name
MERGE (n)-[:PART_OF]->(d)"""
CLAIM = """\
MERGE (n:Node {id: row.entity})
MERGE (c:Node {id: row.id})
SET c:Claim, c.text = row.text, c.qualifiers = row.qualifiers
MERGE (n)-[:HAS_CLAIM]->(c)"""
MENTION = """\
MERGE (n:Node {id: row.of})
MERGE (c:Node {id: row.chunk})
SET c:Chunk
MERGE (n)-[m:MENTIONED_IN {id: row.id}]->(c)
SET m.start = row.start, m.end = row.end, m.quote = row.quote"""
RELATION = """\
MATCH (a:Node {{id: row.source}})
MATCH (b:Node {{id: row.target}})
MERGE (a)-[r:{code} {{id: row.id}}]->(b)
SET r.type = row.type, r.description = row.description, r.weight = row.weight, r.grounded = row.grounded,
    r.qualifiers = row.qualifiers, r.chunks = row.chunks, r.starts = row.starts, r.ends = row.ends,
    r.quotes = row.quotes"""

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_SPECIAL = re.compile(r"[\\'\n\r\t\x08\x0c]")
_CONTROL = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f]")
# Neo4j turns \uXXXX into its character before it looks for quotes, whatever stands before the backslash.
_UNICODE = re.compile(r"\\\\(?=[uU])")


def write_cypher(graph: Facts, path: str | Path, places: Places | None = None) -> None:
    """Writes the script, entities before relations; with `places` also which document each chunk is a part of.

    Attributes and qualifiers are JSON in a string, as properties have no parts. Control characters are replaced.
    Raises `StoreError` when the file cannot be written; an old file at the path then stays as it was.
    """
    with placed_file(Path(path)) as file:
        file.write(HEAD.encode())
        script = _Script(file)
        for entity in graph.entities.values():
            _add_entity(script, entity)
        script.flush()
        for relation in graph.relations.values():
            script.add(RELATION.format(code=script.type_code(relation.type)), _relation(relation))
        for chunk, place in (places or {}).items():
            script.add(CHUNK, _chunk(chunk, place))
        script.flush()


def literal(value: Value) -> str:
    """Returns a value as Cypher's literal.

    A string's quotes, backslashes and line ends are escaped; where a backslash stands before a `u` the string is cut in
    two and joined again with `+`, so that no reader takes it for a code point.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(literal(one) for one in value)}]"
    text = _CONTROL.sub("\ufffd", whole(value))
    escaped = _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)
    return "'" + _UNICODE.sub("\\\\\\\\' + '", escaped) + "'"


def code_of(text: str, *, upper: bool) -> str:
    """Returns a label (`ProgrammingLanguage`) or with `upper` a type (`IS_PART_OF`); "" when nothing of it is left."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    joined = "_".join(words).upper() if upper else "".join(word[:1].upper() + word[1:] for word in words)
    code = joined[:LONGEST].rstrip("_")
    return f"_{code}" if code[:1].isdigit() else code


@dataclass(slots=True)
class _Script:
    """Rows by the statement that takes them, written when enough have gathered."""

    file: IO[bytes]
    rows: dict[str, list[str]] = field(default_factory=dict)
    waiting: int = 0
    labels: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    def add(self, statement: str, row: Row) -> None:
        rows = self.rows.setdefault(statement, [])
        rows.append("{" + ", ".join(f"{key}: {literal(value)}" for key, value in row.items()) + "}")
        self.waiting += 1
        if self.waiting >= WAITING:
            self.flush()

    def flush(self) -> None:
        """Writes what waits, in the order in which the statements were first used."""
        for statement, rows in self.rows.items():
            for start in range(0, len(rows), BATCH):
                body = ",\n".join(rows[start : start + BATCH])
                self.file.write(f"UNWIND [\n{body}\n] AS row\n{statement};\n".encode())
        self.rows.clear()
        self.waiting = 0

    def label(self, text: str) -> str:
        return _known(code_of(text, upper=False), self.labels, "Other")

    def type_code(self, text: str) -> str:
        return _known(code_of(text, upper=True), self.types, "RELATED_TO")


def _known(code: str, known: set[str], other: str) -> str:
    if not code or (code not in known and len(known) >= CODES):
        return other
    known.add(code)
    return code


def _add_entity(script: _Script, entity: Entity) -> None:
    row: Row = {
        "id": entity.id,
        "name": entity.name,
        "type": entity.type,
        "description": entity.description,
        "aliases": entity.aliases,
        "attributes": _json(entity.attributes),
    }
    script.add(ENTITY.format(code=script.label(entity.type)), row)
    for mention in _mentions(entity.id, entity.mentions):
        script.add(MENTION, mention)
    for claim in entity.claims:
        id = claim_id(entity.id, claim)
        qualifiers = _json(claim.qualifiers)
        script.add(CLAIM, {"id": id, "entity": entity.id, "text": claim.text, "qualifiers": qualifiers})
        for mention in _mentions(id, claim.mentions):
            script.add(MENTION, mention)


def _mentions(of: str, spans: Iterable[Span]) -> Iterator[Row]:
    for span in spans:
        id = content_id("mention", whole(of), whole(span.chunk), span.start, span.end)
        yield {"id": id, "of": of, "chunk": span.chunk, "start": span.start, "end": span.end, "quote": span.quote}


def _relation(one: Relation) -> Row:
    return {
        "id": one.id,
        "source": one.source,
        "target": one.target,
        "type": one.type,
        "description": one.description,
        "weight": one.weight,
        "grounded": one.grounded,
        "qualifiers": _json(one.qualifiers),
        "chunks": tuple(span.chunk for span in one.mentions),
        "starts": tuple(span.start for span in one.mentions),
        "ends": tuple(span.end for span in one.mentions),
        "quotes": tuple(span.quote for span in one.mentions),
    }


def _chunk(id: str, place: Place) -> Row:
    return {"id": id, "start": place.start, "document": place.document, "name": place.name}


def _json(value: Mapping[str, object]) -> str:
    return dumped(dict(value)).decode() if value else ""
