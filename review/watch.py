"""Watches a run from outside, whoever works on it: one look gives everything that the dashboard shows.

A look costs little however large the run is: the books are not counted again before a while has passed, and samples
and events are read from where the last look ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..storage.people import People, Shift
from ..storage.samples import KEPT, Sample, Samples
from ..storage.store import Books, RunStore

REST = 50.0  # times as long as it took are books and reasons not counted again


@dataclass(frozen=True, slots=True)
class View:
    """A run at a moment. `campaign`, `stop`, `spent` and `documents` are marks of the store, `latest` is what came with
    the newest sample. `reasons` counts items by (status, first reason), `decided` items by what people decided; `shift`
    is how that moves the number of items that count as accepted.
    """

    holder: str | int | None
    campaign: dict[str, Any]
    stop: dict[str, Any] | None
    spent: dict[str, Any]
    documents: dict[str, Any]
    books: Books
    reasons: dict[tuple[str, str], int]
    samples: tuple[Sample, ...]
    latest: dict[str, Any]
    decided: dict[str, int]
    shift: Shift

    @property
    def counted(self) -> int:
        """Items that count as accepted, people's decisions included."""
        return self.books.accepted + self.shift.total


class Watch:
    """Looks at the run in `store`, which is open for reading. For one thread."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._samples: list[Sample] = []
        self._books = Books()
        self._reasons: dict[tuple[str, str], int] = {}
        self._until = 0.0
        self._people = People(store)

    def look(self) -> View:
        """Returns the run as it is now; raises `StoreError` when the store is away."""
        self._count()
        return View(
            holder=self._store.holder,
            campaign=self._store.mark("campaign") or {},
            stop=self._store.mark("stop"),
            spent=self._store.mark("spent") or {},
            documents=self._store.mark("ingested") or {},
            books=self._books,
            reasons=self._reasons,
            samples=self.samples(),
            latest=Samples(self._store).latest(),
            decided=self._people.decisions,
            shift=self._people.shift,
        )

    def close(self) -> None:
        """Closes the store that it looks at."""
        self._store.close_reading()

    def samples(self) -> tuple[Sample, ...]:
        """Returns the series so far; it is read anew when the run has thinned it out."""
        self._samples += Samples(self._store).since(self._samples[-1].at if self._samples else 0)
        if len(self._samples) > KEPT:
            self._samples = Samples(self._store).since()
        return tuple(self._samples)

    def _count(self) -> None:
        began = time.monotonic()
        if began < self._until:
            return
        books, self._reasons = self._store.books(), self._store.reasons()
        if books != self._books:  # what ended may be another version of an item that people decided
            self._books, self._people = books, People(self._store)
        self._people.look()
        ended = time.monotonic()
        self._until = ended + REST * (ended - began)
