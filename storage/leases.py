"""The queue without a server: SQLite in the run's folder, for worker processes of one machine.

A lease is a row with an end by CLOCK_BOOTTIME, which no change of the wall clock moves and which goes on in suspend.
Tasks that were in flight when a worker died are suspects: one worker is emptied and runs half of them. A half that
lives is cleared, one that dies is halved again, and a strike falls on a task that ran alone and on no neighbour (group
testing: Dorfman 1943). So a hundred innocent tasks cost two rounds and no more.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson

from .queue import Dead, Lease, QueueState, Result, Work, WorkerInfo
from .sqlite import connect, translate
from .write_lock import WriteLock

LOG = logging.getLogger(__name__)
QUEUE_FILE = "queue.sqlite3"
POLL = 0.02  # seconds between two looks at an empty queue
Answer = TypeVar("Answer")
Begin = Callable[[sqlite3.Connection], object]  # begins a transaction

SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'ready',
    suspect INTEGER NOT NULL DEFAULT 0, -- how many suspects it may run beside, itself included; 0 for none
    alone INTEGER NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '',
    until REAL NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0, strikes INTEGER NOT NULL DEFAULT 0,
    history TEXT NOT NULL DEFAULT '[]', result TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS tasks_state ON tasks (state, suspect, seq);
CREATE TABLE IF NOT EXISTS workers (name TEXT PRIMARY KEY, beat REAL NOT NULL, info TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS control (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
SET = "INSERT INTO control (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
TAKE = (
    "UPDATE tasks SET state = 'leased', worker = ?, until = ?, epoch = epoch + 1, alone = ? WHERE seq IN "
    "(SELECT seq FROM tasks WHERE state = 'ready' AND suspect = ? ORDER BY seq LIMIT ?) RETURNING body, epoch, seq"
)


def now() -> float:
    """Seconds since the machine started, suspend included."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))  # Linux alone has the first


class QueueFile:
    """One connection to the queue's file, and the thread that owns it. Each job is one transaction."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / QUEUE_FILE
        try:
            self._connection = connect(self.path)
            # A queue that is lost is filled again from the store: a power cut may cost its last moments.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gristmill-queue")
        self._lock = WriteLock(self.path)

    async def run(self, job: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Runs `job` in a transaction; raises `StoreError` or `StoreFull` when SQLite refuses."""
        return await self._do(job, self._lock.begin)

    async def look(self, job: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """As `run`, for a job that only reads: it waits for nobody who writes."""
        return await self._do(job, _begin_reading)

    async def _do(self, job: Callable[[sqlite3.Connection], Answer], begin: Begin) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, job, begin)
        except (sqlite3.Error, OSError) as error:
            raise translate(error, self.path) from error

    def _transaction(self, job: Callable[[sqlite3.Connection], Answer], begin: Begin) -> Answer:
        connection = self._connection
        begin(connection)
        try:
            answer = job(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answer

    def hurry(self) -> None:
        """Shortens every wait for a file that is locked: this process wants to end."""
        self._lock.hurry()

    async def close(self) -> None:
        self.hurry()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=True)


