"""`gsdp` on a scripted model that plays the paper's roles: calls, the graph of points, relations, the jury."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from click.testing import CliRunner
from recipes_points import CASES, TAKEN, gsdp, judged, points, problems
from seed_recipes import Case, Ran, shown

from gristmill import Request, RunStore, Scripted
from gristmill.campaigns.spec import make_spec
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.planners.base import WAIT, PlanView
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.graphs.recipes.gsdp import GsdpOptions

CASE = CASES["gsdp"]
Answer = Callable[[Request], Any]
POINTS = ("linear equations", "ratios", "similar triangle", "right angles", "circle tangents", "chord lengths",
          "area of a sector", "arc measure in radians")  # fmt: skip


def playing(**roles: Answer) -> Answer:
    """The usual script with other answers for some prompts."""
    return lambda request: roles.get(request.prompt.replace("-", "_"), gsdp)(request)


def taking(taken: Sequence[Sequence[str]]) -> Answer:
    """The usual script over other seeds."""
    return playing(extract_points=lambda request: {"points": list(points(request.variables["problem"], taken))})


def case(taken: Sequence[Sequence[str]], script: Answer | None = None, **options: Any) -> Case:
    return replace(CASE, script=script or taking(taken), rows=problems(taken), options=options)


def opened(folder: Path) -> RunStore:
    return RunStore.read(folder / "runs" / "t")


def graph_of(folder: Path) -> KnowledgeGraph:
    store = opened(folder)
    try:
        return KnowledgeGraph(*store.graph())
    finally:
        store.close_reading()


def mark_of(folder: Path, name: str) -> Any:
    store = opened(folder)
    try:
        return store.mark(name)
    finally:
        store.close_reading()


def named(graph: KnowledgeGraph, ids: Sequence[str]) -> frozenset[str]:
    return frozenset(graph.entities[id].name for id in ids)


def kprg(taken: Sequence[Sequence[str]], without: Sequence[str] = ()) -> nx.Graph:
    """The paper's graph, made by hand."""
    graph = nx.Graph()
    for one in taken:
        for left, right in combinations(sorted(set(one) - set(without)), 2):
            weight = graph.get_edge_data(left, right, {"weight": 0})["weight"]
            graph.add_edge(left, right, weight=weight + 1)
    return graph


PEOPLE = ("Abel", "Bayes", "Cauchy", "Dirac", "Euler", "Fubini", "Gauss", "Hilbert", "Ito", "Jordan", "Kummer")
NAMES = [f"{name} theorem" for name in PEOPLE]
RING = tuple(pairwise([*NAMES, NAMES[0]]))


# calls


