"""Samplers: every group of their kind, each once, seeded alike in every process, counted, and never without end."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations, islice, pairwise, permutations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import GRAPHS, graph_of, random_graph, sources_of, span

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.communities import find_communities
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling import engine, similar
from gristmill.graphs.sampling.base import Linked, SamplerKind, SamplerOptions, Sets
from gristmill.graphs.sampling.catalogue import register, sampler, samplers
from gristmill.graphs.sampling.draws import Draw
from gristmill.graphs.sampling.engine import Draws
from gristmill.graphs.sampling.sources import Sources
from gristmill.graphs.sampling.weights import Weight, by_degree, by_id, by_inverse_coverage, product, uniform
from gristmill.storage.records import Chunk, Entity, Relation

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


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return random_graph(24, 34, 10)


# what every sampler promises


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


# each kind against brute force, on any small graph


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


# names, types, tails, scores

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


# weights


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


def test_a_hub_gives_every_pair_once_and_the_heavy_first() -> None:
    graph = graph_of([(0, leaf) for leaf in range(1, 400)])
    weight = by_id(lambda one: {"e000": 1e6}.get(one, 50.0 if one < "e100" else 1.0))
    pairs = [max(draw.entities) for draw in drawn("pair", graph, 1, weight)]
    assert sorted(pairs) == list(graph.ids[1:])
    assert sum(leaf < "e100" for leaf in pairs[:100]) > 60  # 25 if drawn evenly


# no endless search, and reasons


def test_similar_compares_no_rows_of_those_that_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    def compared(*_: object) -> bool:
        raise AssertionError("all of a clique are joined, and its rows are long")

    monkeypatch.setattr(similar._ByNeighbours, "alike", compared)
    draws = opened("similar", graph_of(combinations(range(40), 2)))
    assert list(draws) == []
    assert "joined" in draws.end


def test_a_chain_that_is_not_there_names_the_option_that_motifs_have() -> None:
    draws = opened("motif", graph_of(combinations(range(10), 2)), shape="chain")
    assert list(draws) == []
    assert "take a smaller size" in draws.end


def test_a_search_that_cannot_end_says_so_and_what_to_change() -> None:
    clique = graph_of(combinations(range(40), 2))
    draws = opened("path", clique, hops=6, chordless=True)
    assert list(draws) == []
    assert "nothing can be drawn" in draws.end
    assert "short cut" in draws.end
    assert "take fewer hops" in draws.end
    assert draws.books.refused.total() <= engine.STEPS + engine.PATIENCE


def test_a_path_longer_than_any_ends(graph: KnowledgeGraph) -> None:
    star = graph_of([(0, leaf) for leaf in range(1, 30)])
    draws = opened("path", star, hops=5)
    assert list(draws) == []
    assert "dead end" in draws.end


def test_what_the_caller_refuses_is_counted_and_bounded(graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "REFUSALS", 50)
    large = random_graph(60, 200, 30)
    draws = opened("path", large, refuse=lambda draw: "too dull")
    assert list(draws) == []
    assert draws.books.refused["too dull"] == 50
    assert "50 draws in a row were refused" in draws.end
    some = opened("entity", graph, refuse=lambda draw: "" if draw.entities[0] > "e010" else "early")
    assert len(list(some)) == 13
    assert some.books.refused == {"early": 11}
    assert some.books.share == 13 / 24


def test_what_a_sampler_needs_and_has_not_is_named(graph: KnowledgeGraph) -> None:
    for name in ("bfs", "dfs", "meeting-path"):
        with pytest.raises(ConfigError, match=rf"sampler '{name}' needs .*Sources.of\(chunks\)"):
            sampler(name).draws(graph, random.Random(1))
    with pytest.raises(ConfigError, match="which sources lack"):
        sampler("bfs").draws(graph, random.Random(1), sources=Sources({}, {}))
    with pytest.raises(ConfigError, match="score_facts"):
        sampler("uncertainty").draws(graph, random.Random(1))
    with pytest.raises(ConfigError, match="document 'd9'"):
        opened("meeting-path", graph, documents=("d0", "d9"))


def test_a_meeting_path_keeps_to_two_documents(graph: KnowledgeGraph) -> None:
    sources = sources_of(graph)
    draws = drawn("meeting-path", graph, documents=("d0", "d2"))
    assert draws
    for draw in draws:
        found = [
            {sources.documents[chunk] for chunk in graph.chunks_of(end)} & {"d0", "d2"}
            for end in (draw.entities[0], draw.entities[-1])
        ]
        assert sorted(map(sorted, found)) == [["d0"], ["d2"]]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("paths", {}, "did you mean 'path'"),
        ("path", {"hop": 2}, "hop: Extra inputs are not permitted .*hops"),
        ("path", {"hops": 0}, "hops"),
        ("ego", {"max_nodes": 1}, "max_nodes"),
        ("community", {"max_size": 1}, "max_size"),
        ("community", {"min_size": 9, "max_size": 5}, "min_size is 9"),
        ("motif", {"shape": "triangle", "size": 4}, "size is 4"),
        ("motif", {"shape": "ring"}, "shape"),
        ("anchor", {}, "types"),
        ("anchor", {"types": ["x"], "draw": "ring"}, "no sampler is called 'ring'"),
        ("anchor", {"types": ["x"], "draw": ""}, "no sampler is called ''"),
        ("long-tail", {"draw": "path", "options": {"hop": 1}}, "sampler 'path': hop"),
        ("uncertainty", {"draw": "bfs", "options": {"budget": 0}}, "budget"),
        ("entity", {"link": "any"}, "link"),
    ],
)
def test_names_and_options_that_cannot_be_are_told(name: str, options, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sampler(name, **options)
    with pytest.raises(ConfigError, match="different ids"):
        opened("meeting-path", random_graph(9, 9, 9), documents=("d0", "d0"))


# evidence


def test_evidence_is_few_chunks_and_the_same_for_the_same_group() -> None:
    def mention(*chunks: str):
        return tuple(map(span, chunks))

    entities = [
        Entity(id="a", name="a", type="t", mentions=mention("c1", "c2", "c3", "c4")),
        Entity(id="b", name="b", type="t", mentions=mention("c3", "c4", "c5")),
        Entity(id="none", name="none", type="t"),
    ]
    graph = KnowledgeGraph(entities, [Relation(id="r", source="a", target="b", type="t", mentions=mention("c4"))])
    (pair,) = drawn("pair", graph)
    assert pair.chunks == ("c4",)  # mentions both, and states their relation
    shown = {draw.entities: draw for seed in range(5) for draw in drawn("entity", graph, seed)}
    assert shown["none",].chunks == ()
    assert {shown["a",].evidence(seed) for seed in range(40)} == {("c1",), ("c2",), ("c3",), ("c4",)}
    assert shown["a",].evidence(7) == shown["a",].evidence(7)
    assert shown["a",].evidence() == shown["a",].chunks
    grown = KnowledgeGraph([*entities, Entity(id="aa", name="aa", type="t", mentions=mention("c0"))], [])
    again = {draw.entities: draw.chunks for draw in drawn("entity", grown)}
    assert again["a",] == shown["a",].chunks, "what came in elsewhere changes nothing here"


def test_the_evidence_of_hubs_is_few_chunks_too() -> None:
    """A hub that thousands of chunks mention still shares the chunk that states its relation, or any other."""
    chunks = [f"c{number:04}" for number in range(3000)]
    hubs = [Entity(id=f"h{one}", name="h", type="t", mentions=tuple(map(span, chunks))) for one in range(2)]
    leaf = Entity(id="leaf", name="l", type="t", mentions=(span("c2999"),))
    graph = KnowledgeGraph(
        [*hubs, leaf], [Relation(id="r", source="h0", target="leaf", type="t", mentions=(span("c2999"),))]
    )
    (pair,) = drawn("pair", graph)
    assert pair.chunks == ("c2999",)
    assert len(Draw(next(iter(opened("entity", graph))).graph, "x", (0, 1)).chunks) == 1


def test_tokens_and_documents_are_read_off_chunks() -> None:
    sources = Sources.of([Chunk.of("d", 0, 0, 40, "x" * 40), Chunk.of("d", 1, 40, 44, "word", tokens=3)])
    assert sorted(sources.tokens.values()) == [3, 10]
    assert set(sources.documents.values()) == {"d"}


# a sampler of a user's own


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


# the same in every process

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
from gristmill.graphs.knowledge import links
links.HAS_NUMPY = {numpy}
from test_sampling import ALL, WEIGHTS, drawn
from small_graphs import random_graph
graph = random_graph(60, 120, 15)
for name, options in ALL:
    for weight in WEIGHTS.values():
        for draw in drawn(name, graph, 9, weight, **options)[:15]:
            print(draw, draw.relations, draw.chunks)
"""


