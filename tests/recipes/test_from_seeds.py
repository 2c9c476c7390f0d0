"""CodecLM, REFED and DataTune, each on a scripted model that plays the paper's roles."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from seed_recipes import CASES, INSTRUCTIONS, REFERENCES, TABLE, codeclm, datatune, refed, shown

from gristmill import Request
from gristmill.agents.teachable import teachable
from gristmill.campaigns.datasets import export_run
from gristmill.errors import ConfigError

CONTRAST = ["respond-to-instruction"] * 2 + ["compare-responses"] * 2
HARDER = ["codeclm-rubrics", "codeclm-improve"]

# codeclm


def test_codeclm_keeps_what_the_target_lags_at_and_makes_the_rest_harder(tmp_path: Path) -> None:
    ran = CASES["codeclm"].run(tmp_path)
    assert ran.calls["codeclm-encode"] == len(INSTRUCTIONS), "once a seed"
    for task in ran.tasks:
        asked = [prompt for prompt in ran.of(task) if prompt != "codeclm-encode"]
        assert asked == ["codeclm-decode", *HARDER, *CONTRAST, *HARDER, *CONTRAST]
    assert len(ran.accepted) == 6
    for item in ran.accepted:
        first, against, second = (verdict for verdict in item.verdicts if verdict.by == "judge")
        assert (against.decision, against.reasons, against.draft) == ("reject", ("target_lags",), second.draft - 1)
        assert (first.decision, first.reasons, first.scores) == ("revise", ("too_easy",), {"gap": 0.1})
        assert (second.decision, second.scores) == ("accept", {"gap": 0.4})
        assert item.messages[-1].content == f"strong on {item.messages[0].content}"
        assert item.drafts[-2].fields["response"] == f"target on {item.messages[0].content}"


def test_codeclm_exports_what_the_target_said_as_the_worse_half_of_a_pair(tmp_path: Path) -> None:
    ran = CASES["codeclm"].run(tmp_path)
    export_run(tmp_path / "runs" / "t", out=tmp_path / "out", formats=("dpo",))
    lines = [line for path in (tmp_path / "out" / "dpo").glob("*.jsonl") for line in path.read_text().splitlines()]
    pairs = [json.loads(line) for line in lines]
    assert sorted(pair["chosen_from"] for pair in pairs) == sorted(item.id for item in ran.accepted)
    for pair in pairs:
        (prompt,) = pair["prompt"]
        assert pair["chosen"][0]["content"] == f"strong on {prompt['content']}"
        assert pair["rejected"][0]["content"] == f"target on {prompt['content']}"
        assert pair["reasons"] == ["target_lags"]
    for item in ran.accepted:
        assert [draft.index for draft in item.drafts] == list(range(len(item.drafts)))
        assert [draft.by for draft in item.drafts[-2:]] == ["target", "strong"]
        assert [len(draft.calls) for draft in item.drafts[-2:]] == [1, 1], "each call stands once"


def test_codeclm_never_shows_the_seed_to_who_writes(tmp_path: Path) -> None:
    ran = CASES["codeclm"].run(tmp_path)
    assert all("Secret seed" in shown(request) for request in ran.asked("codeclm-encode"))
    others = [request for request in ran.requests if request.prompt != "codeclm-encode"]
    assert not [request for request in others if "Secret seed" in shown(request)]
    for request in ran.asked("codeclm-decode"):
        assert f"{request.variables['use_case']}\n</data-" in shown(request)
        assert "time management\nclear lists\n</data-" in shown(request)


def test_codeclm_takes_three_skills_of_a_seed_at_most(tmp_path: Path) -> None:
    def skilled(request: Request) -> Any:
        many = {"use_case": "planning", "skills": ["time", "lists", "maps", "money", "luck"]}
        return many if request.prompt == "codeclm-encode" else codeclm(request)

    ran = replace(CASES["codeclm"], script=skilled).run(tmp_path, max_tasks=1)
    (asked,) = ran.asked("codeclm-decode")
    assert asked.variables["skills"] == ["time", "lists", "maps"]


def test_codeclm_asks_the_judge_in_either_order_and_applies_one_action(tmp_path: Path) -> None:
    ran = CASES["codeclm"].run(tmp_path)
    orders = Counter(
        (request.variables["first"].split()[0], request.variables["second"].split()[0])
        for request in ran.asked("compare-responses")
    )
    assert orders == {("strong", "target"): 12, ("target", "strong"): 12}
    actions = [request.variables["suggestions"] for request in ran.asked("codeclm-improve")]
    assert all(len(some) == 1 for some in actions)
    assert {some[0] for some in actions} == {"go deeper", "add a limit"}


def test_codeclm_does_not_let_the_place_decide(tmp_path: Path) -> None:
    def first_is_best(request: Request) -> Any:
        return {"first": 10, "second": 0} if request.prompt == "compare-responses" else codeclm(request)

    ran = replace(CASES["codeclm"], script=first_is_best).run(tmp_path, options={"rounds": 1})
    assert {item.reasons for item in ran.items} == {("too_easy",)}


def test_codeclm_gives_up_after_its_rounds(tmp_path: Path) -> None:
    ran = CASES["codeclm"].run(tmp_path, options={"gap": 0.9, "rounds": 3})
    assert {item.reasons for item in ran.items} == {("too_easy",)}
    assert ran.calls["codeclm-improve"] == 3 * len(ran.tasks)
    assert ran.calls["compare-responses"] == 2 * 3 * len(ran.tasks)
    with pytest.raises(ConfigError, match="gap is 0; it must lie above 0"):
        teachable(gap=0)


def test_codeclm_needs_two_models(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="roles strong, target are all answered by the object 'scripted'"):
        replace(CASES["codeclm"], others=()).run(tmp_path)


# refed


def test_refed_asks_for_feedback_once_a_reference_whatever_comes_of_it(tmp_path: Path) -> None:
    ran = CASES["refed"].run(tmp_path, options={"per_reference": 7})
    each = len(REFERENCES) * 7
    assert ran.calls == {
        "refed-feedback": len(REFERENCES),
        "refed-instruction": each,
        "respond-to-instruction": each,
        "refed-refine": each,
    }
    assert len(ran.accepted) == each
    last = ["refed-instruction", "respond-to-instruction", "refed-refine"]
    assert all([prompt for prompt in ran.of(task) if prompt != "refed-feedback"] == last for task in ran.tasks)


def test_refed_mends_every_response_by_its_own_references_feedback(tmp_path: Path) -> None:
    ran = CASES["refed"].run(tmp_path)
    feedback: dict[str, str] = {}
    for request in ran.asked("refed-feedback"):
        feedback[request.variables["reference_instruction"]] = refed(request)["response_feedback"][0]
        assert {
            "text": request.variables["reference_instruction"],
            "response": request.variables["reference_response"],
        } in REFERENCES
    written = {request.task: request.variables["reference_instruction"] for request in ran.asked("refed-instruction")}
    assert len(set(feedback.values())) == 2
    for item in ran.accepted:
        assert item.fields["response"].endswith(f"Made {feedback[written[item.task]]}.")
        assert item.messages[0].content == item.drafts[0].fields["instruction"]
        assert [draft.by for draft in item.drafts] == ["generator", "responder", "refiner"]
    for request in ran.asked("refed-refine"):
        assert not any(row["response"] in shown(request) for row in REFERENCES), "the feedback, and not the reference"


def test_refed_drops_a_rewording_before_it_is_answered(tmp_path: Path) -> None:
    def rewording(request: Request) -> Any:
        if request.prompt == "refed-instruction":
            return {"instruction": request.variables["reference_instruction"].upper()}
        return refed(request)

    ran = replace(CASES["refed"], script=rewording).run(tmp_path)
    assert {item.reasons for item in ran.items} == {("copied",)}
    assert "respond-to-instruction" not in ran.calls


# datatune


def test_datatune_plans_once_and_asks_one_call_a_row(tmp_path: Path) -> None:
    ran = CASES["datatune"].run(tmp_path)
    rows = [row for row in TABLE if row["text"]]
    once = dict.fromkeys(("datatune-expand", "datatune-columns", "datatune-plan"), 1)
    assert ran.calls == {**once, "datatune-execute": len(rows)}
    first = [request.prompt for request in ran.requests[:4]]
    assert first == ["datatune-expand", "datatune-columns", "datatune-plan", "datatune-execute"]
    said = [(item.messages[0].content, item.messages[1].content) for item in ran.accepted]
    assert sorted(said) == sorted(
        (f"Is this good? {row['text']}", "yes" if int(str(row["stars"])) > 3 else "no") for row in rows
    )


def test_datatune_executes_the_plan_on_the_columns_that_were_selected(tmp_path: Path) -> None:
    ran = CASES["datatune"].run(tmp_path)
    for request in ran.asked("datatune-execute"):
        assert set(json.loads(request.variables["row"])) == {"text", "stars"}
        assert "ask whether the review is good\nanswer by stars\n</data-" in shown(request)
    (plan,) = ran.asked("datatune-plan")
    assert len(plan.variables["sample"]) == 3
    assert all('"internal"' in row for row in plan.variables["sample"])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"usable": False, "instruction": "", "response": ""}, "unsuitable"),
        ({"usable": True, "instruction": "Is it?", "response": ""}, "unsuitable"),
        ({"usable": True, "instruction": "Is it?", "response": "perhaps"}, "unknown_label"),
    ],
)
def test_datatune_takes_no_row_that_its_plan_does_not_fit(answer: dict[str, Any], reason: str, tmp_path: Path) -> None:
    def unfit(request: Request) -> Any:
        return answer if request.prompt == "datatune-execute" else datatune(request)

    ran = replace(CASES["datatune"], script=unfit).run(tmp_path)
    assert {item.reasons for item in ran.items} == {(reason,)}


def test_datatune_keeps_rows_whose_instructions_are_mostly_the_plans(tmp_path: Path) -> None:
    rules = " ".join(f"rule{number}" for number in range(80))

    def ruled(request: Request) -> Any:
        answer = datatune(request)
        return {**answer, "instruction": f"{rules}: {answer['instruction']}"} if "usable" in answer else answer

    ran = replace(CASES["datatune"], script=ruled).run(tmp_path)
    assert len(ran.accepted) == len(ran.items) == 4


def test_datatune_takes_an_instruction_once(tmp_path: Path) -> None:
    def same(request: Request) -> Any:
        answer = datatune(request)
        return {**answer, "instruction": "Is this good?"} if "usable" in answer else answer

    ran = replace(CASES["datatune"], script=same).run(tmp_path)
    assert Counter(item.reasons for item in ran.items) == {(): 1, ("duplicate",): 3}


@pytest.mark.parametrize(("at", "calls"), [("datatune-columns", 2), ("datatune-plan", 3)])
def test_datatune_spends_nothing_on_rows_of_a_data_set_that_cannot_serve(at: str, calls: int, tmp_path: Path) -> None:
    def refused(request: Request) -> Any:
        return {"suitable": False} if request.prompt == at else datatune(request)

    ran = replace(CASES["datatune"], script=refused).run(tmp_path)
    assert {item.reasons for item in ran.items} == {("unsuitable",)}
    assert sum(ran.calls.values()) == calls


def test_datatune_needs_a_task(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'datatune' needs a task in words"):
        CASES["datatune"].run(tmp_path, options={"task": " "})
