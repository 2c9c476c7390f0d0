"""Recipes that search, whose next tasks hang on what the ones before gave: kill -9 of the process, several times."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from harness import CONCURRENCY, assert_accounted, completed, run_of
from mock_server import MockServer
from processes import Start, until

from gristmill import RunStore, Status
from gristmill.storage.records import Item

SEEDS = [{"text": f"Write a function number {name} that {what}."} for name, what in (
    ("one", "adds"), ("two", "sorts"), ("three", "counts"), ("four", "reads"), ("five", "prints"), ("six", "folds"),
)]  # fmt: skip
GENETIC = {"generations": 2, "colonies": 2, "steps": 2, "brood": 6, "shots": 2, "offspring": 2}
BORN = 2 * 2 * 2 * 6
MOST_CALLS = {"genetic-instruct": 1, "plan-search": 2}  # of one task at once: a plan is compared with two solutions
SEARCH = {"observations": 3, "derived": 1, "per_problem": 3, "leaves": 6}
PROBLEMS = [
    {"text": f"Write f(x) that gives x and {n} together.", "tests": f"assert f(1) == {n + 1}"} for n in range(5)
]


def mark(body: dict[str, Any]) -> str:
    """Digits that hang on the question alone."""
    asked = json.dumps([body["messages"], body.get("seed")], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:8]


def schema(body: dict[str, Any]) -> str:
    return str((body.get("response_format") or {}).get("json_schema", {}).get("name", ""))


def judged(good: bool) -> dict[str, Any]:
    score = {"name": "correct", "value": 0.9 if good else 0.1}
    return {"decision": "accept" if good else "reject", "scores": [score], "reasons": [] if good else ["incorrect"],
            "comment": "", "evidence": []}  # fmt: skip


def genetic(body: dict[str, Any]) -> str:
    """Some words that no other answer has, for no gate to find two of them alike; a quarter is unfit."""
    found = mark(body)
    words = " ".join(hashlib.sha256(f"{found}{place}".encode()).hexdigest()[:6] for place in range(8))
    match schema(body):
        case "Offspring":
            return json.dumps({"instructions": [f"Cross {number} of {words[::-1]} {number}{found}" if number else
                                                f"Mix {words}" for number in range(2)]})  # fmt: skip
        case "Mutant":
            return json.dumps({"instruction": f"Change {words}"})
        case "Judgement":
            return json.dumps(judged(int(found, 16) % 4 > 0))
    return f"```python\nprint('{found}')\n```"


def searching(body: dict[str, Any]) -> str:
    """Plans on the first observation fail; no two plans are one idea."""
    asked = body["messages"][-1]["content"]
    match schema(body):
        case "Observations":
            return json.dumps({"observations": [f"seen {number}" for number in range(3)]})
        case "Derived":
            return json.dumps({"derived": [f"insight {mark(body)}"]})
        case "Approach":
            return json.dumps({"plan": f"By {' '.join(re.findall('seen [0-9]', asked))} in {mark(body)}"})
        case "MendedApproach":
            return json.dumps({"critique": "slow", "plan": f"Mended in {mark(body)}"})
        case "SameIdea":
            return json.dumps({"reason": "", "same": False})
    number = re.findall(r"and (\d+) together", asked)[0]
    wrong = "+ 1" if "By seen 0" in asked else ""
    return f"```python\ndef f(x):\n    return x + {number} {wrong}  # {mark(body)}\n```"


def written(folder: Path, server: MockServer, recipe: str) -> Path:
    """Writes a campaign of `recipe` and its rows; its run will be `folder/runs/faults`."""
    folder.mkdir()
    rows, options = (SEEDS, GENETIC) if recipe == "genetic-instruct" else (PROBLEMS, SEARCH)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ['name = "faults"', f'recipe = "{recipe}"', 'documents = ["rows.jsonl"]', f"concurrency = {CONCURRENCY}"]
    lines += ["[options]", *(f"{name} = {value}" for name, value in options.items())]
    lines += ["[models.default]", 'model = "openai_api/mock"', f'base_url = "{server.url}"']
    path = folder / "faults.toml"
    path.write_text("\n".join(lines))
    return path


def ends(campaign: Path) -> dict[str, Item]:
    """The items of a campaign's run by task."""
    store = RunStore.read(run_of(campaign))
    try:
        return {item.task: item for item in store.items()}
    finally:
        store.close_reading()


@pytest.mark.parametrize("recipe", ["genetic-instruct", "plan-search"])
async def test_kill_9_changes_nothing_of_what_a_search_draws(recipe: str, tmp_path: Path, gristmill: Start) -> None:
    answer = genetic if recipe == "genetic-instruct" else searching
    async with MockServer(answer=answer) as server:
        whole = written(tmp_path / "whole", server, recipe)
        await completed(await gristmill("run", whole))
        undisturbed = ends(whole)
    if recipe == "genetic-instruct":
        assert len(undisturbed) == BORN
    async with MockServer(latency=0.15, answer=answer) as server:
        path = written(tmp_path / "killed", server, recipe)
        for share in (0.2, 0.45, 0.7):
            command = await gristmill("run", path)
            seen = int(share * 3 * len(undisturbed))
            await until(lambda seen=seen: len(server.log) >= seen)
            await command.killed()
        await completed(await gristmill("run", path))
        assert_accounted(run_of(path), server, planned=len(undisturbed), in_flight=3 * MOST_CALLS[recipe] * CONCURRENCY)
    killed = ends(path)
    assert {task: (item.status, item.reasons, item.messages) for task, item in killed.items()} == {
        task: (item.status, item.reasons, item.messages) for task, item in undisturbed.items()
    }
    by_id = {item.id: item for item in killed.values()}
    for item in killed.values():
        for parent in item.attributes.get("parents", ()):
            assert not parent.startswith("item-") or by_id[parent].status is Status.ACCEPTED
        if recipe == "plan-search":
            before = [one for one in killed.values() if one.chunks == item.chunks and one.status is Status.ACCEPTED
                      and one.attributes["leaf"] < item.attributes["leaf"]]  # fmt: skip
            assert sorted(item.attributes["known_plans"]) == sorted(one.fields["plan"] for one in before)
