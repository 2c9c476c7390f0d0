"""SQLite for a run: one file in WAL mode in the run's folder, and a lock beside it that dies with its holder."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ..errors import StoreError, StoreFull
from .database import Row
from .lock import RunLock
from .schema import SCHEMA, VERSION, Statement, merged, require_version
from .write_lock import WriteLock, holder_of

FILE = "run.sqlite3"
REFUSED = ("unable to open", "readonly")  # what SQLite says where it may not read or write a file
NAMES = {
    "seq": "INTEGER",
    "order": "",
    "bytes": "BLOB",
    "lasting": "AUTOINCREMENT",
}  # every table has its rowid, which keeps the order


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
    if isinstance(error, sqlite3.OperationalError) and "locked" in text:
        return StoreError(
            f"{path} is locked by {holder_of(path) or 'another process'}, which does not let go of it; see what it "
            f"does, end it or let it go on, and start the same command again"
        )
    return StoreError(f"{path}: {text}")


def removed(path: Path) -> StoreError:
    """Returns the error for a file that somebody took away from under a run."""
    return StoreError(
        f"{path} was removed or replaced while the run was using it, so nothing more can be kept there; put it back, "
        f"or start the same command again to begin anew"
    )


class SqliteDatabase:
    """A run's file. `open` and `join` write, `read` only looks; the calls of `Database` are documented there."""

    def __init__(self, folder: Path, reading: sqlite3.Connection, writing: sqlite3.Connection | None) -> None:
        self.shown = str(folder)
        self.environment: Mapping[str, str] = {}
        self._folder = folder
        self._path = folder / FILE
        self._reading = reading
        self._writing = writing
        self._file = _identity(self._path)
        self._lock = RunLock(folder)
        self._writer = WriteLock(self._path)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens the run in `folder` for writing, making it when it is not there; see `RunStore.open`."""
        lock = RunLock(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise translate(error, folder) from error
        try:
            reading = connect(folder / FILE)
            _migrate(reading, folder)
            opened = cls(folder, reading, connect(folder / FILE))
        except sqlite3.Error as error:
            lock.release()
            raise translate(error, folder) from error
        except BaseException:
            lock.release()
            raise
        opened._lock = lock
        return opened

    @classmethod
    def join(cls, folder: Path) -> Self:
        """Opens the run in `folder` beside the process that works on it; takes no lock."""
        _require_file(folder)
        reading = connect(folder / FILE)
        _check_version(reading, folder)
        return cls(folder, reading, connect(folder / FILE))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Opens the run in `folder` for reading."""
        _require_file(folder)
        try:
            reading = connect(folder / FILE, read_only=True)
            _check_version(reading, folder)
        except sqlite3.Error as error:
            raise translate(error, folder) from error
        return cls(folder, reading, None)

    # What a task reads: a database that fails is the campaign's trouble, and must not look like the task's own.

    def row(self, sql: str, *values: Any) -> Row | None:
        try:
            found: Row | None = self._reading.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        return found

    def rows(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._reading.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self._path) from error

    def stream(self, sql: str, *values: Any) -> Iterator[Row]:
        """On a connection of its own: an open cursor would pin the shared one to the state it saw."""
        try:
            connection = connect(self._path, read_only=True)
            try:
                yield from connection.execute(sql, values)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise translate(error, self._path) from error

    async def look_up(self, sql: str, *values: Any) -> Row | None:
        return self.row(sql, *values)  # microseconds: a thread would cost more

    async def ready(self) -> None:
        return None

    def commit(self, statements: Sequence[Statement]) -> None:
        connection = self._writing
        if connection is None:
            raise StoreError(f"the run in {self._folder} is open for reading only")
        # A file that is removed can still be written to, and nobody would ever read it: a campaign would pay for that.
        if _identity(self._path) != self._file:
            raise removed(self._path)
        self._writer.begin(connection)
        try:
            for sql, rows in merged(statements).items():
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def translate(self, error: Exception) -> StoreError:
        return translate(error, self._path)

    def holder(self) -> int | None:
        return RunLock.holder(self._folder)

    @property
    def waiting(self) -> float:
        return self._writer.waiting

    def hurry(self) -> None:
        self._writer.hurry()

    def give_up(self) -> None:
        self._writer.give_up()

    def close_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()

    def close(self) -> None:
        self._reading.close()
        self._lock.release()


def _require_file(folder: Path) -> None:
    if not (folder / FILE).is_file():
        raise StoreError(f"no run is in {folder}: it has no {FILE}; runs are made by `gristmill run CAMPAIGN`")


def _migrate(connection: sqlite3.Connection, folder: Path) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        tables = SCHEMA.format_map(NAMES)
        connection.executescript(f"BEGIN IMMEDIATE;{tables}PRAGMA user_version = {VERSION};COMMIT;")
    _check_version(connection, folder)


def _check_version(connection: sqlite3.Connection, folder: Path) -> None:
    require_version(connection.execute("PRAGMA user_version").fetchone()[0], str(folder))


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another of the same name; (0, 0) for none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino
