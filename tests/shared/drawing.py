"""Every sampler with options that small graphs can give, and how tests open them."""

from __future__ import annotations

import random

import networkx as nx
import pytest
from small_graphs import sources_of

from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling import engine
from gristmill.graphs.sampling.catalogue import sampler, samplers
from gristmill.graphs.sampling.draws import Draw
from gristmill.graphs.sampling.engine import Draws
from gristmill.graphs.sampling.weights import Weight, by_degree, by_inverse_coverage, uniform

NEEDED = {"anchor": {"types": ("thing",)}}
ALL = [(name, {}) for name in samplers() if name not in NEEDED]
ALL += [
    ("anchor", {"types": ("thing",)}),
    ("anchor", {"types": ("thing",), "draw": "path"}),
    ("long-tail", {"draw": "pair"}),
    ("motif", {"size": 3}),
    ("motif", {"shape": "chain"}),
    ("motif", {"shape": "triangle"}),
    ("path", {"hops": 3, "chordless": True}),
    ("similar", {"by": "name", "least": 0.5}),
    ("uncertainty", {"draw": "bfs"}),
    ("uncertainty", {"order": "weighted"}),
]  # fmt: skip
EACH = pytest.mark.parametrize(("name", "options"), ALL, ids=str)
WEIGHTS = {"uniform": uniform, "degree": by_degree, "coverage": by_inverse_coverage({"e001": 5, "e003": 1})}


def opened(
    name: str,
    graph: KnowledgeGraph,
    seed: int = 1,
    weight: Weight = uniform,
    refuse: engine.Refuse | None = None,
    **options,
) -> Draws:
    scores = {relation: 0.1 + number % 7 for number, relation in enumerate(graph.relation_ids)}
    return sampler(name, **options).draws(
        graph, random.Random(seed), weight=weight, sources=sources_of(graph), scores=scores, refuse=refuse
    )


def drawn(name: str, graph: KnowledgeGraph, seed: int = 1, weight: Weight = uniform, **options) -> list[Draw]:
    return list(opened(name, graph, seed, weight, **options))


def linked(graph: KnowledgeGraph, left: str, right: str, link: str = "relation") -> bool:
    return left != right and right in graph.neighbours(left, link=link)


def plain(graph: KnowledgeGraph, link: str = "relation") -> nx.Graph:
    made = nx.Graph()
    made.add_nodes_from(graph.ids)
    made.add_edges_from((one, other) for one in graph.ids for other in graph.neighbours(one, link=link) if one != other)
    return made
