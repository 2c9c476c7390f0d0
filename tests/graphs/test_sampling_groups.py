"""What each sampler draws, against brute force on any small graph, and by names, types, tails and scores."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations, pairwise, permutations

import networkx as nx
import pytest
from drawing import WEIGHTS, drawn, linked, opened, plain
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import GRAPHS, graph_of, random_graph, sources_of

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.communities import find_communities
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling.catalogue import sampler
from gristmill.graphs.sampling.draws import Draw


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return random_graph(24, 34, 10)


def brute(graph: KnowledgeGraph, name: str, link: str) -> set[frozenset[str] | tuple[str, ...]]:
    """All groups of a kind, by looking at every combination."""
    ids = graph.ids
    joined = {frozenset(pair) for pair in combinations(ids, 2) if linked(graph, *pair, link)}
    near = {one: {other for other in ids if frozenset((one, other)) in joined} for one in ids}
    paths = {
        min(walk, walk[::-1])
        for walk in permutations(ids, 4)
        if all(frozenset(step) in joined for step in pairwise(walk))
    }
    if name == "pair":
        return set(joined)
    if name == "distant":
        return {frozenset(p) for p in combinations(ids, 2) if frozenset(p) not in joined and near[p[0]] & near[p[1]]}
    if name == "farther":
        two = {one: set().union(*(near[other] for other in near[one])) for one in ids}
        far = {one: set().union(*(near[other] for other in two[one])) for one in ids}
        return {frozenset((a, b)) for a in ids for b in far[a] - two[a] - near[a] - {a}}
    if name == "triple":
        sides = {three: sum(frozenset(p) in joined for p in combinations(three, 2)) for three in combinations(ids, 3)}
        return {frozenset(three) for three, count in sides.items() if count >= 2}
    if name == "path":
        return paths
    if name == "chain":
        return {
            path
            for path in paths
            if not any(frozenset((path[a], path[b])) in joined for a in range(4) for b in range(a + 2, 4))
        }
    if name == "star":
        return {
            (centre, *leaves)
            for centre in ids
            for leaves in combinations(sorted(near[centre]), 3)
            if not any(frozenset(pair) in joined for pair in combinations(leaves, 2))
        }
    assert name == "triangle"
    return {frozenset(t) for t in combinations(ids, 3) if all(frozenset(p) in joined for p in combinations(t, 2))}


SHAPES = {
    "pair": ("pair", {}),
    "distant": ("distant", {}),
    "farther": ("distant", {"hops": 3}),
    "triple": ("triple", {}),
    "path": ("path", {"hops": 3}),
    "chain": ("motif", {"shape": "chain"}),
    "star": ("motif", {"shape": "star"}),
    "triangle": ("motif", {"shape": "triangle"}),
}


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=60, deadline=None)
@given(graph=GRAPHS, link=st.sampled_from(["relation", "cooccurrence", "any"]), weight=st.sampled_from(sorted(WEIGHTS)))
def test_every_group_is_drawn_once_and_nothing_else(graph: KnowledgeGraph, shape: str, link: str, weight: str) -> None:
    name, options = SHAPES[shape]
    draws = drawn(name, graph, 3, WEIGHTS[weight], link=link, **options)
    expected = brute(graph, shape, link)
    if shape in ("path", "chain"):
        found = [min(draw.entities, draw.entities[::-1]) for draw in draws]
    elif shape == "star":
        found = [(draw.entities[0], *sorted(draw.entities[1:])) for draw in draws]
    else:
        found = [frozenset(draw.entities) for draw in draws]
    assert len(found) == len(set(found))
    assert set(found) == expected


@settings(max_examples=60, deadline=None)
@given(graph=GRAPHS, hops=st.integers(1, 4))
def test_meeting_paths_join_two_documents(graph: KnowledgeGraph, hops: int) -> None:
    sources = sources_of(graph)
    documents = {one: {sources.documents[chunk] for chunk in graph.chunks_of(one)} for one in graph.ids}
    expected = {
        min(walk, walk[::-1])
        for walk in permutations(graph.ids, hops + 1)
        if all(linked(graph, *step) for step in pairwise(walk))
        and documents[walk[0]]
        and documents[walk[-1]]
        and not documents[walk[0]] & documents[walk[-1]]
    }
    draws = drawn("meeting-path", graph, hops=hops)
    assert len(draws) == len(expected)
    assert {min(draw.entities, draw.entities[::-1]) for draw in draws} == expected


@settings(max_examples=60, deadline=None)
@given(
    graph=GRAPHS,
    budget=st.integers(10, 60),
    name=st.sampled_from(["bfs", "dfs"]),
    weight=st.sampled_from(sorted(WEIGHTS)),
)
def test_a_subgraph_holds_its_budget_and_is_connected(
    graph: KnowledgeGraph, budget: int, name: str, weight: str
) -> None:
    tokens = sources_of(graph).tokens
    draws = opened(name, graph, 1, WEIGHTS[weight], budget=budget, max_nodes=5)
    roots = []
    for draw in draws:
        roots.append(draw.entities[0])
        assert sum(tokens[chunk] for chunk in draw.chunks) <= budget
        assert 2 <= len(draw.entities) <= 5
        assert nx.is_connected(plain(graph).subgraph(draw.entities))
        shown = {entity for chunk in draw.chunks for entity in graph.entities_in(chunk)}
        assert shown.issuperset(draw.entities)
    assert len(roots) == len(set(roots))
    tried = draws.books.drawn + draws.books.refused.total()
    assert tried == sum(1 for one in graph.ids if graph.degree(one)), "each linked entity is begun with once"


@settings(max_examples=60, deadline=None)
@given(graph=GRAPHS, radius=st.integers(1, 3), most=st.integers(2, 6), weight=st.sampled_from(sorted(WEIGHTS)))
def test_an_ego_stays_within_its_bounds(graph: KnowledgeGraph, radius: int, most: int, weight: str) -> None:
    links = plain(graph)
    draws = drawn("ego", graph, 2, WEIGHTS[weight], radius=radius, max_nodes=most)
    assert sorted(draw.entities[0] for draw in draws) == [one for one in graph.ids if graph.degree(one)]
    for draw in draws:
        away = nx.single_source_shortest_path_length(links, draw.entities[0], cutoff=radius)
        assert len(draw.entities) == min(most, len(away))
        rings = [away[entity] for entity in draw.entities]
        assert rings == sorted(rings)
        assert nx.is_connected(links.subgraph(draw.entities))


@settings(max_examples=40, deadline=None)
@given(graph=GRAPHS, least=st.sampled_from([0.1, 0.5, 1.0]))
def test_similar_pairs_share_neighbours_and_are_not_joined(graph: KnowledgeGraph, least: float) -> None:
    near = {one: set(graph.neighbours(one)) - {one} for one in graph.ids}
    expected = {
        frozenset((a, b))
        for a, b in combinations(graph.ids, 2)
        if b not in near[a] and near[a] & near[b] and len(near[a] & near[b]) >= least * len(near[a] | near[b])
    }
    found = [frozenset(draw.entities) for draw in drawn("similar", graph, least=least)]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_communities_are_those_of_the_graph_and_not_of_the_draw() -> None:
    graph = random_graph(300, 500, 80)
    first = {frozenset(draw.entities) for draw in drawn("community", graph, 1, min_size=4, max_size=12)}
    assert first == {frozenset(draw.entities) for draw in drawn("community", graph, 2, min_size=4, max_size=12)}
    assert first == {frozenset(part) for part in find_communities(graph, seed=0, max_size=12) if len(part) >= 4}
    assert all(nx.is_connected(plain(graph).subgraph(part)) for part in first)
    other = {
        frozenset(draw.entities) for draw in sampler("community", min_size=2, seed=5).draws(graph, random.Random(1))
    }
    assert other == {frozenset(part) for part in find_communities(graph, seed=5)}


NAMES = ("Foyle Bridge", "Craigavon Bridge", "Mussenden Temple", "Mussenden Tempel", "Lough Neagh", "Lough Erne")


def test_similar_names_are_found_from_either_end() -> None:
    graph = graph_of([(0, 4), (1, 5)], 6, names=NAMES)

    def found(**options) -> set[frozenset[str]]:
        draws = drawn("similar", graph, by="name", **options)
        return {frozenset(graph.entities[one].name for one in draw.entities) for draw in draws}

    assert found(least=0.95) == {frozenset(NAMES[2:4])}
    assert frozenset(NAMES[:2]) in found(least=0.75), "they share their last word"
    assert frozenset(NAMES[4:]) in found(least=0.75)


def test_only_like_types_are_compared_unless_asked() -> None:
    graph = graph_of([(0, 2), (1, 2)], types=("place", "person", "place"))
    assert drawn("similar", graph) == []
    assert [set(draw.entities) for draw in drawn("similar", graph, same_type=False)] == [{"e000", "e001"}]


def test_an_anchor_is_where_a_draw_begins() -> None:
    graph = graph_of([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)], types=("place", "person", "event"))
    people = {one.id for one in graph.entities.values() if one.type == "person"}
    pairs = drawn("anchor", graph, types=("person",), draw="pair")
    assert {draw.entities[0] for draw in pairs} == people
    touching = {frozenset(draw.entities) for draw in drawn("pair", graph) if people & set(draw.entities)}
    assert {frozenset(draw.entities) for draw in pairs} == touching
    paths = drawn("anchor", graph, types=("person", "event"), draw="path", options={"hops": 1})
    assert all(graph.entities[draw.entities[0]].type in ("person", "event") for draw in paths)
    with pytest.raises(ConfigError, match=r"no entity of type 'plant' \(it has: event, person, place\)"):
        opened("anchor", graph, types=("plant",))


def test_the_long_tail_comes_first() -> None:
    graph = random_graph(40, 90, 30)
    mentions = [len(graph.chunks_of(draw.entities[0])) for draw in drawn("long-tail", graph)]
    assert len(mentions) == 40
    assert mentions == sorted(mentions)
    degrees = [graph.degree(draw.entities[0]) for draw in drawn("long-tail", graph, by="degree", draw="ego")]
    assert degrees == sorted(degrees)
    pairs = drawn("long-tail", graph, draw="pair", by="degree")
    roots = [graph.degree(draw.entities[0]) for draw in pairs[:20]]
    assert roots == sorted(roots), "one pair of each rare entity, before the second of any"
    assert len(pairs) == graph.links.count


def test_uncertain_facts_come_by_their_score(graph: KnowledgeGraph) -> None:
    ids = list(graph.relation_ids)
    scores = {one: float(place) for place, one in enumerate(ids)}

    def facts(**options) -> list[Draw]:
        return list(sampler("uncertainty", **options).draws(graph, random.Random(1), scores={**scores, "lost": 1.0}))

    def ends(one: str) -> set[str]:
        return {graph.relations[one].source, graph.relations[one].target}

    pairs = {frozenset(ends(one)) for one in ids}
    highest, lowest = facts(), facts(order="lowest")
    assert len(highest) == len(lowest) == len(pairs)
    assert set(highest[0].entities) == ends(ids[-1])
    assert ids[-1] in highest[0].relations
    assert set(lowest[0].entities) == ends(ids[0])
    around = facts(draw="ego")
    assert around[0].entities[0] in ends(ids[-1])
    first = Counter(frozenset(next(iter(sampler("uncertainty", order="weighted").draws(
        graph, random.Random(seed), scores={ids[0]: 30.0, ids[1]: 1.0})
    )).entities) for seed in range(200))  # fmt: skip
    assert first[frozenset(ends(ids[0]))] > 170
    entity = graph.ids[3]
    (draw,) = sampler("uncertainty").draws(graph, random.Random(1), scores={entity: 2.0})
    assert draw.entities == (entity,)
    for bad in ({ids[0]: float("nan")}, {ids[0]: -1.0}):
        with pytest.raises(ConfigError, match=ids[0]):
            sampler("uncertainty").draws(graph, random.Random(1), scores=bad)
    nothing = sampler("uncertainty").draws(graph, random.Random(1), scores={"lost": 1.0})
    assert list(nothing) == []
    assert "score_facts" in nothing.end
