"""The tables of a run and the statements that fill them, in the SQL that SQLite and PostgreSQL both speak.

`?` stands for a value. What the two call by different names stands in braces: `{seq}` for a row's number, `{order}` for
a column that keeps the order of insertion where the database has none of its own, `{bytes}`, and `{lasting}` for
numbers that are not given again when their row is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import StoreError

Rows = Sequence[tuple[Any, ...]]
Statement = tuple[str, Rows]

VERSION = 6

SCHEMA = """
CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (id TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL, place BIGINT);
CREATE INDEX documents_place ON documents (place);
CREATE TABLE skipped (name TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE chunks (id TEXT PRIMARY KEY, document TEXT NOT NULL, body TEXT NOT NULL, place BIGINT,
                     heir TEXT NOT NULL DEFAULT '');
CREATE INDEX chunks_place ON chunks (place, id);
CREATE INDEX chunks_document ON chunks (document);
CREATE TABLE extractions (chunk TEXT PRIMARY KEY, reason TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE entities ({order}id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, mentions INTEGER NOT NULL,
                       chunks TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE relations ({order}id TEXT PRIMARY KEY, source TEXT NOT NULL, target TEXT NOT NULL, type TEXT NOT NULL,
                        weight DOUBLE PRECISION NOT NULL, chunks TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE refs (id TEXT PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
                   chunks INTEGER NOT NULL, entity TEXT NOT NULL);
CREATE INDEX refs_key ON refs (key);
CREATE INDEX refs_entity ON refs (entity);
CREATE TABLE found (id TEXT PRIMARY KEY, card TEXT NOT NULL, rest TEXT NOT NULL);
CREATE TABLE stated (source TEXT NOT NULL, target TEXT NOT NULL, type TEXT NOT NULL, relation TEXT NOT NULL,
                     records INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (source, target, type));
CREATE INDEX stated_target ON stated (target);
CREATE INDEX stated_relation ON stated (relation);
CREATE TABLE blocks (key TEXT NOT NULL, ref TEXT NOT NULL, PRIMARY KEY (key, ref));
CREATE INDEX blocks_ref ON blocks (ref);
CREATE TABLE likely (one TEXT NOT NULL, other TEXT NOT NULL, value DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL,
                     veto TEXT NOT NULL, short TEXT NOT NULL, PRIMARY KEY (one, other));
CREATE INDEX likely_other ON likely (other);
CREATE TABLE taken (chunk TEXT PRIMARY KEY, keys TEXT NOT NULL);
CREATE TABLE moved (id TEXT PRIMARY KEY, now TEXT NOT NULL);
CREATE INDEX moved_now ON moved (now);
CREATE TABLE changed (task TEXT NOT NULL, entity TEXT NOT NULL, cause TEXT NOT NULL, reason TEXT NOT NULL,
                      PRIMARY KEY (task, entity, cause));
CREATE TABLE rulings (seq {seq} PRIMARY KEY, id TEXT UNIQUE NOT NULL, body TEXT NOT NULL);
CREATE TABLE tasks (seq {seq} PRIMARY KEY, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX tasks_status ON tasks (status, seq);
CREATE TABLE items (seq {seq} PRIMARY KEY {lasting}, id TEXT UNIQUE NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL,
                    reason TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX items_status ON items (status, reason);
CREATE INDEX items_task ON items (task);
CREATE TABLE claims ({order}key {bytes} PRIMARY KEY, task TEXT NOT NULL);
CREATE TABLE reviews (seq {seq} PRIMARY KEY, id TEXT UNIQUE NOT NULL, item TEXT NOT NULL, after TEXT NOT NULL,
                      action TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (item, after));
CREATE TABLE review_claims (item TEXT PRIMARY KEY, reviewer TEXT NOT NULL, until DOUBLE PRECISION NOT NULL);
CREATE TABLE stale (item TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE samples (at BIGINT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE calls (key TEXT PRIMARY KEY, raw {bytes} NOT NULL);
"""

# Every statement may run twice with the same effect as once: a database that went away in the middle of a commit is
# told again, and a task's result is written by a statement that does nothing unless the task is pending.
# Places are numbered without gaps, from 0, in the order of reading. What is no longer among the documents has none: its
# items still lead to it.
ADD_DOCUMENT = (
    "INSERT INTO documents (id, name, body, place) SELECT ?, ?, ?, coalesce(max(place), -1) + 1 FROM documents "
    "WHERE true ON CONFLICT (id) DO NOTHING"
)
ADD_CHUNK = (
    "INSERT INTO chunks (id, document, body, place) SELECT ?, ?, ?, coalesce(max(place), -1) + 1 FROM chunks "
    "WHERE true ON CONFLICT (id) DO NOTHING"
)
KEEP_DOCUMENT = "INSERT INTO documents (id, name, body, place) VALUES (?, ?, ?, NULL) ON CONFLICT (id) DO NOTHING"
KEEP_CHUNK = "INSERT INTO chunks (id, document, body, place) VALUES (?, ?, ?, NULL) ON CONFLICT (id) DO NOTHING"
UNPLACE = "UPDATE {} SET place = NULL WHERE place >= ?"
RENAME_DOCUMENT = "UPDATE documents SET name = ?, body = ? WHERE id = ?"
PLACE_DOCUMENT = "UPDATE documents SET place = ? WHERE id = ?"
PLACE_CHUNK = "UPDATE chunks SET place = ?, heir = '' WHERE id = ?"
BEQUEATH = "UPDATE chunks SET heir = ? WHERE id = ?"
WITHDRAW_TASK = "DELETE FROM tasks WHERE id = ? AND status = 'pending'"
ADD_STALE = "INSERT INTO stale (item, reason) VALUES (?, ?) ON CONFLICT DO NOTHING"
ADD_SKIPPED = (
    "INSERT INTO skipped (name, reason, detail) VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, detail = excluded.detail"
)
ADD_EXTRACTION = (
    "INSERT INTO extractions (chunk, reason, body) VALUES (?, ?, ?) "
    "ON CONFLICT (chunk) DO UPDATE SET reason = excluded.reason, body = excluded.body"
)
# An extraction that is made again is another than the one that the kept rows were made of: they are not used any more.
UNKEEP = "UPDATE marks SET value = 'null' WHERE name = 'kept' AND EXISTS (SELECT 1 FROM taken WHERE chunk = ?)"
FORGET_EXTRACTION = "DELETE FROM extractions WHERE chunk = ? AND reason <> ''"
# Beside an entity's or a relation's body stand the columns that a graph is loaded from (`storage/graph.py`).
PUT_ENTITY = (
    "INSERT INTO entities (id, name, type, mentions, chunks, body) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, "
    "mentions = excluded.mentions, chunks = excluded.chunks, body = excluded.body"
)
PUT_RELATION = (
    "INSERT INTO relations (id, source, target, type, weight, chunks, body) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET source = excluded.source, target = excluded.target, type = excluded.type, "
    "weight = excluded.weight, chunks = excluded.chunks, body = excluded.body"
)
FORGET_ENTITY = "DELETE FROM entities WHERE id = ?"
FORGET_RELATION = "DELETE FROM relations WHERE id = ?"
PUT_REF = (
    "INSERT INTO refs (id, key, name, type, chunks, entity) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "key = excluded.key, name = excluded.name, type = excluded.type, chunks = excluded.chunks, entity = excluded.entity"
)
FORGET_REF = "DELETE FROM refs WHERE id = ?"
MOVE = "INSERT INTO moved (id, now) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET now = excluded.now"
MOVE_ON = "UPDATE moved SET now = ? WHERE now = ?"  # what led to an id that moves now leads on
FORGET_MOVED = "DELETE FROM moved WHERE id = ?"
ADD_CHANGED = "INSERT INTO changed (task, entity, cause, reason) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
FORGET_CHANGED = "DELETE FROM changed WHERE cause = ?"
ADD_TASK = "INSERT INTO tasks (id, status, body) VALUES (?, 'pending', ?) ON CONFLICT DO NOTHING"
ADD_ITEM = (
    "INSERT INTO items (id, task, status, reason, body) SELECT ?, ?, ?, ?, ? "
    "WHERE EXISTS (SELECT 1 FROM tasks WHERE id = ? AND status = 'pending') ON CONFLICT DO NOTHING"
)
ADD_CLAIM = "INSERT INTO claims (key, task) VALUES (?, ?) ON CONFLICT DO NOTHING"
END_TASK = "UPDATE tasks SET status = ? WHERE id = ? AND status = 'pending'"
SET_MARK = "INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
# What a person decided of an item stands while they decided oftener than they undid: an undo takes back one decision.
DECIDED = (
    "(SELECT count(*) FROM reviews r WHERE r.item = items.id AND r.action IN ('accept', 'edit', 'reject', 'send_back'))"
    " > (SELECT count(*) FROM reviews r WHERE r.item = items.id AND r.action = 'undo')"
)
FORGET_FAILED = f"DELETE FROM items WHERE task = ? AND status = 'failed' AND NOT {DECIDED}"  # noqa: S608  # as above
RETRY_TASK = (  # behind the one before: a failed item that somebody has just decided is still there
    "UPDATE tasks SET status = 'pending' WHERE id = ? AND status = 'failed' "
    "AND NOT EXISTS (SELECT 1 FROM items WHERE items.task = tasks.id)"
)
EMPTY = "DELETE FROM {} WHERE 1 = ?"  # a statement has rows, here one
KEEP_CALL = "INSERT INTO calls (key, raw) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET raw = excluded.raw"


def merged(statements: Sequence[Statement]) -> dict[str, list[tuple[Any, ...]]]:
    """Gathers the rows of equal statements, in their order: hundreds of inserts become a few `executemany`.

    Statements of one transaction touch different rows, or the same rows in the order written within one text of SQL.
    """
    found: dict[str, list[tuple[Any, ...]]] = {}
    for sql, rows in statements:
        if rows:
            found.setdefault(sql, []).extend(rows)
    return found


def require_version(found: int, place: str) -> None:
    """Raises `StoreError` when the run at `place` was made by a gristmill with other tables."""
    if found != VERSION:
        raise StoreError(
            f"the run in {place} has store version {found}, this gristmill reads {VERSION}; "
            f"use the gristmill that made it, or start a new run under another name"
        )
