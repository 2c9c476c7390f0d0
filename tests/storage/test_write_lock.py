"""A database whose write lock somebody holds: what writes waits, says for whom, and goes on; what reads never waits."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from processes import gone, until
from queue_pair import some_work

from gristmill.errors import StoreError
from gristmill.storage import write_lock
from gristmill.storage.leases import QUEUE_FILE, SqliteCoordinatorQueue
from gristmill.storage.sqlite import FILE, connect
from gristmill.storage.store import RunStore

# Takes the lock, stops in mid-transaction, and lets go when it is continued.
STOPS = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE half (done)")
os.kill(os.getpid(), signal.SIGSTOP)
connection.execute("ROLLBACK")
"""
# Does so in a process whose parent has ended: nobody's child.
ORPHANED = f"import os\nif os.fork():\n    os._exit(0)\n{STOPS}"


@pytest.fixture(autouse=True)
def looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_lock, "LOOK", 0.1)


@pytest.fixture
def holders() -> Iterator[list[int]]:
    """Pids that the test leaves behind, stopped as they are."""
    left: list[int] = []
    yield left
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def stopped_with_the_lock(path: Path, holders: list[int], program: str) -> int:
    """Starts a process that holds the write lock of `path` and is stopped; returns its pid."""
    await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path), stdin=asyncio.subprocess.DEVNULL)

    def there() -> bool:
        found = write_lock.holder_of(path)
        return found is not None and found.stopped

    await until(there)
    holder = write_lock.holder_of(path)
    assert holder is not None
    holders.append(holder.pid)
    return holder.pid


async def test_a_queue_waits_for_a_stranger_that_is_stopped_and_is_read_meanwhile(
    tmp_path: Path, holders: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    queue = SqliteCoordinatorQueue(tmp_path)
    await queue.begin({"flow": "test"})
    assert write_lock.holder_of(tmp_path / QUEUE_FILE) is None
    pid = await stopped_with_the_lock(tmp_path / QUEUE_FILE, holders, ORPHANED)
    other = SqliteCoordinatorQueue(tmp_path)
    with caplog.at_level(logging.WARNING):
        feeding = asyncio.create_task(queue.feed(some_work(3)))
        await until(lambda: f"is locked by process {pid}, which is stopped; waiting for it" in caplog.text)
    assert (await other.state()).ready == 0, "who looks does not wait"
    assert not feeding.done()
    assert not gone(pid), "it is not ours to end"
    os.kill(pid, signal.SIGCONT)
    await feeding
    assert (await other.state()).ready == 3
    await other.close()
    await queue.close()


async def test_a_child_that_is_stopped_with_the_lock_is_ended(
    tmp_path: Path, holders: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    queue = SqliteCoordinatorQueue(tmp_path)
    await queue.begin({"flow": "test"})
    pid = await stopped_with_the_lock(tmp_path / QUEUE_FILE, holders, STOPS)
    with caplog.at_level(logging.WARNING):
        await queue.feed(some_work(3))
    assert gone(pid)
    assert f"process {pid}, which is stopped, holds {tmp_path / QUEUE_FILE} and is ended" in caplog.text
    assert (await queue.state()).ready == 3
    await queue.close()


async def test_a_child_that_runs_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    connection = connect(tmp_path / "some.sqlite3")
    connection.execute("CREATE TABLE some (row)")
    holding = connect(tmp_path / "some.sqlite3")
    holding.execute("BEGIN IMMEDIATE")  # this process itself, which runs
    lock = write_lock.WriteLock(tmp_path / "some.sqlite3")
    with caplog.at_level(logging.WARNING):
        beginning = asyncio.create_task(asyncio.to_thread(lock.begin, connection))
        await until(lambda: "is locked by" in caplog.text)
    assert lock.waiting > 0
    holding.execute("COMMIT")
    await beginning
    assert lock.waiting == 0
    assert connection.in_transaction
    connection.close()
    holding.close()


async def test_a_wait_for_whom_nobody_can_name_is_told_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "holder_of", lambda path: None)  # as on another host, or without a /proc
    monkeypatch.setattr(write_lock, "LOOK", 0.05)
    monkeypatch.setattr(write_lock, "PATIENCE", 0.2)
    connection, holding = connect(tmp_path / "some.sqlite3"), connect(tmp_path / "some.sqlite3")
    holding.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"), caplog.at_level(logging.WARNING):
        write_lock.WriteLock(tmp_path / "some.sqlite3").begin(connection)
    assert [one for one in caplog.messages if one.endswith("is locked by another process; waiting for it")]
    assert len(caplog.messages) == 1
    connection.close()
    holding.close()


async def test_patience_ends_with_who_holds_it(
    tmp_path: Path, holders: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = SqliteCoordinatorQueue(tmp_path)
    await queue.begin({"flow": "test"})
    pid = await stopped_with_the_lock(tmp_path / QUEUE_FILE, holders, ORPHANED)
    monkeypatch.setattr(write_lock, "PATIENCE", 0.2)
    with pytest.raises(
        StoreError, match=f"{QUEUE_FILE} is locked by process {pid}, which is stopped, .* end it or let"
    ):
        await queue.feed(some_work(1))
    monkeypatch.setattr(write_lock, "PATIENCE", 300.0)
    monkeypatch.setattr(write_lock, "HURRY", 0.2)
    feeding = asyncio.create_task(queue.feed(some_work(1)))
    await asyncio.sleep(0)
    await queue.close()  # who wants to end does not wait for long
    with pytest.raises(StoreError, match="is locked by"):
        await feeding


async def test_a_store_waits_too(tmp_path: Path, holders: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore.open(tmp_path)
    pid = await stopped_with_the_lock(tmp_path / FILE, holders, ORPHANED)
    marking = asyncio.create_task(store.set_mark("some", 1))
    await until(lambda: store.waiting > 0)
    assert store.mark("some") is None
    os.kill(pid, signal.SIGCONT)
    await marking
    assert store.mark("some") == 1
    assert store.waiting == 0
    await store.close()


async def test_what_is_refused_for_another_reason_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "some.sqlite3").write_bytes(b"no database at all, but long enough to be read as the head of one" * 9)
    connection = sqlite3.connect(tmp_path / "some.sqlite3", isolation_level=None)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        write_lock.WriteLock(tmp_path / "some.sqlite3").begin(connection)
    connection.close()
