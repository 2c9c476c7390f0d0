"""How often tasks used each entity: the numbers that a planner weighs by, kept up to date while the run goes on.

Tasks are read once, in the order they were planned. Afterwards a look costs what is new and what is pending, of which
a campaign holds a window; so a run of a million tasks is not read again for each page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from ...storage.changed import led_elsewhere
from ...storage.records import Status
from ...storage.store import RunStore

PAGE = 2000
WAYS = (Status.PENDING, Status.ACCEPTED, Status.REJECTED, Status.FAILED)
PLACE = {status.value: place for place, status in enumerate(WAYS)}


@dataclass(frozen=True, slots=True)
class Uses:
    """How many tasks used an entity, by where they stand. They balance as the campaign's books do."""

    pending: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0

    @property
    def planned(self) -> int:
        return self.pending + self.accepted + self.rejected + self.failed

    @property
    def covering(self) -> int:
        """The planner's number (`PlanView.coverage`): accepted and pending tasks."""
        return self.accepted + self.pending


NEVER_USED = Uses()


class EntityCoverage:
    """The uses of every entity of one run. Use it from one thread; `refresh` before a look takes in what is new.

    `version` grows when any number changes.
    """

    def __init__(self, store: RunStore) -> None:
        self.version = 0
        self._store = store
        self._changed: dict[str, int] = {}
        self._forget()

    def forget(self) -> None:
        """Takes everything in anew at the next look: the graph is another, and ids may lead elsewhere."""
        self.version += 1
        self._changing = self.version
        for entity in self._counts:
            self._changed[entity] = self.version
        self._forget()

    def _forget(self) -> None:
        self._now = led_elsewhere(self._store)
        self._read = 0  # the last task's number
        self._failed = 0  # tasks
        self._pending: dict[int, tuple[str, ...]] = {}
        self._counts: dict[str, list[int]] = {}

    def of(self, entity: str) -> Uses:
        """Returns the uses of an entity, by its id."""
        found = self._counts.get(entity)
        return Uses(*found) if found is not None else NEVER_USED

    def since(self, version: int) -> Iterator[str]:
        """Yields the ids of the entities whose numbers changed after `version`."""
        return (entity for entity, changed in self._changed.items() if changed > version)

    def refresh(self) -> None:
        """Takes in tasks that were planned, that ended, and failed ones that run again."""
        self._changing = self.version + 1
        known = self._read
        self._take_new()
        self._take_moved(known)
        ((failed,),) = self._store.rows("SELECT count(*) FROM tasks WHERE status = 'failed'")
        if failed < self._failed:  # some ran again and ended between two looks, which leaves no other trace
            self._forget()
            self._take_new()

    def _take_new(self) -> None:
        while rows := self._store.rows(
            "SELECT seq, status, body FROM tasks WHERE seq > ? ORDER BY seq LIMIT ?", self._read, PAGE
        ):
            for seq, status, body in rows:
                entities = _entities(body)
                if status == Status.PENDING:
                    self._pending[seq] = entities
                self._count(entities, status, 1)
            self._read = rows[-1][0]

    def _take_moved(self, known: int) -> None:
        """What was pending at the last look and is not now has ended; what is pending now and was not runs again."""
        rows = self._store.rows("SELECT seq FROM tasks WHERE status = 'pending' AND seq <= ?", known)
        now = {seq for (seq,) in rows}
        before = {seq for seq in self._pending if seq <= known}
        for seq, status, _ in self._tasks(before - now):
            entities = self._pending.pop(seq)
            self._count(entities, Status.PENDING, -1)
            self._count(entities, status, 1)
        for seq, _, body in self._tasks(now - before):
            self._pending[seq] = _entities(body)
            self._count(self._pending[seq], Status.FAILED, -1)  # only failed tasks are made pending again
            self._count(self._pending[seq], Status.PENDING, 1)

    def _tasks(self, numbers: Iterable[int]) -> Iterator[tuple[int, str, str]]:
        waiting = iter(sorted(numbers))
        while some := list(islice(waiting, 500)):
            marks = ", ".join("?" * len(some))
            sql = f"SELECT seq, status, body FROM tasks WHERE seq IN ({marks})"  # noqa: S608  # bound
            yield from ((int(seq), str(status), str(body)) for seq, status, body in self._store.rows(sql, *some))

    def _count(self, entities: tuple[str, ...], status: str, change: int) -> None:
        if status == Status.FAILED:
            self._failed += change
        if self._now:
            entities = tuple(dict.fromkeys(now for id in entities if (now := self._now.get(id, id))))
        for entity in entities:
            self._counts.setdefault(entity, [0] * len(WAYS))[PLACE[status]] += change
            self._changed[entity] = self._changing
            self.version = self._changing


def _entities(body: str) -> tuple[str, ...]:
    return tuple(orjson.loads(body).get("entities", ()))
