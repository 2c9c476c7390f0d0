"""What every sampler promises: seeded alike in every process, shown by its chunks, each group once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import pytest
from drawing import EACH, WEIGHTS, drawn, opened
from places import HELPERS
from small_graphs import random_graph

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling.base import Linked, SamplerKind, SamplerOptions, Sets
from gristmill.graphs.sampling.catalogue import register
from gristmill.storage.records import Entity


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return random_graph(24, 34, 10)


@EACH
@pytest.mark.parametrize("weight", WEIGHTS)
def test_draws_are_seeded_whole_and_shown_by_their_chunks(graph: KnowledgeGraph, name, options, weight: str) -> None:
    opening = opened(name, graph, 5, WEIGHTS[weight], **options)
    draws = list(opening)
    assert len(draws) > 1, opening.end
    assert draws == drawn(name, graph, 5, WEIGHTS[weight], **options)
    assert [draw.chunks for draw in draws] == [d.chunks for d in drawn(name, graph, 5, WEIGHTS[weight], **options)]
    assert len(set(draws)) == len(draws) == opening.books.drawn
    assert opening.end == f"{name}: all {len(draws)} were drawn"
    for draw in draws:
        assert draw.kind == name
        shown = {entity for chunk in draw.chunks for entity in graph.entities_in(chunk)}
        assert shown.issuperset(entity for entity in draw.bridged if graph.chunks_of(entity))
        assert len(draw.chunks) == len(set(draw.chunks)) <= len(draw.bridged)
        assert draw.relations == graph.relations_among(draw.bridged)
        assert set(draw.entities) <= set(draw.bridged)


@EACH
def test_the_seed_changes_the_order_and_not_what_is_there(graph: KnowledgeGraph, name, options) -> None:
    one, other = drawn(name, graph, 1, **options), drawn(name, graph, 2, **options)
    if name not in ("bfs", "dfs", "ego", "uncertainty", "anchor", "long-tail"):  # what grows by chance grows otherwise
        assert {frozenset(draw.entities) for draw in one} == {frozenset(draw.entities) for draw in other}
    if (name, options.get("order")) != ("uncertainty", None):  # strictly by score
        assert one != other


@EACH
def test_an_empty_graph_and_one_without_links_say_what_to_change(name, options) -> None:
    if name == "uncertainty" or "types" in options:
        return  # these refuse to open: see below
    for nothing in (KnowledgeGraph(), KnowledgeGraph([Entity(id="a", name="a", type="thing")])):
        draws = opened(name, nothing, **options)
        found = list(draws)
        if not found:
            assert draws.end.startswith(f"{name}: nothing can be drawn")
            assert len(draws.end.split("; ")[-1]) > 20
        else:
            assert [draw.entities for draw in found] == [("a",)]


@EACH
def test_repeats_go_on_and_on(graph: KnowledgeGraph, name, options) -> None:
    if name in ("uncertainty", "long-tail"):
        return  # an order has an end
    groups = Counter(frozenset(draw.entities) for draw in islice(opened(name, graph, repeats=True, **options), 600))
    assert groups.total() == 600
    assert max(groups.values()) > 1


def test_a_label_is_the_kind_of_the_draws(graph: KnowledgeGraph) -> None:
    assert {draw.kind for draw in drawn("path", graph, hops=2, label="hop2")} == {"hop2"}


class HubOptions(Linked):
    least: int = 3


class _Hubs(Sets):
    mend = "lower least"

    def __init__(self, options: HubOptions, opening) -> None:
        super().__init__(opening.graph)
        self._roots = opening.roots(options.link)
        self._walker = opening.walker(options.link)
        self._least = options.least

    def propose(self):
        root = self._roots.take()
        if root < 0:
            return None
        return (root,) if self._walker.degree(root) >= self._least else "no hub"

    def rest(self):
        return iter(self.propose, None)


def test_a_sampler_of_ones_own_is_drawn_by_name(graph: KnowledgeGraph) -> None:
    hubs = SamplerKind("hubs", "entities of many links", HubOptions, _Hubs)
    register(hubs)
    register(hubs)
    try:
        found = {draw.entities[0] for draw in drawn("hubs", graph, least=4)}
        assert found == {one for one in graph.ids if graph.degree(one) >= 4}
        with pytest.raises(ConfigError, match="called 'hubs' already"):
            register(SamplerKind("hubs", "others", SamplerOptions, _Hubs))
    finally:
        from gristmill.graphs.sampling import registry

        registry._kinds.pop("hubs")


PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from gristmill.graphs.knowledge import links
links.HAS_NUMPY = {numpy}
from drawing import ALL, WEIGHTS, drawn
from small_graphs import random_graph
graph = random_graph(60, 120, 15)
for name, options in ALL:
    for weight in WEIGHTS.values():
        for draw in drawn(name, graph, 9, weight, **options)[:15]:
            print(draw, draw.relations, draw.chunks)
"""


def test_draws_do_not_depend_on_the_hash_seed_nor_on_numpy() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=str(HELPERS), numpy=numpy)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(HELPERS)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, numpy in (("0", True), ("12345", False))
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) > 600
