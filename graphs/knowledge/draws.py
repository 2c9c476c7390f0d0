"""What a sampler draws, and which chunks show it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .graph import KnowledgeGraph


@dataclass(frozen=True, slots=True)
class Draw:
    """Entities that belong together, the relations among them, and the few chunks that mention them all.

    `kind` is `entity`, `pair`, `triple`, `hop1`, `hop2`, ..., `ego` or `community`. Entities keep the sampler's order
    (along the path, the centre first); relations are sorted; chunks stand with the one that covers most first.
    """

    kind: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    chunks: tuple[str, ...]


def make_draw(graph: KnowledgeGraph, rng: random.Random, kind: str, entities: Iterable[str]) -> Draw:
    """Completes a draw with the relations among the entities and their evidence."""
    members = tuple(entities)
    relations = graph.relations_among(members)
    return Draw(kind, members, relations, evidence(graph, rng, members, relations))


def evidence(
    graph: KnowledgeGraph, rng: random.Random, entities: Iterable[str], relations: Iterable[str] = ()
) -> tuple[str, ...]:
    """Chooses few chunks that together mention every entity that any chunk mentions.

    Greedy set cover: the chunk that mentions most of the entities still uncovered, among those the one that states
    most of the relations, among those one at random, so that repeated draws of an entity show different passages.
    """
    stated: Counter[str] = Counter()
    for relation in relations:
        stated.update(graph.chunks_of(relation))
    uncovered = [entity for entity in entities if graph.chunks_of(entity)]
    chosen: list[str] = []
    while uncovered:
        counts: Counter[str] = Counter()
        for entity in uncovered:
            counts.update(graph.chunks_of(entity))
        best = max((count, stated[chunk]) for chunk, count in counts.items())
        chunk = rng.choice(sorted(chunk for chunk, count in counts.items() if (count, stated[chunk]) == best))
        chosen.append(chunk)
        uncovered = [entity for entity in uncovered if chunk not in graph.chunks_of(entity)]
    return tuple(chosen)
