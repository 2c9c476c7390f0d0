"""`e5`: tasks thought up once a list, triples whose negative is neither positive nor query, no document anywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recipes_documents import ANSWERS, CASES
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted
from gristmill.errors import ConfigError
from gristmill.graphs.recipes.catalogue import recipe

CASE = CASES["e5"]
LISTS, FAMILIES, TASKS = 2, 2, 3


async def test_a_list_is_asked_for_once_and_every_task_of_it_is_written_for(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["e5"])
    report = await CASE.campaign(tmp_path, model).execute()
    triples = LISTS * FAMILIES * TASKS
    assert Counter(prompts_asked(model)) == {
        "brainstorm-retrieval-tasks": LISTS * FAMILIES,
        "write-retrieval-triple": triples,
        "judge-query": triples,
    }
    assert report.books.accepted == triples
    brainstorms = [request for request in model.requests if request.prompt == "brainstorm-retrieval-tasks"]
    assert {request.sampling.seed for request in brainstorms} == {0, 1}, "a next list is another draw"
    for item in accepted(tmp_path):
        texts = {item.fields["query"], item.fields["positive"], *item.fields["negatives"]}
        assert len(texts) == 3
        assert item.fields["instruction"].startswith("Given ")
        assert item.chunks == ()


async def test_families_take_turns_task_by_task_and_a_triple_is_of_its_task(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["e5"])
    await CASE.campaign(tmp_path, model, concurrency=1).execute()
    steps = ["write-retrieval-triple", "judge-query"]
    one_list = ["brainstorm-retrieval-tasks", *steps] * FAMILIES + steps * FAMILIES * (TASKS - 1)
    assert prompts_asked(model) == one_list * LISTS
    (tasks,) = {tuple(ANSWERS["e5"]["brainstorm-retrieval-tasks"](model.requests[0])["tasks"])}
    writers = [request for request in model.requests if request.prompt == steps[0]]
    chosen = [task for task in tasks for _ in range(FAMILIES)] * LISTS
    assert [request.variables["chosen"] for request in writers] == chosen
    for writer, judge in zip(writers, (one for one in model.requests if one.prompt == steps[1]), strict=True):
        triple = ANSWERS["e5"]["write-retrieval-triple"](writer)
        assert (judge.variables["query"], judge.variables["passage"]) == (triple["query"], triple["positive"])
        assert judge.variables["negatives"] == triple["negatives"]


async def test_what_a_triple_is_like_is_drawn_anew_and_fits_its_family(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["e5"])
    options = {"examples": 6, "judge": False, "languages": ["English", "Swahili"]}
    await CASE.campaign(tmp_path, model, options=options).execute()
    asked = [request.variables for request in model.requests if request.prompt == "write-retrieval-triple"]
    assert len({tuple(sorted(one.items(), key=str)) for one in map(_plain, asked)}) > 20
    assert {one["language"] for one in asked} == {"English", "Swahili"}
    long_queries = [one for one in asked if one["length"] == "a few words or one sentence"]
    assert long_queries
    assert {one["query_length"] for one in long_queries} <= {"50 words", "100 words", "200 words"}


def _plain(variables: Any) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items()}


@pytest.mark.parametrize(
    ("negatives", "reason"),
    [
        (lambda query, positive: [positive.upper() + "!"], "same_text"),
        (lambda query, positive: [query], "same_text"),
        (lambda query, positive: [], "no_negative"),
        (lambda query, positive: ["..."], "too_short"),
    ],
    ids=["positive", "query", "none", "wordless"],
)
async def test_a_negative_that_is_positive_or_query_is_dropped(negatives: Any, reason: str, tmp_path: Path) -> None:
    def write(request: Request) -> dict[str, Any]:
        triple = ANSWERS["e5"]["write-retrieval-triple"](request)
        return {**triple, "negatives": negatives(triple["query"], triple["positive"])}

    model = Scripted({**ANSWERS["e5"], "write-retrieval-triple": write})
    report = await CASE.campaign(tmp_path, model).execute()
    assert (report.books.accepted, rejections(report)) == (0, {reason: LISTS * FAMILIES * TASKS})
    assert "judge-query" not in prompts_asked(model)


def test_a_family_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="no family is called 'sts'"):
        recipe("e5").options.model_validate({"families": ["sts"]})
