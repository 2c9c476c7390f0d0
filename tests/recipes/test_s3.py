"""S3: the student's errors on gold are what is written after; its accuracy rises, and then it ends."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes_student import CASES, GOLD, SUBJECTS, label_of, s3, subject_of
from seed_recipes import Case, Ran, mark, read

from gristmill import Request, RunStore, Scripted
from gristmill.errors import ConfigError
from gristmill.storage.records import Chunk

CASE = CASES["s3"]


def rounds(folder: Path) -> dict[int, dict[str, Any]]:
    store = RunStore.read(folder / "runs" / "t")
    try:
        return {int(number): found for number, found in store.mark("notes")["rounds"].items()}
    finally:
        store.close_reading()


def text_of(folder: Path, row: str) -> str:
    """The text of a gold row by the id that the notes have."""
    store = RunStore.read(folder / "runs" / "t")
    try:
        ((body,),) = store.rows("SELECT body FROM chunks WHERE id = ?", row)
        return Chunk.model_validate_json(body).text
    finally:
        store.close_reading()


def of_round(ran: Ran, number: int) -> list[Any]:
    return [task for task in ran.tasks if task.attributes["round"] == str(number)]


def test_the_accuracy_on_gold_rises_until_there_is_no_error_left(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    found = rounds(tmp_path)
    accuracies = [found[number]["accuracy"] for number in sorted(found)]
    assert accuracies[0] < 0.7
    assert accuracies[-1] == 1.0
    assert not found[max(found)]["wrong"]
    assert [found[number]["items"] for number in sorted(found)] == [
        sum(int(item.attributes["round"]) < number for item in ran.accepted) for number in sorted(found)
    ]
    assert ran.report.stop.code == "exhausted"
    assert not of_round(ran, max(found))


def test_what_is_written_follows_the_errors_and_carries_their_labels(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    found = rounds(tmp_path)
    for number in sorted(found)[:-1]:
        wrong = {text_of(tmp_path, row): said for row, said in found[number]["wrong"]}
        drawn = Counter()  # type: Counter[str]
        for task in of_round(ran, number):
            (asked,) = [one for one in ran.asked("s3-extrapolate") if one.task == task.id]
            text = asked.variables["passage"]
            assert asked.variables["predicted"] == wrong[text] != asked.variables["label"] == label_of(text)
            drawn[text] += 1
        assert set(drawn.values()) == {2}
        assert len(drawn) == min(4, len(wrong))
    for item in ran.accepted:
        assert item.fields["label"] == label_of(item.fields["text"])
        if item.attributes["round"] != "0":
            assert len(item.chunks) == 1
            assert item.attributes["predicted"] != item.fields["label"]


def test_a_refresh_in_the_middle_of_a_round_leaves_its_errors_what_they_were(tmp_path: Path) -> None:
    """A row that comes in front moves all others; one that goes takes its own errors with it, and no others."""
    cut = CASE.run(tmp_path, max_tasks=9, concurrency=1)
    noted = rounds(tmp_path)[1]["wrong"]
    assert len(of_round(cut, 1)) == 3, "the round is not drawn to its end"
    gone = next(row for row, _ in noted if all(task.chunks != (row,) for task in of_round(cut, 1)))
    lost = text_of(tmp_path, gone)
    left = [row for row in GOLD if row["text"] != lost]
    moved = replace(CASE, rows=[{"text": "On a boat, a cable frayed near the plug.", "label": "hardware"}, *left])
    report = asyncio.run(moved.campaign(tmp_path, Scripted(s3)).execute(refresh=True))
    assert report.stop.code == "exhausted"
    assert report.books.balanced
    assert rounds(tmp_path)[1]["wrong"] == noted
    tasks, _ = read(tmp_path)
    errors = [task for task in tasks if task.attributes["round"] == "1"]
    said = dict(map(tuple, noted))
    assert len(errors) > 3
    for task in errors:
        (row,) = task.chunks
        assert task.attributes["predicted"] == said[row]
        assert task.attributes["label"] == label_of(text_of(tmp_path, row)) != said[row]
        assert row != gone


def test_the_calls_of_a_text(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert ran.calls["s3-rationales"] == len(SUBJECTS)
    assert ran.calls["s3-write"] == 2 * 3
    assert ran.calls["label-text"] == len(ran.tasks) == ran.calls["s3-write"] + ran.calls["s3-extrapolate"]
    assert {one.variables["given_label"] for one in ran.asked("label-text")} == {""}
    assert [task.attributes["label"] for task in of_round(ran, 0)] == ["hardware", "software"] * 3


def test_it_stops_when_the_student_learns_no_more(tmp_path: Path) -> None:
    def useless(request: Request) -> Any:
        if request.prompt != "s3-extrapolate":
            return s3(request)
        return {"text": f"{SUBJECTS[request.variables['label']][0]} {request.sampling.seed} {hash_of(request)}"}

    def hash_of(request: Request) -> str:
        return subject_of(request.variables["passage"])[::-1].replace(" ", "")

    ran = Case("s3", useless, GOLD, {**CASE.options, "patience": 1}).run(tmp_path)
    found = rounds(tmp_path)
    assert max(found) < 6
    best = max(found[number]["accuracy"] for number in found if number < max(found))
    assert found[max(found)]["accuracy"] <= best
    assert found[max(found)]["wrong"]
    assert not of_round(ran, max(found))
    assert ran.report.stop.code == "exhausted"


def test_the_last_round_is_examined_too(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"rounds": 1})
    assert sorted(rounds(tmp_path)) == [1, 2]
    assert of_round(ran, 1)
    assert not of_round(ran, 2)


def test_a_copy_of_gold_and_a_wrong_label_are_refused(tmp_path: Path) -> None:
    def bad(request: Request) -> Any:
        if request.prompt == "s3-extrapolate":
            copied = {"text": request.variables["passage"].upper()}
            return copied if request.sampling.seed else {"text": f"the update froze the installer {mark(request)}"}
        return s3(request)

    ran = Case("s3", bad, GOLD, {**CASE.options, "rounds": 1}).run(tmp_path)
    reasons = Counter(reason for item in ran.items for reason in item.reasons)
    assert reasons["copied"] == 4
    assert reasons["wrong_label"] == 4
    assert ran.report.books.balanced


def test_gold_never_leaves_and_a_test_set_is_kept_out(tmp_path: Path) -> None:
    """A text that shares the wording of the test set is rejected by the campaign's guard, in every round."""
    text = "A cable frayed near the plug, and sparks flew over the whole desk of the poor clerk that night."
    secret = tmp_path / "test.jsonl"
    secret.write_text(json.dumps({"text": text}) + "\n")

    def leaking(request: Request) -> Any:
        if request.prompt == "s3-extrapolate" and "cable" in request.variables["passage"]:
            return {"text": f"{text} {request.sampling.seed}{request.variables['passage'][:9]}"}
        return s3(request)

    case = Case("s3", leaking, GOLD, CASE.options)
    ran = case.run(tmp_path, contamination={"sets": [str(secret)]})
    assert not [item for item in ran.accepted if "sparks" in item.fields["text"]]
    assert [item for item in ran.items if "contaminated" in item.reasons]
    assert not any("sparks" in str(request.messages) for request in ran.asked("s3-extrapolate"))
    assert not {item.fields["text"] for item in ran.accepted} & {row["text"] for row in GOLD}


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([row for row in GOLD if row["label"] == "hardware"], {}, "two labels at least, and all 12 have 'hardware'"),
        (GOLD, {"labels": {"hardware": "a part"}}, "rows with the label 'software', which options.labels does not"),
        ([{"text": "no label"}, *GOLD], {}, "1 of 25 have no value there"),
    ],
)
def test_gold_that_cannot_teach_is_said_at_once(
    rows: list[dict[str, str]], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        Case("s3", s3, rows, {**CASE.options, **options}).run(tmp_path)


def test_a_student_that_was_given_nothing_says_so_and_loses_nothing(tmp_path: Path) -> None:
    def refusing(request: Request) -> Any:
        return {"reason": "", "label": "other"} if request.prompt == "label-text" else s3(request)

    with pytest.raises(ConfigError, match="none of the first texts was accepted"):
        Case("s3", refusing, GOLD, CASE.options).run(tmp_path)
    store = RunStore.read(tmp_path / "runs" / "t")
    assert store.books().balanced
    assert store.books().rejected == 6
    store.close_reading()
