"""Group commit: one thread and one SQLite connection write for a whole process.

While a transaction is being committed, the statements of the next one gather, so the cost of an fsync is shared by all
that wait and grows with nobody's number. A caller's `await` returns when its own rows are durable.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..errors import StoreError, StoreFull

Rows = Sequence[tuple[Any, ...]]
Statement = tuple[str, Rows]
REFUSED = ("unable to open", "readonly")  # what SQLite says where it may not read or write a file


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Opens SQLite in WAL mode. The caller decides on transactions (autocommit is on).

    synchronous=FULL: a committed result survives a power loss, not only a kill; group commit keeps it cheap.
    """
    if read_only:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if _has_log(path) or not any(words in str(error) for words in REFUSED):
                raise
            # WAL needs a file beside the database even to read, and here none can be made: a folder or a disk that
            # cannot be written. Without a log nobody writes, and the file alone is the whole run.
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
    else:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA cache_size=-500")  # KiB: reads are by key, and what was just written is not read again
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def translate(error: Exception, path: Path) -> StoreError:
    """Turns what SQLite or the file system said into an error with its mend."""
    text = str(error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "disk is full" in text or "disk I/O error" in text:
        return StoreFull(
            f"the disk that holds {path} is full or failing ({text}); what was committed is intact: "
            f"free some space and start the same command again"
        )
    if isinstance(error, sqlite3.Error | FileNotFoundError) and not path.parent.is_dir():
        return removed(path)
    if isinstance(error, OSError) or any(words in text for words in REFUSED):
        return StoreError(
            f"{path} cannot be used ({text}); mend its rights, or name another folder in `runs` or with --runs"
        )
    if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        return StoreError(f"{path} is damaged ({text}); start the campaign again under another name")
    return StoreError(f"{path}: {text}")


def removed(path: Path) -> StoreError:
    """Returns the error for a file that somebody took away from under a run."""
    return StoreError(
        f"{path} was removed or replaced while the run was using it, so nothing more can be kept there; put it back, "
        f"or start the same command again to begin anew"
    )


class GroupWriter:
    """Writes statements in groups. Made and used on one event loop; `close` commits what still waits."""

    def __init__(self, path: Path, *, also: Callable[[], Iterable[Statement]] | None = None) -> None:
        self._path = path
        self._connection = connect(path)
        self._file = _identity(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gristmill-writer")
        self._waiting: list[tuple[Sequence[Statement], asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None
        # Rows that go with every group, computed when it is formed: what was spent must never lag what was bought.
        self.also = also

    async def write(self, *statements: Statement) -> None:
        """Commits `statements` together, in order; returns when they are durable.

        Raises:
            StoreFull: the disk is full; the group was rolled back as a whole.
            StoreError: SQLite refused for another reason.
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
                    await loop.run_in_executor(self._thread, self._commit, statements)
                except Exception as error:
                    failure = error if isinstance(error, StoreError) else translate(error, self._path)
                    failure.__cause__ = None if failure is error else error
                    for _, done in group:
                        if not done.done():
                            done.set_exception(failure)
                            done.exception()  # marks it seen: its waiter may have been cancelled meanwhile
                else:
                    for _, done in group:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._flush = None

    def _commit(self, statements: Sequence[Statement]) -> None:
        self._require_file()
        merged: dict[str, list[tuple[Any, ...]]] = {}
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Statements of one group touch different rows, or the same rows in the order written within one text of
            # SQL; merging by text keeps that order and turns hundreds of inserts into a few executemany.
            for sql, rows in statements:
                merged.setdefault(sql, []).extend(rows)
            for sql, rows in merged.items():
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _require_file(self) -> None:
        """A file that is removed can still be written to, and nobody would ever read it: a campaign would pay for that.

        Raises:
            StoreError: the file is gone, or another one has its name.
        """
        if _identity(self._path) != self._file:
            raise removed(self._path)

    async def close(self) -> None:
        """Waits for what still waits, then closes the connection and the thread."""
        try:
            while self._flush is not None:
                await asyncio.shield(self._flush)
        finally:  # in the thread's own order, so after a transaction that it is at; also when this is cut short
            self._thread.submit(self._connection.close)
            self._thread.shutdown(wait=True)


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another of the same name; (0, 0) for none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino
