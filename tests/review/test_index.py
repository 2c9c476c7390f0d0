"""The review queue: filters, orders, places to go on from, counts, and what it takes in while the run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.errors import ConfigError
from gristmill.review.queue.counts import FACETS, QueueCounts
from gristmill.review.queue.file import FILE
from gristmill.review.queue.index import ReviewIndex
from gristmill.review.queue.query import Filters, Sort, Stage, match
from gristmill.storage.records import (
    Status,
)
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    await store.add_documents([(DOCUMENT, [CHUNK])])
    await put(store, *[(number, item_of(number)) for number in range(100)])
    yield store
    await store.close()


@pytest.fixture
def index(store: RunStore) -> ReviewIndex:
    index = ReviewIndex(store)
    index.refresh()
    return index


async def decide(store: RunStore, item: str, action: Action = Action.ACCEPT, *, by: str = "ada", **fields: Any) -> None:
    history = Reviews(store).history(item)
    after = history[-1].id if history else ""
    event = {"id": f"{item}{len(history)}", "item": item, "action": action, "reviewer": by, "after": after}
    await Reviews(store).add(Review(**event, at=datetime.now(UTC), **fields))


def walk(index: ReviewIndex, filters: Filters, sort: Sort, **options: Any) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    after = ""
    while True:
        page = index.page(filters, sort, after=after, limit=7, **options)
        found += [one.id for one in page.items]
        after = page.next
        if not after:
            return found


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("filters", [Filters(), Filters(reason="trivial"), Filters(stage=Stage.ALL, score_to=0.5)])
def test_pages_show_every_item_once(index: ReviewIndex, filters: Filters, sort: Sort) -> None:
    found = walk(index, filters, sort)
    assert len(found) == len(set(found)) == index.count(filters)
    assert set(found) == set(index.ids(filters))


def test_orders(index: ReviewIndex) -> None:
    ids = [item_of(number).id for number in range(100)]
    assert walk(index, Filters(), Sort.OLDEST) == ids
    assert walk(index, Filters(), Sort.NEWEST) == ids[::-1]
    assert walk(index, Filters(), Sort.SCORE) == ids  # their scores rise
    doubtful = {item.id for item in index.page(Filters(), Sort.TEACHES, limit=9).items}
    assert ids[50] in doubtful  # 0.5 is the threshold where a campaign names none


def test_a_fair_sample_is_read_in_order_and_not_sorted(index: ReviewIndex) -> None:
    told: list[str] = []
    index._connection.set_trace_callback(told.append)
    index.page(Filters(), Sort.SAMPLE)
    index._connection.set_trace_callback(None)
    (asked,) = [sql for sql in told if "AS rank" in sql]
    plan = [row["detail"] for row in index._connection.execute(f"EXPLAIN QUERY PLAN {asked}")]
    assert "SCAN items USING INDEX items_sample" in plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


async def test_what_was_judged_often_teaches_less(store: RunStore, index: ReviewIndex) -> None:
    for number in range(0, 30, 3):
        await decide(store, item_of(number).id, Action.REJECT)
    index.refresh()
    first = index.page(Filters(), Sort.TEACHES, limit=20).items
    assert {one.reasons[0] for one in first} == {"trivial", "unclear"}
    assert all("reason not judged yet" in one.why for one in first)


def test_filters(index: ReviewIndex) -> None:
    assert index.count(Filters(reason="trivial")) == 33
    assert index.count(Filters(critic="critic")) == 100
    assert index.count(Filters(critic="nobody")) == 0
    assert index.count(Filters(document="valves.md", entity="entity-1")) == 50
    assert index.count(Filters(score_from=0.1, score_to=0.2)) == 11
    assert index.count(Filters(text="question 77")) == 1
    assert index.count(Filters(text="brass quest")) == 100  # the last word may be a beginning
    assert index.count(Filters(kind="qa", draw="chunk", round=1)) == 100
    assert index.count(Filters(round=2)) == 0
    assert index.count(Filters(status=("accepted",))) == 0


@pytest.mark.parametrize("text", ['"', "a OR", "NEAR(", "x* -y", "'; DROP TABLE items; --", "((", "^", "{a}:b", "\0"])
def test_a_search_takes_any_text(index: ReviewIndex, text: str) -> None:
    assert index.count(Filters(text=text)) >= 0
    assert index.count(Filters()) == 100


def test_words_are_quoted() -> None:
    assert match("a OR b*") == '"a" AND "OR" AND "b"*'
    assert match("a b a a b a") == '"a" AND "b" AND "a"*'  # each is looked up once, however often it is said


def test_counts_leave_their_own_filter_out(index: ReviewIndex) -> None:
    assert index.counts(Filters(reason="trivial"), "reason") == {"ungrounded": 34, "trivial": 33, "unclear": 33}
    assert index.counts(Filters(reason="trivial"), "entity") == {"entity-1": 17, "entity-0": 16}
    assert index.counts(Filters(), "status") == {"rejected": 100}


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(reason="trivial", score_to=0.5),
        Filters(entity="entity-1", critic="critic", document="valves.md"),
        Filters(status=("failed",), kind="qa", draw="chunk", round=1),
        Filters(text="question 7", stage=Stage.ALL),
    ],
)
async def test_bars_are_the_counts_and_follow_changes(store: RunStore, index: ReviewIndex, filters: Filters) -> None:
    counts = QueueCounts(store.folder / FILE)
    for number in (7, 8, 10):
        assert counts.total(filters, reviewer="ada") == index.count(filters, reviewer="ada")
        bars = counts.bars(filters, reviewer="ada")
        assert bars == {facet: index.counts(filters, facet, reviewer="ada") for facet in FACETS}
        assert counts.bars(filters, reviewer="ada") is bars  # remembered
        await decide(store, item_of(number).id)
        index.skip([item_of(number + 10).id], "ada")
        index.refresh()
    counts.close()


async def test_decided_items_leave_the_queue_and_come_back_when_undone(store: RunStore, index: ReviewIndex) -> None:
    chosen = item_of(3).id
    await decide(store, chosen)
    index.refresh()
    assert chosen not in index.ids(Filters())
    assert index.ids(Filters(stage=Stage.DECIDED)) == [chosen]
    assert (index.seen(chosen).decision, index.seen(chosen).reviewer) == ("accept", "ada")
    await decide(store, chosen, Action.UNDO, undoes=f"{chosen}0")
    index.refresh()
    assert chosen in index.ids(Filters())
    assert index.ids(Filters(stage=Stage.DECIDED)) == []


def test_a_skip_is_one_reviewers_own(index: ReviewIndex) -> None:
    chosen = item_of(3).id
    index.skip([chosen], "ada")
    assert chosen not in index.ids(Filters(), reviewer="ada")
    assert index.ids(Filters(stage=Stage.SKIPPED), reviewer="ada") == [chosen]
    assert chosen in index.ids(Filters(), reviewer="bob")
    index.unskip([chosen], "ada")
    assert chosen in index.ids(Filters(), reviewer="ada")


async def test_new_items_come_in(store: RunStore, index: ReviewIndex) -> None:
    made_again = item_of(
        200, attributes={"draw": "refine", "refines": item_of(3).id}, status=Status.ACCEPTED, reasons=()
    )
    await put(store, (200, made_again))
    index.refresh()
    assert index.ids(Filters(stage=Stage.RETURNED)) == [made_again.id]
    assert index.returned(item_of(3).id) == [made_again.id]
    assert index.seen(made_again.id).reasons == ()


async def test_a_failed_task_that_runs_again_is_not_shown_twice(store: RunStore, index: ReviewIndex) -> None:
    failed = item_of(300, status=Status.FAILED, reasons=("bad_reply",), verdicts=(), drafts=())
    await put(store, (300, failed))
    index.refresh()
    assert index.ids(Filters(status=("failed",))) == [failed.id]
    await store.retry_failed()
    index.refresh()
    assert index.ids(Filters(status=("failed",))) == []
    again = item_of(300)
    await store.finish(again.task, again.status, [again])
    index.refresh()
    assert index.seen(failed.id).status == "rejected"
    assert index.count(Filters()) == 101


async def test_a_decision_that_was_read_before_its_item_is_known(store: RunStore, index: ReviewIndex) -> None:
    late = item_of(300)
    await decide(store, late.id)
    index.refresh()
    await put(store, (300, late))
    index.refresh()
    assert index.ids(Filters(stage=Stage.DECIDED)) == [late.id]
    assert index.seen(late.id).decision == "accept"


async def test_a_new_index_knows_the_old_decisions(store: RunStore, index: ReviewIndex) -> None:
    await decide(store, item_of(3).id)
    index.close()
    (store.folder / FILE).unlink()
    anew = ReviewIndex(store)
    anew.refresh()
    assert anew.ids(Filters(stage=Stage.DECIDED)) == [item_of(3).id]
    anew.close()


async def test_a_place_from_elsewhere_is_refused(index: ReviewIndex) -> None:
    with pytest.raises(ConfigError, match="no place in the queue"):
        index.page(Filters(), after="x'; --")


async def test_taking_in_while_a_campaign_writes(store: RunStore, index: ReviewIndex) -> None:
    writing = asyncio.create_task(put(store, *[(number, item_of(number)) for number in range(1000, 1200)]))
    while not writing.done():
        index.refresh()
        await asyncio.sleep(0)
    await writing
    index.refresh()
    assert index.count(Filters()) == 300


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("filters", [Filters(), Filters(reason="trivial"), Filters(stage=Stage.ALL, score_to=0.5)])
def test_neighbours_are_those_of_the_list(index: ReviewIndex, filters: Filters, sort: Sort) -> None:
    order = walk(index, filters, sort)
    for place in (0, 1, len(order) // 2, len(order) - 2, len(order) - 1):
        found = index.neighbours(order[place], filters, sort, ahead=5)
        assert found.previous == (order[place - 1] if place else "")
        assert list(found.next) == (order[place + 1 :] + order[:place])[:5]  # after the last the queue begins anew


def test_neighbours_of_an_item_that_is_not_in_the_queue(index: ReviewIndex) -> None:
    trivial = walk(index, Filters(reason="trivial"), Sort.OLDEST)
    other = item_of(50).id
    assert item_of(50).reasons == ("unclear",)
    found = index.neighbours(other, Filters(reason="trivial"), Sort.OLDEST, ahead=3)
    assert (found.previous, list(found.next)) == (item_of(49).id, [item_of(n).id for n in (52, 55, 58)])
    assert list(index.neighbours("item-none", Filters(reason="trivial"), Sort.OLDEST, ahead=3).next) == trivial[:3]


async def test_an_item_of_a_chunk_that_is_not_there_is_in_the_queue(store: RunStore) -> None:
    """Its planner named what nobody has: the task failed for that, and the others are still to be seen."""
    lost = item_of(900, status=Status.FAILED, reasons=("not_stored",), chunks=("chunk-of-nobody", CHUNK.id))
    empty = {"messages": (), "drafts": (), "verdicts": (), "error": "the planner names what is not there"}
    undrafted = item_of(901, status=Status.FAILED, reasons=("not_stored",), chunks=("chunk-of-nobody",), **empty)
    await put(store, (900, lost), (901, undrafted))
    index = ReviewIndex(store)
    index.refresh()
    seen = index.seen(lost.id)
    assert seen is not None
    assert seen.documents == ("valves.md",)
    bare = index.seen(item_of(901).id)
    assert bare is not None
    assert bare.title == "the planner names what is not there"
    assert index.count(Filters()) == 102
    index.close()
