"""The formats that a graph is written in, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .cypher import write_cypher
from .facts import Facts, Places
from .graphml import write_graphml
from .json_ld import write_json_ld
from .node_link import write_json
from .parquet import require_parquet, write_parquet


class Format(NamedTuple):
    """`name` is what a file is called by default; `write` takes the graph, the path and where chunks stand.

    `placed` says whether it says where chunks stand: to know that, all chunks of a run are read.
    """

    name: str
    write: Callable[[Facts, Path, Places], None]
    placed: bool


FORMATS = {
    "graphml": Format("graph.graphml", lambda graph, path, _: write_graphml(graph, path), False),
    "json": Format("graph.json", lambda graph, path, _: write_json(graph, path), False),
    "json-ld": Format("graph.jsonld", write_json_ld, True),
    "parquet": Format("graph-parquet", write_parquet, True),
    "cypher": Format("graph.cypher", write_cypher, True),
}

__all__ = ["FORMATS", "Format", "require_parquet"]
