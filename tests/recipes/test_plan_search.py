"""PlanSearch: leaves differ by their observations, what fails its tests or repeats an idea goes, a search ends."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_code import CASES, PROBLEMS, plan_search
from seed_recipes import Case, Ran, shown

from gristmill import Request, Status
from gristmill.agents.ideas import new_idea
from gristmill.campaigns.datasets import export_run
from gristmill.errors import ConfigError
from gristmill.storage.records import Item

CASE = CASES["plan-search"]
WIDE = {"observations": 3, "derived": 2, "per_problem": 50, "leaves": 50, "least_diversity": 0.0}
ABOVE = {"plansearch-observe", "plansearch-derive", "plansearch-plan"}


def changed(prompt: str, answer: Callable[[Request], Any]) -> Case:
    return replace(CASE, script=lambda request: (answer if request.prompt == prompt else plan_search)(request))


def different(request: Request) -> Any:
    return {"reason": "", "same": False}


def same(request: Request) -> Any:
    return {"reason": "", "same": True}


def leaves(ran: Ran) -> dict[str, list[Item]]:
    """The items of each problem by leaf."""
    found = defaultdict(list)
    for item in sorted(ran.items, key=lambda item: item.attributes["leaf"]):
        found[item.chunks[0]].append(item)
    return found


def test_leaves_share_the_calls_above_them(tmp_path: Path) -> None:
    ran = changed("same-idea", different).run(tmp_path, options=WIDE)
    combined, derived = 3 + 3, 2 + 1  # of three observations and of two, at most two at once
    problems, plans = len(PROBLEMS), combined * derived
    assert len(ran.tasks) == problems * plans * 2
    assert ran.calls["plansearch-observe"] == problems
    assert ran.calls["plansearch-derive"] == problems * combined
    assert ran.calls["plansearch-plan"] == ran.calls["plansearch-mend"] == problems * plans
    assert ran.calls["plansearch-pseudocode"] == ran.calls["plansearch-code"] == len(ran.tasks)
    for task in ran.tasks:
        own = [prompt for prompt in ran.of(task) if prompt not in ABOVE and prompt != "same-idea"]
        mend = ["plansearch-mend"] if task.kind == "mended-plan" else []
        assert own == [*mend, "plansearch-pseudocode", "plansearch-code"]
    assert {request.role for request in ran.requests} == {"planner", "judge", "coder"}


def test_each_combination_reaches_the_coder_with_its_own_observations(tmp_path: Path) -> None:
    ran = changed("same-idea", different).run(tmp_path, options=WIDE)
    observed = {tuple(request.variables["combination"]) for request in ran.asked("plansearch-plan")}
    assert observed == {("seen 0",), ("seen 1",), ("seen 2",), ("seen 0", "seen 1"), ("seen 0", "seen 2"),
                        ("seen 1", "seen 2")}  # fmt: skip
    plans = Counter(
        (request.variables["problem"], *request.variables["combination"], *request.variables["insights"])
        for request in ran.asked("plansearch-plan")
    )
    assert set(plans.values()) == {1}
    kinds = {task.id: task for task in ran.tasks}
    for request in ran.asked("plansearch-code"):
        task = kinds[request.task]
        wanted = " and ".join(f"seen {place}" for place in task.attributes["observed_places"])
        told = "+".join(f"seen {place}" for place in task.attributes["observed_places"])
        insights = " and ".join(f"insight {place} of {told}" for place in task.attributes["derived_places"])
        plan = f"By {wanted} with {insights}."
        assert request.variables["plan"] == (f"Mended {plan}" if task.kind == "mended-plan" else plan)
        assert f"{request.variables['plan']}\n</data-" in shown(request)
        assert request.variables["pseudocode"] == f"do {request.variables['plan']}"
    coded = Counter(
        (request.variables["problem"], request.variables["plan"]) for request in ran.asked("plansearch-code")
    )
    assert set(coded.values()) == {1}, "no two leaves have one plan"


def test_what_fails_its_tests_is_never_accepted(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    wrong = [item for item in ran.items if item.fields["plan"].startswith("By seen 0 ")]
    assert {item.reasons for item in wrong} == {("wrong_output",)}
    assert ran.accepted
    for item in ran.accepted:
        assert item.kind == "code"
        (verdict,) = (verdict for verdict in item.verdicts if verdict.by == "runs")
        assert (verdict.decision, verdict.scores) == ("accept", {"match": 1.0})
        user, answer = (message.content for message in item.messages)
        assert user in {row["text"] for row in PROBLEMS}
        assert answer.startswith(item.fields["plan"])
        assert answer.count("```") == 2


def test_a_program_that_leaves_before_its_tests_or_cheats_them_is_refused(tmp_path: Path) -> None:
    def leaves_early(request: Request) -> Any:
        return f"import sys\nsys.exit(0)  # {request.variables['plan']}"

    def wants_a_network(request: Request) -> Any:
        return f"import socket\nsocket.socket()  # {request.variables['plan']}"

    for name, code in (("early", leaves_early), ("network", wants_a_network)):
        (tmp_path / name).mkdir()
        ran = changed("plansearch-code", code).run(tmp_path / name, options={"leaves": 2})
        assert not ran.accepted
        assert len({item.reasons for item in ran.items} & {("wrong_output",), ("execution_forbidden",)}) == 1


def test_every_test_of_a_row_must_pass(tmp_path: Path) -> None:
    rows = [{**row, "tests": [*row["tests"], "assert f(0) == 0"]} for row in PROBLEMS]
    ran = replace(CASE, rows=rows).run(tmp_path, options={"leaves": 2})
    assert {item.reasons for item in ran.items} == {("wrong_output",)}
    assert all("test 2:" in item.verdicts[-1].text or "seen 0" in item.fields["plan"] for item in ran.items)


def test_an_idea_that_solved_the_problem_before_is_cut_before_it_is_written_out(tmp_path: Path) -> None:
    ran = changed("same-idea", same).run(tmp_path, options={"least_diversity": 0.0})
    for items in leaves(ran).values():
        (accepted,) = (item for item in items if item.status is Status.ACCEPTED)
        for item in items:
            later = item.attributes["leaf"] > accepted.attributes["leaf"]
            assert item.attributes["known_plans"] == ([accepted.fields["plan"]] if later else [])
            if later:
                assert item.reasons == ("same_idea",)
                assert item.verdicts[-1].scores == {"idea_diversity": 0.0}
                assert not [request for request in ran.asked("plansearch-code") if request.task == item.task]


def test_a_plan_is_compared_with_every_solution_before_it(tmp_path: Path) -> None:
    """One that has the idea of any is cut."""

    def like_the_first(request: Request) -> Any:
        solved = request.variables["first"]
        return {"reason": "", "same": solved in firsts and request.variables["second"] != solved}

    firsts: set[str] = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    whole = changed("same-idea", different).run(tmp_path / "a")
    for items in leaves(whole).values():
        solved = [item for item in items if item.status is Status.ACCEPTED]
        for number, item in enumerate(solved):
            assert item.attributes["known_plans"] == [one.fields["plan"] for one in solved[:number]]
            scores = [verdict.scores for verdict in item.verdicts if verdict.by == "ideas"]
            assert scores == ([{"idea_diversity": 1.0}] if number else [])
        firsts.add(solved[0].fields["plan"])
    ran = changed("same-idea", like_the_first).run(tmp_path / "b")
    assert all(len([item for item in items if item.status is Status.ACCEPTED]) == 1 for items in leaves(ran).values())
    asked = Counter((request.task, request.variables["first"]) for request in ran.asked("same-idea"))
    assert set(asked.values()) == {1}


def test_a_problem_is_left_when_it_has_solutions_enough(tmp_path: Path) -> None:
    ran = changed("same-idea", different).run(tmp_path, options={"per_problem": 2})
    for items in leaves(ran).values():
        assert [item.attributes["leaf"] for item in items] == list(range(len(items))), "one after another"
        assert sum(item.status is Status.ACCEPTED for item in items) == 2
        assert items[-1].status is Status.ACCEPTED


def test_a_problem_is_left_when_its_plans_are_ideas_that_it_has(tmp_path: Path) -> None:
    """After eight plans that were compared; before the first solution there is nothing to compare with."""
    options = {**WIDE, "least_diversity": 0.25}
    ran = changed("same-idea", same).run(tmp_path, options=options)
    for items in leaves(ran).values():
        compared = [item for item in items if item.attributes["known_plans"]]
        assert len(compared) == 8
        assert len(items) < 36


def test_a_list_that_is_too_short_costs_no_further_call(tmp_path: Path) -> None:
    def short(request: Request) -> Any:
        return {"observations": ["seen 1", "seen 2"]}

    ran = changed("plansearch-observe", short).run(tmp_path)
    refused = [item for item in ran.items if 2 in item.attributes["observed_places"]]
    assert {item.reasons for item in refused} == {("unsuitable",)}
    assert not {item.task for item in refused} & {
        request.task for request in ran.requests if request.prompt != "plansearch-observe"
    }
    assert ran.accepted


def test_leaves_in_work_together_know_what_the_wave_before_gave(tmp_path: Path) -> None:
    found = []
    for concurrency in (1, 6):
        folder = tmp_path / str(concurrency)
        folder.mkdir()
        options = {**WIDE, "at_once": 3, "per_problem": 7}
        ran = changed("same-idea", different).run(folder, options=options, concurrency=concurrency)
        found.append({task.id for task in ran.tasks})
        for items in leaves(ran).values():
            assert sum(item.status is Status.ACCEPTED for item in items) >= 7
            for item in items:
                wave = item.attributes["leaf"] // 3
                before = [one for one in items if one.attributes["leaf"] // 3 < wave and one.status is Status.ACCEPTED]
                assert item.attributes["known_plans"] == [one.fields["plan"] for one in before]
            assert len(items) % 3 == 0
    assert found[0] == found[1], "whichever task is ready first"


def test_a_program_that_another_leaf_wrote_is_no_second_solution(tmp_path: Path) -> None:
    def always(request: Request) -> Any:
        return "def f(x):\n    return x + 3"

    case = replace(changed("same-idea", different), rows=PROBLEMS[:1])
    script = case.script
    case = replace(case, script=lambda one: always(one) if one.prompt == "plansearch-code" else script(one))
    ran = case.run(tmp_path, options={"at_once": 4})
    assert len(ran.accepted) == 1
    assert {item.reasons for item in ran.items if item.status is Status.REJECTED} == {("duplicate",)}


def test_a_program_that_failed_is_the_worse_half_of_a_pair(tmp_path: Path) -> None:
    """One whose idea the problem had, or that nobody wrote, is not."""
    ran = CASE.run(tmp_path)
    export_run(tmp_path / "runs" / "t", out=tmp_path / "out", formats=("dpo",))
    pairs = [json.loads(line) for line in (tmp_path / "out" / "dpo" / "train.jsonl").read_text().splitlines()]
    assert pairs
    passing = {item.messages[-1].content for item in ran.accepted}
    failing = {item.messages[-1].content for item in ran.items if item.reasons == ("wrong_output",)}
    assert {pair["chosen"][0]["content"] for pair in pairs} <= passing
    assert {pair["rejected"][0]["content"] for pair in pairs} == failing

    (tmp_path / "same").mkdir()
    changed("same-idea", same).run(tmp_path / "same", options={"least_diversity": 0.0})
    export_run(tmp_path / "same" / "runs" / "t", out=tmp_path / "same" / "out", formats=("dpo",))
    text = (tmp_path / "same" / "out" / "dpo" / "train.jsonl").read_text()
    assert all("seen 0" in json.loads(line)["rejected"][0]["content"] for line in text.splitlines())


def test_without_tests_a_program_must_run_to_its_end(tmp_path: Path) -> None:
    rows = [{"text": row["text"]} for row in PROBLEMS]
    with pytest.raises(ConfigError, match=r"reads tests from the column 'tests', and .*#1 has none"):
        replace(CASE, rows=rows).run(tmp_path)

    def broken(request: Request) -> Any:
        good = "seen 1" in request.variables["plan"]
        return f"def f(x):\n    return x  # {request.variables['plan']}\n{'' if good else 'f()'}"

    (tmp_path / "none").mkdir()
    ran = replace(changed("plansearch-code", broken), rows=rows).run(tmp_path / "none", options={"tests": ""})
    assert {item.reasons for item in ran.items if "seen 1" not in item.fields["plan"]} == {("execution_error",)}
    assert ran.accepted


def test_short_searches_leave_their_steps_out(tmp_path: Path) -> None:
    options = {**WIDE, "derived": 0, "mend": False, "pseudocode": False, "largest": 1}
    ran = changed("same-idea", different).run(tmp_path, options=options)
    assert set(ran.calls) == {"plansearch-observe", "plansearch-plan", "plansearch-code", "same-idea"}
    assert len(ran.tasks) == len(PROBLEMS) * 3
    assert not any("As pseudo-code" in shown(request) or "What follows" in shown(request) for request in ran.requests)


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="least is 2; a share lies in"):
        new_idea("plan", known=lambda state: [], least=2)
