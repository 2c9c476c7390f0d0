"""The file of the queue's index: its tables, how it is opened, how an item gets in."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path

import orjson

from ...storage.sqlite import translate
from .rows import Row

FILE = "review-index.sqlite3"
VERSION = 6
GRAIN = 1024  # ranks are multiples of 1/1024, which floats add and compare exactly: a place in the queue is one rank

SCHEMA = """
CREATE TABLE marks (name TEXT PRIMARY KEY, value);
CREATE TABLE items (
  seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
  kind TEXT NOT NULL, draw TEXT NOT NULL, round INTEGER NOT NULL, origin TEXT NOT NULL, score REAL,
  doubt REAL NOT NULL, split REAL NOT NULL, teaches REAL NOT NULL,
  decision TEXT NOT NULL DEFAULT '', reviewer TEXT NOT NULL DEFAULT '');
CREATE INDEX items_teaches ON items (decision, reason, teaches, seq);
CREATE INDEX items_open ON items (decision, status, id, score);
CREATE INDEX items_score ON items (coalesce(score, 2.0), seq);
CREATE INDEX items_sample ON items ((seq * 2654435769) % 4294967296, seq);
CREATE INDEX items_origin ON items (origin) WHERE origin <> '';
CREATE TABLE titles (seq INTEGER PRIMARY KEY, title TEXT NOT NULL, preview TEXT NOT NULL, drafted INTEGER NOT NULL,
                     reasons TEXT NOT NULL, critics TEXT NOT NULL, documents TEXT NOT NULL);
CREATE TABLE tags (kind TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
                   PRIMARY KEY (kind, value, seq)) WITHOUT ROWID;
CREATE TABLE judged (reason TEXT PRIMARY KEY, decided INTEGER NOT NULL);
CREATE TABLE events (seq INTEGER PRIMARY KEY);
CREATE TABLE skips (reviewer TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (reviewer, id)) WITHOUT ROWID;
CREATE TABLE changed (task TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE led (id TEXT PRIMARY KEY, now TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (text, content='',
                                       tokenize="unicode61 remove_diacritics 2");
"""


def add(connection: sqlite3.Connection, row: Row) -> None:
    """Takes an item in, in place of one of the same id."""
    reason = row.reasons[0] if row.reasons else ""
    connection.execute("DELETE FROM items WHERE id = ?", (row.id,))  # a failed task that ran again
    connection.execute(
        "INSERT INTO items (seq, id, task, status, reason, kind, draw, round, origin, score, doubt, split, teaches) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.seq, row.id, row.task, row.status, reason, row.kind, row.draw, row.round, row.origin, row.score, row.doubt,
         row.split, round(GRAIN * (row.doubt + row.split)) / GRAIN),
    )  # fmt: skip
    connection.execute("INSERT OR IGNORE INTO judged VALUES (?, 0)", (reason,))
    lists = [orjson.dumps(one).decode() for one in (row.reasons, row.critics, row.documents)]
    texts = (row.title, row.preview, int(row.drafted))
    connection.execute("INSERT OR REPLACE INTO titles VALUES (?, ?, ?, ?, ?, ?, ?)", (row.seq, *texts, *lists))
    tags = {"reason": row.reasons, "critic": row.critics, "document": row.documents, "entity": row.entities}
    connection.executemany(
        "INSERT OR IGNORE INTO tags VALUES (?, ?, ?)",
        [(kind, value, row.seq) for kind, values in tags.items() for value in values],
    )
    connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (row.seq, row.words))


def set_mark(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Notes how far the store has been read."""
    connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def opened(path: Path, run: str) -> sqlite3.Connection:
    """Opens the file, made anew when it is another run's or another version's.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # a run in PostgreSQL may have none on this machine
        with path.with_name(path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the page and the commands may open it at the same moment
            return _open(path, run)
    except (OSError, sqlite3.Error) as error:
        raise translate(error, path) from error


def _open(path: Path, run: str) -> sqlite3.Connection:
    connection = _connect(path)
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        row = connection.execute("SELECT value FROM marks WHERE name = 'run'").fetchone()
        if row is not None and row[0] == run:
            return connection
    connection.close()
    for stale in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        stale.unlink(missing_ok=True)
    connection = _connect(path)
    connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")
    for name, value in (("run", run), ("items", 0), ("events", 0), ("taken", 0), ("graph", "")):
        set_mark(connection, name, value)
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")  # it can be made again from the store
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA busy_timeout=10000")
    return connection
