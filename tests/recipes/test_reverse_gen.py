"""ReverseGen: what is accepted the target fails on, failures become examples, and topics with more are asked more."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_student import CASES, QUERIES, errs, reverse_gen
from seed_recipes import Case, Ran, beside, read

from gristmill import Campaign, Request, Scripted, Status
from gristmill.agents.failing import answer_entropy, failing
from gristmill.errors import ConfigError
from gristmill.evals.answers import same_answer
from gristmill.graphs.recipes.reverse_gen import _likeliest

CASE = CASES["reverse-gen"]
LARGE = Case(CASE.recipe, reverse_gen, QUERIES, {"batch": 30, "rounds": 5, "shots": 3}, others=("target",))


def topics(ran: Ran, number: int) -> Counter[str]:
    return Counter(task.attributes["topic"] for task in ran.tasks if task.attributes["round"] == str(number))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return LARGE.run(tmp_path_factory.mktemp("large"))


def test_the_target_fails_on_every_query_that_is_accepted_and_on_no_other(ran: Ran) -> None:
    for item in ran.items:
        topic, instruction = item.attributes["topic"], item.fields["instruction"]
        assert (item.status is Status.ACCEPTED) == errs(topic, instruction)
        if item.status is Status.ACCEPTED:
            assert not any(same_answer(said, item.fields["answer"]) for said in item.fields["target_answers"])
            assert item.messages[1].content == item.fields["response"] == item.drafts[-1].fields["response"]
            assert item.drafts[-2].fields["response"] == "I guess."
        else:
            assert item.reasons == ("target_right",)
    assert ran.report.books.balanced


def test_failures_become_the_examples_of_later_rounds(ran: Ran) -> None:
    known = {(item.attributes["topic"], item.fields["instruction"]): item.attributes["round"] for item in ran.accepted}
    seeds = {row["text"]: row["topic"] for row in QUERIES}
    with_failures = 0
    for request in ran.asked("reverse-gen-query"):
        (task,) = [task for task in ran.tasks if task.id == request.task]
        topic, said = request.variables["topic"], request.variables
        assert len(said["failures"]) + len(said["examples"]) == 3
        assert {seeds[text] for text in said["examples"]} <= {topic}
        for query in said["failures"]:
            assert int(known[topic, query]) < int(task.attributes["round"])
            assert query in request.messages[-1].content
        with_failures += bool(said["failures"])
        if task.attributes["round"] == "0" or topic == "capitals":
            assert not said["failures"]
    assert with_failures > 30


def test_topics_with_more_failures_are_drawn_more_often(ran: Ran) -> None:
    assert set(topics(ran, 0).values()) == {10}
    later = sum((topics(ran, number) for number in range(1, 5)), Counter())
    assert later["riddles"] > 3 * (later["sums"] + later["capitals"])


def test_the_bandit_asks_most_where_most_failed_and_still_asks_elsewhere() -> None:
    tried, failed = Counter(a=30, b=30, c=30), Counter(a=6, b=10, c=12)
    drawn = Counter(_likeliest("abc", tried, failed, random.Random(number)) for number in range(1000))
    assert drawn["c"] > drawn["b"] > drawn["a"] > 0
    even = Counter(_likeliest("abc", Counter(), Counter(), random.Random(number)) for number in range(900))
    assert min(even.values()) > 200


def test_the_calls_of_a_query(ran: Ran) -> None:
    count = len(ran.tasks)
    assert count == 150
    assert ran.calls == {"reverse-gen-query": count, "answer-for-reference": count, "answer-query": count}
    for task in ran.tasks[:20]:
        assert ran.of(task) == ["reverse-gen-query", "answer-for-reference", "answer-query"]
    assert {one.role for one in ran.asked("answer-query")} == {"target"}
    assert {one.role for one in ran.asked("answer-for-reference")} == {"reference"}


def test_an_invalid_query_costs_the_target_nothing(tmp_path: Path) -> None:
    def strict(request: Request) -> Any:
        if request.prompt == "answer-for-reference":
            return {"valid": False}
        return reverse_gen(request)

    ran = Case(CASE.recipe, strict, QUERIES, CASE.options, others=CASE.others).run(tmp_path)
    assert {item.reasons for item in ran.items} == {("invalid",)}
    assert "answer-query" not in ran.calls


def test_by_entropy_a_target_fails_that_is_unsure_whether_right_or_not(tmp_path: Path) -> None:
    def unsure(request: Request) -> Any:
        """Of riddles the target says something else each time, of sums two things in turn, of capitals one."""
        if request.prompt != "answer-query":
            return reverse_gen(request)
        topic = request.variables["instruction"].split(",")[0].removeprefix("Of ")
        of = {"riddles": request.sample, "sums": request.sample % 2}.get(topic, 0)
        return {"response": f"Perhaps {of}.", "answer": f"guess {'abcdefghij'[of]}"}

    options = {**CASE.options, "rounds": 1, "measure": "entropy", "samples": 10}
    ran = Case(CASE.recipe, unsure, QUERIES, options, others=CASE.others).run(tmp_path)
    assert {item.attributes["topic"] for item in ran.accepted} == {"riddles"}
    assert {item.reasons for item in ran.items if item.status is not Status.ACCEPTED} == {("target_sure",)}
    assert ran.calls["answer-query"] == 10 * len(ran.tasks)


def test_a_topic_whose_rows_are_gone_is_passed_over(tmp_path: Path) -> None:
    """In the middle of a round that was drawn from it: the next start goes on without."""
    small = Case(CASE.recipe, reverse_gen, QUERIES, {"batch": 9, "rounds": 2, "shots": 2}, others=CASE.others)
    before = small.run(tmp_path, max_tasks=4, concurrency=1)
    assert before.report.books.planned < 18
    left = replace(small, rows=[row for row in QUERIES if row["topic"] != "sums"])
    campaign = left.campaign(tmp_path, Scripted(reverse_gen))
    report = asyncio.run(campaign.execute(refresh=True))
    assert report.stop.code == "exhausted"
    assert report.books.balanced
    tasks, _ = read(tmp_path)
    late = [task for task in tasks if task.id not in {task.id for task in before.tasks}]
    assert {task.attributes["topic"] for task in late} == {"capitals", "riddles"}
    assert left.campaign(tmp_path, Scripted(reverse_gen)).run().stop.code == "exhausted", "at every start after it"


def test_reference_and_target_have_to_be_two_models(tmp_path: Path) -> None:
    model = Scripted(reverse_gen)
    (tmp_path / "rows.jsonl").write_text('{"text": "What is it?"}\n')
    with pytest.raises(ConfigError, match="roles reference, target are all answered by the object 'scripted'"):
        Campaign(
            "t", [tmp_path / "rows.jsonl"], recipe=CASE.recipe, runs=str(tmp_path / "runs"),
            models={"default": model, "other": beside(model, "other")},
        ).run()  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["4", "4", "four?"], -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))),
        (["4", "4.0", "4 "], 0.0),
        (["a" * n for n in range(2, 12)], math.log(10)),
        (["", ""], 0.0),
    ],
)
def test_entropy_counts_equal_answers_together(answers: list[str], expected: float) -> None:
    assert answer_entropy(answers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measure": "entropy", "samples": 3}, "3 answers have 1.099 nats at most"),
        ({"measure": "guess"}, "choose 'answer' or 'entropy'"),
        ({"samples": 0}, "need 1 at least"),
        ({"least_wrong": 0.0}, r"a share in \(0, 1\]"),
    ],
)
def test_thresholds_out_of_reach_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        failing(**options)
