"""Reads a seed by its file's suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import ConfigError
from .node_link import read_json
from .seed import Edge, Seed
from .seed_graphml import read_graphml
from .seed_rdf import read_n_triples, read_turtle
from .seed_rows import read_rows

MAX_BYTES = 4_000_000_000
READERS: dict[str, Callable[[Seed], None]] = {
    ".csv": lambda seed: read_rows(seed, "csv"),
    ".graphml": read_graphml,
    ".json": lambda seed: _read_own(seed),
    ".jsonl": lambda seed: read_rows(seed, "jsonl"),
    ".ndjson": lambda seed: read_rows(seed, "jsonl"),
    ".nt": read_n_triples,
    ".tsv": lambda seed: read_rows(seed, "tsv"),
    ".ttl": read_turtle,
}


def read_seed(path: str | Path) -> Seed:
    """Reads a knowledge graph of the user's own.

    Formats are GraphML, triples as CSV, TSV or JSONL, N-Triples and Turtle (extra `rdf`), and the JSON that
    `write_json` writes. Nothing is fetched.

    Raises:
        ConfigError: no such file, an unknown format, or what is wrong with it; names the line and the mend.
    """
    path = require_seed(path)
    seed = Seed(path)
    try:
        READERS[path.suffix.lower()](seed)
    except OSError as error:
        raise ConfigError(f"seed graph '{path}' cannot be read: {error.strerror or error}") from error
    return seed.finished()


def require_seed(path: str | Path) -> Path:
    """Raises `ConfigError` for a file that is not there, is too large, or has a format that is not read."""
    path = Path(path)
    if path.suffix.lower() not in READERS:
        suffix = path.suffix or "no suffix"
        raise ConfigError(f"seed graph '{path}' has {suffix}; formats are {', '.join(sorted(READERS))}")
    if not path.is_file():
        raise ConfigError(f"seed graph '{path}' is not there, or is no file; correct the path")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"seed graph '{path}' has more than {MAX_BYTES:,} bytes; give a part of the graph")
    return path


def _read_own(seed: Seed) -> None:
    graph = read_json(seed.path)
    for entity in graph.entities.values():
        node = seed.node(entity.id)
        node.name = seed.name(entity.name)
        seed.set_type(node, entity.type)
        node.aliases.update(dict.fromkeys(map(seed.name, entity.aliases)))
        node.descriptions.update(dict.fromkeys(filter(None, map(seed.text, entity.description.split("\n")))))
        for name, values in entity.attributes.items():
            for value in values:
                seed.attribute(node, name, value)
        node.claims.update({seed.text(one.text): one.qualifiers for one in entity.claims})
    for one in graph.relations.values():
        seed.add(Edge(one.source, one.type, one.target, seed.text(one.description), one.qualifiers))
