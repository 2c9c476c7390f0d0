"""Weighs the relations that only say that two terms share a sentence, by how much oftener than chance they do.

The weight is the normalised pointwise mutual information (Bouma 2009), over the chunks that were read for terms. The
count of chunks stays as it was, in the mentions: graphrag's fast mode ranked a column that the measure had overwritten.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass

from ...agents.extraction.terms import COOCCURS
from ...storage.records import Relation
from .graph import KnowledgeGraph

LEAST_WEIGHT = 0.01  # a pair that is no likelier than chance: still drawn, hardly ever


@dataclass(frozen=True, slots=True)
class Association:
    """How two terms go together: in `chunks` chunks, `npmi` in [-1, 1], and their ranks by either, 1 the highest."""

    relation: str
    chunks: int
    npmi: float
    rank_by_count: int
    rank_by_npmi: int


def associations(graph: KnowledgeGraph, read: Set[str]) -> list[Association]:
    """Returns one association for each relation of type `co-occurs with`, by falling sum of reciprocal ranks.

    `read` are the ids of the chunks that were read for terms: chances are counted over them alone.
    """
    here: dict[str, int] = {}

    def share(entity: str) -> int:
        if entity not in here:
            here[entity] = len({span.chunk for span in graph.entities[entity].mentions} & read)
        return here[entity]

    found = []
    for relation in graph.relations.values():
        if relation.type == COOCCURS:
            chunks = len({span.chunk for span in relation.mentions})
            found.append((relation.id, chunks, npmi(chunks, share(relation.source), share(relation.target), len(read))))
    by_count = _ranks({one: float(chunks) for one, chunks, _ in found})
    by_npmi = _ranks({one: value for one, _, value in found})
    result = [Association(one, chunks, value, by_count[one], by_npmi[one]) for one, chunks, value in found]
    return sorted(result, key=lambda one: (-(1 / (60 + one.rank_by_count) + 1 / (60 + one.rank_by_npmi)), one.relation))


def weigh_cooccurrence(graph: KnowledgeGraph, read: Set[str]) -> KnowledgeGraph:
    """Returns the graph with those relations weighted by normalised PMI, at least `LEAST_WEIGHT`, at most 1.

    A relation that a model read in the text weighs 1 for each chunk: what is stated counts for more.
    """
    weights = {one.relation: max(LEAST_WEIGHT, one.npmi) for one in associations(graph, read)}
    if not weights:
        return graph

    def weighed(relation: Relation) -> Relation:
        weight = weights.get(relation.id)
        return relation if weight is None else relation.model_copy(update={"weight": weight})

    return KnowledgeGraph(graph.entities.values(), map(weighed, graph.relations.values()))


def npmi(together: int, one: int, other: int, chunks: int) -> float:
    """Normalised PMI of counts of chunks: 1 always together, 0 as by chance, towards -1 never.

    What stands in every chunk tells nothing: 0.
    """
    if together <= 0:
        return -1.0
    one, other, chunks = max(one, together), max(other, together), max(chunks, together)
    if together == chunks:
        return 0.0
    value = math.log(together * chunks / (one * other)) / -math.log(together / chunks)
    return min(1.0, max(-1.0, value))  # rounding, and counts that no chunks can have


def _ranks(values: dict[str, float]) -> dict[str, int]:
    """The place of each by falling value; equal values share the first place among them."""
    ranks: dict[str, int] = {}
    last, rank = math.nan, 0
    for place, key in enumerate(sorted(values, key=lambda key: (-values[key], key)), 1):
        if values[key] != last:
            last, rank = values[key], place
        ranks[key] = rank
    return ranks
