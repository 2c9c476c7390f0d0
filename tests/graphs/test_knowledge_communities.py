"""Communities: connected, apart, small enough, and those that are there, by either method; and which is noted."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Literal

import networkx as nx
import pytest
from places import HELPERS
from small_graphs import graph_of, random_graph

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge import communities as module
from gristmill.graphs.knowledge.communities import find_communities
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.storage.store import RunStore

Method = Literal["leiden", "louvain"]
EACH = pytest.mark.parametrize("method", ["leiden", "louvain"])


@EACH
@pytest.mark.parametrize("max_size", [2, 5, 12])
def test_communities_are_connected_apart_and_small_enough(method: Method, max_size: int) -> None:
    graph = random_graph(300, 500, 80)
    links = nx.Graph((one, other) for one in graph.ids for other in graph.neighbours(one) if one != other)
    parts = find_communities(graph, seed=3, max_size=max_size, method=method)
    members = [entity for part in parts for entity in part]
    assert len(members) == len(set(members)) > 180
    assert max(map(len, parts)) <= max_size
    assert all(nx.is_connected(links.subgraph(part)) for part in parts)
    assert list(parts) == sorted(parts, key=lambda part: (-len(part), part))


@EACH
def test_a_clique_and_a_star_that_are_too_large_are_cut(method: Method) -> None:
    clique = find_communities(graph_of(combinations(range(30), 2)), seed=1, max_size=8, method=method)
    assert sorted(map(len, clique)) == [6, 8, 8, 8]
    star = find_communities(graph_of((0, leaf) for leaf in range(1, 30)), seed=1, max_size=8, method=method)
    assert [len(part) for part in star] == [8]


@EACH
def test_two_cliques_are_two_communities(method: Method) -> None:
    graph = graph_of([*combinations(range(5), 2), *combinations(range(5, 10), 2), (0, 5)])
    assert set(find_communities(graph, seed=0, method=method)) == {graph.ids[:5], graph.ids[5:]}


@EACH
def test_a_graph_without_links_has_none(method: Method) -> None:
    assert find_communities(KnowledgeGraph(), seed=0, method=method) == ()
    assert find_communities(graph_of([(1, 1)]), seed=0, method=method) == ()


def test_a_part_that_is_not_connected_comes_apart() -> None:
    """At so low a resolution modularity puts everything together, also what nothing joins."""
    graph = graph_of([(0, 1), (2, 3), (4, 5)])
    found = find_communities(graph, seed=0, resolution=1e-9, method="leiden")
    assert found == (graph.ids[:2], graph.ids[2:4], graph.ids[4:])


def test_leiden_that_is_not_installed_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAS_LEIDEN", False)
    graph = graph_of([(0, 1)])
    assert find_communities(graph, seed=0) == find_communities(graph, seed=0, method="louvain")
    with pytest.raises(ConfigError, match=r"pip install 'gristmill\[graph\]'"):
        find_communities(graph, seed=0, method="leiden")


async def test_a_run_keeps_the_method_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(60, 90, 10)
    store = RunStore.open(tmp_path / "run")
    for method in ("louvain", "leiden"):
        await store.set_graph(graph.entities.values(), graph.relations.values(), {"communities": method})
        loaded = KnowledgeGraph.load(store)
        assert find_communities(loaded, seed=1) == find_communities(graph, seed=1, method=method)
        changed = loaded.updated(removed=[])
        assert find_communities(changed, seed=1) == find_communities(graph, seed=1, method=method)
    monkeypatch.setattr(module, "HAS_LEIDEN", False)  # the machine where it goes on
    with pytest.raises(ConfigError, match="not installed"):
        find_communities(loaded, seed=1)
    await store.close()


PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from small_graphs import random_graph
from gristmill.graphs.knowledge.communities import find_communities
graph = random_graph(200, 400, 50)
for method in ("leiden", "louvain"):
    print(find_communities(graph, seed=4, max_size=9, method=method))
"""


def test_equal_seeds_give_equal_communities_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=str(HELPERS))],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "12345")
    }
    assert len(printed) == 1
    assert len(printed.pop()) > 1000