def test_draws_do_not_depend_on_the_hash_seed_nor_on_numpy() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(folder=folder, numpy=numpy)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, numpy in (("0", True), ("12345", False))
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) > 600


def test_what_is_rare_is_found_by_chance_before_it_is_looked_for_in_order() -> None:
    """Five triangles in a long ring: one proposal in hundreds closes, and the first is not that of the first root."""
    ring = [(number, (number + 1) % 900) for number in range(900)]
    graph = graph_of([*ring, *((number, (number + 2) % 900) for number in range(0, 900, 180))])
    firsts = {frozenset(next(opened("motif", graph, seed, shape="triangle")).entities) for seed in range(30)}
    assert len(firsts) == 5
    assert len(drawn("motif", graph, shape="triangle")) == 5


def test_what_is_left_in_an_order_that_was_asked_for_keeps_it() -> None:
    graph = random_graph(30, 60, 20)
    first = [draw.entities[0] for draw in drawn("long-tail", graph, draw="ego", by="degree")]
    assert [graph.degree(one) for one in first] == sorted(map(graph.degree, first))


def test_a_sampler_that_gives_one_group_a_root_ends_where_all_roots_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = random_graph(60, 120, 40)
    draws = opened("bfs", graph, budget=1)
    assert list(draws) == []
    assert "over budget" in draws.end
    assert "raise budget" in draws.end
    monkeypatch.setattr(engine, "STEPS", 20)
    bounded = opened("bfs", graph, budget=1)
    assert list(bounded) == []
    assert "20 candidates in a row" in bounded.end
    assert bounded.books.refused == {"over budget": 20}
