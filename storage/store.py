"""The run store: the record of truth of a campaign, in an SQLite file of the run's folder or in PostgreSQL.

Writes go through group commit and are durable when they return. A task's result is written once: the statement that
stores it does nothing unless the task is still pending. Reads are short and by key. Nothing here knows what a flow is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, Self

import orjson

from ..errors import ConfigError, NotStored, StoreError, meant, require_kind
from .database import Database
from .graph_tables import GraphTables
from .identities import today
from .records import Chunk, Document, Item, Status, Task
from .schema import (
    ADD_CHUNK,
    ADD_CLAIM,
    ADD_DOCUMENT,
    ADD_ITEM,
    ADD_SKIPPED,
    ADD_TASK,
    DECIDED,
    EMPTY,
    END_TASK,
    FORGET_FAILED,
    KEEP_CALL,
    RETRY_TASK,
    SET_MARK,
    Statement,
)
from .stored import StoredChunks
from .whereabouts import STORE_VARIABLE, join_database, open_database, read_database
from .writer import GroupWriter

MANY = 500  # ids in one statement
NEWEST = 2**62  # no item has a greater number
LAST = "\U0010ffff"  # sorts behind every id that starts as asked

COUNTED = {  # table → which of its rows count
    **dict.fromkeys(("skipped", "entities", "relations", "calls", "items", "stale"), ""),
    **dict.fromkeys(("documents", "chunks"), "WHERE place >= 0"),
    "extractions": "WHERE chunk IN (SELECT id FROM chunks WHERE place >= 0)",
}


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of a run. They balance: planned = accepted + rejected + failed + pending."""

    planned: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    pending: int = 0

    def __add__(self, other: Books) -> Books:
        return Books(*(here + there for here, there in zip(astuple(self), astuple(other), strict=True)))

    @property
    def balanced(self) -> bool:
        return self.planned == self.accepted + self.rejected + self.failed + self.pending


