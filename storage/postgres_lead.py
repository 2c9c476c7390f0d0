"""Who may write a run in PostgreSQL: the one whose connection holds the run's session lock, in the run's epoch.

The lock dies with its connection. The epoch is a row that every leader raises and every commit reads for share, so
that one who was away cannot go on where another has led, and a pooler that hands connections round cannot make two.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from ..errors import RunLocked, StoreError
from .postgres_connection import Server, me
from .schema import SCHEMA, VERSION, require_version

if TYPE_CHECKING:
    import psycopg

TAKING = 3.0  # seconds: a leader that was just killed is still being noticed
PAUSE = 0.1
NAMES = {
    "seq": "BIGINT GENERATED ALWAYS AS IDENTITY",
    "order": "rowid BIGINT GENERATED ALWAYS AS IDENTITY, ",  # what SQLite calls it
    "bytes": "BYTEA",
    "lasting": "",  # an identity column's never are
}
# Sorted by bytes, as SQLite does, whatever the database's language.
TABLES = SCHEMA.replace("TEXT", 'TEXT COLLATE "C"')
LEAD = "CREATE TABLE run (version INTEGER NOT NULL, epoch BIGINT NOT NULL, holder TEXT NOT NULL)"
LOCKED = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = %(high)s AND objid = %(low)s "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Lead:
    """The lead of one run. `begin` takes it, `keep` takes it again on a new connection, `require` guards a commit."""

    def __init__(self, server: Server, schema: str, run: str) -> None:
        self._server = server
        self._schema = schema
        self._run = run
        self._held_by = 0  # the server's pid of the connection that holds the lock
        self._epoch = 0
        self._lost = ""

    @staticmethod
    def exists(connection: psycopg.Connection[Any], schema: str) -> bool:
        """Whether a run is in `schema`."""
        found = connection.execute(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = 'run'",
            (schema,),
        )
        return found.fetchone() is not None

    @staticmethod
    def holder(connection: psycopg.Connection[Any], schema: str) -> str | None:
        """Returns who leads, as it was written by who does, or None."""
        key = _key(schema)
        row = connection.execute(
            f"SELECT holder FROM run WHERE EXISTS (SELECT 1 {LOCKED})",  # noqa: S608  # fixed words
            {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF},
        ).fetchone()
        return None if row is None else str(row[0]).removeprefix("process ")

    def begin(self, connection: psycopg.Connection[Any], *, new: bool) -> None:
        """Takes the lead, makes the run where `new` allows it, and opens the next epoch.

        Raises:
            RunLocked: another process leads.
            StoreError: there is no run, or it has another version.
        """
        self._lock(connection)
        with connection.transaction():
            if not self.exists(connection, self._schema):
                if not new:
                    raise StoreError(
                        f"the folder's run is kept elsewhere, and {self._server.shown} has no run '{self._run}'; mend "
                        f"the URL, or remove store.json from the folder to begin anew"
                    )
                self._create(connection)
            row = connection.execute("SELECT version FROM run").fetchone()
            require_version(0 if row is None else int(row[0]), f"{self._server.shown} (run '{self._run}')")
            row = connection.execute(
                "UPDATE run SET epoch = epoch + 1, holder = %s RETURNING epoch", (me(),)
            ).fetchone()
            self._epoch = 0 if row is None else int(row[0])
        self._held_by = connection.info.backend_pid

    def _create(self, connection: psycopg.Connection[Any]) -> None:
        sql = self._server.driver.sql
        # IF NOT EXISTS asks for the right to make schemas even where there is one, made by an administrator.
        there = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone()
        if there is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
        connection.execute(TABLES.format_map(NAMES).encode())
        connection.execute(LEAD)
        connection.execute("INSERT INTO run (version, epoch, holder) VALUES (%s, 0, '')", (VERSION,))

    def keep(self, connection: psycopg.Connection[Any]) -> None:
        """Sees to it that `connection` holds the lock; raises `RunLocked` when another has led meanwhile, for good."""
        if self._lost:
            raise RunLocked(self._lost)
        if connection.info.backend_pid == self._held_by:
            return
        self._lock(connection)
        row = connection.execute("SELECT epoch, holder FROM run").fetchone()
        if row is None or row[0] != self._epoch:
            raise self._deposed("" if row is None else row[1])
        self._held_by = connection.info.backend_pid

    def require(self, cursor: psycopg.Cursor[Any]) -> None:
        """Raises `RunLocked` unless this is still the epoch that was begun; nobody can begin another until the end of
        the transaction.
        """
        row = cursor.execute("SELECT epoch, holder FROM run FOR SHARE").fetchone()
        if row is None or row[0] != self._epoch:
            raise self._deposed("" if row is None else row[1])

    def _deposed(self, holder: str) -> RunLocked:
        self._lost = (
            f"{holder or 'another process'} has taken over run '{self._run}' in {self._server.shown} while this one "
            f"was cut off; this one has stopped, nothing that was committed is lost"
        )
        return RunLocked(self._lost)

    def _lock(self, connection: psycopg.Connection[Any]) -> None:
        key = _key(self._schema)
        until = time.monotonic() + TAKING
        while True:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
            if row is not None and row[0]:
                return
            self._end_former(connection, key)
            if time.monotonic() >= until:
                break
            time.sleep(PAUSE)
        exists = self.exists(connection, self._schema)
        holder = (self.holder(connection, self._schema) if exists else None) or "unknown"
        raise RunLocked(
            f"run '{self._run}' in {self._server.shown} is being worked on by process {holder}; wait for it, stop it "
            f"there with `kill -INT` (it drains and can be resumed), or give this run another name"
        )

    @staticmethod
    def _end_former(connection: psycopg.Connection[Any], key: int) -> None:
        """Ends this process's own earlier session, which a server that lost sight of it may still keep, with its lock.

        It is known by its name, which no other process has.
        """
        connection.execute(
            f"SELECT pg_terminate_backend(pid) {LOCKED} AND pid <> pg_backend_pid() AND pid IN "  # noqa: S608  # fixed words
            "(SELECT pid FROM pg_stat_activity WHERE application_name = current_setting('application_name'))",
            {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF},
        )


def _key(schema: str) -> int:
    """The run's lock among all advisory locks of the database: 63 bits of a hash of its schema's name."""
    return int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], "big") >> 1
