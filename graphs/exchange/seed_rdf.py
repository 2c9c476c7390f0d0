"""RDF in: N-Triples line by line, and Turtle, by rdflib (extra `rdf`), which gets bytes and no address to fetch."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError
from .seed import Edge, Seed, local_name, words

MAX_TURTLE = 200_000_000  # bytes; rdflib holds all of it
MAX_LINE = 1_000_000  # characters
BASE = "urn:gristmill:seed/"
RDFS, SKOS, SCHEMA, DC = (
    "http://www.w3.org/2000/01/rdf-schema#",
    "http://www.w3.org/2004/02/skos/core#",
    "schema.org/",
    "http://purl.org/dc/terms/",
)
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
NAMES = {f"{RDFS}label", f"{SKOS}prefLabel", "http://xmlns.com/foaf/0.1/name", f"{DC}title"}
ALIASES = {f"{SKOS}altLabel"}
DESCRIPTIONS = {f"{RDFS}comment", f"{SKOS}definition", f"{DC}description"}
for _scheme in ("http://", "https://"):
    NAMES.add(f"{_scheme}{SCHEMA}name")
    ALIASES.add(f"{_scheme}{SCHEMA}alternateName")
    DESCRIPTIONS.add(f"{_scheme}{SCHEMA}description")
SPOKEN = ("", "en")  # languages whose label is the name; others are aliases


def read_n_triples(seed: Seed) -> None:
    """Takes in a file of N-Triples; raises `ConfigError` naming the line, or the missing extra."""
    rdflib = _rdflib()
    from rdflib.plugins.parsers.ntriples import W3CNTriplesParser

    taking = _Taking(seed, rdflib)
    sink: Any = taking
    parser = W3CNTriplesParser(sink=sink)
    with seed.path.open("rb") as file:
        while raw := file.readline(MAX_LINE):
            taking.line = (taking.line or 0) + 1
            if len(raw) >= MAX_LINE:
                raise seed.fail(taking.line, f"it has more than {MAX_LINE:,} bytes; mend the line")
            try:
                parser.parsestring(raw.decode())
            except ConfigError:
                raise
            except UnicodeDecodeError as error:
                raise seed.fail(taking.line, f"it is not UTF-8 ({error.reason}); write it anew") from error
            except Exception as error:  # rdflib's parser raises its own, and whatever a hostile line brings about
                said = f"it is no N-Triples ({str(error)[:120]}); write <subject> <predicate> <object> ."
                raise seed.fail(taking.line, said) from error
    taking.finish()


def read_turtle(seed: Seed) -> None:
    """Takes in a Turtle file; raises `ConfigError` naming the line, or the missing extra."""
    rdflib = _rdflib()
    from rdflib.plugins.parsers.notation3 import BadSyntax

    size = seed.path.stat().st_size
    if size > MAX_TURTLE:
        raise seed.fail(None, f"it has {size:,} bytes, of {MAX_TURTLE:,} that Turtle may have; give it as N-Triples")
    taking = _Taking(seed, rdflib)
    try:
        graph = rdflib.Graph().parse(data=seed.path.read_bytes(), format="turtle", publicID=BASE)
    except BadSyntax as error:
        raise seed.fail(getattr(error, "lines", 0) + 1, f"it is no Turtle: {error.message}; mend the line") from error
    except (Exception, RecursionError) as error:  # rdflib's parser meets hostile files
        said = f"it cannot be read as Turtle ({type(error).__name__}: {str(error)[:120]}); mend it"
        raise seed.fail(None, said) from error
    for subject, predicate, object_ in sorted(graph):  # rdflib's own order differs from process to process
        taking.triple(subject, predicate, object_)
    taking.finish()


def _rdflib() -> Any:
    try:
        import rdflib
    except ImportError as error:
        raise ConfigError("a seed graph in RDF needs the extra `rdf`: pip install 'gristmill[rdf]'") from error
    return rdflib


class _Taking:
    """Takes triples in. A blank node without a label has no name: what says something of it is left out."""

    def __init__(self, seed: Seed, rdflib: Any) -> None:
        self.seed = seed
        self.line: int | None = None
        self._literal = rdflib.Literal
        self._blank = rdflib.BNode
        self._types: list[tuple[str, str]] = []
        self._nameless: set[str] = set()

    def triple(self, subject: Any, predicate: Any, object_: Any) -> None:
        """Called by rdflib's parser."""
        key, relation = self._key(subject), str(predicate)
        if isinstance(object_, self._literal):
            self._literal_of(key, relation, object_)
        elif relation == TYPE:
            self.seed.node(key, self.line)
            self._types.append((key, str(object_)))
        else:
            target = self._key(object_)
            self.seed.node(key, self.line)
            self.seed.node(target, self.line)
            self.seed.add(Edge(key, words(local_name(relation)), target), self.line)

    def _key(self, term: Any) -> str:
        key = f"_:{term}" if isinstance(term, self._blank) else str(term)
        if key.startswith("_:"):
            self._nameless.add(key)
        return key

    def _literal_of(self, key: str, relation: str, value: Any) -> None:
        node, text = self.seed.node(key, self.line), str(value)
        if relation in NAMES:
            name = self.seed.name(text, self.line)
            if not node.name and (value.language or "").split("-")[0] in SPOKEN:
                node.name = name
            else:
                node.aliases[name] = None
        elif relation in ALIASES:
            node.aliases[self.seed.name(text, self.line)] = None
        elif relation in DESCRIPTIONS:
            node.descriptions[self.seed.text(text, self.line)] = None
        else:
            self.seed.attribute(node, local_name(relation), text, self.line)

    def finish(self) -> None:
        """Gives types, and takes out what has no name."""
        for node in self.seed.nodes.values():
            if not node.name and node.aliases:  # labels in other languages alone
                node.name = next(iter(node.aliases))
        nodes = self.seed.nodes
        for key in self._nameless:
            if key in nodes and not nodes[key].name:
                del nodes[key]
        for ends in [ends for ends in self.seed.edges if ends[0] not in nodes or ends[2] not in nodes]:
            del self.seed.edges[ends]
        for key, kind in self._types:
            if key in nodes:
                said = nodes[kind].name if kind in nodes and nodes[kind].name else local_name(kind)
                self.seed.set_type(nodes[key], words(said))
