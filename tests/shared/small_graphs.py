"""Graphs for tests of the samplers: random ones, drawn ones, and all that hypothesis can think of."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import strategies as st

from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling.sources import Sources
from gristmill.storage.records import Entity, Relation, Span


def graph_of(
    pairs: Iterable[tuple[int, int]],
    count: int = 0,
    *,
    chunks: int = 0,
    types: tuple[str, ...] = ("thing",),
    names: tuple[str, ...] = (),
) -> KnowledgeGraph:
    """A graph of `e000`, `e001`, ...; relation i is stated in chunk i (of `chunks`), which mentions both its ends."""
    pairs = list(pairs)
    count = max([count, *(end + 1 for pair in pairs for end in pair)])
    mentions: dict[int, set[str]] = {number: set() for number in range(count)}
    relations = []
    for number, (left, right) in enumerate(pairs):
        chunk = f"c{number % (chunks or len(pairs)):03}"
        mentions[left].add(chunk)
        mentions[right].add(chunk)
        ends = {"source": f"e{left:03}", "target": f"e{right:03}"}
        relations.append(Relation(id=f"r{number:04}", type="t", mentions=(span(chunk),), **ends))
    return KnowledgeGraph(
        [
            Entity(
                id=f"e{number:03}",
                name=names[number] if names else f"n{number}",
                type=types[number % len(types)],
                mentions=tuple(map(span, sorted(where))),
            )
            for number, where in mentions.items()
        ],
        relations,
    )


def span(chunk: str) -> Span:
    return Span(chunk=chunk, start=0, end=1)


def random_graph(entities: int, links: int, chunks: int, seed: int = 1) -> KnowledgeGraph:
    """A random graph without isolated mentions: relations are stated in `chunks` chunks, evenly."""
    rng = random.Random(seed)
    ends: set[tuple[int, int]] = set()
    while len(ends) < links:
        left, right = rng.randrange(entities), rng.randrange(entities)
        if left != right:
            ends.add((left, right))
    pairs = sorted(ends)
    rng.shuffle(pairs)
    return graph_of(pairs, entities, chunks=chunks)


def sources_of(graph: KnowledgeGraph, chunks_in_document: int = 3) -> Sources:
    """Documents of a few chunks each; a chunk has 10 to 14 tokens."""
    return Sources(
        {chunk: f"d{number // chunks_in_document}" for number, chunk in enumerate(graph.chunk_ids)},
        {chunk: 10 + number % 5 for number, chunk in enumerate(graph.chunk_ids)},
    )


PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=14, unique=True)
GRAPHS = st.builds(lambda pairs, chunks: graph_of(pairs, 8, chunks=chunks), PAIRS, st.integers(1, 6))
