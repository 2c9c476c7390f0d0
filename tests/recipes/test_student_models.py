"""S3 and Deliberate Practice with a student that is a model: asked inside the flow, examined by what the books say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recipes_student import CASES, GOLD, SUBJECTS, deliberate_practice, label_of, s3, subject_of
from seed_recipes import Case, Ran, Script, read

from gristmill import Campaign, Request, RunStore, Scripted, Status
from gristmill.campaigns.forecast import forecast
from gristmill.campaigns.training.handover import Handed
from gristmill.errors import ConfigError

KNOWN = {subjects[0] for subjects in SUBJECTS.values()}  # what the student is right on
TAUGHT = KNOWN | {subjects[1] for subjects in SUBJECTS.values()}  # and one that was trained
OTHER = {"hardware": "software", "software": "hardware"}
S3 = {**CASES["s3"].options, "student": "model", "most_errors": 4}
PRACTICE = {**CASES["deliberate-practice"].options, "student": "model", "samples": 8}


def pupil(known: set[str]) -> Script:
    def play(request: Request) -> Any:
        if request.role != "student":
            return s3(request)
        right = label_of(request.variables["text"])
        return {"label": right if subject_of(request.variables["text"]) in known else OTHER[right]}

    return play


def unsure(request: Request) -> Any:
    """The student says software of every so manieth answer: the more, the higher a digit of the text is."""
    if request.role != "student":
        return deliberate_practice(request)
    return {"label": "software" if request.sample < votes(request.variables["text"]) else "hardware"}


def votes(text: str) -> int:
    return sum(map(ord, text)) % 5


def evenness(text: str) -> float:
    share = votes(text) / 8
    return -sum(part * math.log2(part) for part in (share, 1 - share) if part) + 0.0


def notes(folder: Path) -> dict[int, dict[str, Any]]:
    store = RunStore.read(folder / "runs" / "t")
    try:
        return {int(number): found for number, found in store.mark("notes")["rounds"].items()}
    finally:
        store.close_reading()


def case(recipe: str, script: Script, options: Mapping[str, Any]) -> Case:
    return Case(recipe, script, GOLD, options, others=("student",))


def ends(ran: Ran) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(item.task, item.status, item.reasons) for item in ran.items}


# s3


def test_what_the_student_knows_costs_one_call_and_the_rest_is_written_after(tmp_path: Path) -> None:
    ran = case("s3", pupil(KNOWN), S3).run(tmp_path)
    exams = [task for task in ran.tasks if task.kind == "error" and "predicted" not in task.attributes]
    assert len(exams) == len(GOLD)
    rows = {task.id: task for task in exams}
    knew = [item for item in ran.items if item.reasons == ("student_right",)]
    assert len(knew) == sum(subject_of(row["text"]) in KNOWN for row in GOLD) == 8
    for item in knew:
        assert ran.of(rows[item.task]) == ["label-text"]
        assert not item.drafts
    written = ran.asked("s3-extrapolate")
    for request in written:
        right = label_of(request.variables["passage"])
        assert subject_of(request.variables["passage"]) not in KNOWN
        assert (request.variables["label"], request.variables["predicted"]) == (right, OTHER[right])
    asked = [request for request in ran.requests if request.role == "student"]
    assert Counter(request.variables["text"] for request in asked) == {row["text"]: 1 for row in GOLD}
    assert {request.variables["given_label"] for request in asked} == {""}
    assert len(written) == 16 + 4, "each error once, and once more for `most_errors` of them"
    assert {item.models["student"] for item in ran.items if item.task in rows} == {"student"}
    assert ran.report.books.balanced


def test_a_round_s_accuracy_is_counted_and_without_a_trainer_there_is_one(tmp_path: Path) -> None:
    ran = case("s3", pupil(KNOWN), S3).run(tmp_path)
    found = notes(tmp_path)
    assert list(found) == [1]
    assert found[1]["accuracy"] == pytest.approx(8 / 24)
    examined = [task for task in ran.tasks if task.kind == "error" and "predicted" not in task.attributes]
    assert found[1]["wrong"] == [
        [task.chunks[0], OTHER[row["label"]]]
        for task, row in zip(examined, GOLD, strict=True)
        if subject_of(row["text"]) not in KNOWN
    ]
    assert {task.attributes["round"] for task in ran.tasks} == {"0", "1"}
    assert ran.report.stop.code == "exhausted"


def test_a_student_that_knows_all_ends_it(tmp_path: Path) -> None:
    ran = case("s3", pupil({subject for known in SUBJECTS.values() for subject in known}), S3).run(tmp_path)
    assert notes(tmp_path).get(1, {"accuracy": 1.0})["accuracy"] == 1.0
    assert not ran.asked("s3-extrapolate")
    assert ran.report.stop.code == "exhausted"


@pytest.mark.parametrize("stop", [4, 17, 29, 32])
def test_s3_goes_on_after_a_stop_to_the_same_end(stop: int, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    cut = case("s3", pupil(KNOWN), S3)
    whole = cut.run(tmp_path / "whole")
    first = cut.run(tmp_path / "cut", max_tasks=stop)
    assert len(first.tasks) == stop < len(whole.tasks)
    second = cut.run(tmp_path / "cut")
    assert ends(second) == ends(whole)
    assert notes(tmp_path / "cut") == notes(tmp_path / "whole")
    assert Counter(one.prompt for one in (*first.requests, *second.requests)) == whole.calls


def trained(recipe: str, folder: Path, hook: Any, script: Script, after: Script, options: Mapping[str, Any]) -> Ran:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in GOLD))
    first, better = Scripted(script), Scripted(after, name="better")
    better.requests = first.requests
    report = Campaign(
        "t", [rows], recipe=recipe, options=dict(options), trainer=hook, runs=str(folder / "runs"), concurrency=3,
        models={"default": first, "better": better},
    ).run()  # fmt: skip
    return Ran(first.requests, report, *read(folder))


def test_s3_examines_the_model_that_the_trainer_gave(tmp_path: Path) -> None:
    handed: list[Handed] = []

    def hook(given: Handed) -> str | None:
        handed.append(given)
        return "better" if given.round == 1 else None

    ran = trained("s3", tmp_path, hook, pupil(KNOWN), pupil(TAUGHT), {**S3, "rounds": 4, "patience": 1})
    found = notes(tmp_path)
    assert [found[number]["accuracy"] for number in sorted(found)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert [one.round for one in handed] == [0, 1, 2], "the third exam was no better, and it ends"
    for one in handed:
        kept = [item for item in ran.accepted if item.attributes["round"] == str(one.round)]
        assert one.items == len(kept) > 3
    asked = {item.attributes["round"]: item.models["student"] for item in ran.items if "student" in item.models}
    assert asked == {"1": "scripted", "2": "better", "3": "better"}
    seeds = [{one.seed for one in ran.tasks if one.attributes["round"] == str(turn)} for turn in (1, 2, 3)]
    assert not seeds[0] & seeds[1] | seeds[1] & seeds[2], "weights may change behind a name that the cache knows"
    assert ran.report.books.balanced


@pytest.mark.parametrize("recipe", ["s3", "deliberate-practice"])
def test_a_classifier_is_not_given_a_trainer(recipe: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'give options\.student = "model"'):
        trained(recipe, tmp_path, lambda handed: None, s3, s3, CASES[recipe].options)


def test_the_role_is_known_only_where_a_model_is_the_student(tmp_path: Path) -> None:
    for recipe, script in (("s3", pupil(KNOWN)), ("deliberate-practice", unsure)):
        with pytest.raises(ConfigError, match="no node asks the role 'student'"):
            case(recipe, script, CASES[recipe].options).run(tmp_path)


@pytest.mark.parametrize(
    ("recipe", "options", "drawn"),
    [("s3", CASES["s3"].options, 6), ("s3", S3, 6 + len(GOLD)), ("deliberate-practice", PRACTICE, 27)],
)
async def test_a_forecast_counts_what_is_drawn_before_a_student_has_to_learn(
    recipe: str, options: dict[str, Any], drawn: int, tmp_path: Path
) -> None:
    script = unsure if recipe == "deliberate-practice" else pupil(KNOWN)
    others = ("student",) if "student" in options else ()
    found = await forecast(Case(recipe, script, GOLD, options, others=others).campaign(tmp_path), pilot=3)
    assert found.pilot_tasks == 3
    assert found.drawn == drawn


# deliberate-practice


def test_what_is_kept_the_model_is_less_sure_of_than_of_what_is_dropped(tmp_path: Path) -> None:
    ran = case("deliberate-practice", unsure, PRACTICE).run(tmp_path)
    kept, dropped = [], []
    for item in ran.items:
        (verdict,) = [verdict for verdict in item.verdicts if verdict.by == "student"]
        assert verdict.scores["entropy"] == pytest.approx(evenness(item.fields["text"]))
        assert item.reasons == (() if item.status is Status.ACCEPTED else ("student_sure",))
        (kept if item.status is Status.ACCEPTED else dropped).append(verdict.scores["entropy"])
    assert min(kept) >= 0.6 > max(dropped)
    assert len(kept) + len(dropped) == 27
    assert ran.calls == {"practice-write": 27, "label-text": 27, "guess-label": 8 * 27}
    asked = Counter((one.task, one.sampling.seed) for one in ran.asked("guess-label"))
    assert set(asked.values()) == {1}, "each answer of a text is drawn by a seed of its own"
    assert {one.sampling.temperature for one in ran.asked("guess-label")} == {1.0}
    assert ran.report.books.balanced


def test_the_next_round_is_shown_the_kept_texts_of_highest_entropy(tmp_path: Path) -> None:
    ran = case("deliberate-practice", unsure, {**PRACTICE, "unsure": 3}).run(tmp_path)
    for turn, found in notes(tmp_path).items():
        before = [item.fields["text"] for item in ran.accepted if int(item.attributes["round"]) < turn]
        unsure_of = {text for text, _ in found["unsure"]}
        assert found["items"] == len(before)
        assert len(unsure_of) == 3
        if turn == 0:
            assert unsure_of <= {row["text"] for row in GOLD}
            assert found["entropy"] is None
            continue
        assert len(before) >= 3
        assert unsure_of <= set(before)
        rest = [evenness(text) for text in set(before) - unsure_of]
        assert min(map(evenness, unsure_of)) >= max(rest, default=0.0)
        for task in (task for task in ran.tasks if task.attributes["round"] == str(turn)):
            assert {example["text"] for example in task.attributes["examples"]} == unsure_of


def test_rows_stand_in_where_too_little_is_kept(tmp_path: Path) -> None:
    def sure(request: Request) -> Any:
        return {"label": "software"} if request.role == "student" else deliberate_practice(request)

    ran = case("deliberate-practice", sure, {**PRACTICE, "rounds": 2}).run(tmp_path)
    assert ran.accepted == []
    assert Counter(item.reasons for item in ran.items) == {("student_sure",): 18}
    assert all(len(found["unsure"]) == 6 for found in notes(tmp_path).values())


@pytest.mark.parametrize("stop", [5, 13, 21])
def test_deliberate_practice_goes_on_after_a_stop_to_the_same_end(stop: int, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    cut = case("deliberate-practice", unsure, PRACTICE)
    whole = cut.run(tmp_path / "whole")
    cut.run(tmp_path / "cut", max_tasks=stop)
    assert ends(cut.run(tmp_path / "cut")) == ends(whole)
    assert notes(tmp_path / "cut") == notes(tmp_path / "whole")


def test_the_trainer_s_model_is_asked_in_the_next_round(tmp_path: Path) -> None:
    rounds: list[int] = []

    def hook(given: Handed) -> str:
        rounds.append(given.round)
        return "better"

    ran = trained("deliberate-practice", tmp_path, hook, unsure, unsure, {**PRACTICE, "rounds": 3})
    assert rounds == [0, 1, 2]
    assert {(item.attributes["round"], item.models["student"]) for item in ran.items} == {
        ("0", "scripted"), ("1", "better"), ("2", "better")}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 3, "least_entropy": 0.95}, "3 answers over 2 classes reach 0.918 at most; lower it, or raise"),
        ({"samples": 2, "labels": dict.fromkeys(("hardware", "software", "c", "d"), "")}, "reach 0.500 at most"),
    ],
)
def test_an_entropy_that_so_few_answers_cannot_have_is_said_at_once(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        case("deliberate-practice", unsure, {**PRACTICE, **options}).run(tmp_path)
