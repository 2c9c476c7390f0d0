"""Chunks and a small graph for the first recipes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.storage.records import Chunk, Entity, Relation, Span

DRAWING = ("grounded-qa", "entigraph", "graph-reasoning", "rows")


def chunk_of(number: int, text: str = "") -> Chunk:
    text = text or f"Chunk {number} says something of its own."
    start = 1000 * (number % 4)
    return Chunk.of(f"doc-{number // 4}", number % 4, start, start + len(text), text, headings=(f"Section {number}",))


CHUNKS = [chunk_of(number) for number in range(12)]


def graph_over(chunks: Sequence[Chunk], names_in: Sequence[Sequence[str]]) -> KnowledgeGraph:
    """A graph in which chunk i mentions the entities `names_in[i]`, each related to the next one there."""
    mentions: dict[str, list[Span]] = {}
    relations = []
    for chunk, names in zip(chunks, names_in, strict=True):
        for name in names:
            mentions.setdefault(name, []).append(Span(chunk=chunk.id, start=0, end=5))
        for left, right in pairwise(names):
            ends = {"source": f"entity-{left}", "target": f"entity-{right}"}
            span = Span(chunk=chunk.id, start=0, end=5)
            relations.append(Relation(id=f"relation-{left}-{right}", type="next to", mentions=(span,), **ends))
    entities = [
        Entity(id=f"entity-{name}", name=name, type="thing", mentions=tuple(spans)) for name, spans in mentions.items()
    ]
    return KnowledgeGraph(entities, relations)


# a - b - c - d - e - f in a chain over chunks, and a triangle g h i in one chunk
GRAPH = graph_over(CHUNKS[:6], [["a", "b"], ["b", "c"], ["c", "d"], ["d", "e"], ["e", "f"], ["g", "h", "i"]])
