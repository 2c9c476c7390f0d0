"""The desk: which decisions are taken, what they write, and how they are taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from review_items import item_of, put

from gristmill.errors import ConfigError, NotStored, ReviewConflict
from gristmill.review.desk import Desk
from gristmill.storage.records import Message, Status
from gristmill.storage.reviews import Action
from gristmill.storage.store import RunStore

BETTER = (Message(role="user", content="Question 3?"), Message(role="assistant", content="Bronze."))


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    store = RunStore.open(tmp_path / "run")
    failed = item_of(9, status=Status.FAILED, reasons=("bad_reply",), messages=(), drafts=(), verdicts=(), raw="<html>")
    await put(
        store, *[(number, item_of(number, fields={"answer": "Brass.", "n": 1})) for number in range(9)], (9, failed)
    )
    yield store
    await store.close()


async def test_an_edit_keeps_the_history_and_changes_the_fields(store: RunStore) -> None:
    desk, chosen = Desk(store), item_of(3).id
    await desk.decide(chosen, Action.EDIT, "ada", messages=BETTER, note="the wrong alloy")
    story = desk.story(chosen)
    assert story.result.status is Status.ACCEPTED
    assert story.result.messages == BETTER
    assert story.result.fields == {"answer": "Bronze.", "n": 1}
    assert story.item.messages[1].content == "Brass."
    assert [draft.by for draft in story.result.drafts] == ["generator", "reviewer"]
    assert store.item(chosen).status is Status.REJECTED  # what the critics said stays


async def test_a_decision_sent_twice_counts_once(store: RunStore) -> None:
    desk, chosen = Desk(store), item_of(3).id
    first = await desk.decide(chosen, Action.ACCEPT, "ada", event="key", seen="")
    assert await desk.decide(chosen, Action.ACCEPT, "ada", event="key", seen="") == first
    assert len(desk.story(chosen).history) == 1


async def test_who_did_not_see_the_last_event_is_refused(store: RunStore) -> None:
    desk, chosen = Desk(store), item_of(3).id
    await desk.decide(chosen, Action.ACCEPT, "ada", seen="")
    with pytest.raises(ReviewConflict, match="ada was first"):
        await desk.decide(chosen, Action.REJECT, "bob", seen="")
    await desk.decide(chosen, Action.REJECT, "bob", seen=desk.story(chosen).last)
    assert desk.story(chosen).decision.reviewer == "bob"


async def test_undo_brings_back_what_stood_before(store: RunStore) -> None:
    desk, chosen = Desk(store), item_of(3).id
    await desk.decide(chosen, Action.ACCEPT, "ada")
    await desk.decide(chosen, Action.REJECT, "ada")
    await desk.decide(chosen, Action.UNDO, "ada")
    assert desk.story(chosen).decision.action is Action.ACCEPT
    await desk.decide(chosen, Action.UNDO, "ada")
    assert desk.story(chosen).decision is None
    with pytest.raises(ConfigError, match="no decision"):
        await desk.decide(chosen, Action.UNDO, "ada")


@pytest.mark.parametrize(
    ("number", "action", "fields", "why"),
    [
        (9, Action.ACCEPT, {}, "nothing to accept"),
        (3, Action.SEND_BACK, {"note": "  "}, "with a note"),
        (3, Action.EDIT, {}, "needs its messages"),
        (3, Action.EDIT, {"messages": (Message(role="user", content=" "),)}, "at least one with text"),
        (3, Action.EDIT, {"messages": item_of(3).messages}, "nothing was changed"),
        (3, Action.REJECT, {"note": "x" * 10_001}, "10000 are kept"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    store: RunStore, number: int, action: Action, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        await Desk(store).decide(item_of(number).id, action, "ada", **fields)
    assert Desk(store).story(item_of(number).id).history == ()


async def test_a_failed_item_can_be_written_by_a_person(store: RunStore) -> None:
    desk, failed = Desk(store), item_of(9).id
    await desk.decide(failed, Action.EDIT, "ada", messages=BETTER)
    assert desk.story(failed).result.messages == BETTER


@pytest.mark.parametrize("id", ["item-", "nothing", item_of(3).task, "item-*", "' OR 1"])
async def test_only_a_whole_id_names_an_item(store: RunStore, id: str) -> None:
    with pytest.raises(NotStored):
        Desk(store).story(id)


async def test_many_at_once_leave_alone_what_others_decided_or_hold(store: RunStore) -> None:
    desk = Desk(store)
    ids = [item_of(number).id for number in range(10)]
    await desk.decide(ids[0], Action.REJECT, "bob")
    await desk.claim([ids[1]], "bob")
    done = await desk.decide_many([*ids, ids[4], "nothing"], Action.ACCEPT, "ada")
    assert {one.item for one in done.events} == set(ids[2:9])
    assert "bob decided it" in done.refused[ids[0]]
    assert "bob looks at it" in done.refused[ids[1]]
    assert "nothing to accept" in done.refused[ids[9]]
    assert "no item" in done.refused["nothing"]
    await desk.decide(ids[5], Action.REJECT, "bob")
    back = await desk.undo_many(done.events, "ada")
    assert len(back.events) == 6
    assert list(back.refused) == [ids[5]]


async def test_fifty_people_at_once_lose_and_double_nothing(store: RunStore) -> None:
    desk, ids = Desk(store), [item_of(number).id for number in range(9)]
    tries = [desk.decide(id, Action.REJECT, f"person-{n}", seen="") for n in range(50) for id in ids]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, ReviewConflict) for answer in answers) == 49 * 9
    assert all(len(desk.story(id).history) == 1 for id in ids)
