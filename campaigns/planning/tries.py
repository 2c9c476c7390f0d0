"""How often each chunk was tried and what came of it, live: what planners ask that spend trials by their ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ...graphs.planners.tried import UNTRIED, Tried
from ...storage.records import Status, Task
from ...storage.returns import is_refine
from ...storage.store import RunStore

PAGE = 1000
BY_TASK = (
    "SELECT t.seq, t.body, t.status, coalesce(i.reason, '') FROM tasks t LEFT JOIN items i ON i.task = t.id "
    "WHERE t.seq > ? ORDER BY t.seq LIMIT ?"
)


@dataclass(slots=True)
class _Line:
    planned: int = 0
    accepted: int = 0
    failed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


class Tries:
    """Counts tasks by chunk and kind, from the first question on: a campaign whose planner never asks pays nothing.

    The first question reads all tasks of the store, in whatever thread it is asked. A task that ends meanwhile may be
    in that reading or not; its end counts if it was pending there, and so once. What people sent back, and what is
    stale since its documents changed, is no trial.
    """

    def __init__(self, store: RunStore, today: Callable[[Task], Task], stale: Collection[str]) -> None:
        self._store = store
        self._today = today
        self._stale = stale
        self._lines: dict[tuple[str, str], _Line] | None = None
        self._pending: set[str] = set()

    def of(self, chunk: str, kind: str) -> Tried:
        """What came of the tasks of `kind` on `chunk`."""
        if self._lines is None:
            self._lines = self._read()
        line = self._lines.get((chunk, kind))
        return UNTRIED if line is None else Tried(line.planned, line.accepted, dict(line.rejected), line.failed)

    def add(self, task: Task) -> None:
        """Counts a task that was planned."""
        if self._lines is not None:
            self._count(self._lines, task, Status.PENDING, "")

    def ended(self, task: Task, status: Status, reason: str) -> None:
        """Counts the end of a task, unless it is counted already."""
        if self._lines is None or task.id not in self._pending:
            return
        self._pending.discard(task.id)
        for line in self._lines_of(self._lines, task):
            _end(line, status, reason)

    def _read(self) -> dict[tuple[str, str], _Line]:
        lines: dict[tuple[str, str], _Line] = {}
        after = -1
        while page := self._store.rows(BY_TASK, after, PAGE):
            after = page[-1][0]
            for _, body, status, reason in page:
                task = Task.model_validate_json(body)
                if not is_refine(task) and not (status == Status.ACCEPTED and task.id in self._stale):
                    self._count(lines, task, Status(status), reason)
        return lines

    def _count(self, lines: dict[tuple[str, str], _Line], task: Task, status: Status, reason: str) -> None:
        if status is Status.PENDING:
            self._pending.add(task.id)
        for line in self._lines_of(lines, task):
            line.planned += 1
            _end(line, status, reason)

    def _lines_of(self, lines: dict[tuple[str, str], _Line], task: Task) -> list[_Line]:
        return [lines.setdefault((chunk, task.kind), _Line()) for chunk in dict.fromkeys(self._today(task).chunks)]


def _end(line: _Line, status: Status, reason: str) -> None:
    if status is Status.ACCEPTED:
        line.accepted += 1
    elif status is Status.REJECTED:
        line.rejected[reason] += 1
    elif status is Status.FAILED:
        line.failed += 1
