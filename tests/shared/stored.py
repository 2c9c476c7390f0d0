"""The least of a task and of an item that a store takes."""

from __future__ import annotations

from gristmill.storage.records import Item, Status, Task


def task(number: int) -> Task:
    return Task.of("chunk", attributes={"n": number})


def item(of: Task, status: Status = Status.ACCEPTED, *, reason: str = "", text: str = "") -> Item:
    reasons = (reason,) if reason else ()
    return Item(id=f"item-{of.id}", task=of.id, kind="qa", status=status, reasons=reasons, fields={"text": text})
