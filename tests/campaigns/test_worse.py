"""Answers of a weaker model that stay with an item: exports pair them with it, and the campaign's guards see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipe_families import CASES
from seed_recipes import Ran

from gristmill import Request
from gristmill.campaigns.datasets import export_run
from gristmill.storage.records import Decision, Item

ADDRESS = "jo@mill-at-ashford.org"


def pairs(folder: Path) -> list[dict[str, Any]]:
    export_run(folder / "runs" / "t", out=folder / "out", formats=("dpo",))
    return [json.loads(line) for line in (folder / "out" / "dpo" / "train.jsonl").read_text().splitlines()]


def telling(recipe: str, role: str, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """The recipe's script, in which every second answer of `role` tells an address."""
    told: dict[str, bool] = {}

    def script(request: Request) -> Any:
        if request.role == role and told.setdefault(request.task, len(told) % 2 == 0):
            return answer(request)
        return CASES[recipe].script(request)

    return script


WEAKER = {
    "reverse-gen": ("target", lambda request: {"response": f"Ask {ADDRESS}.", "answer": "nobody"}),
    "codeclm": ("target", lambda request: f"target asks {ADDRESS}"),
    "sense": ("weak", lambda request: f"SELECT '{ADDRESS}' FROM tide"),
}


def calls_of(item: Item) -> list[str]:
    parts = (*item.drafts, *item.verdicts)
    return [call.key for part in parts for call in part.calls if call.key]


def ran(recipe: str, folder: Path, **values: Any) -> tuple[Ran, dict[str, list[dict[str, Any]]]]:
    """The campaign, and the pairs of its export by the item that they were made of."""
    role, answer = WEAKER[recipe]
    folder.mkdir()
    found = replace(CASES[recipe], script=telling(recipe, role, answer)).run(folder, concurrency=1, **values)
    by_item: dict[str, list[dict[str, Any]]] = {}
    for row in pairs(folder):
        by_item.setdefault(row["chosen_from"], []).append(row)
    return found, by_item


@pytest.mark.parametrize("recipe", WEAKER)
def test_what_a_weaker_model_got_wrong_is_the_worse_half_unless_a_guard_is_against_it(
    recipe: str, tmp_path: Path
) -> None:
    role = WEAKER[recipe][0]
    free, found = ran(recipe, tmp_path / "free")
    guarded, kept = ran(recipe, tmp_path / "guarded", pii={"find": ["email"]})
    assert len(free.accepted) == len(guarded.accepted), "the items themselves tell no address"

    def telling_address(rows: dict[str, list[dict[str, Any]]]) -> int:
        return sum(ADDRESS in row["rejected"][0]["content"] for some in rows.values() for row in some)

    assert telling_address(found) > 0
    assert telling_address(kept) == 0
    assert sum(map(len, kept.values())) == sum(map(len, found.values())) - telling_address(found) > 0
    for item in guarded.accepted:
        assert ADDRESS not in json.dumps([draft.model_dump(mode="json")["messages"] for draft in item.drafts])
    for one, rows in ((free, found), (guarded, kept)):
        for item in one.accepted:
            assert [draft.index for draft in item.drafts] == list(range(len(item.drafts)))
            assert item.drafts[-1].messages == item.messages
            assert len(calls_of(item)) == len(set(calls_of(item))), "each call stands once"
            refused = {verdict.draft for verdict in item.verdicts if verdict.decision is Decision.REJECT}
            assert {item.drafts[at].by for at in refused} <= {role}
            assert len(rows.get(item.id, [])) == len(refused)
            for row in rows.get(item.id, []):
                assert row["chosen"][0]["content"] == item.messages[-1].content
                assert row["prompt"][-1]["content"] == item.messages[-2].content
