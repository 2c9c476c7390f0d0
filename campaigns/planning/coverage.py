"""How much of the documents and of the knowledge graph the tasks touch, and how evenly, counted task by task."""

from __future__ import annotations

from collections import Counter

from ...graphs.planners.base import coverage_keys
from ...storage.records import Task


class Share:
    """The ids of one kind that tasks touch. Nothing is looked through to answer: a large graph would take a while."""

    def __init__(self) -> None:
        self.touched = 0
        self._sum = 0
        self._squares = 0

    def change(self, before: int, by: int) -> None:
        """Takes in that an id which `before` tasks touched is touched by `by` more, or fewer."""
        now = before + by
        self.touched += int(now > 0) - int(before > 0)
        self._sum += by
        self._squares += now * now - before * before

    @property
    def spread(self) -> float:
        """How many ids would be touched if each were touched as often: the inverse of Simpson's index; 0 of nothing."""
        return self._sum * self._sum / self._squares if self._squares > 0 else 0.0


class Coverage:
    """Counts accepted and pending tasks by what they touch.

    `counts` is by chunk, entity and cell, as planners weigh by it (see `coverage_keys`).
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.chunks = Share()
        self.entities = Share()

    def add(self, task: Task) -> None:
        """Counts a task."""
        self._share(task, 1)
        self.counts.update(coverage_keys(task))

    def drop(self, task: Task) -> None:
        """Takes a task out again: it was not accepted."""
        self._share(task, -1)
        self.counts.subtract(coverage_keys(task))

    def _share(self, task: Task, by: int) -> None:
        for share, ids in ((self.chunks, task.chunks), (self.entities, task.entities)):
            for id, times in Counter(ids).items():
                share.change(self.counts[id], by * times)
