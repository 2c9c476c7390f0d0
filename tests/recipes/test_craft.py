"""`craft`: the few examples decide which documents are drawn; what is written is of their form and no copy of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from recipes_documents import ACCEPT, ANSWERS, CASES, SHOTS, TOPICS
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.errors import ConfigError
from gristmill.graphs.planners.base import PlanView
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.storage.records import Chunk, Task

CASE = CASES["craft"]
CHUNKS = [Chunk.of(f"doc-{n}", 0, 0, len(text), text) for n, (_, text) in enumerate(TOPICS)]
TOPIC = {chunk.id: topic for chunk, (topic, _) in zip(CHUNKS, TOPICS, strict=True)}


def plan(count: int, **options: Any) -> list[Task]:
    chosen = recipe("craft").options.model_validate({"least_characters": 20, **options})
    return list(recipe("craft").planner(PlanView(CHUNKS), count, random.Random(1), chosen))


@pytest.mark.parametrize(("shot", "topic"), [(0, "valve"), (2, "goose")])
def test_documents_like_the_examples_come_first(shot: int, topic: str) -> None:
    assert [TOPIC[task.chunks[0]] for task in plan(3, shots=[SHOTS[shot]])] == [topic] * 3


def test_each_example_and_their_mean_retrieve_and_none_comes_twice() -> None:
    drawn = plan(4, shots=[SHOTS[0], SHOTS[2]])
    assert {TOPIC[task.chunks[0]] for task in drawn} == {"valve", "goose"}
    everything = plan(99, shots=SHOTS)
    assert len({task.chunks for task in everything}) == len(everything) <= len(TOPICS)
    assert len(plan(99, shots=SHOTS, samples=3)) == 3


def test_what_is_like_no_example_is_not_retrieved() -> None:
    assert plan(9, shots=[{"instruction": "Xylo phon?", "output": "Qwer tzui."}]) == []


def test_the_examples_shown_hang_on_the_document_alone() -> None:
    first, again = plan(8, shots=SHOTS, shown=2), plan(8, shots=SHOTS, shown=2)
    assert [task.id for task in first] == [task.id for task in again]
    assert all(len(set(task.attributes["shots"])) == 2 for task in first)


async def test_an_item_costs_two_calls_and_its_prompt_shows_examples_and_document(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["craft"])
    await CASE.campaign(tmp_path, model, concurrency=1, max_tasks=2).execute()
    assert prompts_asked(model) == ["write-from-shots", "judge-instruction"] * 2
    writer = model.requests[0]
    assert len(writer.variables["shots"]) == 2
    assert all(shot["instruction"] in writer.messages[-1].content for shot in writer.variables["shots"])
    assert writer.variables["passage"] in writer.messages[-1].content
    assert "The model does not see the source text." in model.requests[1].messages[-1].content


async def test_copies_of_examples_and_declined_documents_cost_no_critic(tmp_path: Path) -> None:
    def copied(request: Request) -> dict[str, Any]:
        if "goose" in request.variables["passage"].lower():
            return {"suitable": False}
        return request.variables["shots"][0]

    model = Scripted({"write-from-shots": copied, "judge-instruction": ACCEPT})
    report = await CASE.campaign(tmp_path, model).execute()
    assert report.books.accepted == 0
    assert set(rejections(report)) == {"copied", "unsuitable"}
    assert set(prompts_asked(model)) == {"write-from-shots"}
    assert accepted(tmp_path) == []


async def test_without_examples_nothing_is_spent(tmp_path: Path) -> None:
    model = Scripted({})
    with pytest.raises(ConfigError, match=r"give some as options\.shots"):
        await CASE.campaign(tmp_path, model, options={"shots": []}).execute()
    assert model.requests == []
