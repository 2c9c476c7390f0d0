"""A run in PostgreSQL: one schema a run, one connection that reads, one that writes and leads.

Who leads holds a session lock of the server on the very connection that writes: a lost connection is a lost lock, and
no commit can pass without it. When the connection is made anew the lock is taken again, and the run's epoch tells
whether somebody else has led meanwhile: then this process never writes again.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..errors import StoreError
from .database import Row
from .postgres_connection import Server, me
from .postgres_lead import Lead
from .postgres_link import Ending, Link, Stopwatch, sever
from .schema import Statement, merged, require_version

if TYPE_CHECKING:
    import psycopg

OPENING = 5.0  # seconds that a server which starts gets when a run is opened
READING = 30.0  # seconds that a read waits for a server that is away: it may keep the event loop meanwhile
WAITING = 120.0  # seconds that a commit waits for it, in its own thread
COMMITTING = 10.0  # seconds that a commit of many rows may take of a server that is there
HURRY = 10.0  # seconds that both wait once the store is being closed
PAGE = 200  # rows of a stream in memory
Answer = TypeVar("Answer")


def schema_of(run: str) -> str:
    """Returns the name of a run's schema; PostgreSQL cuts names at 63 bytes, so a long one ends in its hash."""
    if len(run.encode()) <= 53:
        return f"gristmill_{run}"
    return f"gristmill_{run.encode()[:40].decode(errors='ignore')}_{hashlib.sha256(run.encode()).hexdigest()[:12]}"


class PostgresDatabase:
    """A run's schema, opened; the calls of `Database` are documented there."""

    def __init__(self, server: Server, run: str, lead: Lead | None = None) -> None:
        self.shown = f"{server.shown} (run '{run}')"
        self.environment: Mapping[str, str] = {"GRISTMILL_STORE": server.url}
        self._server = server
        self._schema = schema_of(run)
        self._lead = lead
        self._ending = Ending()
        # Unique, and the same for every connection of this object: by it a former session of our own is known.
        self._name = f"gristmill {me()}"[:50] + f" {secrets.token_hex(4)}"
        self._reading = self._link()
        self._aside = self._link()  # reads beside the event loop
        self._writing = self._link()
        self._streaming = Stopwatch()
        self._streams: set[psycopg.Connection[Any]] = set()
        self._severing: threading.Timer | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="gristmill-reader")

    def _link(self) -> Link:
        return Link(self._server, self._schema, self._name, self._ending)

    @classmethod
    def open(cls, server: Server, run: str, *, new: bool = True) -> Self:
        """Opens the run for writing, making its schema when it is not there and `new` allows it.

        Raises:
            RunLocked: another process works on it; names it and its host.
            StoreError: the server is not there, refuses, or has a run of another version.
        """
        lead = Lead(server, schema_of(run), run)
        opened = cls(server, run, lead)
        try:
            opened._writing.do(lambda connection: lead.begin(connection, new=new), OPENING)
        except BaseException:
            opened.close()
            raise
        return opened

    @classmethod
    def read(cls, server: Server, run: str) -> Self:
        """Opens the run for reading, or beside the process that works on it; raises `StoreError` when there is none."""
        opened = cls(server, run)
        try:
            found = opened._reading.do(opened._version, OPENING)
            if found is None:
                raise StoreError(f"no run '{run}' is in {server.shown}; runs are made by `gristmill run CAMPAIGN`")
            require_version(found, opened.shown)
        except BaseException:
            opened.close()
            raise
        return opened

    def _version(self, connection: psycopg.Connection[Any]) -> int | None:
        if not Lead.exists(connection, self._schema):
            return None
        row = connection.execute("SELECT version FROM run").fetchone()
        return None if row is None else int(row[0])

    def row(self, sql: str, *values: Any) -> Row | None:
        return self._reading.do(lambda connection: connection.execute(_dialect(sql), values).fetchone(), READING)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        return self._reading.do(lambda connection: connection.execute(_dialect(sql), values).fetchall(), READING)

    def stream(self, sql: str, *values: Any) -> Iterator[Row]:
        """On a connection of its own, through a cursor that the server keeps: a page of rows is in memory."""
        self._reading.do(lambda connection: connection.execute("SELECT 1"), READING)  # waits, should it be away
        try:
            with (
                self._streamed(lambda: self._server.connect(self._schema, self._name)) as connection,
                self._severable(connection),
                connection.transaction(),
                connection.cursor("rows") as cursor,
            ):
                self._streamed(lambda: cursor.execute(_dialect(sql), values))
                while page := self._streamed(lambda: cursor.fetchmany(PAGE)):
                    yield from page
        except self._server.driver.Error as error:
            raise self._server.translate(error) from error

    @contextmanager
    def _severable(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        self._streams.add(connection)
        try:
            yield
        finally:
            self._streams.discard(connection)

    def _streamed(self, ask: Callable[[], Answer]) -> Answer:
        with self._streaming:
            try:
                return ask()
            except self._server.driver.Error as error:
                raise self._server.translate(error) from error

    async def look_up(self, sql: str, *values: Any) -> Row | None:
        def look(connection: psycopg.Connection[Any]) -> Row | None:
            return connection.execute(_dialect(sql), values).fetchone()

        return await asyncio.get_running_loop().run_in_executor(self._reader, self._aside.do, look, WAITING)

    async def ready(self) -> None:
        if not self._reading.is_quiet():
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._reader, self._reading.do, lambda one: one.execute("SELECT 1"), WAITING)

    def commit(self, statements: Sequence[Statement]) -> None:
        """Writes in one transaction. One that a lost connection leaves in doubt is sent again: its statements do
        nothing the second time.
        """
        groups = {_dialect(sql): [_storable(row) for row in rows] for sql, rows in merged(statements).items()}

        def write(connection: psycopg.Connection[Any]) -> None:
            if self._lead is not None:
                self._lead.keep(connection)
            with connection.pipeline(), connection.transaction(), connection.cursor() as cursor:
                if self._lead is not None:
                    self._lead.require(cursor)
                for sql, rows in groups.items():
                    cursor.executemany(sql, rows)

        self._writing.do(write, WAITING)

    def translate(self, error: Exception) -> StoreError:
        return self._server.translate(error)

    def holder(self) -> str | None:
        return self._reading.do(lambda connection: Lead.holder(connection, self._schema), READING)

    @property
    def waiting(self) -> float:
        links = (self._reading, self._aside)
        read = max(self._streaming.seconds, *(link.waiting.seconds for link in links))
        return max(read, self._writing.waiting.seconds - COMMITTING)

    def hurry(self) -> None:
        self._ending.within(HURRY)
        if self._severing is None:  # a server that hangs would keep whoever asked it for as long as it hangs
            self._severing = threading.Timer(HURRY, self.give_up)
            self._severing.daemon = True
            self._severing.start()

    def give_up(self) -> None:
        self._ending.within(0)
        for link in (self._reading, self._aside, self._writing):
            link.sever()
        for connection in tuple(self._streams):
            sever(connection)

    def close_writing(self) -> None:
        self._writing.close()

    def close(self) -> None:
        if self._severing is not None:
            self._severing.cancel()
        self._ending.within(0)
        for link in (self._reading, self._aside, self._writing):
            link.close()
        self._reader.shutdown(wait=True)


@lru_cache(maxsize=256)
def _dialect(sql: str) -> str:
    return sql.replace("?", "%s")


def _storable(row: Row) -> Row:
    """PostgreSQL's text holds no NUL; in JSON it is escaped, and elsewhere it says nothing."""
    if any(isinstance(value, str) and "\0" in value for value in row):
        return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
    return row
