"""Deliberate Practice: what the student of the round is unsure of is kept, and what it is unsure of is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipes_student import CASES, GOLD, deliberate_practice
from seed_recipes import Case, Ran

from gristmill import RunStore, Status
from gristmill.evals.student.classifier import Student

CASE = CASES["deliberate-practice"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("practice")


@pytest.fixture(scope="module")
def ran(folder: Path) -> Ran:
    return CASE.run(folder)


def taught(ran: Ran, turn: int) -> Student:
    """The student of a round, made here anew from the items."""
    before = [item for item in ran.accepted if int(item.attributes["round"]) < turn]
    known = [(row["text"], row["label"]) for row in GOLD]
    return Student.taught(known + [(item.fields["text"], item.fields["label"]) for item in before])


def test_what_is_kept_the_student_of_its_round_is_less_sure_of_than_of_what_is_dropped(ran: Ran) -> None:
    for turn in range(3):
        student = taught(ran, turn)
        kept, dropped = [], []
        for item in (item for item in ran.items if item.attributes["round"] == str(turn)):
            (guess,) = student.guesses([item.fields["text"]])
            (verdict,) = [verdict for verdict in item.verdicts if verdict.by == "student"]
            assert verdict.scores["entropy"] == pytest.approx(guess.entropy)
            (kept if item.status is Status.ACCEPTED else dropped).append(guess.entropy)
            assert item.reasons == (() if item.status is Status.ACCEPTED else ("student_sure",))
        assert len(kept) + len(dropped) == 9
        assert min(kept, default=1.0) >= 0.6 > max(dropped)
    assert ran.report.books.balanced
    assert len(ran.accepted) > 3


def test_what_is_written_after_is_what_the_student_is_least_sure_of(ran: Ran, folder: Path) -> None:
    store = RunStore.read(folder / "runs" / "t")
    notes = store.mark("notes")["rounds"]
    store.close_reading()
    for turn in range(3):
        student = taught(ran, turn)
        known = {row["text"] for row in GOLD} | {
            item.fields["text"] for item in ran.accepted if int(item.attributes["round"]) < turn
        }
        unsure = {text for text, _ in notes[str(turn)]["unsure"]}
        assert notes[str(turn)]["items"] == len(known)
        assert len(unsure) == 6
        lowest = min(guess.entropy for guess in student.guesses(sorted(unsure)))
        assert lowest >= max(guess.entropy for guess in student.guesses(sorted(known - unsure))) - 1e-9
        for task in (task for task in ran.tasks if task.attributes["round"] == str(turn)):
            assert {example["text"] for example in task.attributes["examples"]} <= unsure
            (request,) = [one for one in ran.asked("practice-write") if one.task == task.id]
            assert all(example["text"] in request.messages[-1].content for example in task.attributes["examples"])


def test_the_calls_of_a_text(ran: Ran) -> None:
    assert ran.calls == {"practice-write": 27, "label-text": 27}
    assert [task.attributes["label"] for task in ran.tasks[:4]] == ["hardware", "software"] * 2


def test_with_no_threshold_all_is_kept(tmp_path: Path) -> None:
    ran = Case(CASE.recipe, deliberate_practice, GOLD, {**CASE.options, "least_entropy": 0.0, "rounds": 1}).run(
        tmp_path
    )
    assert len(ran.accepted) == 9


def test_a_restart_amid_a_round_decides_by_the_same_student(tmp_path: Path, ran: Ran) -> None:
    CASE.run(tmp_path, max_tasks=13)
    again = CASE.run(tmp_path)
    assert {(item.task, item.status) for item in again.items} == {(item.task, item.status) for item in ran.items}
