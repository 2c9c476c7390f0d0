"""How many items of the queue there are of each reason, critic, document: what its bars show.

Counting looks at every item that the filters let through, so it has a connection of its own, to be used in another
thread than the index: a page never waits for its bars.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from pathlib import Path
from typing import Any

from .query import Filters, Where, condition

FACETS = ("reason", "critic", "draw", "status", "round", "kind", "document", "entity")
COLUMNS = frozenset({"status", "kind", "draw", "round", "decision"})
UNSET: dict[str, Any] = {"status": (), "round": None} | dict.fromkeys(
    ("reason", "critic", "document", "entity", "kind", "draw"), ""
)
KEPT = 200  # answers that are remembered while nothing changes

Bars = dict[str, dict[Any, int]]


class QueueCounts:
    """The counts of one index file. What was counted is remembered until the index changes."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA busy_timeout=10000")
        self._connection.execute("PRAGMA cache_size=-16000")
        self._connection.execute("PRAGMA temp_store=MEMORY")
        self._connection.execute("CREATE TEMP TABLE matched (seq INTEGER PRIMARY KEY)")
        self._version = -1
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def close(self) -> None:
        self._connection.close()

    def total(self, filters: Filters, *, reviewer: str = "") -> int:
        """Returns how many items `filters` let through."""
        where = condition(filters, reviewer)
        key = ("total", where)
        if (found := self._remembered(key)) is None:
            found = self._remember(key, count(self._connection, where))
        return int(found)

    def bars(self, filters: Filters, *, reviewer: str = "", limit: int = 50) -> Bars:
        """Returns for each of `FACETS` the number of items by value, the most frequent first; see `without`."""
        conditions = {facet: condition(without(filters, facet), reviewer) for facet in FACETS}
        key = ("bars", *conditions.values(), limit)
        if (found := self._remembered(key)) is None:
            found = self._remember(key, self._counted(conditions, limit))
        bars: Bars = found
        return bars

    def _counted(self, conditions: dict[str, Where], limit: int) -> Bars:
        """Most facets share one condition: its items are found once."""
        counted: Bars = {}
        matched = Where("seq IN matched")
        for where in dict.fromkeys(conditions.values()):
            self._connection.execute("DELETE FROM matched")
            self._connection.execute(f"INSERT INTO matched SELECT seq FROM items WHERE {where.sql}", where.values)  # noqa: S608  # bound
            for facet in (facet for facet in FACETS if conditions[facet] == where):
                counted[facet] = count_by(self._connection, matched, facet, limit)
        return {facet: counted[facet] for facet in FACETS}

    def _remembered(self, key: tuple[Any, ...]) -> Any:
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()  # another connection's commits
        if version != self._version:
            self._version = version
            self._known.clear()
        return self._known.get(key)

    def _remember(self, key: tuple[Any, ...], found: Any) -> Any:
        self._known[key] = found
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found


def without(filters: Filters, facet: str) -> Filters:
    """Returns `filters` without a facet's own: its bars show what a click on another value would find."""
    return filters.model_copy(update={facet: UNSET[facet]}) if facet in UNSET else filters


def count(connection: sqlite3.Connection, where: Where, among: str = "items") -> int:
    """Returns the number of items; `among` is a table of SQL with their columns."""
    (found,) = connection.execute(f"SELECT count(*) FROM {among} WHERE {where.sql}", where.values).fetchone()  # noqa: S608
    return int(found)


def count_by(connection: sqlite3.Connection, where: Where, facet: str, limit: int) -> dict[Any, int]:
    """Returns the number of items by the value of a column or a tag, the most frequent first."""
    if facet in COLUMNS:
        sql = f"SELECT {facet}, count(*) FROM items WHERE {where.sql} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"  # noqa: S608
        return dict(connection.execute(sql, (*where.values, limit)).fetchall())
    within = where.sql if where.sql == "seq IN matched" else f"seq IN (SELECT seq FROM items WHERE {where.sql})"  # noqa: S608
    sql = f"SELECT value, count(*) FROM tags WHERE kind = ? AND {within} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"  # noqa: S608
    return dict(connection.execute(sql, (facet, *where.values, limit)).fetchall())
