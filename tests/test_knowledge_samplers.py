"""Samplers: complete, without repeats, seeded alike in every process, weighted as asked, and lazy."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import combinations, islice, pairwise, permutations

import networkx as nx
import pytest

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.communities import find_communities
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.knowledge.samplers import (
    Draw,
    draw_communities,
    draw_distant_pairs,
    draw_egos,
    draw_entities,
    draw_pairs,
    draw_paths,
    draw_triples,
)
from gristmill.graphs.knowledge.weights import WeightedPool, by_degree, by_inverse_coverage, uniform
from gristmill.storage.records import Entity, Relation, Span

ALL = [draw_entities, draw_pairs, draw_distant_pairs, draw_triples, draw_paths, draw_egos, draw_communities]


def make_graph(entities: int, links: int, chunks: int, seed: int = 1) -> KnowledgeGraph:
    """A random graph in which each relation is stated in a chunk that mentions both ends."""
    rng = random.Random(seed)
    mentions: dict[int, set[int]] = {index: {rng.randrange(chunks)} for index in range(entities)}
    ends = set()
    while len(ends) < links:
        left, right = rng.randrange(entities), rng.randrange(entities)
        if left != right:
            ends.add((left, right))
    relations = []
    for index, (left, right) in enumerate(sorted(ends)):
        chunk = rng.randrange(chunks)
        mentions[left].add(chunk)
        mentions[right].add(chunk)
        spans = (Span(chunk=f"c{chunk:05}", start=0, end=1),)
        relations.append(
            Relation(id=f"r{index:06}", source=f"e{left:05}", target=f"e{right:05}", type="t", mentions=spans)
        )
    records = [
        Entity(
            id=f"e{index:05}",
            name=f"n{index}",
            type="t",
            mentions=tuple(Span(chunk=f"c{chunk:05}", start=0, end=1) for chunk in sorted(where)),
        )
        for index, where in mentions.items()
    ]
    return KnowledgeGraph(records, relations)


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return make_graph(24, 30, 10)


def sets(draws: list[Draw]) -> list[frozenset[str]]:
    return [frozenset(draw.entities) for draw in draws]


def plain(graph: KnowledgeGraph) -> nx.Graph:
    return nx.Graph(graph.to_networkx())


def linked(graph: KnowledgeGraph, left: str, right: str) -> bool:
    return bool(graph.relations_between(left, right))


@pytest.mark.parametrize("sampler", ALL)
def test_draws_are_seeded_whole_and_shown_by_their_chunks(graph: KnowledgeGraph, sampler) -> None:
    draws = list(sampler(graph, random.Random(5)))
    assert draws
    assert draws == list(sampler(graph, random.Random(5)))
    assert draws != list(sampler(graph, random.Random(6)))
    assert len(set(draws)) == len(draws)
    for draw in draws:
        shown = {entity for chunk in draw.chunks for entity in graph.entities_in(chunk)}
        assert shown.issuperset(draw.entities)
        assert len(draw.chunks) == len(set(draw.chunks)) <= max(len(draw.entities), 3)
        assert all(relation in graph.relations for relation in draw.relations)
        if sampler is not draw_distant_pairs:
            assert draw.relations == graph.relations_among(draw.entities)


def test_every_group_is_drawn_once(graph: KnowledgeGraph) -> None:
    ids = graph.ids
    rng = random.Random(3)
    edges = {frozenset(pair) for pair in combinations(ids, 2) if linked(graph, *pair)}
    near = {frozenset(pair) for pair in combinations(ids, 2) if graph.cooccurrence(*pair)}
    triples = {
        frozenset(three)
        for three in combinations(ids, 3)
        if sum(frozenset(pair) in edges for pair in combinations(three, 2)) >= 2
    }
    distant = {
        frozenset((left, right))
        for left, right in combinations(ids, 2)
        if frozenset((left, right)) not in edges and set(graph.neighbours(left)) & set(graph.neighbours(right))
    }
    for draws, expected in [
        (draw_entities(graph, rng), {frozenset({entity}) for entity in ids}),
        (draw_pairs(graph, rng), edges),
        (draw_pairs(graph, rng, link="cooccurrence"), near),
        (draw_pairs(graph, rng, link="any"), edges | near),
        (draw_triples(graph, rng), triples),
        (draw_distant_pairs(graph, rng), distant),
        (draw_paths(graph, rng, hops=1), edges),
    ]:
        found = sets(list(draws))
        assert len(found) == len(expected)
        assert set(found) == expected


def test_a_hub_gives_every_pair_once_and_the_heavy_first() -> None:
    leaves = [f"e{one:03}" for one in range(1, 400)]
    graph = KnowledgeGraph(
        [Entity(id=one, name=one, type="t") for one in ["e000", *leaves]],
        [Relation(id=f"r{one}", source="e000", target=one, type="t") for one in leaves],
    )

    def weight(_: KnowledgeGraph, entity: str) -> float:
        return {"e000": 1e6}.get(entity, 50.0 if entity < "e100" else 1.0)

    drawn = [draw.entities for draw in draw_pairs(graph, random.Random(1), weight=weight)]
    assert sorted(leaf for _, leaf in drawn) == leaves
    assert sum(leaf < "e100" for _, leaf in drawn[:100]) > 60  # 25 if drawn evenly


@pytest.mark.parametrize("hops", [2, 3])
def test_every_path_is_drawn_once(hops: int) -> None:
    graph = make_graph(12, 18, 5)
    expected = {
        min(walk, walk[::-1])
        for walk in permutations(graph.ids, hops + 1)
        if all(linked(graph, *step) for step in pairwise(walk))
    }
    draws = list(draw_paths(graph, random.Random(1), hops=hops))
    assert {draw.kind for draw in draws} == {f"hop{hops}"}
    found = [min(draw.entities, draw.entities[::-1]) for draw in draws]
    assert len(found) == len(set(found)) == len(expected) > 20
    assert set(found) == expected


def test_a_distant_pair_brings_the_relations_of_its_bridge(graph: KnowledgeGraph) -> None:
    for draw in draw_distant_pairs(graph, random.Random(1)):
        ends = {end for one in draw.relations for end in (graph.relations[one].source, graph.relations[one].target)}
        assert set(draw.entities) < ends
        assert len(ends) == 3


def test_an_ego_stays_within_its_bounds(graph: KnowledgeGraph) -> None:
    draws = list(draw_egos(graph, random.Random(2), radius=2, max_nodes=6))
    assert {draw.entities[0] for draw in draws} == {one for one in graph.ids if graph.degree(one)}
    assert max(len(draw.entities) for draw in draws) == 6
    for draw in draws:
        away = nx.single_source_shortest_path_length(plain(graph), draw.entities[0], cutoff=2)
        assert set(draw.entities) <= set(away)
        assert nx.is_connected(plain(graph).subgraph(draw.entities))
        rings = [away[entity] for entity in draw.entities]
        assert rings == sorted(rings)


def test_communities_are_connected_apart_and_small_enough() -> None:
    graph = make_graph(300, 500, 80)
    parts = find_communities(graph, seed=3, max_size=12)
    members = [entity for part in parts for entity in part]
    assert len(members) == len(set(members)) > 200
    assert max(map(len, parts)) <= 12
    assert all(nx.is_connected(plain(graph).subgraph(part)) for part in parts)
    draws = list(draw_communities(graph, random.Random(3), max_size=12, min_size=4))
    assert sorted(sets(draws), key=sorted) == sorted(
        (frozenset(part) for part in find_communities(graph, seed=0, max_size=12) if len(part) >= 4),
        key=sorted,
    )


def test_communities_are_those_of_the_graph_and_not_of_the_draw() -> None:
    graph = make_graph(300, 500, 80)
    first = set(sets(list(draw_communities(graph, random.Random(1)))))
    assert first == set(sets(list(draw_communities(graph, random.Random(2)))))
    assert first != set(sets(list(draw_communities(graph, random.Random(2), seed=5))))


def test_a_clique_and_a_star_that_are_too_large_are_cut() -> None:
    def graph_of(pairs: list[tuple[int, int]]) -> KnowledgeGraph:
        ids = sorted({end for pair in pairs for end in pair})
        return KnowledgeGraph(
            [Entity(id=f"e{one:02}", name="n", type="t") for one in ids],
            [Relation(id=f"{a}-{b}", source=f"e{a:02}", target=f"e{b:02}", type="t") for a, b in pairs],
        )

    clique = find_communities(graph_of(list(combinations(range(30), 2))), seed=1, max_size=8)
    assert sorted(map(len, clique)) == [6, 8, 8, 8]
    star = find_communities(graph_of([(0, leaf) for leaf in range(1, 30)]), seed=1, max_size=8)
    assert [len(part) for part in star] == [8]


def test_two_cliques_are_two_communities() -> None:
    pairs = [*combinations(range(5), 2), *combinations(range(5, 10), 2), (0, 5)]
    graph = KnowledgeGraph(
        [Entity(id=f"e{one}", name="n", type="t") for one in range(10)],
        [Relation(id=f"{a}{b}", source=f"e{a}", target=f"e{b}", type="t") for a, b in pairs],
    )
    found = set(find_communities(graph, seed=0))
    assert found == {tuple(f"e{one}" for one in range(5)), tuple(f"e{one}" for one in range(5, 10))}


def test_weights_steer_the_first_draws() -> None:
    graph = make_graph(50, 60, 20)
    hub = max(graph.ids, key=lambda one: (graph.degree(one), one))
    first = Counter(next(draw_entities(graph, random.Random(s), weight=by_degree)).entities[0] for s in range(4000))
    expected = (1 + graph.degree(hub)) / sum(1 + graph.degree(one) for one in graph.ids)
    assert first[hub] / 4000 == pytest.approx(expected, rel=0.25)
    even = Counter(next(draw_entities(graph, random.Random(s), weight=uniform)).entities[0] for s in range(4000))
    assert max(even.values()) < 2 * 4000 / 50


def test_inverse_coverage_is_read_live() -> None:
    graph = make_graph(40, 80, 20)
    coverage: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for draw in islice(draw_pairs(graph, random.Random(4), weight=by_inverse_coverage(coverage)), 30):
        for entity in draw.entities:
            coverage[entity] += 20
            seen[entity] += 1
    blind: Counter[str] = Counter()
    for draw in islice(draw_pairs(graph, random.Random(4)), 30):
        blind.update(draw.entities)
    assert len(seen) >= len(blind) + 3
    assert max(seen.values()) < max(blind.values())


def test_a_pool_follows_weights_that_rise() -> None:
    weights = dict.fromkeys("abcdefghij", 1.0)
    weights["a"] = 0.0
    pool = WeightedPool(sorted(weights), weights.__getitem__, random.Random(1))
    assert "a" not in {pool.pick() for _ in range(200)}
    weights["a"] = 100.0
    drawn = Counter(pool.pick() for _ in range(400))
    assert drawn["a"] > 300


def test_a_pool_gives_every_key_once_and_the_heavy_first() -> None:
    weights = {f"k{index:03}": float(index % 7) for index in range(200)}
    pool = WeightedPool(sorted(weights), weights.__getitem__, random.Random(2))
    drawn = []
    while len(pool):
        key = pool.pick()
        pool.remove(key)
        pool.remove(key)
        drawn.append(key)
    assert sorted(drawn) == sorted(weights)
    assert all(weights[key] > 0 for key in drawn[: sum(1 for weight in weights.values() if weight)])
    with pytest.raises(IndexError):
        pool.pick()


def test_evidence_is_few_chunks_and_varies_with_the_seed() -> None:
    def mention(*chunks: str) -> tuple[Span, ...]:
        return tuple(Span(chunk=chunk, start=0, end=1) for chunk in chunks)

    graph = KnowledgeGraph(
        [
            Entity(id="a", name="a", type="t", mentions=mention("c1", "c2", "c3", "c4")),
            Entity(id="b", name="b", type="t", mentions=mention("c3", "c4", "c5")),
            Entity(id="none", name="none", type="t"),
        ],
        [Relation(id="r", source="a", target="b", type="t", mentions=mention("c4"))],
    )
    (pair,) = draw_pairs(graph, random.Random(1))
    assert pair.chunks == ("c4",)  # mentions both, and states their relation
    chosen = {draw.chunks for s in range(30) for draw in draw_entities(graph, random.Random(s)) if "a" in draw.entities}
    assert chosen == {("c1",), ("c2",), ("c3",), ("c4",)}
    assert {draw.entities: draw.chunks for draw in draw_entities(graph, random.Random(1))}["none",] == ()


@pytest.mark.parametrize("sampler", ALL)
def test_an_empty_graph_gives_nothing(sampler) -> None:
    assert list(sampler(KnowledgeGraph(), random.Random(1))) == []


def test_options_that_cannot_work_are_named(graph: KnowledgeGraph) -> None:
    for draws, says in [
        (draw_paths(graph, random.Random(1), hops=0), "hops is 0"),
        (draw_egos(graph, random.Random(1), max_nodes=1), "max_nodes 1"),
        (draw_communities(graph, random.Random(1), max_size=1), "max_size is 1"),
    ]:
        with pytest.raises(ConfigError, match=says):
            next(draws)


PROGRAM = """
import random, sys
sys.path.insert(0, {folder!r})
from test_knowledge_samplers import ALL, make_graph
graph = make_graph(60, 90, 15)
for sampler in ALL:
    for draw in list(sampler(graph, random.Random(9)))[:40]:
        print(draw)
"""


def test_draws_do_not_depend_on_the_hash_seed() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "12345")
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) > 150


def test_samplers_start_at_once_on_a_large_graph() -> None:
    graph = make_graph(8_000, 16_000, 800)
    graph.entities_by_chunk  # noqa: B018  # made once, for all samplers
    for sampler in ALL[:-1]:
        start = time.process_time()
        draws = list(islice(sampler(graph, random.Random(1), weight=by_degree), 20))
        assert len(draws) == 20
        assert time.process_time() - start < 2.0  # all pairs alone would take minutes
