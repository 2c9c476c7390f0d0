"""Rejected items for a review, written to a store."""

from __future__ import annotations

from typing import Any

from gristmill.storage.records import (
    Chunk,
    Decision,
    Document,
    Draft,
    Item,
    Message,
    Status,
    Task,
    Verdict,
    content_id,
)
from gristmill.storage.store import RunStore

REASONS = ("ungrounded", "trivial", "unclear")


DOCUMENT = Document.of("valves.md", "A valve closes.")


CHUNK = Chunk.of(DOCUMENT.id, 0, 0, 15, DOCUMENT.text)


def task_of(number: int) -> Task:
    return Task.of("chunk", attributes={"number": number})


def item_of(number: int, **fields: Any) -> Item:
    task = task_of(number)
    messages = (Message(role="user", content=f"Question {number}?"), Message(role="assistant", content="Brass."))
    reason = REASONS[number % 3]
    judged = Verdict(by="critic", draft=0, decision=Decision.REJECT, reasons=(reason,), scores={"clear": number / 100})
    values: dict[str, Any] = {
        "status": Status.REJECTED,
        "reasons": (reason,),
        "messages": messages,
        "drafts": (Draft(index=0, by="generator", messages=messages),),
        "verdicts": (judged,),
        "chunks": (CHUNK.id,),
        "entities": (f"entity-{number % 2}",),
        "attributes": {"draw": "chunk"},
    }
    return Item(id=content_id("item", task.id, 0), task=task.id, kind="qa", **{**values, **fields})


async def put(store: RunStore, *items: tuple[int, Item]) -> None:
    await store.plan([task_of(number) for number, _ in items])
    for _, item in items:
        await store.finish(item.task, item.status, [item])