class RunStore(GraphTables):
    """A run, opened. `open` and `join` write; `read` only looks, also while another process writes.

    `folder` is the run's folder on this machine. `store` is the URL of a PostgreSQL database, which may hold the run
    under the folder's name; a folder whose run is there already knows it by itself. Without either it is SQLite.
    """

    def __init__(self, folder: Path, database: Database, *, writes: bool) -> None:
        self.folder = folder
        self._database = database
        self._writer = GroupWriter(database) if writes else None
        self.chunk = lru_cache(maxsize=256)(self._chunk)  # tasks of a document run close together

    @classmethod
    def open(cls, folder: str | Path, store: str = "") -> Self:
        """Opens the run for writing, making it when it is not there.

        Raises:
            RunLocked: another process works on it; the message says which.
            ConfigError: `store` cannot be, or the run is kept elsewhere.
            StoreError: the folder or the database cannot be written, or another version of gristmill made the run.
        """
        folder = _folder(folder, store)
        return cls(folder, open_database(folder, store), writes=True)

    @classmethod
    def join(cls, folder: Path, store: str = "") -> Self:
        """Opens the run beside the process that works on it: for its call cache. Takes no lock."""
        return cls(folder, join_database(folder, store), writes=True)

    @classmethod
    def read(cls, folder: str | Path, store: str = "") -> Self:
        """Opens the run for reading; raises `StoreError` when there is none."""
        folder = _folder(folder, store)
        return cls(folder, read_database(folder, store), writes=False)

    @property
    def shown(self) -> str:
        """Where the run is kept, for messages."""
        return self._database.shown

    @property
    def environment(self) -> Mapping[str, str]:
        """What another process of this machine needs in its environment to open the same run by its folder."""
        return self._database.environment

    def reader(self) -> Self:
        """Opens the same run once more, for reading; for another thread."""
        return type(self).read(self.folder, self.environment.get(STORE_VARIABLE, ""))

    @property
    def holder(self) -> str | int | None:
        """Who works on the run: a pid of this machine, or a pid and its host; None for nobody."""
        return self._database.holder()

    @property
    def waiting(self) -> float:
        """Seconds that the database has not answered whoever asked it last; 0 while it answers."""
        return self._database.waiting

    def give_up(self) -> None:
        """Ends all waits for a database that is away, with `StoreAway`; from any thread. Only closing is left then."""
        self._database.give_up()

    async def ready(self) -> None:
        """Waits while the database is away, so that the reads that follow do not wait on the event loop."""
        await self._database.ready()

    async def close(self) -> None:
        """Commits what still waits and frees the run for other processes."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                await writer.close()
            finally:
                self.close_reading()
            return
        self.close_reading()

    def close_reading(self) -> None:
        """Closes a store that was opened by `read`."""
        self._database.close()

    async def write(self, *statements: Statement) -> None:
        """Commits statements together; returns when they are durable. The store's other rooms (`reviews`) write so too.

        Raises `StoreError` when the run is open for reading only, or the database refuses.
        """
        if self._writer is None:
            raise StoreError(f"the run in {self.shown} is open for reading only")
        await self._writer.write(*statements)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Reads for the store's other rooms."""
        return self._database.rows(sql, *values)

    def with_every_commit(self, also: Callable[[], Iterable[Statement]]) -> None:
        """Adds `also()`'s rows to every transaction (what was spent goes with what was bought)."""
        if self._writer is not None:
            self._writer.also = also

    # marks: what a restart reads

    def mark(self, name: str) -> Any:
        """Returns the JSON value of a mark, or None."""
        row = self._database.row("SELECT value FROM marks WHERE name = ?", name)
        return None if row is None else orjson.loads(row[0])

    async def set_mark(self, name: str, value: Any) -> None:
        await self.write(mark_statement(name, value))

    # documents and chunks

    async def add_documents(self, documents: Sequence[tuple[Document, Sequence[Chunk]]]) -> None:
        """Stores documents with their chunks, in one transaction; those that are there already stay as they are."""
        await self.write(
            (ADD_DOCUMENT, [(document.id, document.name, _json(document)) for document, _ in documents]),
            (ADD_CHUNK, [(chunk.id, chunk.document, _json(chunk)) for _, chunks in documents for chunk in chunks]),
        )

    async def forget_documents(self) -> None:
        """Empties documents, chunks and what was skipped: reading that was cut short begins anew."""
        await self.write(*[(EMPTY.format(table), [(1,)]) for table in ("documents", "chunks", "skipped")])

    async def add_skipped(self, name: str, reason: str, detail: str) -> None:
        await self.write((ADD_SKIPPED, [(name, reason, detail)]))

    def skipped(self) -> list[tuple[str, str, str]]:
        """Returns (name, reason, detail) of every document that could not be read."""
        rows = self._database.rows("SELECT name, reason, detail FROM skipped ORDER BY name")
        return [(name, reason, detail) for name, reason, detail in rows]

    def document(self, key: str) -> Document:
        """Returns the document with id `key`; raises `StoreError` when there is none."""
        return Document.model_validate_json(self._one("SELECT body FROM documents WHERE id = ?", key, "document"))

    def document_name(self, key: str) -> str:
        return str(self._one("SELECT name FROM documents WHERE id = ?", key, "document"))

    def document_of(self, chunk: str) -> str:
        """Returns the id of a chunk's document."""
        return str(self._one("SELECT document FROM chunks WHERE id = ?", chunk, "chunk"))

    def _chunk(self, key: str) -> Chunk:
        return Chunk.model_validate_json(self._one("SELECT body FROM chunks WHERE id = ?", key, "chunk"))

    def chunks(self) -> StoredChunks:
        """Returns all chunks, in the order of the documents given, read when they are looked at."""
        return StoredChunks(self._database)

    def count(self, table: str) -> int:
        """Returns the number of rows of `documents`, `chunks`, `entities`, `relations`, `calls`, ...

        Of documents, chunks and extractions those count that a refresh has left in place.
        """
        if table not in COUNTED:
            raise StoreError(f"no table is called '{table}'")
        ((count,),) = self._database.rows(f"SELECT count(*) FROM {table} {COUNTED[table]}")  # noqa: S608  # from COUNTED
        return int(count)

    # tasks and items

    async def plan(self, tasks: Sequence[Task], *marks: Statement) -> None:
        """Stores tasks as pending; those that are planned already stay as they are."""
        await self.write((ADD_TASK, [(task.id, _json(task)) for task in tasks]), *marks)

    def is_planned(self, task: str) -> bool:
        return self._database.row("SELECT 1 FROM tasks WHERE id = ?", task) is not None

    def pending(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Task]]:
        """Returns up to `limit` pending tasks with their sequence numbers, those above `after`, in order."""
        rows = self._database.rows(
            "SELECT seq, body FROM tasks WHERE status = 'pending' AND seq > ? ORDER BY seq LIMIT ?", after, limit
        )
        return [(seq, Task.model_validate_json(body)) for seq, body in rows]

    def tasks(self) -> Iterator[tuple[Task, Status]]:
        """Yields all tasks with their status, in the order they were planned."""
        for body, status in self._database.stream("SELECT body, status FROM tasks ORDER BY seq"):
            yield Task.model_validate_json(body), Status(status)

    def status(self, task: str) -> Status:
        """Returns where a task stands; raises `NotStored` when there is none with this id."""
        return Status(self._one("SELECT status FROM tasks WHERE id = ?", task, "task"))

    def task(self, key: str) -> Task:
        """Returns the task with id `key`; raises `NotStored` when there is none."""
        return Task.model_validate_json(self._one("SELECT body FROM tasks WHERE id = ?", key, "task"))

    async def finish(self, task: str, status: Status, items: Sequence[Item], *, claims: Sequence[bytes] = ()) -> None:
        """Ends a task with its items, in one transaction; does nothing when the task has ended already.

        `claims` are the hashes of the texts that the task holds in the pool from now on, for a restart to take up.
        """
        await self.write(
            (
                ADD_ITEM,
                [
                    (item.id, task, item.status.value, item.reasons[0] if item.reasons else "", _json(item), task)
                    for item in items
                ],
            ),
            (ADD_CLAIM, [(key, task) for key in claims]),
            (END_TASK, [(status.value, task)]),
        )

    async def retry_failed(self, *, reason: str = "", tasks: Sequence[str] = ()) -> int:
        """Makes failed tasks pending again and forgets their failed items; returns how many.

        All of them, or those that failed for `reason`, or those in `tasks`; but none whose item a person decided: the
        decision would stand on an item that nobody has seen. Undone, it is no longer in the way. Nor does a task run
        again whose passages are no longer in the documents.
        """
        rows = self._database.rows(
            f"SELECT task FROM items WHERE status = 'failed' AND (? = '' OR reason = ?) AND NOT {DECIDED}",  # noqa: S608
            reason,
            reason,
        )
        gone = {chunk for (chunk,) in self.rows("SELECT id FROM chunks WHERE place IS NULL")}
        chosen = [
            (key,)
            for (key,) in rows
            if (not tasks or key in tasks) and (not gone or gone.isdisjoint(self.task(key).chunks))
        ]
        await self.write((FORGET_FAILED, chosen), (RETRY_TASK, chosen))
        return len(chosen)

    def books(self) -> Books:
        """Counts the tasks by status. `planned` is counted on its own, so that balance is a fact and not a sum."""
        # In one statement, which sees one moment, also beside a process that plans and commits.
        rows = self._database.rows("SELECT status, count(*), (SELECT count(*) FROM tasks) FROM tasks GROUP BY status")
        counts = {status: count for status, count, _ in rows}
        planned = rows[0][2] if rows else 0
        return Books(planned=planned, **{status.value: counts.get(status.value, 0) for status in Status})

    def reasons(self) -> dict[tuple[str, str], int]:
        """Returns the number of items by (status, first reason)."""
        rows = self._database.rows("SELECT status, reason, count(*) FROM items GROUP BY status, reason ORDER BY 3 DESC")
        return {(status, reason): count for status, reason, count in rows}

    def example(self, status: str, reason: str) -> str:
        """Returns the id of one item with this status and first reason, or an empty string."""
        row = self._database.row("SELECT id FROM items WHERE status = ? AND reason = ? LIMIT 1", status, reason)
        return "" if row is None else str(row[0])

    def items(self, status: Status | None = None, *, until: int = NEWEST) -> Iterator[Item]:
        """Yields items in the order they were finished, all or those of one status, up to the one numbered `until`."""
        require_kind("status", status, (str, NoneType), "give a Status, or None for all items")
        if status is not None and status not in list(Status):
            raise ConfigError(f"status is '{status}'{meant(status, list(Status))}")
        where, values = ("", ()) if status is None else (" AND status = ?", (str(status),))
        sql = f"SELECT body FROM items WHERE seq <= ?{where} ORDER BY seq"  # noqa: S608  # one of two
        for (body,) in self._database.stream(sql, until, *values):
            yield Item.model_validate_json(body)

    def items_after(self, seq: int = 0, limit: int = 1000) -> list[tuple[int, Item]]:
        """Returns up to `limit` items with their sequence numbers, those above `seq`, in the order they ended."""
        rows = self._database.rows("SELECT seq, body FROM items WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [(number, Item.model_validate_json(body)) for number, body in rows]

    def items_of(self, ids: Iterable[str]) -> dict[str, Item]:
        """Returns items by their whole ids; those that are not there are left out."""
        return {id: item for id, (_, item) in self.numbered(ids).items()}

    def numbered(self, ids: Iterable[str]) -> dict[str, tuple[int, Item]]:
        """Returns items by their whole ids, each with its number: one that is made again has another."""
        found: dict[str, tuple[int, Item]] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            sql = f"SELECT id, seq, body FROM items WHERE id IN ({', '.join('?' * len(some))})"  # noqa: S608  # marks only
            rows = self._database.rows(sql, *some)
            found |= {id: (number, Item.model_validate_json(body)) for id, number, body in rows}
        return found

    def item_of(self, task: str) -> Item | None:
        """Returns the item that the task with id `task` ended with, None before it has."""
        row = self._database.row("SELECT body FROM items WHERE task = ?", task)
        return None if row is None else Item.model_validate_json(row[0])

    def claims(self) -> Iterator[tuple[bytes, str]]:
        """Yields (hash, task id) of every text that an accepted task holds in the pool."""
        yield from self._database.stream("SELECT key, task FROM claims ORDER BY rowid")

    def item(self, key: str) -> Item:
        """Returns the item whose id, or whose task's id, starts with `key`.

        Raises:
            StoreError: none does, or more than one; the message says which.
        """
        require_kind("an item's id", key, str, "give an item's id, or its beginning")
        rows = self._database.rows(
            "SELECT id, body FROM items WHERE id >= ? AND id < ? OR task >= ? AND task < ? ORDER BY id LIMIT 6",
            *(key, key + LAST) * 2,
        )
        if not rows:
            some = f"`gristmill status {shlex.quote(str(self.folder))}` shows some ids"
            raise StoreError(f"no item's id starts with '{key}'; {some}")
        if len(rows) > 1:
            those = ", ".join(id for id, _ in rows[:5]) + (" and others" if len(rows) > 5 else "")
            raise StoreError(f"more than one item's id starts with '{key}': {those}; give one of them, or more of it")
        return Item.model_validate_json(rows[0][1])

    # calls: the cache of raw replies

    async def get(self, key: str) -> bytes | None:
        """Returns the raw reply kept under `key`, or None."""
        row = await self._database.look_up("SELECT raw FROM calls WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    async def put(self, key: str, raw: bytes) -> None:
        """Keeps a raw reply, in place of one that could not be read; returns when it is durable."""
        await self.write((KEEP_CALL, [(key, raw)]))

    async def put_all(self, replies: Mapping[str, bytes]) -> None:
        """Keeps raw replies by key, as `put` does, in one transaction."""
        await self.write((KEEP_CALL, list(replies.items())))

    def replies(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Returns the raw replies kept under `keys`; those that are not there are left out."""
        found: dict[str, bytes] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            sql = f"SELECT key, raw FROM calls WHERE key IN ({', '.join('?' * len(some))})"  # noqa: S608  # marks only
            found |= {key: bytes(raw) for key, raw in self._database.rows(sql, *some)}
        return found

    def _one(self, sql: str, key: str, noun: str) -> str:
        row = self._database.row(sql, key)
        if row is None and noun in ("entity", "relation"):  # it may have been merged
            row = self._database.row(sql, today(self._database.rows, (key,))[key])
        if row is None:
            raise NotStored(f"the run in {self.shown} has no {noun} with id '{key}'")
        return str(row[0])


def mark_statement(name: str, value: Any) -> Statement:
    """Returns the statement that sets a mark, to go with others in one transaction."""
    return SET_MARK, [(name, orjson.dumps(value).decode())]


def _folder(folder: str | Path, store: str) -> Path:
    require_kind("folder", folder, (str, Path), "give the path of a run's folder")
    require_kind("store", store, str, "give the URL of a PostgreSQL database, or leave it out")
    return Path(folder)


def _json(record: Document | Chunk | Task | Item) -> str:
    return record.model_dump_json(exclude_defaults=True)


def usage_mark(spent: Mapping[str, float]) -> Statement:
    """Returns the statement that records what the run has spent so far."""
    return mark_statement("spent", dict(spent))
