"""Genetic-Instruct: who is a parent of whom, what the judge's fitness does, how colonies meet, and when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_code import CASES, FOUNDERS, genetic
from seed_recipes import Case, Ran, mark, shown

from gristmill import Request, Status
from gristmill.errors import ConfigError
from gristmill.storage.records import Item

CASE = CASES["genetic-instruct"]
LARGER = {"generations": 3, "colonies": 3, "steps": 2, "brood": 6, "shots": 3, "offspring": 2}


def birth(item: Item) -> tuple[int, int, str]:
    made = item.attributes
    return int(made["generation"]), made["step"], made["colony"]


def by_id(ran: Ran) -> dict[str, Item]:
    return {item.id: item for item in ran.items}


def parents(item: Item, known: dict[str, Item]) -> list[Item]:
    """The parents of an item that are items, and no seeds."""
    return [known[one] for one in item.attributes["parents"] if one.startswith("item-")]


def changed(script: Callable[[Request], Any], prompt: str, answer: Callable[[Request], Any]) -> Case:
    return replace(CASE, script=lambda request: answer(request) if request.prompt == prompt else script(request))


def test_a_mutant_takes_three_calls_and_the_children_of_a_crossover_share_the_first(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options=LARGER)
    kinds = Counter(task.kind for task in ran.tasks)
    assert ran.calls["genetic-mutate"] == kinds["mutation"]
    assert ran.calls["genetic-crossover"] == kinds["crossover"] / 2
    for task, item in zip(ran.tasks, ran.items, strict=False):
        assert task.attributes.get("place", 0) in (0, 1)
        assert item.kind == "code"
    for task in ran.tasks:
        asked = [prompt for prompt in ran.of(task) if prompt != "genetic-crossover"]
        first = ["genetic-mutate"] if task.kind == "mutation" else []
        assert asked in ([*first, "genetic-code", "judge-code"], first), "what is a duplicate is not solved"
    assert {request.role for request in ran.requests} == {"instructor", "coder", "judge"}


def test_parents_that_meet_again_have_other_children(tmp_path: Path) -> None:
    """Of three members there are six orders only: a litter is one answer, and no other litter has it."""
    options = {"generations": 1, "colonies": 2, "steps": 2, "brood": 24, "offspring": 3, "crossover": 1.0}
    ran = replace(CASE, rows=FOUNDERS[:3]).run(tmp_path, options=options)
    first = [task for task in ran.tasks if task.attributes["step"] == 0]
    orders = {tuple(task.attributes["parents"]) for task in first}
    assert len(orders) <= 6
    assert len(first) == 2 * 24
    assert ran.calls["genetic-crossover"] == len(ran.tasks) / 3
    assert not any(item.reasons == ("duplicate",) for item in ran.items)
    answers = {task.id: next(item for item in ran.items if item.task == task.id) for task in first}
    litters: dict[tuple[str, int], set[str]] = {}
    for task in first:
        made = task.attributes
        instruction = answers[task.id].fields["instruction"]
        litters.setdefault((made["colony"], made["child"] - made["place"]), set()).add(instruction.split(" number ")[0])
    assert {len(marks) for marks in litters.values()} == {1}, "what one call wrote"
    assert len({mark for marks in litters.values() for mark in marks}) == len(litters) == 16


def test_children_come_of_seeds_and_of_what_survived_and_of_nothing_else(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options=LARGER)
    known = by_id(ran)
    assert any(item.status is Status.REJECTED for item in ran.items), "fitness refuses some"
    texts = {row["text"] for row in FOUNDERS}
    mixed = 0
    for item in ran.items:
        older = parents(item, known)
        assert all(parent.status is Status.ACCEPTED for parent in older)
        ids, members = item.attributes["parents"], item.attributes["members"]
        assert len(set(ids)) == len(ids) == len(members) == (3 if item.attributes["draw"] == "crossover" else 1)
        for id, text in zip(ids, members, strict=True):
            assert text == known[id].fields["instruction"] if id.startswith("item-") else text in texts
        assert list(item.chunks) == [id for id in ids if id.startswith("chunk-")]
        mixed += len(older) > 1
    assert mixed > 3
    for request in ran.asked("genetic-crossover"):
        assert all(f"{member}\n</data-" in shown(request) for member in request.variables["members"])
        assert len(request.variables["members"]) == 3


def test_colonies_do_not_see_each_other_before_they_are_merged(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options=LARGER)
    known, met, own = by_id(ran), 0, 0
    for item in ran.items:
        generation, step, colony = birth(item)
        for parent in parents(item, known):
            theirs, when, where = birth(parent)
            if theirs == generation:
                assert where == colony
                assert when < step
                own += 1
            else:
                assert theirs < generation
                met += where != colony
    assert own > 0, "a colony breeds from its own survivors of the step before"
    assert met > 0, "after the merge from those of others"


def test_what_the_judge_refuses_is_rejected_whatever_it_decides_in_words(tmp_path: Path) -> None:
    def low(request: Request) -> Any:
        return {"decision": "accept", "scores": [{"name": "correct", "value": 0.5}], "reasons": [], "comment": ""}

    ran = changed(genetic, "judge-code", low).run(tmp_path)
    assert {item.reasons for item in ran.items if "duplicate" not in item.reasons} == {("low_correct",)}
    assert not ran.accepted


def test_a_generation_of_which_nothing_survives_holds_nobody_up(tmp_path: Path) -> None:
    def refuse(request: Request) -> Any:
        return {"decision": "reject", "scores": [], "reasons": ["incorrect"], "comment": "", "evidence": []}

    ran = changed(genetic, "judge-code", refuse).run(tmp_path, options={**LARGER, "generations": 2})
    assert ran.report.stop.code == "exhausted"
    assert ran.report.books.planned == ran.report.books.rejected == 2 * 3 * 2 * 6
    assert {item.attributes["generation"] for item in ran.items} == {"1", "2"}
    assert not any(parents(item, by_id(ran)) for item in ran.items), "only seeds are left to breed from"


def test_a_task_that_fails_holds_nobody_up(tmp_path: Path) -> None:
    broken = changed(genetic, "genetic-mutate", lambda request: "no JSON at all")
    ran = broken.run(tmp_path, options=LARGER)
    assert ran.report.books.failed == sum(task.kind == "mutation" for task in ran.tasks) > 0
    assert ran.report.books.planned == 3 * 3 * 2 * 6
    assert ran.accepted


def test_the_same_children_are_born_whichever_task_is_ready_first(tmp_path: Path) -> None:
    found = []
    for concurrency in (1, 7):
        folder = tmp_path / str(concurrency)
        folder.mkdir()
        ran = CASE.run(folder, options=LARGER, concurrency=concurrency)
        found.append({task.id for task in ran.tasks})
    assert found[0] == found[1]
    assert len(found[0]) == 3 * 3 * 2 * 6


def test_it_stops_at_its_target(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={**LARGER, "generations": 100}, target=20)
    assert (ran.report.stop.code, len(ran.accepted)) == ("target", 20)
    assert {item.attributes["generation"] for item in ran.items} == {"1"}


def test_operators_keep_their_shares_of_what_survives(tmp_path: Path) -> None:
    """Three of four crossovers are refused, so they are drawn more often from the second generation on."""

    def fit(request: Request) -> Any:
        good = not request.variables["instruction"].startswith("Cross") or request.variables["instruction"][6] in "0123"
        return {
            "decision": "accept" if good else "reject",
            "scores": [{"name": "correct", "value": 0.9}],
            "reasons": [] if good else ["incorrect"],
        }

    options = {"generations": 4, "colonies": 2, "steps": 1, "brood": 24, "offspring": 3, "crossover": 0.5}
    ran = changed(genetic, "judge-code", fit).run(tmp_path, options=options)
    crossed = Counter(task.attributes["generation"] for task in ran.tasks if task.kind == "crossover")
    assert 21 <= crossed["1"] <= 27, "half, by litters of three"
    assert min(crossed[generation] for generation in "234") > 30
    operators = Counter(task.attributes["operator"] for task in ran.tasks if task.attributes["generation"] == "1")
    assert set(operators) == {"crossover", "constrain", "replace", "deepen", "wrong-code", "complexity"}
    assert all(4 <= count <= 6 for name, count in operators.items() if name != "crossover"), "the other half"


def test_operations_of_the_user_are_shown_as_they_are(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"mutations": {"rust": "ask for Rust."}, "crossover": 0.0, "generations": 1})
    assert {task.attributes["operator"] for task in ran.tasks} == {"rust"}
    assert all("by this operation: ask for Rust." in shown(request) for request in ran.asked("genetic-mutate"))
    with pytest.raises(ConfigError, match="mutations names 'crossover'"):
        CASE.run(tmp_path, options={"mutations": {"crossover": "mix."}})


def test_a_child_that_repeats_a_parent_is_not_solved(tmp_path: Path) -> None:
    def rewording(request: Request) -> Any:
        said = request.variables
        if request.prompt == "genetic-crossover":
            return {"instructions": [said["members"][0].upper()] * said["count"]}
        if request.prompt == "genetic-mutate":
            return {"instruction": said["members"][0].upper()}
        return genetic(request)

    ran = replace(CASE, script=rewording).run(tmp_path)
    assert {item.reasons for item in ran.items} == {("copied",)}
    assert "genetic-code" not in ran.calls


def test_a_mutant_may_differ_from_its_parent_by_a_word(tmp_path: Path) -> None:
    """A crossover may not: it is to be no rewording."""
    long = " ".join(f"word{number}" for number in range(60))
    rows = [{"text": f"{long} {row['text']}"} for row in FOUNDERS]

    def little(request: Request) -> Any:
        said = request.variables
        if request.prompt == "genetic-crossover":
            return {"instructions": [f"{said['members'][0]} {number}" for number in range(said["count"])]}
        return genetic(request)

    ran = replace(CASE, script=little, rows=rows).run(tmp_path)
    refused = {item.attributes["draw"] for item in ran.items if item.reasons == ("copied",)}
    assert refused == {"crossover"}
    assert {item.attributes["draw"] for item in ran.accepted} == {"mutation"}


def test_a_solution_may_have_to_run(tmp_path: Path) -> None:
    """Before the judge is paid."""

    def broken(request: Request) -> Any:
        if request.variables["instruction"].startswith("Cross"):
            return "Here it is.\n\n```python\nraise RuntimeError('no')\n```"
        return genetic(request)

    small = {"generations": 1, "colonies": 1, "steps": 1, "brood": 6, "execute": True}
    ran = changed(genetic, "genetic-code", broken).run(tmp_path, options=small)
    crossed = [item for item in ran.items if item.attributes["draw"] == "crossover"]
    assert {item.reasons for item in crossed} == {("execution_error",)}
    assert ran.accepted
    judged = {request.task for request in ran.asked("judge-code")}
    assert not judged & {item.task for item in crossed}


def test_a_solution_without_words_is_not_judged(tmp_path: Path) -> None:
    ran = changed(genetic, "genetic-code", lambda request: "...").run(tmp_path)
    assert {item.reasons for item in ran.items if "duplicate" not in item.reasons} == {("empty",)}
    assert "judge-code" not in ran.calls


def test_what_is_like_a_benchmark_is_no_parent(tmp_path: Path) -> None:
    held = "Return the sum of all even squares below the number that stands in the first line of the file."
    (tmp_path / "held.jsonl").write_text(f'{{"question": "{held}"}}\n')

    def leaks(request: Request) -> Any:
        return {"instruction": f"{held} Take {request.sampling.seed}."}

    ran = changed(genetic, "genetic-mutate", leaks).run(
        tmp_path, options=LARGER, contamination={"sets": [str(tmp_path / "held.jsonl")]}
    )
    mutants = [item for item in ran.items if item.attributes["draw"] == "mutation"]
    assert ("contaminated",) in {item.reasons for item in mutants} <= {("contaminated",), ("duplicate",)}
    assert not any(held in text for item in ran.items for text in item.attributes["members"])
    assert not any("sum of all even" in shown(request) for request in ran.asked("judge-code"))


def test_it_needs_as_many_seeds_as_a_crossover_shows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'genetic-instruct' needs 3 rows at least, and the documents have 2"):
        replace(CASE, rows=FOUNDERS[:2]).run(tmp_path, options={"shots": 3})


@pytest.mark.parametrize("exploration", [0.0, 0.1])
def test_an_operator_that_only_repeats_holds_nobody_up_under_steering(tmp_path: Path, exploration: float) -> None:
    """Its children are put aside once it is saturated; a step that waited for them would be the last."""

    def alike(request: Request) -> Any:
        return {"instructions": ["Cross what everybody crosses." for _ in range(request.variables["count"])]}

    steer = {"on": True, "dimensions": ["operator"], "after": 5, "memory": 10, "window": 8, "exploration": exploration}
    options = {**LARGER, "generations": 4, "colonies": 2, "brood": 40, "crossover": 0.2}
    ran = changed(genetic, "genetic-crossover", alike).run(tmp_path, options=options, steer=steer, novelty={"near": 0})
    assert "waits" not in ran.report.stop.text, ran.report.stop
    births = Counter((item.attributes["generation"], item.attributes["step"]) for item in ran.items)
    assert len(births) == 4 * 2, "no step is the last before its time"
    assert min(births.values()) >= 20, "mutants go on being born"
    crossed = sum(item.attributes["operator"] == "crossover" for item in ran.items)
    assert crossed < len(ran.items) / 4, "what only repeats is hardly paid for"
    assert ran.report.books.pending == 0


@pytest.mark.parametrize(("near", "born"), [(None, True), (0.8, False)], ids=["by default", "as elsewhere"])
def test_a_mutant_of_a_long_instruction_is_no_twin_of_its_parent(
    tmp_path: Path, near: float | None, born: bool
) -> None:
    long = [" ".join(f"{name}{number}" for number in range(150)) for name in ("add", "turn", "count")]

    def mutate(request: Request) -> Any:
        return {"instruction": f"{request.variables['members'][0]} And {shown_words(request)}"}

    case = replace(changed(genetic, "genetic-mutate", mutate), rows=[{"text": text} for text in long])
    options = {"generations": 2, "colonies": 1, "steps": 1, "brood": 12, "shots": 2, "crossover": 0.0}
    novelty = {} if near is None else {"novelty": {"near": near}}
    ran = case.run(tmp_path, options=options, **novelty)
    of_items = [item for item in ran.items if parents(item, by_id(ran))]
    twins = sum(item.reasons == ("duplicate",) for item in of_items)
    assert of_items
    assert twins == 0 if born else twins > len(of_items) / 2


def shown_words(request: Request) -> str:
    """Twenty words that no other request has."""
    return " ".join(f"{mark(request)}{number}" for number in range(20))
