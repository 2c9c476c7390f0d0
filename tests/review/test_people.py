"""What people's decisions make of a run's counts: kept up as events come, the same as counted anew from all of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer

from gristmill.errors import ReviewConflict
from gristmill.review.desk import Desk
from gristmill.storage.people import People, Shift
from gristmill.storage.records import Decision, Draft, Item, Message, Status, Task, Verdict, item_id
from gristmill.storage.returns import is_refine, refine_task, versions_of
from gristmill.storage.reviews import Action, Review, Reviews, decision_of, reviewed
from gristmill.storage.store import RunStore

TEXT = (Message(role="user", content="When?"), Message(role="assistant", content="In 1742."))


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunStore]:
    url = ""
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("shared_postgres")
        url = server.url
    opened = RunStore.open(tmp_path / f"people-{random.getrandbits(48):x}", url)
    yield opened
    await opened.close()


async def end(store: RunStore, task: Task, status: Status) -> str:
    """Plans a task and ends it; returns its item's id."""
    reasons = () if status is Status.ACCEPTED else ("trivial",)
    verdict = Verdict(by="critic", draft=0, decision=Decision.REJECT, reasons=("trivial",))
    item = Item(id=item_id(task.id), task=task.id, kind="qa", status=status, messages=TEXT, reasons=reasons,
                drafts=(Draft(index=0, by="generator", messages=TEXT),), verdicts=(verdict,),
                attributes=task.attributes)  # fmt: skip
    await store.plan([task])
    await store.finish(task.id, status, [item])
    return item.id


class Person:
    """Decides on items, each event after the item's last one."""

    def __init__(self, store: RunStore) -> None:
        self.reviews = Reviews(store)
        self.events = 0

    async def does(self, item: str, action: Action, **fields: Any) -> Review:
        history = self.reviews.history(item)
        self.events += 1
        after = history[-1].id if history else ""
        review = Review(id=f"event-{self.events}", item=item, action=action, reviewer="ada", after=after,
                        at=datetime.now(UTC), note="shorter", **fields)  # fmt: skip
        await self.reviews.add(review)
        return review

    async def undoes(self, item: str) -> None:
        standing = decision_of(self.reviews.history(item))
        assert standing is not None
        await self.does(item, Action.UNDO, undoes=standing.id)


def counted_anew(store: RunStore) -> tuple[int, frozenset[str]]:
    """Items that count as accepted, by the plain rule; and accepted ones that do not, another version counting."""
    found = {item.id: item for item in store.items()}
    order = list(found)
    seqs = {review.id: seq for seq, review in Reviews(store).since(limit=10_000)}
    families: dict[str, list[str]] = {}
    for id in found:
        first = id
        while (origin := found[first].attributes.get("refines")) is not None:
            first = origin
        families.setdefault(first, []).append(id)
    counted, behind = 0, set()
    for family in families.values():
        weights = {}
        for id in family:
            decision = decision_of(Reviews(store).history(id))
            if reviewed(found[id], decision).status is Status.ACCEPTED:
                weights[id] = (0, order.index(id)) if decision is None else (1, seqs[decision.id])
        if weights:
            counted += 1
            behind |= weights.keys() - {max(weights, key=weights.__getitem__)}
    return counted, frozenset(behind)


async def test_decisions_move_the_count(store: RunStore) -> None:
    person, people = Person(store), People(store)
    accepted = [await end(store, Task.of("chunk", seed=n), Status.ACCEPTED) for n in range(3)]
    rejected = [await end(store, Task.of("chunk", seed=n), Status.REJECTED) for n in range(10, 13)]
    assert not people.look()
    await person.does(rejected[0], Action.ACCEPT)
    await person.does(rejected[1], Action.EDIT, messages=TEXT)
    await person.does(rejected[2], Action.REJECT)
    await person.does(accepted[0], Action.ACCEPT)
    await person.does(accepted[1], Action.REJECT)
    assert people.look()
    assert people.shift == Shift(accepted=2, rejected=1)
    assert not people.look()
    await person.undoes(accepted[1])
    await person.does(accepted[2], Action.SEND_BACK)
    assert people.look()
    assert people.shift == Shift(accepted=2, sent_back=1, recalled=1)
    await person.does(accepted[2], Action.PRECEDENT)
    people.look()
    assert people.shift.total == 1


async def test_a_standing_send_back_is_due_until_it_is_planned(store: RunStore) -> None:
    person, people = Person(store), People(store)
    task = Task.of("chunk", attributes={"kind": "fact"}, seed=1)
    item = await end(store, task, Status.REJECTED)
    review = await person.does(item, Action.SEND_BACK)
    people.look()
    (due,) = people.due()
    assert due == refine_task(task, review)
    assert is_refine(due)
    assert due.kind == "chunk"
    assert due.attributes["kind"] == "fact"
    await person.does(item, Action.ACCEPT)  # it stands no longer, and does again
    people.look()
    assert people.due() == []
    await person.undoes(item)
    people.look()
    assert people.due() == [due]
    await store.plan([due])
    assert people.due() == []
    await person.undoes(item)
    await person.does(item, Action.SEND_BACK)
    people.look()
    assert len(people.due()) == 1


