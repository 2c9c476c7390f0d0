"""The time series of a run: what its coordinator saw every few seconds, kept beside the items in the same store.

A sample's counts are the run's own and only grow, over all starts, so that one that is dropped loses no total: thinning
merges a stretch of time into its ends. `start` numbers the starts of the campaign: between two of them nobody looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .records import Record, Status
from .schema import Statement
from .store import Books, RunStore, mark_statement

KEPT = 2000  # samples at most: a run of weeks holds about half a megabyte of them
RECENT = 500  # the newest of them stay as they came; older ones lie evenly over the time before
DUPLICATE = "duplicate"
LATEST = "latest"  # the mark of what is worth only its newest value
ADD = "INSERT INTO samples (at, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
DROP = "DELETE FROM samples WHERE at = ?"


class Sample(Record):
    """A moment of a run.

    `at` is in milliseconds since 1970, later than any sample before, whatever the clocks of hosts say. `phase` has
    `done` of `total` steps, the total where it is known. The books are the store's at that moment; `duplicates` are
    the tasks among the rejected whose draft repeated another. `calls` were asked, `cached_calls` answered from the
    cache; `tokens`, `usd` and `seconds` (of work) are what the run has spent. `running` tasks are in flight, in `slots`
    places; the rest is a fleet's: workers heard of late, those of them that cannot work, tasks that are ready, results
    to commit, tasks set aside. `chunks` and `entities` of `all_chunks` and `all_entities` are touched by accepted or
    pending tasks; `spread` is how many of the entities (without a graph: of the chunks) the tasks would touch if they
    touched each as often: the inverse of Simpson's index, the Hill number of order 2 (Hill 1973).
    """

    at: int
    start: int = 1
    phase: str = ""
    done: int = 0
    total: int | None = None
    planned: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    pending: int = 0
    duplicates: int = 0
    calls: int = 0
    cached_calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    running: int = 0
    slots: int = 0
    workers: int = 0
    troubled: int = 0
    ready: int = 0
    results: int = 0
    dead: int = 0
    chunks: int = 0
    all_chunks: int = 0
    entities: int = 0
    all_entities: int = 0
    spread: float = 0.0

    @property
    def ended(self) -> int:
        """Tasks that have come to an end."""
        return self.accepted + self.rejected + self.failed


class Samples:
    """The series of one run. `add` is for the process that works on the run; the rest only reads."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def add(self, sample: Sample, latest: Any, drop: Sequence[int] = ()) -> None:
        """Keeps a sample, puts `latest` (JSON) in place of what the sample before came with, and drops old samples.

        All in one transaction; returns when it is durable.
        """
        statements: list[Statement] = [
            (ADD, [(sample.at, sample.model_dump_json(exclude_defaults=True))]),
            mark_statement(LATEST, latest),
        ]
        await self._store.write(*statements, (DROP, [(at,) for at in drop]))

    def since(self, at: int = 0) -> list[Sample]:
        """Returns the samples after the moment `at`, the oldest first."""
        rows = self._store.rows("SELECT body FROM samples WHERE at > ? ORDER BY at", at)
        return [Sample.model_validate_json(body) for (body,) in rows]

    def last(self) -> Sample | None:
        """Returns the newest sample, None when there is none."""
        rows = self._store.rows("SELECT body FROM samples ORDER BY at DESC LIMIT 1")
        return Sample.model_validate_json(rows[0][0]) if rows else None

    def latest(self) -> dict[str, Any]:
        """Returns what came with the newest sample."""
        return self._store.mark(LATEST) or {}

    def counted(self) -> tuple[Books, int]:
        """Counts the run as a sample has it: its books, and the tasks that were lost as duplicates."""
        sql = "SELECT count(*) FROM items WHERE status = ? AND reason = ?"
        ((duplicates,),) = self._store.rows(sql, Status.REJECTED.value, DUPLICATE)
        return self._store.books(), int(duplicates)


def superfluous(moments: Sequence[tuple[int, float]]) -> list[int]:
    """Returns `at` of the samples that go once there are more than `KEPT`: so many that none go for a while after.

    `moments` are (at, seconds of work), ascending. It is the time of work that is divided, and not the calendar's: a
    run that lay still for a month keeps its days. The first sample stays, and the last of each stretch.
    """
    if len(moments) <= KEPT:
        return []
    old = moments[:-RECENT]
    (_, began), (_, ended) = old[0], old[-1]
    # A power of two: the stretches of a later, coarser time are whole stretches of this one, and none is cut unevenly.
    width = 2.0 ** math.ceil(math.log2(max((ended - began) / ((KEPT - RECENT) // 2), 1e-3)))
    last = {int((seconds - began) / width): at for at, seconds in old}
    return [at for at, seconds in old[1:] if at != last[int((seconds - began) / width)]]
