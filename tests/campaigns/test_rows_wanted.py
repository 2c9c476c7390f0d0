"""The columns that options name, and sources that are empty or lacking: said before the first task, with the mend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from recipes_reasoning import CASES as REASONING
from recipes_student import CASES, GOLD
from seed_recipes import CASES as SEEDS

from gristmill import Campaign, RunStore, Scripted
from gristmill.campaigns.forecast import forecast
from gristmill.campaigns.progress import Progress
from gristmill.errors import ConfigError
from gristmill.graphs.planners.base import columns_of
from gristmill.graphs.recipes.base import ROWS
from gristmill.graphs.recipes.catalogue import recipes

NEEDED = [
    (name, option, column)
    for name, one in recipes().items()
    for option, (column, mark) in columns_of(one.options()).items()
    if mark.needed
]


class Told(Progress):
    """Keeps what is said to the person."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def written(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def campaign(name: str, folder: Path, model: Scripted, **values: Any) -> Campaign:
    return Campaign(
        "t", [folder / "rows.jsonl"], recipe=name, models={"default": model}, runs=str(folder / "runs"), **values
    )


def test_there_are_columns_to_check() -> None:
    assert {("s3", "label", "label"), ("dart", "answer", "answer")} <= set(NEEDED)
    assert len(NEEDED) >= 7


@pytest.mark.parametrize(("name", "option", "column"), NEEDED)
def test_a_needed_column_that_no_row_has_is_refused_with_the_nearest(
    name: str, option: str, column: str, tmp_path: Path
) -> None:
    model = Scripted([])
    written(tmp_path, [{"text": f"row {number}", f"{column}s": "x", "other": 1} for number in range(4)])
    with pytest.raises(ConfigError) as told:
        campaign(name, tmp_path, model).run()
    assert str(told.value) == (
        f"options.{option}: '{name}' reads the column '{column}' of every row, and no row has it; did you mean "
        f"'{column}s'? (there are: {column}s, other)"
    )
    assert model.requests == []


@pytest.mark.parametrize("blank", [{}, {"label": None}, {"label": "  "}])
def test_a_needed_column_that_some_rows_lack_is_refused(blank: dict[str, Any], tmp_path: Path) -> None:
    model = Scripted([])
    written(tmp_path, [*GOLD, {"text": "one more", **blank}, {"text": "and one", **blank}])
    said = f"'label' of every row, and 2 of {len(GOLD) + 2} have no value there; fill it in, or leave these out"
    with pytest.raises(ConfigError, match=said):
        campaign("s3", tmp_path, model).run()
    assert model.requests == []


def test_rows_that_were_mended_are_read_anew_and_options_may_be_mended_too(tmp_path: Path) -> None:
    case = CASES["s3"]
    with pytest.raises(ConfigError, match="reads the column 'labl'"):
        case.run(tmp_path, options={"label": "labl"})
    assert case.run(tmp_path).accepted, "the option was mended"
    other = tmp_path / "other"
    other.mkdir()
    written(other, [{"text": row["text"], "kind": row["label"]} for row in GOLD])
    with pytest.raises(ConfigError, match="no row has it"):
        campaign("s3", other, Scripted(case.script), options=dict(case.options)).run()
    written(other, GOLD)
    assert campaign("s3", other, Scripted(case.script), options=dict(case.options), max_tasks=8).run().accepted


def test_a_dry_run_and_a_refresh_look_too(tmp_path: Path) -> None:
    case = CASES["s3"]
    with pytest.raises(ConfigError, match="reads the column 'labl'"):
        asyncio.run(forecast(case.campaign(tmp_path, options={"label": "labl"})))
    case.run(tmp_path, max_tasks=3)
    changed = case.campaign(tmp_path)
    written(tmp_path, [*GOLD, {"text": "one without"}])
    with pytest.raises(ConfigError, match=f"1 of {len(GOLD) + 1} have no value"):
        asyncio.run(changed.execute(refresh=True))
    store = RunStore.read(tmp_path / "runs" / "t")
    try:
        assert store.mark("ingested")["documents"] == len(GOLD), "the run is as it was"
    finally:
        store.close_reading()


def test_a_column_that_may_lack_is_said_once_where_the_user_named_it(tmp_path: Path) -> None:
    case = SEEDS["bare"]
    told = Told()
    case.run(tmp_path, told, options={"response": "respones"}, max_tasks=2)
    (line,) = [line for line in told.lines if line.startswith("options.")]
    assert line.startswith("options.response: no row has the column 'respones'; did you mean 'response'? (there are: ")
    assert line.endswith("); 'bare' goes on without")
    again = Told()
    case.run(tmp_path, again, options={"response": "respones"}, max_tasks=3)
    assert not [line for line in again.lines if line.startswith("options.")]
    silent = Told()
    (tmp_path / "silent").mkdir()
    rows = [{"text": row["text"]} for row in case.rows]
    written(tmp_path / "silent", rows)
    campaign("bare", tmp_path / "silent", Scripted(case.script), max_tasks=1).run(silent)
    assert not [line for line in silent.lines if line.startswith("options.")], "nobody named it"


def test_a_planner_of_ones_own_is_not_held_to_columns(tmp_path: Path) -> None:
    written(tmp_path, [{"text": "a row"}])
    report = campaign("dart", tmp_path, Scripted([]), planner=lambda view, count, rng, options: []).run()
    assert report.stop.code == "exhausted"


# sources


@pytest.mark.parametrize(("name", "text"), [("rows.jsonl", ""), ("rows.jsonl", "\n\n"), ("rows.csv", "text,label\n")])
def test_a_table_without_rows_is_said_to_be_empty(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    model = Scripted([])
    with pytest.raises(ConfigError) as told:
        Campaign("t", [tmp_path / name], recipe="s3", models={"default": model}, runs=str(tmp_path / "runs")).run()
    assert f"{name}: no_rows: has no rows" in str(told.value)
    assert "there are no files" not in str(told.value)
    assert "\n's3' reads a file of lines such as {\"text\":" in str(told.value)


def test_a_path_that_is_none_is_met_with_a_row_where_rows_are_read(tmp_path: Path) -> None:
    for name, shows in (("bare", True), ("wrap", False)):
        with pytest.raises(ConfigError, match=r"rows.jsonl' does not exist \(looked from ") as told:
            campaign(name, tmp_path / name, Scripted([])).run()
        assert (f"\n'{name}' reads a file of lines such as {{" in str(told.value)) == shows


@pytest.mark.parametrize("name", [name for name, one in recipes().items() if one.needs & ROWS])
def test_a_recipe_that_is_given_no_rows_shows_one(name: str, tmp_path: Path) -> None:
    one = recipes()[name]
    case = {**CASES, **SEEDS, **REASONING}.get(name)
    model = {"default": "openai_api/one", **{role: f"openai_api/{role}" for group in one.apart for role in group}}
    with pytest.raises(ConfigError) as told:
        Campaign("t", recipe=name, models=model, options=dict(case.options if case else {})).prepare()
    said, _, line = str(told.value).partition('; add documents = ["rows.jsonl"], a file of lines such as ')
    assert f"recipe '{name}' needs " in said
    assert "graph" not in line or "knowledge graph" not in str(told.value)
    row = json.loads(line)
    assert row["text"]
    assert {column for column, mark in columns_of(one.options()).values() if mark.needed} <= set(row)


def test_the_row_that_is_shown_has_the_names_that_options_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'such as \{"body":".*","sort":".*"\}$'):
        Campaign(
            "t", recipe="s3", models={"default": "offline"}, options={"label": "sort"}, text_field="body"
        ).prepare()