def test_points_are_read_scored_and_combined_and_a_jury_decides(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert ran.calls["extract-points"] == ran.calls["score-points"] == len(TAKEN)
    prompts = [request.prompt for request in ran.requests]
    last_read = max(place for place, prompt in enumerate(prompts) if prompt in ("extract-points", "score-points"))
    assert last_read < prompts.index("write-point-problem")
    for request in ran.asked("extract-points"):
        assert request.role == "extractor"
        assert request.variables["solution"].startswith("By ")
        assert request.variables["most"] == 10
        assert request.variables["solution"] in shown(request)
    assert {request.role for request in ran.asked("score-points")} == {"filter"}
    judges = ["judge-point-problem"] * 3
    for task in ran.tasks:
        assert ran.of(task) == ["write-point-problem", "solve-point-problem", *judges]
    assert {request.role for request in ran.asked("judge-point-problem")} == {"judge", "second-judge", "third-judge"}
    assert len(ran.accepted) == len(ran.tasks)
    for item in ran.accepted:
        assert [verdict.by for verdict in item.verdicts][-4:] == ["judge", "second-judge", "third-judge", "jury"]
        assert item.verdicts[-1].scores == {"joint": 0.85}
        assert item.messages[1].content.endswith("ells")


def test_all_points_of_a_combination_are_shown_to_writer_and_judges_and_none_to_the_solver(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    graph = graph_of(tmp_path)
    for task in ran.tasks:
        names = named(graph, task.entities)
        for request in (one for one in ran.requests if one.task == task.id):
            told = shown(request)
            if request.prompt == "solve-point-problem":
                assert not any(name in told for name in POINTS)
            else:
                assert {point["name"] for point in request.variables["points"]} == names
                assert all(name in told for name in names)
        writer = next(one for one in ran.asked("write-point-problem") if one.task == task.id)
        taken = {name for text in writer.variables["examples"] for name in points(text)}
        for id in task.entities:  # a seed of each point, by whatever name it has there
            assert taken & {graph.entities[id].name, *graph.entities[id].aliases}


# the graph


def test_what_the_filter_drops_is_in_no_graph_and_in_no_draw(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    graph = graph_of(tmp_path)
    assert {graph.entities[id].name for id in graph.ids} == set(POINTS)
    assert "careful reading" in {name for one in TAKEN for name in one}
    drawn = {name for task in ran.tasks for name in named(graph, task.entities)}
    assert drawn == set(POINTS)
    books = mark_of(tmp_path, "graph")["extraction"]["books"]["entities"]
    assert books["dropped"] == {"irrelevant": 2, "unclear": 1}
    assert books["found"] == sum(map(len, TAKEN)) == books["kept"] + 3
    for request in ran.asked("write-point-problem"):
        assert "careful reading" not in shown(request)


def test_a_point_without_a_score_is_dropped_and_a_second_score_of_one_does_not_count(tmp_path: Path) -> None:
    def scores(request: Request) -> Any:
        good = {"relevance": 1.0, "clarity": 1.0}
        numbers = range(2, len(request.variables["points"]) + 1)
        return {"scores": [{"number": number, **good} for number in numbers]
                + [{"number": 2, "relevance": 0.0, "clarity": 0.0}, {"number": 99, **good}]}  # fmt: skip

    taken = (("algebra", "ratios", "tangents"), ("algebra", "ratios", "chords"))
    case(taken, playing(score_points=scores, extract_points=lambda one: taking(taken)(one))).run(tmp_path)
    graph = graph_of(tmp_path)
    assert {graph.entities[id].name for id in graph.ids} == {"ratios", "tangents", "chords"}
    assert mark_of(tmp_path, "graph")["extraction"]["books"]["entities"]["dropped"] == {"unscored": 2}


def test_points_are_joined_by_how_many_problems_take_both_whichever_came_first(tmp_path: Path) -> None:
    # "tangents" sorts after "secants"; its other spelling, "a tangent", is one with it and sorts before: no direction.
    taken = (("secants", "tangents"), ("a tangent", "secants"), ("secants", "tangents", "ratios"), ("ratios", "chords"))
    case(taken).run(tmp_path)
    graph = graph_of(tmp_path)
    weights = {named(graph, (one.source, one.target)): one.weight for one in graph.relations.values()}
    assert weights == {
        frozenset(("secants", "tangents")): 3.0,
        frozenset(("ratios", "tangents")): 1.0,
        frozenset(("ratios", "secants")): 1.0,
        frozenset(("ratios", "chords")): 1.0,
    }


VECTORS = {
    "gauss summation": (1.0, 0.0, 0.0, 0.0),
    "sum of the first n integers": (0.97, 0.243, 0.0, 0.0),
    "partial sums": (0.88, 0.475, 0.0, 0.0),  # near the second, not near enough to the first
    "degree 2 polynomials": (0.0, 0.0, 1.0, 0.0),
    "degree 3 polynomials": (0.0, 0.0, 0.999, 0.04),
    "chords": (0.0, 0.0, 0.0, 1.0),
}
ALIKE = (
    ("gauss summation", "chords"),
    ("gauss summation", "chords", "degree 2 polynomials"),
    ("sum of the first n integers", "degree 3 polynomials"),
    ("partial sums", "sum of the first n integers", "chords"),
    ("gauss summation", "degree 2 polynomials"),
)
MORE = ("partial sums", "chords")


def embedding(request: Request) -> Any:
    if request.kind == "embedding":
        lengths = {name: math.hypot(*vector) for name, vector in VECTORS.items()}
        return [[x / lengths[name] for x in VECTORS[name]] for name in request.inputs]
    return taking((*ALIKE, MORE))(request)


EMBEDDED = case(ALIKE, embedding)
BY_VECTORS = {"resolution": {"alike": 0.95, "embedder": "default"}}


def test_duplicates_are_one_node_by_their_vectors_without_chains_or_contradictions(tmp_path: Path) -> None:
    ran = EMBEDDED.run(tmp_path, graph=BY_VECTORS)
    graph = graph_of(tmp_path)
    assert {graph.entities[id].name for id in graph.ids} == set(VECTORS) - {"sum of the first n integers"}
    (one,) = (entity for entity in graph.entities.values() if entity.name == "gauss summation")
    assert "sum of the first n integers" in one.aliases
    assert len({span.chunk for span in one.mentions}) == 5
    told = mark_of(tmp_path, "graph")["alike"]
    assert told == {"embedder": "scripted", "names": 6, "joined": 1, "vetoed": 0, "apart": 5}
    assert sum(request.kind == "embedding" for request in ran.requests) == 1
    drawn = {name for task in ran.tasks for name in named(graph, task.entities)}
    assert "sum of the first n integers" not in drawn


def test_a_person_takes_back_what_the_embedder_joined_for_good(tmp_path: Path) -> None:
    EMBEDDED.run(tmp_path, graph=BY_VECTORS, max_tasks=2)
    run = str(tmp_path / "runs" / "t")
    listed = CliRunner().invoke(main, ["graph", "merges", run, "--by", "model"])
    assert "cosine 0.970" in listed.output
    store = opened(tmp_path)
    ((ruling,),) = store.rows("SELECT id FROM rulings")
    store.close_reading()
    assert CliRunner().invoke(main, ["graph", "undo", run, ruling], catch_exceptions=False).exit_code == 0
    assert len(graph_of(tmp_path).ids) == 6
    # Another row makes the graph anew: the embedder would join them again, from the vectors that the cache has.
    model = Scripted(embedding)
    more = replace(EMBEDDED, rows=problems((*ALIKE, MORE))).campaign(tmp_path, model, graph=BY_VECTORS, max_tasks=2)
    asyncio.run(more.execute(refresh=True))
    assert not [request for request in model.requests if request.kind == "embedding"]
    assert len(graph_of(tmp_path).ids) == 6


# relations


def test_every_relation_type_is_what_it_says_and_comes_once(tmp_path: Path) -> None:
    rng = random.Random(5)
    taken = [*RING[:8], *(tuple(rng.sample([first for first, _ in RING], 3)) for _ in range(2))]
    ran = case(taken).run(tmp_path)
    graph, expected = graph_of(tmp_path), kprg(taken)
    apart = dict(nx.all_pairs_shortest_path_length(expected))
    for hops, kind in enumerate(("hop1", "hop2", "hop3"), 1):
        pairs = [named(graph, task.entities) for task in ran.tasks if task.kind == kind]
        assert len(pairs) == len(set(pairs))
        assert set(pairs) == {
            frozenset(pair) for pair in combinations(expected, 2) if apart[pair[0]].get(pair[1]) == hops
        }
    for task in ran.tasks:
        if task.kind == "community":
            assert len(task.entities) == 3
            assert nx.has_path(expected, *list(named(graph, task.entities))[:2])
    assert ran.report.stop.code == "exhausted"
    told = mark_of(tmp_path, "draws")
    for kind, count in Counter(task.kind for task in ran.tasks).items():
        assert told[kind]["accepted"] == count
        assert told[kind]["drawn"] == count or kind == "community"  # which counts what it parts


def test_with_between_a_problem_needs_the_points_on_the_way_too(tmp_path: Path) -> None:
    ran = case(RING[:5], between=True, shares={"hop1": 0, "community": 0}).run(tmp_path)
    assert {(task.kind, len(task.entities)) for task in ran.tasks} == {("hop2", 3), ("hop3", 4)}
    graph = graph_of(tmp_path)
    for task in ran.tasks:
        assert nx.is_connected(kprg(RING[:5]).subgraph(named(graph, task.entities)))


def test_relations_have_their_shares(tmp_path: Path) -> None:
    ran = case(RING, shares={"hop1": 1, "hop2": 2, "hop3": 3, "community": 0}).run(tmp_path, max_tasks=18)
    assert Counter(task.kind for task in ran.tasks) == {"hop1": 3, "hop2": 6, "hop3": 9}


def test_it_stops_when_every_quota_is_met_and_makes_up_for_what_was_rejected(tmp_path: Path) -> None:
    """Every second problem of hop2 is rejected; a start that was cut short in the middle keeps to the quotas too."""

    def verdict(request: Request) -> Any:
        task = request.task
        return judged(0.2, 0.2, "reject", "unclear") if poor(task) else judged(0.9, 0.9)

    def poor(task: str) -> bool:
        return int(task[-1], 16) % 2 == 0

    script = playing(judge_point_problem=verdict, extract_points=lambda one: taking(RING)(one))
    quotas = {"hop1": 3, "hop2": 4, "hop3": 2, "community": 1}
    wanted = case(RING, script, quotas=quotas, combinations=8)
    first = wanted.run(tmp_path, max_tasks=7)
    assert len(first.tasks) == 7
    ran = wanted.run(tmp_path)
    assert Counter(item_kind(ran, item.task) for item in ran.accepted) == quotas
    assert ran.report.books.balanced
    assert ran.report.stop.text == "every task that the recipe draws is done"
    assert len(ran.tasks) > len(ran.accepted)


def item_kind(ran: Ran, task: str) -> str:
    return next(one.kind for one in ran.tasks if one.id == task)


def test_a_quota_that_the_combinations_cannot_meet_ends_too(tmp_path: Path) -> None:
    ran = case(RING[:4], quotas={"hop1": 50}, shares={"hop2": 0, "hop3": 0, "community": 0}).run(tmp_path)
    assert len(ran.accepted) == 4
    assert ran.report.stop.text == "every task that the recipe draws is done"


def test_a_planner_at_its_quotas_waits_and_goes_on_when_a_pending_task_is_lost(tmp_path: Path) -> None:
    case(RING).run(tmp_path, max_tasks=1)
    graph = graph_of(tmp_path)
    counts: dict[str, int] = {}
    planned: set[str] = set()
    store = opened(tmp_path)
    in_work = [2]
    view = PlanView(
        tuple(store.chunks()),
        graph,
        coverage=counts,
        is_planned=planned.__contains__,
        pending=lambda: in_work[0],
    )
    options = GsdpOptions(quotas={"hop1": 2}, shares={"hop2": 0, "hop3": 0, "community": 0})
    plan, rng = recipe("gsdp").planner, random.Random(1)
    first = plan(view, 10, rng, options)
    assert len(first) == 2
    planned.update(task.id for task in first)
    counts["draw=hop1"] = 2
    assert plan(view, 10, rng, options) is WAIT
    counts["draw=hop1"] = 1  # one was rejected
    (third,) = plan(view, 10, rng, options)
    assert third.id not in planned
    planned.add(third.id)
    counts["draw=hop1"] = 1  # planned, and rejected before it was looked at
    (fourth,) = plan(view, 10, rng, options)
    assert fourth.id not in planned
    planned.add(fourth.id)
    counts["draw=hop1"], in_work[0] = 2, 0  # all that the quota asks is accepted
    assert plan(view, 10, rng, options) == []
    store.close_reading()


# problems and judges


def test_a_problem_that_by_its_own_list_needs_fewer_points_is_paid_no_solver(tmp_path: Path) -> None:
    def write(request: Request) -> Any:
        return {**gsdp(request), "needs": [point["name"].title() + "." for point in request.variables["points"][1:]]}

    ran = replace(CASE, script=playing(write_point_problem=write)).run(tmp_path)
    assert not ran.accepted
    assert ran.calls["solve-point-problem"] == ran.calls["judge-point-problem"] == 0
    assert {item.reasons for item in ran.items} == {("misses_entity",)}


def test_a_problem_that_rewords_a_seed_or_another_item_is_paid_no_solver(tmp_path: Path) -> None:
    def write(request: Request) -> Any:
        copied = request.variables["relation"] != "hop1"
        return {**gsdp(request), "problem": request.variables["examples"][0] if copied else "How long is the rope?"}

    ran = replace(CASE, script=playing(write_point_problem=write)).run(tmp_path)
    assert ran.calls["solve-point-problem"] == len(ran.accepted) == 1
    assert {reason for item in ran.items for reason in item.reasons} == {"copied", "duplicate"}


@pytest.mark.parametrize(
    ("scores", "accepted"),
    [
        (
            {"judge": (0.9, 0.9), "second-judge": (0.9, 0.9), "third-judge": (0.3, 0.3)},
            True,
        ),  # one alone does not decide
        ({"judge": (0.9, 0.9), "second-judge": (0.9, 0.9), "third-judge": (0.2, 0.3)}, False),
        ({"judge": (1.0, 0.4), "second-judge": (1.0, 0.4), "third-judge": (1.0, 0.4)}, True),
        ({"judge": (1.0, 0.3), "second-judge": (1.0, 0.3), "third-judge": (1.0, 0.3)}, False),
    ],
)
def test_the_joint_score_of_problem_and_solution_decides(
    scores: Mapping[str, tuple[float, float]], accepted: bool, tmp_path: Path
) -> None:
    def verdict(request: Request) -> Any:
        problem, solution = scores[request.role]
        return judged(problem, solution) if problem > 0.5 else judged(problem, solution, "reject", "unclear")

    ran = replace(CASE, script=playing(judge_point_problem=verdict)).run(tmp_path, max_tasks=2)
    assert len(ran.accepted) == (2 if accepted else 0)
    for item in ran.items if not accepted else ():
        assert item.reasons[0] == "low_score"


def test_a_score_that_a_judge_does_not_give_counts_as_nothing(tmp_path: Path) -> None:
    def verdict(request: Request) -> Any:
        return {**judged(1.0, 1.0), "scores": [{"name": "problem", "value": 1.0}]}

    ran = replace(CASE, script=playing(judge_point_problem=verdict)).run(tmp_path, max_tasks=1)
    assert ran.items[0].reasons == ("low_score",)
    assert ran.items[0].verdicts[-1].scores == {"joint": 0.5}


def test_a_relation_may_have_a_threshold_of_its_own(tmp_path: Path) -> None:
    wanted = replace(CASE, options={"minimum": {"hop1": 0.9}})
    ran = wanted.run(tmp_path)
    by_kind = Counter((item_kind(ran, item.task) == "hop1", item.status.value) for item in ran.items)
    assert set(by_kind) == {(True, "rejected"), (False, "accepted")}


def test_a_vote_that_is_split_is_paid_no_jury(tmp_path: Path) -> None:
    ran = replace(CASE, options={"solutions": 4, "least_share": 0.5}).run(tmp_path, max_tasks=1)
    assert ran.calls["solve-point-problem"] == 4
    assert ran.calls["judge-point-problem"] == 0


# settings


def test_the_recipe_brings_its_settings_and_what_the_user_says_stands() -> None:
    values: dict[str, Any] = {"name": "x", "documents": ["seeds.jsonl"], "recipe": "gsdp"}
    spec = make_spec(values)
    assert (spec.chunks.max_tokens, spec.graph.extractor, spec.graph.resolution.alike) == (4000, "points", 0.9)
    own = make_spec({**values, "graph": {"resolution": {"same": 0.9, "alike": 0}}, "chunks": {"overlap": 8}})
    assert (own.graph.extractor, own.graph.resolution.alike, own.graph.resolution.same) == ("points", 0, 0.9)
    assert (own.chunks.max_tokens, own.chunks.overlap) == (4000, 8)
    assert make_spec({**values, "recipe": "entigraph"}).graph.extractor == "model"
    assert make_spec({**values, "recipe": "entigraph"}).identity["graph"].keys() == (
        spec.identity["graph"].keys() - {"points"}
    )


def test_without_a_filter_nobody_is_asked_for_scores(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, graph={"points": {"relevance": 0, "clarity": 0, "most": 2}}, max_tasks=1)
    assert ran.calls["score-points"] == 0
    assert ran.calls["extract-points"] == len(TAKEN)
    graph = graph_of(tmp_path)
    assert "careful reading" not in {graph.entities[id].name for id in graph.ids}  # always the third of its seed
    assert mark_of(tmp_path, "graph")["extraction"]["books"]["entities"]["dropped"] == {"too_many": 3}


def test_a_seed_that_was_cut_stops_the_campaign_and_says_what_to_raise(tmp_path: Path) -> None:
    long = replace(CASE, rows=[{"text": "A miller counts sacks. " * 40}])
    with pytest.raises(ConfigError, match=r"raise chunks\.max_tokens"):
        long.run(tmp_path, chunks={"max_tokens": 50})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"options": {"quotas": {"hop4": 3}}}, "quotas names 'hop4'"),
        ({"options": {"quotas": {"hop1": 0}}}, "greater than 0"),
        ({"options": {"quotas": {"hop1": 3}, "shares": {"hop1": 0}}}, "quotas names 'hop1', which is not drawn"),
        ({"options": {"minimum": {"hop1": 1.5}}}, "less than or equal to 1"),
        ({"options": {"shares": {"hop9": 1}}}, "hop9"),
        ({"options": {"judges": []}}, "judges"),
        ({"options": {"judges": ["judge", "judge"]}}, "each once"),
        ({"graph": {"rescue": True}}, "rescue"),
        ({"graph": {"entity_types": {"topic": ""}}}, "leave entity_types"),
        ({"graph": {"extractor": "model", "points": {"most": 3}}}, "graph.points"),
        ({"graph": {"resolution": {"embedder": "bge"}}}, "graph.resolution.embedder: no model is called 'bge'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spent(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    model = Scripted(gsdp)
    with pytest.raises(ConfigError) as refused:
        replace(CASE, others=()).campaign(tmp_path, model, **values).run()
    assert said in str(refused.value)
    assert not model.requests
