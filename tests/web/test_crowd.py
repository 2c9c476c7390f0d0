"""Fifty reviewers at once on a real server, over the same items: no decision is lost, none counts twice.

Everybody keeps account of what the server said; afterwards the accounts and the store's events must be the same.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

from crowd import Batch, Reviewer, Single
from visitor import visitor

from gristmill import Item, Message, Status, Task
from gristmill.review.desk import Desk
from gristmill.storage.records import content_id
from gristmill.storage.reviews import Action, Review, Reviews
from gristmill.storage.store import RunStore

PEOPLE, TURNS, ITEMS, SEED = 50, 24, 300, 11


async def rejects(folder: Path, count: int) -> list[str]:
    """Writes a run of `count` rejected items; returns their ids."""
    store = RunStore.open(folder)
    tasks = [Task.of("chunk", attributes={"number": number}) for number in range(count)]
    await store.plan(tasks)
    for number, task in enumerate(tasks):
        messages = (Message(role="user", content=f"Question {number}?"), Message(role="assistant", content="Brass."))
        item = Item(
            id=content_id("item", task.id, 0), task=task.id, kind="qa", status=Status.REJECTED, reasons=("trivial",),
            messages=messages,
        )  # fmt: skip
        await store.finish(task.id, item.status, [item])
    await store.close()
    return [content_id("item", task.id, 0) for task in tasks]


async def test_fifty_reviewers_lose_and_double_nothing(review, tmp_path: Path) -> None:
    ids = await rejects(tmp_path / "run", ITEMS)
    served = await review(tmp_path / "run")
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(visitor(served)) for _ in range(PEOPLE)]
        people = [
            Reviewer(one, f"reviewer-{number}", ids, random.Random(SEED + number))
            for number, one in enumerate(sessions)
        ]
        await asyncio.gather(*(one.work(TURNS) for one in people))
        pages = await asyncio.gather(*(one.get("/") for one in sessions))
        assert {page.status for page in pages} == {200}
    assert "Traceback" not in served.said
    singles = [one for person in people for one in person.singles]
    batches = [one for person in people for one in person.batches]
    store = RunStore.read(tmp_path / "run")
    chains = chains_of(list(Reviews(store).all()))
    assert_chains(chains)
    assert_told(singles, batches, chains)
    assert_conflicts(singles, chains)
    assert_what_stands(Desk(store), chains)
    statuses = Counter(answer.status for one in singles for answer in one.answers)
    assert statuses[200] > 100  # it was a crowd
    assert statuses[409] > 20


def chains_of(events: list[Review]) -> dict[str, list[Review]]:
    chains: dict[str, list[Review]] = defaultdict(list)
    for event in events:
        chains[event.item].append(event)
    return chains


def assert_chains(chains: dict[str, list[Review]]) -> None:
    """Of each item, every event names the one before it: nobody decided over an event that they had not seen."""
    for chain in chains.values():
        assert chain[0].after == ""
        for before, after in pairwise(chain):
            assert after.after == before.id
        undone = [event.undoes for event in chain if event.action is Action.UNDO]
        assert len(undone) == len(set(undone))


def assert_told(singles: list[Single], batches: list[Batch], chains: dict[str, list[Review]]) -> None:
    """What was answered is what is kept: each decision once, and no event that nobody was told of."""
    events = {event.id: event for chain in chains.values() for event in chain}
    assert len(events) == sum(map(len, chains.values()))
    for one in singles:
        assert (one.event in events) is one.taken, one
        if one.taken:
            kept = events[one.event]
            assert (kept.item, kept.action.value, kept.reviewer) == (one.item, one.action, one.reviewer)
            assert kept.after == one.seen
        for answer in one.answers[1:]:  # sent again: taken again to be the same, or refused again
            assert (answer.status == 200) is one.taken, one
    for batch in batches:
        if batch.action == "undo":
            continue
        told = [json.loads(answer.text) for answer in batch.answers]
        kept = {event.item: event for event in events.values() if event.id.startswith(batch.id)}
        assert len(kept) == batch.count == len([event for event in events.values() if event.id.startswith(batch.id)])
        assert {(event.action.value, event.reviewer) for event in kept.values()} <= {(batch.action, batch.reviewer)}
        # Sent again it may decide what somebody took back meanwhile; what it decided before stays decided.
        for answer in told:
            assert answer["decided"] + answer["refused"] == len(batch.items)
            assert answer["decided"] == len(set(batch.items) - set(answer["why"]))
        assert set(kept) == {item for answer in told for item in set(batch.items) - set(answer["why"])}
    undone = sum(batch.count for batch in batches if batch.action == "undo")
    decided = sum(batch.count for batch in batches if batch.action != "undo")
    assert len(events) == sum(one.taken for one in singles) + decided + undone


def assert_conflicts(singles: list[Single], chains: dict[str, list[Review]]) -> None:
    """Who was refused had somebody before them, and was told whom."""
    for one in singles:
        if one.answers[0].status == 409:
            first = next(event for event in chains[one.item] if event.after == one.seen)
            assert first.id != one.event
            told = json.loads(one.answers[0].text)
            assert first.reviewer in told["error"]
            assert told["first"]["id"] == first.id


def assert_what_stands(desk: Desk, chains: dict[str, list[Review]]) -> None:
    """The decision that stands is the last one that was not taken back."""
    for item, chain in chains.items():
        undone = {event.undoes for event in chain}
        standing = [event for event in chain if event.action is not Action.UNDO and event.id not in undone]
        assert desk.story(item).decision == (standing[-1] if standing else None)