def _begin_reading(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")


class SqliteWorkerQueue:
    """A worker's side; `lease` is how many seconds a task is held without a heartbeat."""

    def __init__(self, folder: Path, worker: str, *, lease: float = 30.0, wait: float = 0.5) -> None:
        self._file = QueueFile(folder)
        self._worker = worker
        self._lease = lease
        self._wait = wait
        self._finishing: list[tuple[Lease, Result, asyncio.Future[bool]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def manifest(self) -> Mapping[str, Any] | None:
        """Returns what the coordinator runs, or None before it has said so."""
        said = await self._file.look(lambda connection: _control(connection, "manifest", ""))
        return orjson.loads(said) if said else None

    def pace(self, lease: float) -> None:
        """Takes over the fleet's lease, in seconds."""
        self._lease = lease

    async def lease(self, count: int) -> Sequence[Lease]:
        """Takes up to `count` tasks, waiting up to `wait` seconds when there are none."""
        until = asyncio.get_running_loop().time() + self._wait
        while count > 0:
            found = await self._file.run(lambda connection: self._take(connection, count))
            if found or asyncio.get_running_loop().time() >= until:
                return found
            await asyncio.sleep(POLL)
        return []

    def _take(self, connection: sqlite3.Connection, count: int) -> list[Lease]:
        held, alone = connection.execute(
            "SELECT count(*), coalesce(max(alone), 0) FROM tasks WHERE state = 'leased' AND worker = ?", (self._worker,)
        ).fetchone()
        if alone or _control(connection, "order", "run") != "run":
            return []
        group = connection.execute(
            "SELECT suspect, count(*) FROM tasks WHERE state = 'ready' AND suspect > 0 GROUP BY suspect "
            "ORDER BY suspect DESC LIMIT 1"  # the largest first: it is the least likely to end the worker
        ).fetchone()
        keeper = _control(connection, "keeper", "")
        if group and not keeper:
            keeper = self._worker
            connection.execute(SET, ("keeper", keeper))
        if keeper == self._worker:
            if not group:
                connection.execute(SET, ("keeper", ""))
            else:  # emptied first, then one group at a time
                return [] if held else self._rows(connection, min(count, *group), group[0])
        return self._rows(connection, count, 0)

    def _rows(self, connection: sqlite3.Connection, count: int, group: int) -> list[Lease]:
        """Leases `count` tasks of those that may run `group` together, 0 for those above suspicion."""
        values = (self._worker, now() + self._lease, int(group > 0), group, count)
        leases = []
        for body, epoch, seq in sorted(connection.execute(TAKE, values).fetchall(), key=lambda row: row[2]):
            try:
                leases.append(Lease(work=Work.model_validate_json(body), epoch=epoch, alone=group > 0))
            except ValueError as error:
                _set_aside(connection, seq, f"the queue's record of it cannot be read: {error}")
        return leases

    async def beat(self, info: WorkerInfo, held: Sequence[Lease]) -> str:
        """Renews the leases that are still this worker's; returns the order."""

        def renew(connection: sqlite3.Connection) -> str:
            moment = now()
            connection.execute(
                "INSERT INTO workers VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET beat = excluded.beat, "
                "info = excluded.info",
                (self._worker, moment, info.model_dump_json()),
            )
            connection.executemany(
                "UPDATE tasks SET until = ? WHERE id = ? AND worker = ? AND epoch = ? AND state = 'leased'",
                [(moment + self._lease, lease.work.task.id, self._worker, lease.epoch) for lease in held],
            )
            return _control(connection, "order", "run")

        return await self._file.run(renew)

    async def finish(self, lease: Lease, result: Result) -> bool:
        """Hands a result in, together with those that end in the same moment; False when the lease was lost."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._finishing.append((lease, result, done))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        return await done

    async def _commit(self) -> None:
        await asyncio.sleep(0)
        try:
            while self._finishing:
                group, self._finishing = self._finishing, []
                try:
                    kept = await self._file.run(partial(self._store, group=group))
                except Exception as error:
                    for _, _, done in group:
                        if not done.done():
                            done.set_exception(error)
                            done.exception()
                else:
                    for (_, _, done), mine in zip(group, kept, strict=True):
                        if not done.done():
                            done.set_result(mine)
        finally:
            self._committing = None

    def _store(
        self, connection: sqlite3.Connection, group: Sequence[tuple[Lease, Result, asyncio.Future[bool]]]
    ) -> list[bool]:
        sql = (
            "UPDATE tasks SET state = 'done', suspect = 0, alone = 0, result = ? "
            "WHERE id = ? AND worker = ? AND epoch = ? AND state = 'leased'"
        )
        return [
            connection.execute(sql, (result.model_dump_json(), lease.work.task.id, self._worker, lease.epoch)).rowcount
            == 1
            for lease, result, _ in group
        ]

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Makes tasks ready again. Not suspects: this worker lives, it only stops."""
        sql = (
            "UPDATE tasks SET state = 'ready', alone = 0, worker = '' "
            "WHERE id = ? AND worker = ? AND epoch = ? AND state = 'leased'"
        )
        rows = [(lease.work.task.id, self._worker, lease.epoch) for lease in leases]
        await self._file.run(lambda connection: connection.executemany(sql, rows))

    async def close(self) -> None:
        """Says goodbye and closes; leases that are still held end by themselves."""

        def leave(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM workers WHERE name = ?", (self._worker,))
            connection.execute("UPDATE control SET value = '' WHERE name = 'keeper' AND value = ?", (self._worker,))

        self._file.hurry()
        await self._file.run(leave)
        await self._file.close()


class SqliteCoordinatorQueue:
    """The coordinator's side. A task that kills a worker `strikes` times, running alone, is set aside."""

    def __init__(self, folder: Path, *, lease: float = 30.0, strikes: int = 3, wait: float = 0.5) -> None:
        self._file = QueueFile(folder)
        self._lease = lease
        self._strikes = strikes
        self._wait = wait

    @property
    def generation(self) -> str:
        """Always the same: the file is as durable as the store."""
        return "file"

    async def begin(self, manifest: Mapping[str, Any]) -> None:
        """Takes over what an earlier coordinator left. After a restart of the machine no lease can still be held."""
        this = _boot_id()
        said = orjson.dumps(manifest).decode()

        def take_over(connection: sqlite3.Connection) -> None:
            if _control(connection, "boot", "") != this:
                connection.execute("UPDATE tasks SET state = 'ready', alone = 0, worker = '' WHERE state = 'leased'")
                connection.execute("DELETE FROM workers")
                connection.execute(SET, ("keeper", ""))
            connection.execute(SET, ("boot", this))
            connection.execute(SET, ("order", "run"))
            connection.execute(SET, ("manifest", said))

        await self._file.run(take_over)

    async def feed(self, work: Sequence[Work]) -> None:
        """Makes tasks ready; those that are in the queue already stay as they are."""
        rows = [(one.task.id, one.model_dump_json()) for one in work]
        sql = (
            "INSERT INTO tasks (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = 'ready', "
            "body = excluded.body WHERE state = 'withdrawn'"
        )
        await self._file.run(lambda connection: connection.executemany(sql, rows))

    async def withdraw(self, tasks: Sequence[str]) -> Sequence[str]:
        """Forgets those of `tasks` that no worker holds and that have no result; returns which. Strikes are kept."""

        def take(connection: sqlite3.Connection) -> list[str]:
            rows = [(task,) for task in tasks]
            suspects = "UPDATE tasks SET state = 'withdrawn' WHERE id = ? AND state = 'ready' AND suspect > 0"
            connection.executemany(suspects, rows)
            connection.executemany("DELETE FROM tasks WHERE id = ? AND state = 'ready'", rows)
            left = "SELECT 1 FROM tasks WHERE id = ? AND state != 'withdrawn'"
            return [task for task in tasks if connection.execute(left, (task,)).fetchone() is None]

        return await self._file.run(take)

    async def results(self, limit: int = 500) -> Sequence[Result]:
        """Returns results that are not confirmed, waiting up to `wait` seconds when there are none."""
        until = asyncio.get_running_loop().time() + self._wait
        while True:
            found = await self._file.run(lambda connection: self._results(connection, limit))
            if found or asyncio.get_running_loop().time() >= until:
                return found
            await asyncio.sleep(POLL)

    def _results(self, connection: sqlite3.Connection, limit: int) -> list[Result]:
        sql = "SELECT seq, result FROM tasks WHERE state = 'done' ORDER BY seq LIMIT ?"
        found = []
        for seq, body in connection.execute(sql, (limit,)).fetchall():
            try:
                found.append(Result.model_validate_json(body))
            except ValueError as error:
                _set_aside(connection, seq, f"its result cannot be read: {error}")
        return found

    async def confirm(self, results: Sequence[Result]) -> None:
        """Forgets tasks whose results the store has."""
        rows = [(result.task,) for result in results]
        sql = "DELETE FROM tasks WHERE id = ? AND state = 'done'"
        await self._file.run(lambda connection: connection.executemany(sql, rows))

    async def bury(self, worker: str) -> None:
        """Says that a worker's process has ended: the next `reclaim` need not wait for its leases."""

        def end(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE tasks SET until = 0 WHERE worker = ? AND state = 'leased'", (worker,))
            connection.execute("DELETE FROM workers WHERE name = ?", (worker,))

        await self._file.run(end)

    async def reclaim(self) -> int:
        """Makes tasks whose lease ran out ready again, as suspects; sets aside those with too many strikes."""

        def again(connection: sqlite3.Connection) -> int:
            moment = now()
            rows = connection.execute(
                "SELECT id, worker, suspect, strikes, history FROM tasks WHERE state = 'leased' AND until < ?",
                (moment,),
            ).fetchall()
            together = Counter(row[1] for row in rows)
            for key, worker, suspect, strikes, history in rows:
                alone = suspect == 1
                strikes += alone
                lines = [*orjson.loads(history), f"worker {worker} was lost with it" + (" alone" if alone else "")]
                state = "dead" if strikes >= self._strikes else "ready"
                connection.execute(
                    "UPDATE tasks SET state = ?, suspect = ?, alone = 0, worker = '', strikes = ?, history = ? "
                    "WHERE id = ?",
                    (state, (together[worker] + 1) // 2, strikes, orjson.dumps(lines[-20:]).decode(), key),
                )
            connection.execute("DELETE FROM workers WHERE beat < ?", (moment - 2 * self._lease,))
            connection.execute(
                "UPDATE control SET value = '' WHERE name = 'keeper' AND value NOT IN "
                "(SELECT name FROM workers WHERE beat >= ?)",
                (moment - self._lease,),
            )
            return len(rows)

        return await self._file.run(again)

    async def dead(self) -> Sequence[Dead]:
        """Returns the tasks that are set aside, with their history."""
        sql = "SELECT id, strikes, history FROM tasks WHERE state = 'dead' ORDER BY seq"
        rows = await self._file.look(lambda connection: connection.execute(sql).fetchall())
        return [Dead(task=key, strikes=strikes, history=orjson.loads(history)) for key, strikes, history in rows]

    async def requeue(self, tasks: Sequence[str] = ()) -> int:
        """Gives dead tasks another chance: alone, with no strikes. All of them, or those named."""

        def again(connection: sqlite3.Connection) -> int:
            sql = "UPDATE tasks SET state = 'ready', suspect = 1, strikes = 0 WHERE state = 'dead'"
            if not tasks:
                return connection.execute(sql).rowcount
            return sum(connection.execute(f"{sql} AND id = ?", (task,)).rowcount for task in tasks)

        return await self._file.run(again)

    async def order(self, order: str) -> None:
        """Tells all workers to `run`, `pause` or `drain`."""
        await self._file.run(lambda connection: connection.execute(SET, ("order", order)))

    async def state(self) -> QueueState:
        """Counts what the queue holds and lists its workers."""

        def look(connection: sqlite3.Connection) -> QueueState:
            counts = dict(connection.execute("SELECT state, count(*) FROM tasks GROUP BY state"))
            (suspect,) = connection.execute(
                "SELECT count(*) FROM tasks WHERE suspect > 0 AND state = 'ready'"
            ).fetchone()
            moment = now()
            workers = tuple(
                WorkerInfo.model_validate_json(info).model_copy(update={"age": round(moment - beat, 1)})
                for beat, info in connection.execute("SELECT beat, info FROM workers ORDER BY name")
            )
            return QueueState(
                ready=counts.get("ready", 0),
                leased=counts.get("leased", 0),
                suspect=suspect,
                dead=counts.get("dead", 0),
                results=counts.get("done", 0),
                order=_control(connection, "order", "run"),
                workers=workers,
                bytes=self._file.path.stat().st_size,
            )

        return await self._file.look(look)

    async def close(self) -> None:
        await self._file.close()


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


def _set_aside(connection: sqlite3.Connection, seq: int, why: str) -> None:
    """Sets a row aside that cannot be read, for `dead` to show."""
    line = why.partition("\n")[0][:300]
    LOG.error("task %d of the queue is set aside: %s", seq, line)
    history = orjson.dumps([line]).decode()
    connection.execute("UPDATE tasks SET state = 'dead', worker = '', history = ? WHERE seq = ?", (history, seq))


def _control(connection: sqlite3.Connection, name: str, otherwise: str) -> str:
    row = connection.execute("SELECT value FROM control WHERE name = ?", (name,)).fetchone()
    return otherwise if row is None else str(row[0])
