"""Group commit: one thread writes for a whole process.

While a transaction is being committed, the statements of the next one gather, so the cost of an fsync is shared by all
that wait and grows with nobody's number. A caller's `await` returns when its own rows are durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..errors import StoreError
from .database import Database
from .schema import Statement


class GroupWriter:
    """Writes statements in groups. Made and used on one event loop; `close` commits what still waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gristmill-writer")
        self._waiting: list[tuple[Sequence[Statement], asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None
        # Rows that go with every group, computed when it is formed: what was spent must never lag what was bought.
        self.also: Callable[[], Iterable[Statement]] | None = None

    async def write(self, *statements: Statement) -> None:
        """Commits `statements` together, in order; returns when they are durable.

        Raises:
            StoreFull: the disk is full; the group was rolled back as a whole.
            RunLocked: another process has taken the run over.
            StoreError: the database refused for another reason.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((statements, done))
        if self._flush is None:
            self._flush = loop.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # everything that is ready in this turn of the loop joins the first group
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                statements = [statement for batch, _ in group for statement in batch]
                try:
                    if self.also is not None:
                        statements.extend(self.also())
                    await loop.run_in_executor(self._thread, self._database.commit, statements)
                except Exception as error:
                    self._fail(group, error)
                else:
                    for _, done in group:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._flush = None

    def _fail(self, group: Sequence[tuple[Sequence[Statement], asyncio.Future[None]]], error: Exception) -> None:
        failure = error if isinstance(error, StoreError) else self._database.translate(error)
        if failure is not error:
            failure.__cause__ = error
        for _, done in group:
            if not done.done():
                done.set_exception(failure)
                done.exception()  # marks it seen: its waiter may have been cancelled meanwhile

    async def close(self) -> None:
        """Waits for what still waits, then closes the connection and the thread."""
        self._database.hurry()
        try:
            while self._flush is not None:
                await asyncio.shield(self._flush)
        finally:  # in the thread's own order, so after a transaction that it is at; also when this is cut short
            self._thread.submit(self._database.close_writing)
            self._thread.shutdown(wait=True)
