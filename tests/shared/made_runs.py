"""Stores with items of every kind that an export can meet."""

from __future__ import annotations

from pathlib import Path

from review_items import CHUNK, DOCUMENT, item_of, put

from gristmill.storage.records import Decision, Draft, Item, Message, Status, Verdict
from gristmill.storage.store import RunStore

ACCEPTED = (0, 1, 2, 3)  # what the critics accepted of twelve


def dialogue(number: int, answer: str) -> tuple[Message, ...]:
    return (Message(role="user", content=f"Question {number}?"), Message(role="assistant", content=answer))


def accepted_of(number: int) -> Item:
    liked = Verdict(by="critic", draft=0, decision=Decision.ACCEPT)
    messages = dialogue(number, "Brass.")
    draft = Draft(index=0, by="generator", messages=messages)
    return item_of(number, status=Status.ACCEPTED, reasons=(), verdicts=(liked,), drafts=(draft,), messages=messages)


async def made(folder: Path, numbers: range = range(12)) -> RunStore:
    store = RunStore.open(folder)
    await store.set_mark("campaign", {"name": folder.name, "recipe": "grounded-qa"})
    await store.add_documents([(DOCUMENT, [CHUNK])])
    items = [(number, accepted_of(number) if number in ACCEPTED else item_of(number)) for number in numbers]
    await put(store, *items)
    return store
