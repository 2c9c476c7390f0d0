"""Weights: what comes first, on top of any sampler, read as they change."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from drawing import drawn, opened
from small_graphs import graph_of, random_graph

from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling.numbered import numbered
from gristmill.graphs.sampling.roots import NONE, Weighted
from gristmill.graphs.sampling.walker import MANY, NOWHERE, Walker
from gristmill.graphs.sampling.weights import (
    Bounded,
    Weight,
    by_degree,
    by_id,
    by_inverse_coverage,
    by_rare_relation,
    product,
    uniform,
)


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return random_graph(24, 34, 10)


def test_weights_steer_the_first_draws() -> None:
    graph = random_graph(50, 60, 20)
    hub = max(graph.ids, key=lambda one: (graph.degree(one), one))
    first = Counter(next(opened("entity", graph, seed, by_degree)).entities[0] for seed in range(3000))
    expected = (1 + graph.degree(hub)) / sum(1 + graph.degree(one) for one in graph.ids)
    assert first[hub] / 3000 == pytest.approx(expected, rel=0.25)
    even = Counter(next(opened("entity", graph, seed)).entities[0] for seed in range(3000))
    assert max(even.values()) < 2 * 3000 / 50
    links = Counter(frozenset(next(opened("pair", graph, seed)).entities) for seed in range(3000))
    assert len(links) == graph.links.count
    assert max(links.values()) < 2 * 3000 / graph.links.count


@pytest.mark.parametrize("name", ["pair", "triple", "path", "ego", "bfs", "community", "motif"])
def test_coverage_stands_on_top_of_any_sampler_and_is_read_live(name: str) -> None:
    graph = random_graph(200, 420, 60)
    options = {"max_nodes": 3} if name in ("ego", "bfs") else {"size": 3} if name == "motif" else {}
    coverage: Counter[str] = Counter()

    def spread(weight: Weight, count: Counter[str]) -> int:
        for draw in islice(opened(name, graph, 4, weight, repeats=True, **options), 150):
            for entity in draw.entities:
                count[entity] += 1
                coverage[entity] += 20
        return sum(times * times for times in count.values())

    assert spread(product(uniform, by_inverse_coverage(coverage)), Counter()) < spread(uniform, Counter())


def test_weights_multiply_and_are_made_of_functions_of_ids(graph: KnowledgeGraph) -> None:
    only = by_id(lambda one: float(one == "e007"))
    assert drawn("entity", graph, 1, only)[0].entities == ("e007",)
    heavy = product(by_degree, only)
    assert drawn("entity", graph, 1, heavy)[0].entities == ("e007",)
    assert product(uniform, uniform) is uniform


def test_an_entity_weighs_by_how_often_its_rarest_type_of_relation_was_drawn() -> None:
    chain = graph_of([(0, 1), (1, 2), (2, 3), (3, 4)], 6)
    kinds = ("common", "common", "rare", "common")
    relations = [
        one.model_copy(update={"type": kind}) for one, kind in zip(chain.relations.values(), kinds, strict=True)
    ]
    graph = KnowledgeGraph(chain.entities.values(), relations)
    drawn_of: Counter[str] = Counter()
    weigh = by_rare_relation(graph, drawn_of)(numbered(graph))
    assert {weigh(number) for number in range(6)} == {1.0}
    drawn_of.update(rare=3, common=1)
    assert [weigh(number) for number in range(6)] == [0.5, 0.5, 0.25, 0.25, 0.5, 1.0], "read as it changes"


def test_a_hub_gives_every_pair_once_and_the_heavy_first() -> None:
    graph = graph_of([(0, leaf) for leaf in range(1, 400)])
    weight = by_id(lambda one: {"e000": 1e6}.get(one, 50.0 if one < "e100" else 1.0))
    pairs = [max(draw.entities) for draw in drawn("pair", graph, 1, weight)]
    assert sorted(pairs) == list(graph.ids[1:])
    assert sum(leaf < "e100" for leaf in pairs[:100]) > 60  # 25 if drawn evenly


@pytest.mark.parametrize(("leaves", "times"), [(6, 30), (40, 30), (300, 1)])
def test_a_step_by_coverage_is_as_likely_as_it_weighs(leaves: int, times: int) -> None:
    """Also where all but one of many is covered, so that what is drawn by chance is mostly put back."""
    graph = graph_of([(0, leaf) for leaf in range(1, leaves + 1)])
    fresh = leaves // 2 if leaves > MANY else 1
    coverage = {f"e{leaf:03}": times for leaf in range(1, leaves - fresh + 1)}
    steps = Walker(numbered(graph), "relation", by_inverse_coverage(coverage), random.Random(3))
    found = Counter(steps.step(0) for _ in range(6000))
    share = sum(count for leaf, count in found.items() if leaf > leaves - fresh) / 6000
    assert share == pytest.approx(fresh / (fresh + (leaves - fresh) / (1 + times)), rel=0.06)
    assert steps.step(0, set(range(1, leaves))) == leaves
    assert steps.step(0, set(range(1, leaves + 1))) == NOWHERE


def test_a_product_is_bounded_where_its_parts_are() -> None:
    covered = by_inverse_coverage({})
    assert isinstance(product(covered, covered), Bounded)
    assert product(uniform, covered) is covered
    assert not isinstance(product(covered, by_degree), Bounded)


def test_roots_by_a_bounded_weight_are_as_likely_as_by_reading_all_and_follow_what_changes() -> None:
    graph = numbered(graph_of([(0, leaf) for leaf in range(1, 21)]))
    coverage: dict[str, int] = {f"e{number:03}": number % 4 for number in range(21)}
    weight = by_inverse_coverage(coverage)
    weigh = weight(graph)
    total = sum(map(weigh, range(21)))
    for most in (0.0, 1.0):
        roots = Weighted(range(21), weigh, random.Random(2), most)
        found = Counter(roots.pick() for _ in range(20_000))
        assert all(found[one] / 20_000 == pytest.approx(weigh(one) / total, rel=0.15) for one in range(21))
        coverage["e005"] = 10**9
        assert Counter(roots.pick() for _ in range(2000))[5] == 0
        coverage["e005"] = 1


@pytest.mark.parametrize("zeros", [0, 15, 21])
def test_roots_by_a_bounded_weight_are_taken_once_each_and_weightless_ones_last(zeros: int) -> None:
    roots = Weighted(range(21), lambda number: float(number >= zeros), random.Random(2), 1.0)
    taken = list(iter(roots.take, NONE))
    assert sorted(taken) == list(range(21))
    assert set(taken[: 21 - zeros]) == set(range(zeros, 21))
    assert roots.pick() == NONE
    assert Weighted((), lambda number: 1.0, random.Random(2), 1.0).take() == NONE
