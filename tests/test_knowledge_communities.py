"""Communities: connected, apart, small enough, and those that are there."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
from small_graphs import graph_of, random_graph

from gristmill.graphs.knowledge.communities import find_communities


def test_communities_are_connected_apart_and_small_enough() -> None:
    graph = random_graph(300, 500, 80)
    links = nx.Graph((one, other) for one in graph.ids for other in graph.neighbours(one) if one != other)
    parts = find_communities(graph, seed=3, max_size=12)
    members = [entity for part in parts for entity in part]
    assert len(members) == len(set(members)) > 200
    assert max(map(len, parts)) <= 12
    assert all(nx.is_connected(links.subgraph(part)) for part in parts)


def test_a_clique_and_a_star_that_are_too_large_are_cut() -> None:
    clique = find_communities(graph_of(combinations(range(30), 2)), seed=1, max_size=8)
    assert sorted(map(len, clique)) == [6, 8, 8, 8]
    star = find_communities(graph_of((0, leaf) for leaf in range(1, 30)), seed=1, max_size=8)
    assert [len(part) for part in star] == [8]


def test_two_cliques_are_two_communities() -> None:
    graph = graph_of([*combinations(range(5), 2), *combinations(range(5, 10), 2), (0, 5)])
    assert set(find_communities(graph, seed=0)) == {graph.ids[:5], graph.ids[5:]}
