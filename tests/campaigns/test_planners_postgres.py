"""Planners that go by what ended, or by accepted items, on a run in PostgreSQL: they draw what they draw on SQLite."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from pathlib import Path

import pytest
from recipe_families import CASES
from stored import item, task

from gristmill import RunStore, Scripted, Status
from gristmill.campaigns.planning.accepted import AcceptedItems, EndedItems
from gristmill.errors import NotStored
from gristmill.storage.records import Item


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_ended_and_accepted_items_are_read_live(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgres" else ""
    store = RunStore.open(tmp_path / f"run-{uuid.uuid4().hex[:12]}", url)
    try:
        await _read_live(store)
    finally:
        await store.close()


async def _read_live(store: RunStore) -> None:
    ended, accepted = EndedItems(store), AcceptedItems(store)
    assert ended.after(0, 9) == accepted.newest(9) == accepted.sample(random.Random(1), 3) == []
    assert len(accepted) == 0
    tasks = [task(number) for number in range(9)]
    await store.plan(tasks)
    seen: list[tuple[int, Item]] = []
    for number, one in enumerate(tasks):
        status = (Status.ACCEPTED, Status.REJECTED, Status.FAILED)[number % 3]
        await store.finish(one.id, status, [item(one, status)])
        new = ended.after(seen[-1][0] if seen else 0, 4)
        assert [found.task for _, found in new] == [one.id], "each end once, as soon as it is there"
        seen += new
        assert len(accepted) == 1 + number // 3
    assert [found for _, found in seen] == list(store.items())
    assert [number for number, _ in seen] == sorted({number for number, _ in seen})
    assert ended.after(0, 4) + ended.after(seen[3][0], 99) == seen
    assert ended.after(seen[-1][0], 4) == ended.after(0, 0) == ended.after(0, -1) == []
    assert all(ended.at(number) == found for number, found in seen)
    with pytest.raises(NotStored, match="no item is numbered 999"):
        ended.at(999)
    good = [found for _, found in seen if found.status is Status.ACCEPTED]
    assert list(accepted.every()) == good
    assert accepted.newest(2) == good[:0:-1]
    drawn = Counter(found.id for seed in range(300) for found in accepted.sample(random.Random(seed), 2))
    assert set(drawn) == {found.id for found in good}
    assert all(150 < times < 250 for times in drawn.values())


WAITING = {
    "genetic-instruct": CASES["genetic-instruct"],
    "plan-search": CASES["plan-search"],
    "deliberate-practice": CASES["deliberate-practice"],
    "reverse-gen": CASES["reverse-gen"],
}


def whole(folder: Path, name: str, url: str) -> dict[str, tuple[str, ...]]:
    """How each task of a run ended."""
    store = RunStore.read(folder / "runs" / name, url)
    try:
        assert store.books().balanced
        return {item.task: (item.status, *item.reasons) for item in store.items()}
    finally:
        store.close_reading()


@pytest.mark.parametrize("recipe", WAITING)
async def test_a_planner_that_waits_draws_in_postgres_what_it_draws_on_sqlite(
    recipe: str, tmp_path: Path, postgres_url: str
) -> None:
    """On PostgreSQL it is stopped twice, and goes on by what is stored there."""
    told = {}
    for url in ("", postgres_url):
        name = f"t{uuid.uuid4().hex[:12]}"
        for most in (3, 9, None) if url else (None,):
            model = Scripted(WAITING[recipe].script)
            report = await WAITING[recipe].campaign(tmp_path, model, name=name, max_tasks=most).execute(store=url)
            assert most is None or report.books.planned == most
        told[url] = whole(tmp_path, name, url)
    assert told[""] == told[postgres_url]
    assert len(told[""]) > 9
