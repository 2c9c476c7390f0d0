"""What every recipe must do: books, its roles and no other, the calls that its page tells, losses, stops, exports."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from recipe_families import CASES
from seed_recipes import Ran, read

from gristmill import Request, Scripted, Status
from gristmill.agents.state import info_of
from gristmill.campaigns.commands.fitting import formats_of
from gristmill.campaigns.datasets import export_run
from gristmill.errors import ServerLost
from gristmill.graphs.flows.check import require_flow
from gristmill.graphs.recipes.base import NEEDS
from gristmill.graphs.recipes.catalogue import recipe, recipes
from gristmill.graphs.recipes.documented import calls_of
from gristmill.prompts.library import PromptLibrary

Whole = Callable[[str], Ran]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
def whole(folders: Path) -> Callable[[str], Ran]:
    """Runs a case to its end without a fault, one task at a time, once for all tests of the module."""
    return lambda name: _whole(name, folders)


@cache
def _whole(name: str, folders: Path) -> Ran:
    (folders / name).mkdir()
    return CASES[name].run(folders / name, concurrency=1)


def final(ran: Ran) -> set[tuple[str, str, str]]:
    """How each task ended, and with which text."""
    return {(item.task, item.status, "\n".join(message.content for message in item.messages)) for item in ran.items}


def test_every_recipe_has_a_case() -> None:
    assert set(CASES) == set(recipes())
    assert all(case.recipe == name for name, case in CASES.items())


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_runs_to_its_end_with_balanced_books(name: str, whole: Whole) -> None:
    ran = whole(name)
    assert ran.report.stop.code == "exhausted"
    assert ran.report.books.balanced
    assert ran.report.books.failed == 0
    assert ran.report.books.accepted == len(ran.accepted) > 3
    assert len(ran.accepted) == (CASES[name].accepts or len(ran.accepted))
    assert len({item.messages for item in ran.accepted}) == len(ran.accepted)
    alone = recipe(name).gives == "pretraining"
    for item in ran.accepted:
        assert item.kind == recipe(name).gives
        assert [message.role for message in item.messages] == (["assistant"] if alone else ["user", "assistant"])
        assert all(message.content for message in item.messages)


@pytest.mark.parametrize("name", CASES)
def test_what_is_accepted_is_exported(name: str, whole: Whole, folders: Path, tmp_path: Path) -> None:
    ran = whole(name)
    fitting, out = formats_of(recipe(name)), tmp_path / "out"
    exported = export_run(folders / name / "runs" / "t", out=out, formats=(*fitting, "parquet"))
    pairs = exported.counts.pop("dpo", {"train": 0})["train"]
    expected = dict.fromkeys((*fitting, "parquet"), len(ran.accepted))
    expected.pop("dpo", None)
    if "triplets" in fitting:
        expected["triplets"] = sum(len(item.fields["negatives"]) for item in ran.accepted)  # a row for each
    assert exported.counts == {form: {"train": rows} for form, rows in expected.items()}
    if name != "dart":  # whose few trials solve a problem each time or never; examples/sums has pairs of it
        assert (pairs > 0) == ("dpo" in fitting)
    rows = [json.loads(line) for line in (out / "jsonl" / "train.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {recipe(name).gives}
    assert {row["id"] for row in rows} == {item.id for item in ran.accepted}


@pytest.mark.parametrize("name", [name for name in CASES if recipe(name).flow is not None])
def test_an_item_takes_the_calls_that_the_page_tells(name: str, whole: Whole) -> None:
    assert whole(name).calls_an_item == calls_of(name), "make recipes-page counts them anew"


@pytest.mark.parametrize("name", [name for name in CASES if recipe(name).flow is not None])
def test_the_flow_asks_its_roles_and_no_other(name: str, whole: Whole) -> None:
    found = recipe(name)
    assert found.flow is not None
    assert found.needs <= set(NEEDS)
    options = found.options.model_validate(dict(CASES[name].options))
    flow, named = found.flow(options), {one for value in dict(options).values() if _are_names(value) for one in value}
    roles = set(found.roles) | named  # some recipes have roles that their options name
    require_flow(flow, roles=roles, prompts=PromptLibrary())
    infos = [info_of(getattr(node.runnable, "afunc", None)) for node in flow.nodes.values()]
    asked = {part.role for info in infos if info for part in (info, *info.parts) if part.role}
    assert asked <= roles
    assert {request.role for request in whole(name).requests} - {"extractor", "filter"} == asked


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, str) for one in value)


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_that_lost_its_server_ends_as_if_it_had_not(name: str, whole: Whole, tmp_path: Path) -> None:
    """Half way, with calls in flight; what was answered before is not asked again."""
    half, numbers = len(whole(name).requests) // 2, count()

    def lost(request: Request) -> Any:
        return CASES[name].script(request) if next(numbers) < half else ServerLost("gone")

    first = Scripted(lost)
    with pytest.raises(ServerLost):
        CASES[name].campaign(tmp_path, first).run()
    _, items = read(tmp_path)
    assert len(items) < len(whole(name).items)
    assert not [item for item in items if item.status is Status.FAILED]
    second = CASES[name].run(tmp_path)
    assert second.report.books.balanced
    assert final(second) == final(whole(name))
    assert {task.id for task in second.tasks} == {task.id for task in whole(name).tasks}
    assert half + len(second.requests) == len(whole(name).requests)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child runs a loop of its own and then dies
@pytest.mark.parametrize("name", CASES)
def test_a_recipe_that_was_killed_goes_on_to_the_same_end(name: str, whole: Whole, tmp_path: Path) -> None:
    """SIGKILL half way, amid calls: nothing is tidied up, and only what one task had in the air is asked again."""
    half, numbers = len(whole(name).requests) // 2, count()

    def killed(request: Request) -> Any:
        if next(numbers) >= half:
            os.kill(os.getpid(), signal.SIGKILL)
        return CASES[name].script(request)

    campaign = CASES[name].campaign(tmp_path, Scripted(killed), concurrency=1)
    child = get_context("fork").Process(target=campaign.run)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    second = CASES[name].run(tmp_path)
    assert second.report.books.balanced
    assert second.report.stop.code == "exhausted"
    assert final(second) == final(whole(name))
    assert {task.id for task in second.tasks} == {task.id for task in whole(name).tasks}
    of_one_task = max(Counter(request.task for request in whole(name).requests).values())
    assert len(second.requests) <= len(whole(name).requests) - half + of_one_task


@pytest.mark.parametrize("name", CASES)
def test_a_recipe_that_was_stopped_goes_on_to_the_same_end(name: str, whole: Whole, tmp_path: Path) -> None:
    first = CASES[name].run(tmp_path, max_tasks=2)
    assert first.report.books.balanced
    assert len(first.tasks) == 2
    assert final(CASES[name].run(tmp_path)) == final(whole(name))
