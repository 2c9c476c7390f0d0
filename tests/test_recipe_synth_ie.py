"""`synth-ie`: the text is made from triples, the labels are exactly these, a reader finds them and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recipes_documents import ANSWERS, CASES, TRIPLES, read_back
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.agents.reverse import stated_triples
from gristmill.agents.state import FlowState
from gristmill.storage.records import Entity, Relation

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


def test_a_relation_to_what_is_not_of_the_task_is_no_label_and_none_is_there_twice() -> None:
    entities = [Entity(id=name, name=name.upper(), type="t") for name in "ab"]
    ends = [("a", "b"), ("a", "b"), ("a", "c")]
    relations = [Relation(id=str(n), source=left, target=right, type="r") for n, (left, right) in enumerate(ends)]
    state: FlowState = {"entities": entities, "relations": relations}
    assert stated_triples(state) == [{"subject": "A", "relation": "r", "object": "B"}]
