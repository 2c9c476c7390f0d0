"""What every recipe that starts from seeds, labels or nothing must do: books, resumes after a loss, exports."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from recipe_families import CASES
from seed_recipes import Ran, read

from gristmill import Request, Scripted, Status
from gristmill.campaigns.datasets import export_run
from gristmill.errors import ServerLost
from gristmill.graphs.recipes.catalogue import recipe


def final(ran: Ran) -> set[tuple[str, str, str]]:
    """How each task ended, and with which text."""
    return ended(ran.items)


def ended(items: list[Any]) -> set[tuple[str, str, str]]:
    return {(item.task, item.status, "\n".join(message.content for message in item.messages)) for item in items}


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_runs_to_its_end_with_balanced_books_and_exports(name: str, tmp_path: Path) -> None:
    ran = CASES[name].run(tmp_path)
    assert ran.report.stop.code == "exhausted"
    assert ran.report.books.balanced
    assert ran.report.books.failed == 0
    assert ran.report.books.accepted == len(ran.accepted) > 3
    assert len({item.messages for item in ran.accepted}) == len(ran.accepted)
    for item in ran.accepted:
        assert [message.role for message in item.messages] == ["user", "assistant"]
        assert all(message.content for message in item.messages)
    out = tmp_path / "out"
    export_run(tmp_path / "runs" / "t", out=out, formats=("jsonl", "chat"))
    lines = [json.loads(line) for path in (out / "chat").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == len(ran.accepted)


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_that_lost_its_server_ends_as_if_it_had_not(name: str, tmp_path: Path) -> None:
    """Half way, with calls in flight; what was answered before is not asked again."""
    for folder in ("whole", "broken"):
        (tmp_path / folder).mkdir()
    whole = CASES[name].run(tmp_path / "whole")
    half, numbers = len(whole.requests) // 2, count()

    def lost(request: Request) -> Any:
        return CASES[name].script(request) if next(numbers) < half else ServerLost("gone")

    first = Scripted(lost)
    with pytest.raises(ServerLost):
        CASES[name].campaign(tmp_path / "broken", first).run()
    _, items = read(tmp_path / "broken")
    assert len(items) < len(whole.items)
    assert not [item for item in items if item.status is Status.FAILED]
    second = CASES[name].run(tmp_path / "broken")
    assert second.report.books.balanced
    assert final(second) == final(whole)
    assert {task.id for task in second.tasks} == {task.id for task in whole.tasks}
    assert half + len(second.requests) == len(whole.requests)


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_that_stopped_after_some_tasks_goes_on_to_the_same_end(name: str, tmp_path: Path) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = CASES[name].run(tmp_path / "whole")
    first = CASES[name].run(tmp_path / "parts", max_tasks=2)
    assert len(first.tasks) == 2
    assert final(CASES[name].run(tmp_path / "parts")) == final(whole)


@pytest.mark.parametrize("name", CASES)
def test_the_options_documented_are_the_options(name: str) -> None:
    page = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text()
    section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {option for row in rows for option in re.findall(r"`(\w+)`", row)} == set(recipe(name).options.model_fields)
