"""`muffin`: many different instructions on one input; those of people only where a model says that they apply."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from recipes_documents import ACCEPT, ANSWERS, CASES, TOPICS
from seed_recipes import accepted, prompts_asked, rejections

from gristmill import Request, Scripted

CASE = CASES["muffin"]
SOURCES, DIFFERENT, GEESE = len(TOPICS), 3, 3


async def test_an_input_carries_as_many_instructions_as_it_has_facets(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["muffin"])
    report = await CASE.campaign(tmp_path, model).execute()
    made = SOURCES * DIFFERENT + GEESE
    assert Counter(prompts_asked(model)) == {
        "name-facets": SOURCES,
        "match-instruction": SOURCES,
        "carry-out-instruction": made,
        "judge-instruction": made,
    }
    assert rejections(report) == {"unsuitable": SOURCES + SOURCES - GEESE}
    by_input: dict[tuple[str, ...], set[str]] = {}
    for item in accepted(tmp_path):
        by_input.setdefault(item.chunks, set()).add(item.fields["instruction"])
        asked, output = (message.content for message in item.messages)
        assert asked == f"{item.fields['instruction']}\n\n{item.fields['input']}"
        assert output == item.fields["output"]
    assert {len(instructions) for instructions in by_input.values()} == {DIFFERENT, DIFFERENT + 1}


async def test_inputs_are_drawn_one_after_another_and_each_call_sees_what_came_before(tmp_path: Path) -> None:
    model = Scripted(ANSWERS["muffin"])
    await CASE.campaign(tmp_path, model, concurrency=1, max_tasks=5).execute()
    carried = ["carry-out-instruction", "judge-instruction"]
    asked = prompts_asked(model)
    assert asked[:7] == ["name-facets", *carried * DIFFERENT]
    assert asked[7:] in (["match-instruction"], ["match-instruction", *carried])
    assert len({request.variables["passage"] for request in model.requests}) == 1, "all of one input before the next"
    for writer, judge in zip(model.requests[1:7:2], model.requests[2:7:2], strict=True):
        assert judge.variables["instruction"] == writer.variables["instruction"]
        assert judge.variables["output"] == ANSWERS["muffin"]["carry-out-instruction"](writer)["output"]
    given = [one["instruction"] for one in ANSWERS["muffin"]["name-facets"](model.requests[0])["facets"]]
    assert [request.variables["instruction"] for request in model.requests[1:7:2]] == [*given[:2], given[3]]


async def test_an_instruction_of_people_is_matched_before_it_is_carried_out(tmp_path: Path) -> None:
    options = {"facets": 0, "instructions": ["Translate it.", "Name the subject."], "matches": 2}
    model = Scripted(ANSWERS["muffin"])
    report = await CASE.campaign(tmp_path, model, options=options, concurrency=1).execute()
    assert report.books.planned == 2 * SOURCES
    for before, after in zip(model.requests, model.requests[1:], strict=False):
        if after.prompt == "carry-out-instruction":
            assert before.prompt == "match-instruction"
            assert before.variables["instruction"] == after.variables["instruction"]
    counted = Counter(item.fields["instruction"] for item in accepted(tmp_path))
    assert counted == {"Name the subject.": SOURCES, "Translate it.": GEESE}


async def test_an_empty_output_and_a_wrong_one_are_dropped(tmp_path: Path) -> None:
    def carried_out(request: Request) -> dict[str, Any]:
        told = f"so it is with {request.variables['passage']}"
        return {"output": "" if "Count" in request.variables["instruction"] else told}

    def judge(request: Request) -> dict[str, Any]:
        wrong = {"decision": "reject", "reasons": ["incorrect"]}
        return wrong if "Shorten" in request.variables["instruction"] else ACCEPT

    answers = {**ANSWERS["muffin"], "carry-out-instruction": carried_out, "judge-instruction": judge}
    report = await CASE.campaign(tmp_path, Scripted(answers), options={"instructions": []}).execute()
    assert rejections(report) == {"too_short": SOURCES, "incorrect": SOURCES, "unsuitable": SOURCES}
    assert {item.fields["instruction"] for item in accepted(tmp_path)} == {"Name the subject."}
