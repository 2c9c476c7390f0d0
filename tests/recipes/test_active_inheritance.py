"""Active inheritance: of k answers of several teachers the metric's best stays, and what drifted with it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from recipes_student import CASES, PROMPTS, active_inheritance
from seed_recipes import Case, Ran

from gristmill import Campaign, Reply, Request, Scripted
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.evals.folding import words
from gristmill.evals.quality.profile import METRICS, metric_named, moved, profile, readability
from gristmill.graphs.recipes.active_inheritance import ActiveInheritanceOptions, active_inheritance_flow
from gristmill.models.contract import Choice

CASE = CASES["active-inheritance"]


def answers(ran: Ran, task: str) -> list[str]:
    """What the script said for a task, in the order of roles and samples."""
    asked = sorted(
        (one for one in ran.requests if one.task == task), key=lambda one: (one.role != "teacher", one.sample)
    )
    return [str(CASE.script(one)) for one in asked]


@pytest.mark.parametrize(
    ("metric", "highest"), [("words", True), ("words", False), ("mtld", True), ("readability", False)]
)
def test_the_one_that_stays_is_the_metrics_best_of_k(metric: str, highest: bool, tmp_path: Path) -> None:
    ran = CASE.run(tmp_path, options={"metric": metric, "highest": highest})
    assert len(ran.accepted) == len(PROMPTS) * 2
    for item in ran.accepted:
        said = answers(ran, item.task)
        assert len(said) == 4
        assert [one["response"] for one in item.fields["candidates"]] == said
        best = (max if highest else min)(map(METRICS[metric], said))
        assert METRICS[metric](item.fields["response"]) == best
        assert item.fields["response"] == said[item.fields["chosen"]]
        assert [message.content for message in item.messages] == [item.fields["instruction"], item.fields["response"]]


def test_every_teacher_is_asked_for_every_prompt_and_sees_nothing_but_it(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    assert ran.calls == {"sample-response": len(PROMPTS) * 2 * 4}
    for task in ran.tasks:
        asked = [one for one in ran.requests if one.task == task.id]
        assert sorted(one.role for one in asked) == ["other", "other", "teacher", "teacher"]
        assert len({(one.role, one.sampling.seed) for one in asked}) == 4
        assert {one.messages[-1].content.strip() for one in asked} < {row["text"] for row in PROMPTS}
    seeds = {(one.role, one.messages[-1].content, one.sampling.seed) for one in ran.requests}
    assert len(seeds) == len(ran.requests), "two draws of a prompt asked the same again"


def test_teachers_have_to_be_different_models(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="roles teacher, other are all answered by the object 'scripted'"):
        Campaign(
            "t", [_rows(tmp_path)], recipe=CASE.recipe, options=dict(CASE.options), runs=str(tmp_path / "runs"),
            models={"default": Scripted(active_inheritance)},
        ).run()  # fmt: skip


def _rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROMPTS))
    return path


def test_an_answer_that_is_empty_or_cut_off_is_passed_over(tmp_path: Path) -> None:
    def poor(request: Request) -> Any:
        if "weir" in request.messages[-1].content:
            return "..."
        if request.role == "teacher":
            return Reply(choices=(Choice(text="long " * 50, finish_reason="length"),))
        return f"short {request.sampling.seed} on {request.messages[-1].content}"

    ran = Case(CASE.recipe, poor, PROMPTS, CASE.options, others=CASE.others).run(tmp_path)
    assert {item.fields["candidates"][0]["role"] for item in ran.accepted} == {"other"}
    assert all(len(item.fields["candidates"]) == 2 for item in ran.accepted)
    assert [item.reasons for item in ran.items if item not in ran.accepted] == [("empty",)] * 2


def shouting(text: str) -> float:
    return text.count("!")


def raising(text: str) -> float:
    raise LookupError("no scorer here")


def test_a_metric_of_the_users_own_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    name = f"{Path(__file__).stem}:shouting"

    def loud(request: Request) -> Any:
        return f"{active_inheritance(request)}{'!' * (request.sample + (request.role == 'other'))}"

    ran = Case(CASE.recipe, loud, PROMPTS, {**CASE.options, "metric": name}, others=CASE.others).run(tmp_path)
    assert {item.fields["response"].count("!") for item in ran.accepted} == {2}
    assert all(set(one["profile"]) == {*METRICS, name} for item in ran.accepted for one in item.fields["candidates"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "mltd"}, "no metric is called 'mltd'; did you mean 'mtld'"),
        ({"metric": "gone_module:f"}, "there is no module 'gone_module'"),
        ({"metric": "json:__name__"}, "is a str; it has to be a function"),
        ({"samples": 1, "teachers": ("one",)}, "leave no choice"),
        ({"teachers": ("one", "one")}, "name each role once"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        active_inheritance_flow(ActiveInheritanceOptions(**options))


def test_a_metric_that_raises_or_gives_no_number_names_itself() -> None:
    with pytest.raises(ConfigError, match="metric 'mine' raised LookupError: no scorer here"):
        profile("text", {"mine": raising})
    with pytest.raises(ConfigError, match="metric 'nan' gave nan for 'text'"):
        profile("text", {"nan": lambda _: float("nan")})


def test_what_moved_with_the_choice_is_a_part_of_the_report(tmp_path: Path) -> None:
    ran = CASE.run(tmp_path)
    out = CliRunner().invoke(main, ["eval", str(tmp_path / "runs" / "t"), "--json"], catch_exceptions=False).stdout
    parts = {part["name"]: part for part in json.loads(out)["sets"][0]["parts"]} if "sets" in json.loads(out) else {}
    figures = {one["name"]: one for one in (parts.get("drift") or _part(json.loads(out), "drift"))["figures"]}
    assert set(figures) == {f"drift_{name}" for name in METRICS}
    for name, one in figures.items():
        metric = METRICS[name.removeprefix("drift_")]
        moved_by = [
            metric(item.fields["response"]) - sum(map(metric, answers(ran, item.task))) / 4 for item in ran.accepted
        ]
        assert one["value"] == pytest.approx(sum(moved_by) / len(moved_by), abs=0.01)
    assert figures["drift_words"]["low"] > 0
    assert figures["drift_distinct_words"]["high"] < 0, "longer answers repeat themselves here, and the report says so"


def _part(found: Any, name: str) -> Any:
    if isinstance(found, dict):
        if found.get("name") == name and "figures" in found:
            return found
        found = list(found.values())
    for one in found if isinstance(found, list) else []:
        if (part := _part(one, name)) is not None:
            return part
    return None


@pytest.mark.parametrize(
    "fields",
    [{}, {"candidates": [], "chosen": 0}, {"candidates": [{}], "chosen": 0}, {"candidates": "x", "chosen": 0},
     {"candidates": [{"profile": {"words": 1}}], "chosen": 3},
     {"candidates": [{"profile": {"words": "1"}}], "chosen": 0}],
)  # fmt: skip
def test_what_was_not_chosen_among_several_has_not_moved(fields: dict[str, Any]) -> None:
    assert moved(fields) == {}


def test_metrics_count_what_they_say() -> None:
    text = "The mill stands. It stands by the river bank."
    found = profile(text)
    assert found["words"] == len(words(text)) == 9
    assert (found["characters"], found["sentence_words"]) == (len(text), 4.5)
    assert found["distinct_words"] == pytest.approx(7 / 9)
    letters = sum(map(str.isalnum, text))
    assert found["readability"] == pytest.approx(4.71 * letters / 9 + 0.5 * 9 / 2 - 21.43)
    harder = "Hydraulic infrastructure necessitates considerable administrative coordination."
    assert readability(harder) > readability(text)
    assert profile("")["readability"] == profile("...")["mtld"] == 0.0
    measure: Callable[[str], float] = metric_named("mtld")
    assert measure(text) > 0
