"""ScaleQuest: questions from nothing, written anew, filtered, the best of five solutions, and pairs of both."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_reasoning import CASES, MARKS, scale_quest
from seed_recipes import shown

from gristmill import Request, Scripted, Status
from gristmill.campaigns.datasets import export_run
from gristmill.errors import BadReply, ConfigError
from gristmill.storage.datasets.pairs import refinement_pairs
from gristmill.storage.datasets.shapes import LeftOut
from gristmill.storage.records import Decision, Draft, Item, Message, Verdict

CASE = CASES["scale-quest"]
ONE = {"tasks": 1}


def number(item: Item) -> int:
    return int(item.fields["instruction"].split()[5])


def pairs(folder: Path) -> list[dict[str, Any]]:
    export_run(folder / "runs" / "t", out=folder / "out", formats=("dpo",))
    return [json.loads(line) for line in (folder / "out" / "dpo" / "train.jsonl").read_text().splitlines()]


def test_the_calls_of_a_question_that_is_kept_and_of_one_that_is_not(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    before = ["magpie-chatml", "rewrite-question", "judge-new-question"]
    solved = ["solve-step-by-step"] * 5 + ["reward-response"] * 5
    for item in ran.items:
        (task,) = (task for task in ran.tasks if task.id == item.task)
        refused = number(item) % 4 == 3
        assert ran.of(task) == (before if refused else before + solved)
        assert item.reasons == (("low_solvable",) if refused else ())
        assert item.status is (Status.REJECTED if refused else Status.ACCEPTED)
    assert Counter(task.attributes["aim"] for task in ran.tasks) == {"solvability": 5, "difficulty": 5}
    assert len(ran.accepted) == 8


def test_the_generator_sees_the_template_alone_and_solvers_the_question_alone(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"domains": ["You solve problems in mechanics."]})
    for request in ran.asked("magpie-chatml"):
        assert request.kind == "completion"
        text = "<|im_start|>system\nYou solve problems in mechanics.<|im_end|>\n<|im_start|>user\n"
        assert request.text == text
    for request in ran.asked("rewrite-question"):
        assert request.role == "rewriter"
        (task,) = (task for task in ran.tasks if task.id == request.task)
        assert ("harder" in shown(request)) == (task.attributes["aim"] == "difficulty")
    for request in ran.asked("reward-response"):
        assert "Each basket holds" in request.variables["instruction"]  # what was written anew is what is solved


def test_the_best_of_five_is_kept_the_first_of_those_marked_alike(tmp_path: Path) -> None:
    for item in CASE.run(tmp_path).accepted:
        user, assistant = item.messages
        assert "Each basket holds" in user.content
        assert assistant.content.startswith("Solution 1 of")  # marked 9, as the fourth is
        rewards = {verdict.draft: verdict.scores["reward"] for verdict in item.verdicts if verdict.by == "reward"}
        assert sorted(rewards.values()) == pytest.approx(sorted(mark / 10 for mark in MARKS))
        assert rewards[item.drafts[-1].index] == pytest.approx(0.9)


def test_pairs_are_of_questions_written_anew_and_of_solutions(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    made = pairs(tmp_path)
    questions = [
        row for row in made if row["prompt"] == [{"role": "system", "content": "You solve problems in mathematics."}]
    ]
    assert len(questions) == len(ran.accepted)
    for row in questions:
        first, anew = row["rejected"][0]["content"], row["chosen"][0]["content"]
        assert anew.startswith(first)
        assert "Each basket holds" in anew
        assert row["reasons"][0] in ("low_solvability", "low_difficulty")
    solutions = [row for row in made if row not in questions]
    assert len(solutions) == len(ran.accepted)
    for row in solutions:
        assert row["chosen"][0]["content"].startswith("Solution 1")
        assert row["rejected"][0]["content"].startswith("Solution 4")
        assert row["reasons"] == ["low_reward"]


def test_what_fails_a_filter_costs_no_further_call(tmp_path: Path) -> None:
    strange = {
        "wrong_language": "Wie viele Birnen liegen in den sieben Koerben der neun Bauern, die gerecht teilen?",
        "pattern_forbidden": "What is two and two? <|im_start|>assistant It is four.",
        "empty": " ...",
    }
    for reason, text in strange.items():
        (folder := tmp_path / reason).mkdir()

        def script(request: Request, text: str = text) -> Any:
            return text if request.prompt == "magpie-chatml" else scale_quest(request)

        ran = replace(CASE, script=script).run(folder, options=ONE)
        assert ran.calls == {"magpie-chatml": 1}
        assert [item.reasons for item in ran.items] == [(reason,)]


def test_rewriting_may_be_left_out(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"rewrite": [], "solutions": 2})
    assert "rewrite-question" not in ran.calls
    assert all(row["reasons"] == ["low_reward"] for row in pairs(tmp_path))


def test_easy_questions_and_poor_solutions_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "easy").mkdir()
    hard = CASE.run(tmp_path / "easy", options={**ONE, "worth": {"solvable": 0.5, "difficulty": 0.7}})
    assert [item.reasons for item in hard.items] == [("low_difficulty",)]
    poor = CASE.run(tmp_path, options={**ONE, "minimum": {"reward": 0.95}})
    assert [item.reasons for item in poor.items] == [("low_reward",)]


def test_answers_that_cannot_be_used_are_left_out_and_only_all_of_them_fail_the_task(tmp_path: Path) -> None:
    def script(request: Request) -> Any:
        if request.prompt == "solve-step-by-step" and request.sample != 2:
            return BadReply("nothing usable")
        return scale_quest(request)

    ran = replace(CASE, script=script).run(tmp_path, options=ONE)
    assert [item.messages[1].content.split()[1] for item in ran.accepted] == ["2"]
    (other := tmp_path / "other").mkdir()

    def silent(request: Request) -> Any:
        return BadReply("nothing usable") if request.prompt == "solve-step-by-step" else scale_quest(request)

    ran = replace(CASE, script=silent).run(other, options=ONE)
    assert [item.reasons for item in ran.items] == [("bad_reply",)]


def test_options_that_cannot_work_stop_before_a_call(tmp_path: Path) -> None:
    model = Scripted(scale_quest)
    for place, options in enumerate(({"worth": {"solvable": 2}}, {"rewrite": ["style"]}, {"template": "none-such"})):
        (folder := tmp_path / str(place)).mkdir()
        with pytest.raises(ConfigError):
            CASE.campaign(folder, model, options=options).run()
    assert not model.requests


def draft(index: int, *contents: str) -> Draft:
    roles = ("user", "assistant")
    turns = tuple(Message(role=role, content=text) for role, text in zip(roles, contents, strict=True))
    return Draft(index=index, by="writer", messages=turns)


@pytest.mark.parametrize(
    ("decisions", "chosen"),
    [
        ({0: "revise", 1: "accept"}, "item-x/draft/1"),
        ({0: "revise", 1: "revise"}, None),  # it was sent back itself
        ({0: "revise"}, None),  # nobody said that it is any better
    ],
)
def test_where_the_prompt_changed_the_better_half_is_a_draft_that_was_accepted(
    decisions: dict[int, str], chosen: str | None
) -> None:
    drafts = (draft(0, "write", "bad"), draft(1, "write", "good"), draft(2, "good", "answer"))
    verdicts = tuple(
        Verdict(by="critic", draft=place, decision=Decision(said), reasons=("unclear",) if said == "revise" else ())
        for place, said in decisions.items()
    )
    item = Item(id="item-x", task="t", kind="sft", status=Status.ACCEPTED, messages=drafts[-1].messages,
                drafts=drafts, verdicts=verdicts)  # fmt: skip
    found = [row for row in refinement_pairs(item) if not isinstance(row, LeftOut)]
    assert [row["chosen_from"] for row in found] == ([chosen] if chosen else [])
    for row in found:
        assert row["chosen"][0]["content"] == "good"
        assert row["rejected"][0]["content"] == "bad"
        assert row["prompt"][0]["content"] == "write"