async def test_of_an_items_versions_one_counts(store: RunStore) -> None:
    person, people = Person(store), People(store)
    task = Task.of("chunk")
    first = await end(store, task, Status.ACCEPTED)
    second_task = refine_task(task, await person.does(first, Action.SEND_BACK))
    people.look()
    assert people.shift.total == -1
    second = await end(store, second_task, Status.ACCEPTED)
    assert people.ended(second_task.id)
    assert store.books().accepted + people.shift.total == 1
    assert people.superseded == frozenset()
    await person.undoes(first)  # both are accepted by critics: the newer one counts
    people.look()
    assert people.superseded == {first}
    assert people.shift == Shift(superseded=1)
    await person.does(first, Action.ACCEPT)  # a person's word outweighs the critics'
    people.look()
    assert people.superseded == {second}
    await person.does(second, Action.ACCEPT)  # and the later word the earlier
    people.look()
    assert people.superseded == {first}
    assert set(versions_of(second_task, store)) == {task.id, second_task.id}


async def test_an_item_that_is_not_there_waits_for_its_task(store: RunStore) -> None:
    person, people = Person(store), People(store)
    task = Task.of("chunk")
    await end(store, task, Status.FAILED)
    await store.retry_failed()
    await person.does(item_id(task.id), Action.SEND_BACK)  # from another process, at the same moment
    people.look()
    assert people.due() == []
    assert people.shift.total == 0
    await end(store, task, Status.ACCEPTED)
    people.ended(task.id)
    people.look()
    assert len(people.due()) == 1
    assert people.shift == Shift(sent_back=1, recalled=1)


async def test_a_failed_item_that_a_person_decided_is_not_made_again(store: RunStore) -> None:
    person = Person(store)
    tasks = [Task.of("chunk", seed=number) for number in range(3)]
    items = [await end(store, task, Status.FAILED) for task in tasks]
    await person.does(items[0], Action.REJECT)
    await person.does(items[1], Action.REJECT)
    await person.undoes(items[1])
    assert await store.retry_failed() == 2
    assert [store.status(task.id) for task in tasks] == [Status.FAILED, Status.PENDING, Status.PENDING]
    assert store.item_of(tasks[0].id) is not None


async def test_a_decision_is_of_the_version_that_was_seen(store: RunStore) -> None:
    """A failed item keeps its id when its task runs again, and the events on it keep their order."""
    desk, task = Desk(store), Task.of("chunk")
    id = await end(store, task, Status.FAILED)
    old = desk.story(id)
    assert await store.retry_failed() == 1
    await end(store, task, Status.REJECTED)
    for seen in ("", None):
        with pytest.raises(ReviewConflict, match="was made again since you saw it"):
            await desk.decide(id, Action.REJECT, "ada", seen=seen, number=old.number)
    bulk = await desk.decide_many([id], Action.REJECT, "ada", numbers={id: old.number})
    assert "was made again" in bulk.refused[id]
    stale = Review(id="late", item=id, action=Action.REJECT, reviewer="ada", at=datetime.now(UTC), number=old.number)
    with pytest.raises(ReviewConflict, match="was made again"):  # it was made again while the decision was written
        await Reviews(store).add(stale)
    assert desk.story(id).history == ()
    now = desk.story(id)
    await desk.decide(id, Action.REJECT, "ada", seen="", number=now.number)
    assert desk.story(id).decision is not None


@pytest.mark.parametrize("seed", range(4))
async def test_kept_up_is_the_same_as_counted_anew(store: RunStore, seed: int) -> None:
    chance = random.Random(seed)
    person, people = Person(store), People(store)
    tasks: dict[str, Task] = {}
    for number in range(6):
        task = Task.of("chunk", seed=number)
        tasks[await end(store, task, chance.choice([Status.ACCEPTED, Status.REJECTED]))] = task
    for _ in range(120):
        item = chance.choice(list(tasks))
        standing = decision_of(Reviews(store).history(item))
        if standing is not None and chance.random() < 0.3:
            await person.undoes(item)
        else:
            action = chance.choice([Action.ACCEPT, Action.REJECT, Action.SEND_BACK, Action.SEND_BACK])
            await person.does(item, action)
        if chance.random() < 0.5:
            people.look()
            for due in people.due()[:2]:
                tasks[await end(store, due, chance.choice([Status.ACCEPTED, Status.REJECTED, Status.FAILED]))] = due
                people.ended(due.id)
                assert set(versions_of(due, store)) >= {due.id}
        if chance.random() < 0.3:
            people.look()
            fresh = People(store)
            fresh.look()
            assert (fresh.shift, fresh.superseded) == (people.shift, people.superseded)
            counted, behind = counted_anew(store)
            assert store.books().accepted + people.shift.total == counted
            assert people.superseded == behind
    assert len(tasks) > 10


async def test_a_number_that_is_committed_late_is_found(tmp_path: Path) -> None:
    """A database with several writers may show event 2 before event 1; here the numbers are set by hand."""
    store = RunStore.open(tmp_path / "run")
    person, people = Person(store), People(store)
    items = [await end(store, Task.of("chunk", seed=n), Status.REJECTED) for n in range(3)]
    await person.does(items[0], Action.ACCEPT)
    await person.does(items[1], Action.ACCEPT)
    await store.write(("UPDATE reviews SET seq = 50 WHERE item = ?", [(items[1],)]))
    people.look()
    assert people.shift.total == 2
    await person.does(items[2], Action.ACCEPT)
    await store.write(("UPDATE reviews SET seq = 20 WHERE item = ?", [(items[2],)]))
    people.look()
    assert people.shift.total == 3
    await store.close()
