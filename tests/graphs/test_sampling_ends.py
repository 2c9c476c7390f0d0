"""No endless search: work is bounded, an end has its reason, and what cannot be is told before."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest
from drawing import drawn, opened
from small_graphs import graph_of, random_graph, sources_of

from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.sampling import engine, similar
from gristmill.graphs.sampling.base import Foreseen
from gristmill.graphs.sampling.catalogue import sampler
from gristmill.graphs.sampling.sources import Sources
from gristmill.storage.records import Entity


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return random_graph(24, 34, 10)


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
        ("path", {"hop": 2}, "sampler 'path': hop: no such option; did you mean 'hops'"),
        ("path", {"zebra": 2}, r"zebra: no such option \(options are: .*hops"),
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
        ("anchor", {"types": ["x"], "options": {"repeats": True}}, "options of 'ego' has repeats, .* beside draw"),
        ("long-tail", {"options": {"label": "rare"}}, "options of 'entity' has label"),
        ("entity", {"link": "any"}, "link"),
    ],
)
def test_names_and_options_that_cannot_be_are_told(name: str, options, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sampler(name, **options)
    with pytest.raises(ConfigError, match="different ids"):
        opened("meeting-path", random_graph(9, 9, 9), documents=("d0", "d0"))


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


def test_a_path_of_one_step_is_not_told_to_take_fewer() -> None:
    draws = opened("path", KnowledgeGraph([Entity(id="a", name="a", type="thing")]), hops=1)
    assert list(draws) == []
    assert "fewer hops" not in draws.end
    assert "link = 'any'" in draws.end


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("anchor", {"types": ("person",)}, ""),
        ("anchor", {"types": ("persons",)}, "no entity can have that type; did you mean 'person'"),
        (
            "anchor",
            {"types": ("place", "zebra")},
            r"types has 'zebra', .*\(the types .* are: person, place\)",
        ),
        ("anchor", {"types": ("place",), "draw": "anchor", "options": {"types": ("plaice",)}}, "plaice"),
        ("long-tail", {"draw": "uncertainty"}, "sampler 'uncertainty' draws facts by their scores and has none"),
        ("uncertainty", {}, "option scores .* `score_facts` makes them"),
        ("uncertainty", {"scores": "nowhere.jsonl"}, "scores 'nowhere.jsonl' cannot be read"),
        ("path", {}, ""),
    ],
)
def test_what_no_graph_can_have_is_told_before_there_is_one(name: str, options, says: str) -> None:
    foreseen = Foreseen(("person", "place"))
    if not says:
        sampler(name, **options).check(foreseen)
        return
    with pytest.raises(ConfigError, match=says):
        sampler(name, **options).check(foreseen)


def test_scores_are_read_before_there_is_a_graph(tmp_path: Path) -> None:
    foreseen, scores = Foreseen(("person",)), tmp_path / "scores.jsonl"
    scores.write_text("")
    with pytest.raises(ConfigError, match="has no score"):
        sampler("uncertainty", scores=scores).check(foreseen)
    scores.write_text('{"fact": "r1", "score": 0.5}\n')
    sampler("uncertainty", scores=scores, draw="ego").check(foreseen)
    with pytest.raises(ConfigError, match="plaice"):
        sampler("uncertainty", scores=scores, draw="anchor", options={"types": ["plaice"]}).check(foreseen)
