"""SQLite's write lock: one process writes at a time, and whoever finds it held waits, and says for whom.

A transaction takes microseconds, so a lock that is held for long says that its holder was stopped (SIGSTOP, a frozen
container) in mid-transaction, or that a disk hangs. Both may pass, and a campaign is not to end for them.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

LOG = logging.getLogger(__name__)
LOOK = 2.0  # seconds until it is looked who holds the lock, and between two looks
PATIENCE = 300.0  # seconds, as for a Redis or a PostgreSQL that is gone
HURRY = 10.0  # the same for a process that wants to end
# Of the file `-shm`, whose lock is the right to write: WAL_WRITE_LOCK of https://www.sqlite.org/walformat.html
BYTE = 120


@dataclass(frozen=True)
class Holder:
    """A process that holds a write lock. `stopped` is one that runs nothing, for a signal or a debugger."""

    pid: int
    parent: int
    stopped: bool

    def __str__(self) -> str:
        return f"process {self.pid}" + (", which is stopped" if self.stopped else "")


class WriteLock:
    """Begins transactions that write to the database at `path`. For one thread; `hurry` is called from any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hurried = threading.Event()
        self._over = threading.Event()
        self._since: float | None = None

    @property
    def waiting(self) -> float:
        """Seconds that `begin` has waited so far; 0 while it does not."""
        since = self._since
        return 0.0 if since is None else monotonic() - since

    def hurry(self) -> None:
        """From now on nothing is waited for longer than some seconds: this process wants to end."""
        self._hurried.set()

    def give_up(self) -> None:
        """Ends the wait of another thread, within the moment that it sleeps in SQLite."""
        self._over.set()

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begins a transaction that writes, waiting while another process holds the lock.

        A holder that this process started and that is stopped is ended, which frees the lock: it keeps everybody from
        going on, itself too, and who starts workers replaces those that die.

        Raises:
            sqlite3.OperationalError: it was held for longer than `PATIENCE`, or is refused for another reason.
        """
        connection.execute(f"PRAGMA busy_timeout={LOOK * 1000:.0f}")
        began, told = monotonic(), False
        before: Holder | None = None
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or self._is_over(began):
                        raise
                else:
                    break
                self._since = began
                now = holder_of(self._path)
                if now != before or not told:
                    told = True
                    LOG.warning("%s is locked by %s; waiting for it", self._path, now or "another process")
                elif now is not None and now.stopped and now.parent == os.getpid():
                    LOG.warning("%s, holds %s and is ended, for all wait for it", now, self._path)
                    with suppress(ProcessLookupError):  # it has ended meanwhile
                        os.kill(now.pid, signal.SIGKILL)
                before = now
        finally:
            self._since = None

    def _is_over(self, began: float) -> bool:
        return self._over.is_set() or monotonic() - began > (HURRY if self._hurried.is_set() else PATIENCE)


def holder_of(path: Path) -> Holder | None:
    """Returns the process that holds the write lock of the database at `path`; None where nobody does, or none can say.

    Read from /proc: to open the file that is locked and to close it again would free this process's own locks on it.
    """
    try:
        inode = os.stat(f"{path}-shm").st_ino
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:  # there is no such file, or no /proc
        return None
    for line in locks:
        match line.split():  # a line of one that waits has an arrow more
            case [_, "POSIX", _, "WRITE", pid, file, first, last] if (
                file.rpartition(":")[2] == str(inode)
                and int(first) <= BYTE
                and (last == "EOF" or int(last) >= BYTE)
                and (found := _process(int(pid)))
            ):
                return found
    return None


def _process(pid: int) -> Holder | None:
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:  # it has ended, or lives in another namespace
        return None
    return Holder(pid, int(parent), state in {"T", "t"})
