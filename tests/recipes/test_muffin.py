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


async def test_instructions_on_one_long_input_are_no_twins(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("Geese. " + " ".join(f"word{place}" for place in range(150)))
    model = Scripted({**ANSWERS["muffin"], "carry-out-instruction": {"output": "Geese."}})
    changes = {"documents": [tmp_path / "long.md"], "options": {"instructions": []}}
    report = await CASE.campaign(tmp_path, model, **changes).execute()
    assert report.books.accepted == DIFFERENT
    assert len({item.fields["input"] for item in accepted(tmp_path)}) == 1


async def test_an_instruction_that_fits_many_inputs_is_an_item_on_each(tmp_path: Path) -> None:
    """Also where they have one answer, as with classes: what people wrote is matched with as many inputs as it fits."""
    answers = {"match-instruction": {"suitable": True}, "carry-out-instruction": {"output": "No."}}
    options = {"facets": 0, "instructions": ["Is it about mills? Answer yes or no."]}
    report = await CASE.campaign(tmp_path, Scripted({**ANSWERS["muffin"], **answers}), options=options).execute()
    assert report.books.accepted == report.books.planned == SOURCES
    assert {item.messages[-1].content for item in accepted(tmp_path)} == {"No."}


async def test_the_same_instruction_on_an_equal_input_is_a_duplicate(tmp_path: Path) -> None:
    options = {"facets": 1, "instructions": ["count the  FIGURES!"], "matches": 1}
    answers = {"match-instruction": {"suitable": True}, "carry-out-instruction": {"output": "Two."}}
    report = await CASE.campaign(
        tmp_path, Scripted({**ANSWERS["muffin"], **answers}), options=options, concurrency=1
    ).execute()
    assert report.books.accepted == SOURCES
    assert rejections(report) == {"duplicate": SOURCES}
