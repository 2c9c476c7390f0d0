"""`synth-ie`: the text is made from triples, the labels are exactly these, a reader finds them and no others."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recipes_documents import ANSWERS, CASES, TRIPLES, read_back
from seed_recipes import accepted, prompts_asked, rejections
from small_graphs import graph_of

from gristmill import Request, Scripted
from gristmill.agents.reverse import stated_triples
from gristmill.agents.state import FlowState
from gristmill.graphs.knowledge.graph import KnowledgeGraph
from gristmill.graphs.planners.base import PlanView
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.storage.records import Chunk, Entity, Relation

CASE = CASES["synth-ie"]


def told(item: Any) -> set[tuple[str, str, str]]:
    return {(one["subject"], one["relation"], one["object"]) for one in item.fields["triples"]}


async def test_the_labels_are_the_graphs_triples_whatever_the_writer_says(tmp_path: Path) -> None:
    def write(request: Request) -> dict[str, Any]:
        return {"text": ANSWERS["synth-ie"]["state-triples"](request)["text"], "triples": [{"subject": "made up"}]}

    model = Scripted({**ANSWERS["synth-ie"], "state-triples": write})
    await CASE.campaign(tmp_path, model).execute()
    items = accepted(tmp_path)
    assert len(items) == CASE.accepts
    assert {fact for item in items for fact in told(item)} == set(TRIPLES)
    for item in items:
        text, labels = (message.content for message in item.messages)
        assert text.endswith(item.fields["text"])
        assert json.loads(labels) == item.fields["triples"]
        assert told(item) <= set(TRIPLES)
        assert item.chunks, "where the graph's statements stand"


async def test_the_writer_sees_triples_alone_and_the_reader_the_text_alone(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["synth-ie"])
    await CASE.campaign(tmp_path, model, concurrency=1, max_tasks=3).execute()
    assert prompts_asked(model) == ["state-triples", "read-triples"] * 3
    for writer, reader in zip(model.requests[::2], model.requests[1::2], strict=True):
        assert "passage" not in writer.variables
        assert set(writer.variables["facts"]) <= {" - ".join(triple) for triple in TRIPLES}
        assert set(reader.variables) == {"text", "kinds"}
        assert set(reader.variables["kinds"]) == {fact.split(" - ")[1] for fact in writer.variables["facts"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: found[1:], "misses_fact"),
        (lambda found: [*found, {"subject": "Canada", "relation": "lies in", "object": "the north"}], "adds_fact"),
        (lambda found: [{**found[0], "object": found[0]["subject"], "subject": found[0]["object"]}], "misses_fact"),
    ],
    ids=["misses", "adds", "turned round"],
)
async def test_a_text_that_says_less_or_more_than_its_triples_is_dropped(
    change: Any, reason: str, tmp_path: Path
) -> None:
    model = Scripted(
        {**ANSWERS["synth-ie"], "read-triples": lambda request: {"triples": change(read_back(request)["triples"])}}
    )
    report = await CASE.campaign(tmp_path, model).execute()
    assert report.books.accepted == 0
    assert rejections(report)[reason] == CASE.accepts


async def test_a_reader_may_spell_otherwise_and_a_lower_bar_lets_one_more_fact_pass(tmp_path: Path) -> None:
    def loud(request: Request) -> dict[str, Any]:
        found = [{part: f"  {text.upper()}. " for part, text in one.items()} for one in read_back(request)["triples"]]
        return {"triples": [*found, {"subject": "x", "relation": "y", "object": "z"}]}

    model = Scripted({**ANSWERS["synth-ie"], "read-triples": loud})
    report = await CASE.campaign(tmp_path, model, options={"least_precision": 0.5}).execute()
    assert report.books.accepted == CASE.accepts


def test_rare_types_of_relation_come_early_and_are_drawn_evenly() -> None:
    """400 relations of one type and 8 of each of three others: a draw by chance states one of these every 17 times."""
    rare = [f"rare {number // 8}" for number in range(24)]
    types = ["common"] * 400 + rare
    random.Random(5).shuffle(types)
    rng = random.Random(8)
    ends = set()
    while len(ends) < len(types):
        ends.add(tuple(rng.sample(range(300), 2)))
    plain = graph_of(sorted(ends))
    relations = [
        one.model_copy(update={"type": kind}) for one, kind in zip(plain.relations.values(), types, strict=True)
    ]
    graph = KnowledgeGraph(plain.entities.values(), relations)
    chunks = [Chunk.of("d", 0, 0, 1, "x").model_copy(update={"id": name}) for name in graph.chunk_ids]

    def first(weight: str, seed: int) -> Counter[str]:
        view = PlanView(chunks, graph, Counter())
        options = recipe("synth-ie").options.model_validate({"weight": weight, "shares": {"pair": 1}})
        tasks = recipe("synth-ie").planner(view, 60, random.Random(seed), options)
        assert len(tasks) == 60
        return Counter(graph.relations[one].type for task in tasks for one in task.relations)

    by_chance = [first("uniform", seed) for seed in range(8)]
    covered = [first("coverage", seed) for seed in range(8)]
    assert sum(found.total() - found["common"] for found in covered) > 3 * sum(
        found.total() - found["common"] for found in by_chance
    )
    assert all(set(found) == set(types) for found in covered), "each type is covered early"
    assert not all(set(found) == set(types) for found in by_chance)
    assert all(found["common"] >= 20 for found in covered), "common ones have their turn"


def test_a_relation_to_what_is_not_of_the_task_is_no_label_and_none_is_there_twice() -> None:
    entities = [Entity(id=name, name=name.upper(), type="t") for name in "ab"]
    ends = [("a", "b"), ("a", "b"), ("a", "c")]
    relations = [Relation(id=str(n), source=left, target=right, type="r") for n, (left, right) in enumerate(ends)]
    state: FlowState = {"entities": entities, "relations": relations}
    assert stated_triples(state) == [{"subject": "A", "relation": "r", "object": "B"}]
