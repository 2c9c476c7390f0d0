"""Answers one SQLite query over a database of its own, in memory. A script for the sandbox: JSON in, JSON out.

Imports only the standard library. Who runs it is `sql`.
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from typing import Any

# What a query may do. All else, such as ATTACH, PRAGMA or writing, is refused while it runs.
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION})
_NEVER = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
_UNSAFE = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_STEPS = 10_000  # virtual machine instructions between looks
_LONGEST = 1_000_000  # bytes of a text, a blob or a row


def main() -> None:
    """Reads `schema`, `query`, `rows` and `steps` from stdin and prints what came of them as one JSON object."""
    asked = json.load(sys.stdin)
    connection = sqlite3.connect(":memory:")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    try:
        connection.set_authorizer(lambda action, first, second, *_: _judge(action, second, _NEVER, only=False))
        connection.executescript(asked["schema"])
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        _print(fault=f"{type(error).__name__}: {error}", stage="schema")
        return
    left = [asked["steps"]]

    def count() -> int:
        left[0] -= _STEPS
        return bool(left[0] < 0)

    connection.commit()
    connection.set_progress_handler(count, _STEPS)
    connection.set_authorizer(lambda action, first, second, *_: _judge(action, second, _ALLOWED, only=True))
    try:
        cursor = connection.execute(asked["query"])
        found = cursor.fetchmany(asked["rows"] + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        _print(fault=f"{type(error).__name__}: {error}", stage="steps" if left[0] < 0 else "query")
        return
    if cursor.description is None:
        _print(fault="the text is no query: it gives no columns", stage="query")
        return
    kept = found[: asked["rows"]]
    _print(
        columns=[one[0] for one in cursor.description],
        rows=[[_plain(value) for value in row] for row in kept],
        cut=len(found) > len(kept),
    )


def _judge(action: int, name: str | None, actions: frozenset[int], *, only: bool) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in _UNSAFE:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if (action in actions) is only else sqlite3.SQLITE_DENY


def _plain(value: Any) -> Any:
    """JSON has no bytes and no infinity: they become objects of one key."""
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _print(**said: Any) -> None:
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
