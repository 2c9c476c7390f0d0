"""Reviews: a chain of events an item, claims that expire, what a decision makes of an item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ReviewConflict
from gristmill.storage.records import Draft, Item, Message, Status
from gristmill.storage.reviews import Action, Review, Reviews, decision_of, is_precedent, reviewed
from gristmill.storage.store import RunStore

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ANSWER = (Message(role="user", content="How thick?"), Message(role="assistant", content="3 mm"))


def review(id: str, action: Action, *, item: str = "item-1", reviewer: str = "ada", **fields: Any) -> Review:
    return Review(id=id, item=item, action=action, reviewer=reviewer, at=NOW, **fields)


def rejected() -> Item:
    draft = Draft(index=0, by="generator", messages=ANSWER)
    return Item(
        id="item-1",
        task="task-1",
        kind="qa",
        status=Status.REJECTED,
        reasons=("trivial",),
        messages=ANSWER,
        drafts=(draft,),
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RunStore]:
    store = RunStore.open(tmp_path / "run")
    yield store
    await store.close()


async def test_a_decision_stands_until_it_is_undone(store: RunStore) -> None:
    reviews = Reviews(store)
    await reviews.add(review("1", Action.SEND_BACK))
    await reviews.add(review("2", Action.ACCEPT, after="1"))
    await reviews.add(review("3", Action.REJECT, after="2"))
    assert [one.id for one in reviews.history("item-1")] == ["1", "2", "3"]
    assert decision_of(reviews.history("item-1")).id == "3"
    await reviews.add(review("4", Action.UNDO, after="3", undoes="3"))
    assert reviews.decisions()["item-1"].id == "2"
    await reviews.add(review("5", Action.UNDO, after="4", undoes="2"))
    assert reviews.decisions()["item-1"].action is Action.SEND_BACK
    await reviews.add(review("6", Action.UNDO, after="5", undoes="1"))
    assert reviews.decisions() == {}


async def test_of_two_who_decide_at_once_one_is_told_about_the_other(store: RunStore) -> None:
    reviews = Reviews(store)
    both = [review("a", Action.ACCEPT), review("b", Action.REJECT, reviewer="bob")]
    answers = await asyncio.gather(*(reviews.add(one) for one in both), return_exceptions=True)
    (refused,) = [answer for answer in answers if answer is not None]
    assert isinstance(refused, ReviewConflict)
    (kept,) = reviews.history("item-1")
    assert kept.reviewer in str(refused)
    assert kept.action.value in str(refused)


async def test_an_event_that_is_sent_twice_is_there_once(store: RunStore) -> None:
    reviews = Reviews(store)
    for _ in range(2):
        await reviews.add(review("a", Action.ACCEPT))
    assert len(reviews.history("item-1")) == 1


async def test_an_event_after_one_that_is_not_there_is_refused(store: RunStore) -> None:
    with pytest.raises(ReviewConflict, match="no event 'gone'"):
        await Reviews(store).add(review("a", Action.ACCEPT, after="gone"))
    assert Reviews(store).history("item-1") == []


async def test_another_process_sees_and_adds(store: RunStore, tmp_path: Path) -> None:
    beside = RunStore.join(tmp_path / "run")
    try:
        await Reviews(beside).add(review("a", Action.ACCEPT))
        assert [one.id for one in Reviews(store).all()] == ["a"]
        with pytest.raises(ReviewConflict):
            await Reviews(store).add(review("b", Action.REJECT))
    finally:
        await beside.close()


async def test_many_at_once_and_who_is_refused(store: RunStore) -> None:
    reviews = Reviews(store)
    await reviews.add(review("first", Action.ACCEPT, item="item-7"))
    many = [review(f"bulk-{n}", Action.REJECT, item=f"item-{n}") for n in range(2000)]
    (refused,) = await reviews.add_all(many)
    assert "item-7" in str(refused)
    assert sum(1 for _ in reviews.all()) == 2000


async def test_claims_keep_others_away_until_they_expire(store: RunStore) -> None:
    reviews = Reviews(store)
    assert await reviews.claim(["item-1", "item-2"], "ada") == ["item-1", "item-2"]
    assert await reviews.claim(["item-2", "item-3"], "bob") == ["item-3"]
    assert reviews.claims() == {"item-1": "ada", "item-2": "ada", "item-3": "bob"}
    await reviews.release(["item-1"], "bob")
    assert "item-1" in reviews.claims()
    await reviews.release(["item-1"], "ada")
    assert "item-1" not in reviews.claims()
    await reviews.claim(["item-2"], "ada", seconds=-1)  # it has expired
    assert await reviews.claim(["item-2"], "bob") == ["item-2"]


def test_what_a_decision_makes_of_an_item() -> None:
    item = rejected()
    accepted = reviewed(item, review("1", Action.ACCEPT, note="fine"))
    assert (accepted.status, accepted.reasons) == (Status.ACCEPTED, ())
    assert (accepted.verdicts[-1].by, accepted.verdicts[-1].text) == ("reviewer", "fine")
    better = (ANSWER[0], Message(role="assistant", content="At least 3 mm."))
    edited = reviewed(item, review("1", Action.EDIT, messages=better, fields={"answer": "At least 3 mm."}))
    assert edited.messages == better
    assert [draft.messages for draft in edited.drafts] == [ANSWER, better]
    assert edited.verdicts[-1].draft == 1
    assert reviewed(item, review("1", Action.REJECT)).reasons == ("trivial",)
    assert reviewed(item, review("1", Action.REJECT, reasons=("ungrounded",))).reasons == ("ungrounded",)
    for untouched in (None, review("1", Action.SEND_BACK)):
        assert reviewed(item, untouched) is item


def test_a_precedent_needs_a_standing_decision() -> None:
    decided, marked = review("1", Action.ACCEPT), review("2", Action.PRECEDENT, after="1")
    assert not is_precedent([decided])
    assert is_precedent([decided, marked])
    assert not is_precedent([decided, marked, review("3", Action.UNDO, after="2", undoes="1")])
    assert not is_precedent([decided, marked, review("3", Action.NO_PRECEDENT, after="2")])
