"""What the tests of sending back share: decisions on a run's items, and what has come of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gristmill.review.desk import Desk
from gristmill.storage.records import Item, Status, Task
from gristmill.storage.returns import is_refine
from gristmill.storage.reviews import Action, Review
from gristmill.storage.store import RunStore

NOTE = "Name the sluice, and ask for its width."


@asynccontextmanager
async def desk_of(folder: Path, url: str = "") -> AsyncIterator[Desk]:
    """A person's desk on the run in `folder`, beside whatever process works on it."""
    store = RunStore.join(folder, url)
    try:
        yield Desk(store)
    finally:
        await store.close()


async def decide(folder: Path, item: str, action: Action, *, url: str = "", **more: Any) -> Review:
    """Takes one decision as ada."""
    async with desk_of(folder, url) as desk:
        return await desk.decide(item, action, "ada", **more)


async def send_back(folder: Path, item: str, note: str = NOTE, *, url: str = "") -> Review:
    """Sends an item back with a note."""
    return await decide(folder, item, Action.SEND_BACK, note=note, url=url)


def items(folder: Path, status: Status | None = None, url: str = "") -> list[Item]:
    """The run's items, in the order they ended."""
    store = RunStore.read(folder, url)
    try:
        return list(store.items(status))
    finally:
        store.close_reading()


def refine_tasks(folder: Path, url: str = "") -> list[tuple[Task, Status]]:
    """The run's tasks that notes made, with their status."""
    store = RunStore.read(folder, url)
    try:
        return [(task, status) for task, status in store.tasks() if is_refine(task)]
    finally:
        store.close_reading()


def returned(folder: Path, item: str, url: str = "") -> list[Item]:
    """What came of an item that was sent back."""
    return [one for one in items(folder, url=url) if one.attributes.get("refines") == item]


def assert_returned(result: Item, origin: Item, note: str = NOTE) -> None:
    """The result names its origin and the note; where the flow went on from a draft, it is the origin's last."""
    assert result.attributes["refines"] == origin.id
    assert result.attributes["reviewer_note"] == note
    assert result.attributes["draw"] == origin.attributes["draw"]
    assert (result.chunks, result.entities, result.kind) == (origin.chunks, origin.entities, origin.kind)
    if result.verdicts and result.verdicts[0].by == "reviewer":
        assert result.drafts[0].messages == origin.drafts[-1].messages
        assert result.verdicts[0].text == note
        assert [draft.index for draft in result.drafts] == list(range(len(result.drafts)))
        assert len(result.drafts) > 1, "nobody mended it"
