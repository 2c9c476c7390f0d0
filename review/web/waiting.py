"""Threads between the pages and a store that may be away: a page waits for its answer, and never for ever.

A database elsewhere is stopped, hangs or is cut off. Then whoever reads it waits in a thread of the store's; the event
loop goes on, and a page that has waited for long enough says so. When the database is back the same threads go on.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from ...errors import StoreAway
from ...storage.store import RunStore
from ..desk import Desk

T = TypeVar("T")
Kept = TypeVar("Kept")
PATIENCE = (
    5.0  # seconds that a database does not answer one question before pages say so: its answers take milliseconds
)
BRIEF = 0.5  # seconds that a page waits when that is known; also how often it looks


async def answered(answer: Future[T], waiting: Callable[[], float]) -> T:
    """Returns what a thread answers. One that computes is waited for; `waiting` says how long a store has been silent.

    A question that no thread has begun with is taken back, one that is being answered goes on and nobody hears of it.

    Raises:
        StoreAway: the store has been silent for longer than `PATIENCE`.
    """
    future = asyncio.wrap_future(answer)
    while not (await asyncio.wait((future,), timeout=BRIEF))[0]:
        if (silent := waiting()) > PATIENCE:
            future.cancel()
            raise StoreAway(f"the database that keeps the run has not answered for {silent:.0f} seconds")
    return future.result()


class Room(Generic[Kept]):
    """One thread with a store of its own, open for reading, and what is made of it with the first question."""

    def __init__(
        self, name: str, store: RunStore, make: Callable[[RunStore], Kept], close: Callable[[Kept], None] | None = None
    ) -> None:
        self._store = store
        self._make = make
        self._close = close
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"review-{name}")
        self._opening = 0.0
        self._reader: RunStore | None = None
        self._kept: Kept | None = None

    async def ask(self, question: Callable[[Kept], T]) -> T:
        """Returns `question(kept)`, asked in the thread; raises `StoreAway` as `answered` says."""
        return await answered(self._thread.submit(lambda: question(self._made())), self._waiting)

    async def wait(self, question: Callable[[Kept], T]) -> T:
        """Returns the same however long it takes."""
        return await asyncio.wrap_future(self._thread.submit(lambda: question(self._made())))

    def _made(self) -> Kept:
        if self._reader is None:
            self._opening = self._opening or time.monotonic()
            self._reader = self._store.reader()
            self._opening = 0.0
        if self._kept is None:
            self._kept = self._make(self._reader)
        return self._kept

    def _waiting(self) -> float:
        if self._reader is not None:
            return self._reader.waiting
        return time.monotonic() - self._opening if self._opening else 0.0

    async def aclose(self) -> None:
        """Closes what was opened, after what the thread is at, unless that waits for a store that is away."""
        await ended(self._thread.submit(self._shut), self._waiting, lambda: self._reader)
        self._thread.shutdown()

    def _shut(self) -> None:
        if self._kept is not None and self._close is not None:
            self._close(self._kept)
        if self._reader is not None:
            self._reader.close_reading()


class DeskThread:
    """An event loop in a thread of its own, where a desk reads and writes its store: a read there keeps nobody else."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._desk = Desk(store)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="review-desk", daemon=True)
        self._thread.start()

    async def ask(self, question: Callable[[Desk], Awaitable[T]]) -> T:
        """Returns `await question(desk)`, asked in the thread.

        Raises:
            StoreAway: see `answered`. What was to be written may be written yet; by its id it is so once.
        """
        return await answered(self._submit(lambda: question(self._desk)), lambda: self._store.waiting)

    def _submit(self, question: Callable[[], Awaitable[T]]) -> Future[T]:
        answer: Future[T] = Future()

        async def answering() -> None:
            try:
                answer.set_result(await question())
            except BaseException as error:
                answer.set_exception(error)

        def begin() -> None:
            if answer.set_running_or_notify_cancel():  # else nobody waits for it any more
                task = self._loop.create_task(answering())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)
        return answer

    async def aclose(self) -> None:
        """Closes the store when what was begun is written, and ends the thread."""
        await ended(self._submit(self._store.close), lambda: self._store.waiting, lambda: self._store)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()


async def ended(answer: Future[None], waiting: Callable[[], float], store: Callable[[], RunStore | None]) -> None:
    """Waits until a thread has closed what it has; a store that is away is given up, and whoever waits for it told."""
    future = asyncio.wrap_future(answer)
    while not (await asyncio.wait((future,), timeout=BRIEF))[0]:
        if waiting() > PATIENCE and (away := store()) is not None:
            away.give_up()
    future.result()
