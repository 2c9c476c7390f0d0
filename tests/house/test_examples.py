"""The campaigns of examples/ run as they stand, and what they make is what they say."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from places import ROOT

from gristmill import RunStore, Status
from gristmill.cli import main
from gristmill.storage.records import Item

EXAMPLES = ROOT / "examples"
ANSWERS = {row["text"]: row["answer"] for row in map(json.loads, (EXAMPLES / "sums.jsonl").read_text().splitlines())}
Pairs = list[dict[str, Any]]


def boxed(message: dict[str, str]) -> str:
    return re.findall(r"\\boxed\{(.*)\}", message["content"])[0]


def of_several_documents(items: list[Item], pairs: Pairs) -> None:
    """`graph`: most problems are drawn from chunks of more than one document."""
    assert sum(len(item.chunks) > 1 for item in items) > len(items) / 2


def right_against_wrong(items: list[Item], pairs: Pairs) -> None:
    """`sums`: the answer decides, on both sides of a pair; the problems that are harder had more trials."""
    assert {item.messages[0].content for item in items} == set(ANSWERS)
    assert pairs
    for pair in pairs:
        answer = ANSWERS[pair["prompt"][0]["content"]]
        assert boxed(pair["chosen"][0]) == answer != boxed(pair["rejected"][0])


def ran_against_did_not(items: list[Item], pairs: Pairs) -> None:
    """`queries`: a pair's worse query is the weak model's, and its fault is known."""
    assert pairs
    for pair in pairs:
        assert pair["chosen"][0]["content"] != pair["rejected"][0]["content"]
        assert set(pair["reasons"]) <= {"execution_error", "wrong_output"}


def the_better_model_more_often(items: list[Item], pairs: Pairs) -> None:
    """`search`: the reward steers the search to the stronger model."""
    asked = Counter(draft.by for item in items for draft in item.drafts)
    assert asked["strong"] > asked["weak"] > 0
    assert len(pairs) == len(items) == len(ANSWERS)


def reference_against_student(items: list[Item], pairs: Pairs) -> None:
    """`student`: every query is one that the student got wrong."""
    assert len(pairs) == len(items)
    for item in items:
        assert item.fields["answer"] not in item.fields["target_answers"]


HELD: dict[str, Callable[[list[Item], Pairs], None]] = {
    "graph": of_several_documents,
    "sums": right_against_wrong,
    "queries": ran_against_did_not,
    "search": the_better_model_more_often,
    "student": reference_against_student,
}


@pytest.mark.parametrize("name", HELD)
def test_an_example_makes_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["run", str(EXAMPLES / f"{name}.toml"), "--runs", str(tmp_path), "--plain"])
    assert done.exit_code == 0, done.output
    store = RunStore.read(tmp_path / name)
    items = list(store.items(Status.ACCEPTED))
    assert items
    assert not list(store.items(Status.FAILED))
    store.close_reading()
    file = tmp_path / name / "export" / "dpo" / "train.jsonl"
    HELD[name](items, [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else [])


def test_every_campaign_of_the_folder_is_listed_and_held() -> None:
    files = {path.stem for path in EXAMPLES.glob("*.toml")}
    assert files == HELD.keys() | {"demo"}  # the demo is held to README.md
    listed = set(re.findall(r"\]\((\w+)\.toml\)", (EXAMPLES / "README.md").read_text()))
    assert listed == files
