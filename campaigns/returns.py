"""Looks at what people decide while a campaign runs: plans what they send back, counts what they accept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from ..storage.people import People, Shift
from ..storage.records import Task
from ..storage.store import RunStore
from .planning.planning import Plan
from .stops import Stops

EVERY = 1.0  # seconds between two looks


class Returns:
    """What came back from people. `tell` hears how much they moved the counts, whenever that changes."""

    def __init__(self, store: RunStore, plan: Plan, stops: Stops, tell: Callable[[Shift], None]) -> None:
        self._store = store
        self._plan = plan
        self._stops = stops
        self._tell = tell
        self._people = People(store)
        self._looked: float | None = None

    async def look(self, *, now: bool = False) -> None:
        """Takes in new decisions and plans the tasks of what was sent back; not more often than once a second.

        Raises:
            StoreError: the store refuses to plan them; the next start does.
        """
        first = self._looked is None
        if self._looked is not None and not now and monotonic() - self._looked < EVERY:
            return
        await self._store.ready()
        # The first look reads all that was ever decided, in a thread, where signals do not wait for it.
        changed = await asyncio.to_thread(self._people.look) if first else self._people.look()
        self._looked = monotonic()
        if changed or first:
            self._count()
            await self._plan.add_sent_back(self._people.due())

    @property
    def waiting(self) -> bool:
        """Whether `next` has a task to give."""
        return self._plan.sent_back > 0

    def next(self) -> Task | None:
        """Returns the next task that a note made, or None when there is none now."""
        return self._plan.next_sent_back()

    def ended(self, task: Task) -> None:
        """A task ended: it may be a version of an item, or of one that was decided before it ran again."""
        if self._people.ended(task.id):
            self._count()

    def _count(self) -> None:
        self._stops.people = self._people.shift.total
        self._tell(self._people.shift)
