"""DART: trials by what the books say, on a script whose pass rates are known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_reasoning import CASES, PROBLEMS, RATES, dart
from seed_recipes import Ran, shown

from gristmill import Request, Scripted, Status
from gristmill.campaigns.planning.tries import Tries
from gristmill.errors import ConfigError
from gristmill.graphs.planners.tried import Tried
from gristmill.graphs.recipes.trials import fail_rate
from gristmill.storage.records import Item
from gristmill.storage.store import RunStore

CASE = CASES["dart"]


def name_of(item: Item) -> str:
    return str(item.fields["instruction"]).split()[1]


def trials(ran: Ran) -> Counter[str]:
    return Counter(map(name_of, ran.items))


def right(ran: Ran) -> Counter[str]:
    return Counter(map(name_of, ran.accepted))


def test_one_call_a_trial_that_shows_the_problem_and_not_its_answer(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert ran.calls == {"solve-step-by-step": len(ran.tasks)}
    for request in ran.requests:
        assert "times" in shown(request)
        assert not any(row["answer"].split()[-1] in shown(request) for row in PROBLEMS)
    assert {task.kind for task in ran.tasks} == {"initial", "trial"}
    assert len({(task.chunks, task.seed) for task in ran.tasks}) == len(ran.tasks)  # no sample twice


def test_a_wrong_answer_is_never_accepted(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"correct": 5, "max_trials": 20})
    answers = {row["text"]: row["answer"].split()[-1] for row in PROBLEMS}
    for item in ran.items:
        is_right = f"\\boxed{{{answers[item.messages[0].content]}}}" in item.messages[1].content
        assert (item.status is Status.ACCEPTED) == is_right
        assert item.reasons == (() if is_right else ("incorrect",))


def test_uniform_gives_every_solvable_problem_as_many_and_stops_at_the_cap(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"strategy": "uniform", "correct": 4, "max_trials": 60})
    assert ran.report.stop.code == "exhausted"
    assert right(ran) == {"easy": 4, "even": 4, "hard": 4}
    tried = trials(ran)
    assert tried["easy"] == 4 < tried["even"] < tried["hard"] < tried["hopeless"] == 60


def test_prop2diff_gives_right_solutions_in_proportion_to_the_fail_rate_of_the_first(tmp_path: Path) -> None:
    options = {"strategy": "prop2diff", "correct": 8, "initial": 10, "max_trials": 150, "least": 1}
    ran = CASE.run(tmp_path, options=options)
    first = {name: [item for item in ran.items if name_of(item) == name and item.attributes["draw"] == "initial"]
             for name in RATES}  # fmt: skip
    assert all(len(items) == 10 for items in first.values())
    kept, tried = right(ran), trials(ran)
    for name, items in first.items():
        solved = sum(item.status is Status.ACCEPTED for item in items)
        share = (1 - solved / 10) / 1.0  # the hopeless one is the hardest: it fails always
        wanted = max(1, round(8 * share))
        assert kept[name] == (0 if name == "hopeless" else max(solved, wanted))
    assert tried["easy"] == 10 < tried["hard"] < tried["hopeless"] == 150


def test_the_hardest_has_all_also_where_it_is_not_hopeless(tmp_path: Path) -> None:
    rows = [row for row in PROBLEMS if "hopeless" not in row["text"]]
    options = {"strategy": "prop2diff", "correct": 6, "initial": 5, "max_trials": 200}
    ran = replace(CASE, rows=rows).run(tmp_path, options=options)
    assert right(ran)["hard"] == 6


def test_equal_solutions_are_dropped_and_are_right_for_the_difficulty(tmp_path: Path) -> None:
    def alike(request: Request) -> Any:
        if "easy" in request.variables["instruction"]:
            return "\\boxed{144}"
        return dart(request)

    options = {"strategy": "prop2diff", "correct": 4, "initial": 4, "max_trials": 12}
    ran = replace(CASE, script=alike).run(tmp_path, options=options)
    easy = [item for item in ran.items if name_of(item) == "easy"]
    assert Counter(item.reasons for item in easy) == {(): 1, ("duplicate",): 3}  # easy: no trial after the first four


def test_fail_rates_count_what_was_answered() -> None:
    assert fail_rate(Tried()) == 1.0
    assert fail_rate(Tried(planned=9, accepted=1, rejected={"duplicate": 1, "incorrect": 2}, failed=3)) == 0.5
    assert fail_rate(Tried(planned=2, failed=2)) == 1.0


@pytest.mark.parametrize("strategy", ["uniform", "prop2diff"])
def test_the_same_trials_are_made_whatever_the_order_in_which_they_end(strategy: str, tmp_path: Path) -> None:
    drawn = []
    for concurrency in (1, 7):
        (folder := tmp_path / str(concurrency)).mkdir()
        options = {"strategy": strategy, "correct": 4, "max_trials": 20}
        drawn.append({task.id for task in CASE.run(folder, concurrency=concurrency, options=options).tasks})
    assert drawn[0] == drawn[1]


def test_a_campaign_that_stops_again_and_again_makes_the_same_trials(tmp_path: Path) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    options = {"correct": 4, "max_trials": 12}
    whole = CASE.run(tmp_path / "whole", options=options)
    parts = None
    for most in range(3, len(whole.tasks) + 4, 4):
        parts = CASE.run(tmp_path / "parts", max_tasks=most, options=options)
        assert len(parts.tasks) == min(most, len(whole.tasks))
    assert parts is not None
    assert {task.id for task in parts.tasks} == {task.id for task in whole.tasks}
    assert parts.report.stop.code == "exhausted"
    assert right(parts) == right(whole)


def test_answers_that_cannot_be_read_cost_their_trials_and_do_not_stall(tmp_path: Path) -> None:
    ran = replace(CASE, script=lambda _: "I do not know.").run(tmp_path, options={"max_trials": 5, "initial": 2})
    assert ran.report.stop.code == "exhausted"
    assert trials(ran) == dict.fromkeys(RATES, 5)
    assert {item.reasons for item in ran.items} == {("no_answer",)}


def test_a_row_without_an_answer_and_trials_that_do_not_suffice_stop_before_a_call(tmp_path: Path) -> None:
    model = Scripted(dart)
    with pytest.raises(ConfigError, match="'dart' reads the column 'answer'"):
        replace(CASE, rows=[{"text": "What is it?"}]).campaign(tmp_path, model).run()
    for options in ({"max_trials": 1, "initial": 2}, {"strategy": "uniform", "correct": 99}, {"least": 5}):
        with pytest.raises(ConfigError, match=r"raise it|more than correct"):
            CASE.campaign(tmp_path, model, options=options).run()
    assert not model.requests


def test_what_a_view_counts_is_what_the_store_says_at_any_end(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    store = RunStore.read(tmp_path / "runs" / "t")
    try:
        tries = Tries(store, lambda task: task, set())
        for chunk in {task.chunks[0] for task in ran.tasks}:
            for kind in ("initial", "trial"):
                items = [item for item in ran.items if item.chunks == (chunk,) and item.attributes["draw"] == kind]
                found = tries.of(chunk, kind)
                assert found.planned == found.ended == len(items)
                assert found.accepted == sum(item.status is Status.ACCEPTED for item in items)
                assert found.rejected == Counter(item.reasons[0] for item in items if item.reasons)
        task = ran.tasks[0]
        before = tries.of(task.chunks[0], task.kind)
        tries.ended(task, Status.ACCEPTED, "")  # its end was read already, and counts once
        assert tries.of(task.chunks[0], task.kind) == before
    finally:
        store.close_reading()
