"""GraphML in, element by element. What may not be in it: a document type, through which entities multiply or fetch."""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat  # with document types refused there are no entities to expand

import orjson

from ...errors import ConfigError
from .seed import RELATED, Edge, Node, Seed, values_of, words

NAMES = ("name", "label", "title", "nodelabel")
TYPES = ("type", "kind", "class", "category", "labels")
PREDICATES = ("type", "label", "relation", "predicate", "name", "edgelabel")
# What tools and our own files keep beside: sizes, places and colours of pictures, places in other documents.
PASSED_OVER = frozenset(
    ["id", "x", "y", "z", "r", "g", "b", "size", "color", "colour", "weight", "mentions", "chunks", "grounded"]
)
MAX_VALUE = 1_000_000  # characters
PIECE = 1 << 16

Data = dict[str, str]


def read_graphml(seed: Seed) -> None:
    """Takes in a GraphML file; raises `ConfigError` naming the line."""
    reading = _Reading(seed)
    parser = reading.parser
    try:
        with seed.path.open("rb") as file:
            while piece := file.read(PIECE):
                parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise seed.fail(error.lineno, f"it is no XML: {expat.ErrorString(error.code)}; write it anew") from error
    except LookupError as error:  # an encoding that Python has no name for
        raise seed.fail(1, f"its encoding is not known: {error}; write the file anew in UTF-8") from error
    if not reading.is_graph:
        raise seed.fail(None, "it has no <graph>; give a GraphML file")


class _Reading:
    """What stands open while the parser goes through the file."""

    def __init__(self, seed: Seed) -> None:
        self.seed = seed
        self.is_graph = False
        self.keys: dict[str, str] = {}
        self.open: list[tuple[str, dict[str, str], Data]] = []  # nodes and edges
        self.slot = ""
        self.text: list[str] = []
        self.length = 0
        # No names of namespaces: files have them right, wrong and not at all.
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def fail(self, what: str) -> ConfigError:
        return self.seed.fail(self.parser.CurrentLineNumber, what)

    def _refuse(self, *_: object) -> NoReturn:
        raise self.fail("it has a document type, which can make entities; take the line <!DOCTYPE ...> out")

    def _start(self, tag: str, given: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2].casefold()
        if tag == "graph":
            self.is_graph = True
        elif tag == "key":
            self.keys[given.get("id", "")] = given.get("attr.name") or given.get("id", "")
        elif tag in ("node", "edge"):
            if len(self.open) > 100:
                raise self.fail("graphs are nested too deeply; give a flat one")
            self.open.append((tag, given, {}))
        elif tag == "hyperedge":
            raise self.fail("it has a hyperedge; give edges with a source and a target")
        elif tag == "data":
            self._begin(self.keys.get(given.get("key", ""), given.get("key", "")))
        elif tag in ("nodelabel", "edgelabel"):  # of yEd, within its data
            self._begin(tag)

    def _begin(self, slot: str) -> None:
        self.slot, self.text, self.length = slot.casefold(), [], 0

    def _characters(self, text: str) -> None:
        if not self.slot:
            return
        self.length += len(text)
        if self.length > MAX_VALUE:
            raise self.fail(f"a value has more than {MAX_VALUE:,} characters; shorten it")
        self.text.append(text)

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2].casefold()
        if tag in ("data", "nodelabel", "edgelabel"):
            text = "".join(self.text).strip()
            if self.open and text:
                self.open[-1][2].setdefault(self.slot, text)
            self.slot = ""
        elif tag in ("node", "edge") and self.open:
            kind, given, data = self.open.pop()
            (self._node if kind == "node" else self._edge)(given, data)

    def _node(self, given: dict[str, str], data: Data) -> None:
        line = self.parser.CurrentLineNumber
        key = given.get("id", "")
        if not key:
            raise self.fail("a node has no id; give every node one")
        node = self.seed.node(key, line)
        node.name = self.seed.name(_first(data, NAMES) or key, line)
        self.seed.set_type(node, _first(data, TYPES).lstrip(":"), line)
        if text := data.pop("description", ""):
            for one in filter(None, (self.seed.text(part, line) for part in text.split("\n"))):
                node.descriptions[one] = None
        self._lists(node, data, line)
        for name, value in data.items():
            if name not in PASSED_OVER:
                self.seed.attribute(node, name, value, line)

    def _lists(self, node: Node, data: Data, line: int) -> None:
        """What our own GraphML has as JSON, and others as texts."""
        aliases = data.pop("aliases", "")
        for alias in values_of(_json(aliases)) or filter(None, aliases.split(";")):
            node.aliases[self.seed.name(alias, line)] = None
        attributes = _json(data.get("attributes", ""))
        if isinstance(attributes, dict):
            del data["attributes"]
            for name, values in attributes.items():
                for value in values_of(values):
                    self.seed.attribute(node, name, value, line)
        claims = _json(data.get("claims", ""))
        if isinstance(claims, list):
            del data["claims"]
            for claim in claims:
                if isinstance(claim, dict) and isinstance(claim.get("text"), str):
                    given = claim.get("qualifiers")
                    qualifiers = given if isinstance(given, dict) else {}
                    text = self.seed.text(claim["text"], line)
                    node.claims[text] = {str(name): str(value) for name, value in qualifiers.items()}

    def _edge(self, given: dict[str, str], data: Data) -> None:
        line = self.parser.CurrentLineNumber
        source, target = given.get("source", ""), given.get("target", "")
        if not source or not target:
            raise self.fail("an edge has no source or no target; give it both")
        self.seed.node(source, line)
        self.seed.node(target, line)
        qualifiers = _json(data.get("qualifiers", ""))
        found = qualifiers.items() if isinstance(qualifiers, dict) else ()
        edge = Edge(
            source,
            words(_first(data, PREDICATES)) or RELATED,
            target,
            self.seed.text(data.get("description", ""), line),
            {self.seed.text(name, line): values_of(values) for name, values in found},
        )
        self.seed.add(edge, line)


def _first(data: Data, names: tuple[str, ...]) -> str:
    """Takes the first of these values out that is there."""
    return next((data.pop(name) for name in names if data.get(name)), "")


def _json(text: str) -> object:
    if text[:1] not in "[{":
        return None
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
