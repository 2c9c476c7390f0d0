"""The review queue's index: one SQLite file in the run's folder that answers filters, counts and searches at once.

It is made from the store and may be deleted at any time: items and events are read from where the last look ended.
Nothing is decided here; the store's events are the truth.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ...errors import ConfigError, NotStored
from ...storage.changed import changed_tasks, led_elsewhere
from ...storage.reviews import Reviews, decision_of
from ...storage.store import RunStore
from .counts import count, count_by, without
from .file import FILE, GRAIN, add, opened, set_mark
from .query import Filters, Neighbours, Page, Seen, Sort, Stage, Where, condition, plain, selections
from .rows import row_of

PAGE = 500  # items read at a time: also how long a page waits at most while a large run is taken in

PLACE = re.compile(
    r"-?[0-9]{1,18}(\.[0-9]{1,20})?(e-[0-9]{1,3})?_[0-9]{1,18}"
)  # as a page gives it: a rank and a number
# Each order with the index that holds it: the planner would rather take all that is open and sort it.
ORDERS = {
    Sort.TEACHES: ("teaches", "DESC", ""),
    Sort.NEWEST: ("seq", "DESC", "NOT INDEXED"),
    Sort.OLDEST: ("seq", "ASC", "NOT INDEXED"),
    Sort.SCORE: ("coalesce(score, 2.0)", "ASC", "INDEXED BY items_score"),  # those without a score come last
    # Multiples of the golden ratio, modulo 1: any number of the first is spread evenly (D. Knuth, TAOCP 3, 6.4).
    Sort.SAMPLE: ("(seq * 2654435769) % 4294967296", "ASC", "INDEXED BY items_sample"),
}


class ReviewIndex:
    """The index of one run. Use it from one thread; `refresh` before a look takes in what is new.

    `minimum` are the campaign's least scores by name: the thresholds that doubt is measured against.
    """

    def __init__(
        self, store: RunStore, path: Path | None = None, *, minimum: Mapping[str, float] | None = None
    ) -> None:
        self.store = store
        self._reviews = Reviews(store)
        self._minimum = dict(minimum or {})
        self._connection = opened(path or store.folder / FILE, str(store.mark("run") or store.folder))
        self._kept: object = None
        self._document_of = lru_cache(maxsize=10_000)(self._find_document)

    def close(self) -> None:
        self._connection.close()

    def held(self) -> dict[str, str]:
        """Returns who looks at which item now, from the store: reviewer by item id."""
        return self._reviews.claims()

    def _find_document(self, chunk: str) -> str:
        """The name of a chunk's document; empty where a failed task named a chunk that the run does not have."""
        try:
            return self.store.document_name(self.store.document_of(chunk))
        except NotStored:
            return ""

    # taking in

    def refresh(self, say: Callable[[int], None] = lambda items: None) -> None:
        """Takes in items and events that came since the last look; `say` hears how many items, now and then."""
        taken = 0
        while page := self.store.items_after(seen := self._mark("items"), PAGE):
            with self._transaction() as connection:
                if self._mark("items") != seen:
                    continue  # another process took them in meanwhile
                for seq, item in page:
                    add(connection, row_of(seq, item, self._document_of, self._minimum, self.store.chunk))
                for decided in self._reviews.histories((item.id for _, item in page), self._mark("events")):
                    self._decide(connection, decided)  # its events were read before it
                set_mark(connection, "items", page[-1][0])
            taken += len(page)
            say(taken)
        self._forget_what_is_gone()
        self._take_graph()
        while self._reviews.count() != self._mark("taken"):
            if not self._take_events():
                break  # another process counts: what is not there yet comes with the next look

    def _take_graph(self) -> None:
        """Takes in which tasks were drawn from entities that are others by now, when the graph is another."""
        graph = hashlib.sha256(orjson.dumps(self.store.mark("graph"))).hexdigest()
        (known,) = self._connection.execute("SELECT value FROM marks WHERE name = 'graph'").fetchone()
        if known == graph:
            return
        tasks, led = changed_tasks(self.store), led_elsewhere(self.store)  # after it: what is newer comes again
        with self._transaction() as connection:
            connection.execute("DELETE FROM changed")
            connection.execute("DELETE FROM led")
            connection.executemany("INSERT INTO changed VALUES (?)", [(task,) for task in tasks])
            connection.executemany("INSERT INTO led VALUES (?, ?)", led.items())
            set_mark(connection, "graph", graph)
            self._kept = None

    def _take_events(self) -> bool:
        """Takes in a page of new events, or of late ones; returns whether there were any.

        A database of many writers may commit a lower number after a higher one: where the events up to the last one
        are more than were taken in, those that were not are looked for by their numbers.
        """
        last = self._mark("events")
        found = self._reviews.numbers(last, PAGE)
        if not found and self._reviews.count(last) != self._mark("taken"):
            known = {seq for (seq,) in self._connection.execute("SELECT seq FROM events")}
            found = [one for one in self._reviews.numbers(limit=last) if one[0] not in known and one[0] <= last][:PAGE]
        if found:
            with self._transaction() as connection:
                for item in dict.fromkeys(item for _, item in found):
                    self._decide(connection, item)
                connection.executemany("INSERT OR IGNORE INTO events VALUES (?)", [(seq,) for seq, _ in found])
                set_mark(connection, "events", max(self._mark("events"), found[-1][0]))
                ((taken,),) = connection.execute("SELECT count(*) FROM events").fetchall()
                set_mark(connection, "taken", taken)
        return bool(found)

    def _forget_what_is_gone(self) -> None:
        """Failed items leave the store when their tasks run again; until they end there is nothing to review."""
        (count,) = self._connection.execute("SELECT count(*) FROM items").fetchone()
        if count == self.store.count("items"):
            return
        known = self._connection.execute("SELECT seq FROM items").fetchall()
        there = {seq for (seq,) in self.store.rows("SELECT seq FROM items")}  # after it: what is new is not gone
        gone = [(seq,) for (seq,) in known if seq not in there]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM items WHERE seq = ?", gone)

    def _decide(self, connection: sqlite3.Connection, item: str) -> None:
        decision = decision_of(self._reviews.history(item))
        row = connection.execute("SELECT reason, decision FROM items WHERE id = ?", (item,)).fetchone()
        if row is None:
            return  # it is not read yet, or its failed task runs again: with the item its events are looked at again
        action, reviewer = (decision.action.value, decision.reviewer) if decision else ("", "")
        connection.execute("UPDATE items SET decision = ?, reviewer = ? WHERE id = ?", (action, reviewer, item))
        change = int(action != "") - int(row[1] != "")
        connection.execute("UPDATE judged SET decided = decided + ? WHERE reason = ?", (change, row[0]))

    def _mark(self, name: str) -> int:
        return int(self._connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def skip(self, ids: Iterable[str], reviewer: str) -> None:
        """Puts items behind the others for this reviewer. No decision: it goes with the index."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO skips SELECT ?, id FROM items WHERE id = ?", [(reviewer, id) for id in ids]
            )

    def unskip(self, ids: Iterable[str], reviewer: str) -> None:
        """Takes a skip back."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM skips WHERE reviewer = ? AND id = ?", [(reviewer, id) for id in ids])

    # looking

    @contextmanager
    def moment(self) -> Iterator[None]:
        """All looks within see the queue as it was at the first, whatever others decide meanwhile."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def page(
        self, filters: Filters, sort: Sort = Sort.TEACHES, *, reviewer: str = "", after: str = "", limit: int = 25
    ) -> Page:
        """Returns up to `limit` items in order, from the place `after` on.

        Raises:
            ConfigError: `after` is no place of this order.
        """
        place = _place(after) if after else None
        rows = self._ordered(self._wanted(filters, sort, reviewer), filters, sort, place, limit + 1)
        shown = tuple(self._seen(row) for row in rows[:limit])
        more = f"{rows[limit - 1][-1]!r}_{rows[limit - 1]['seq']}" if len(rows) > limit else ""
        return Page(shown, more)

    def neighbours(
        self, id: str, filters: Filters, sort: Sort = Sort.TEACHES, *, reviewer: str = "", ahead: int = 12
    ) -> Neighbours:
        """Returns the item before `id` in a queue and up to `ahead` after it, whether `id` is in the queue or not.

        After the last item the queue begins anew, so that nothing that waits is missed.
        """
        where = self._wanted(filters, sort, reviewer)
        place = self._place_of(id, sort, filters)
        after = self._ordered(where, filters, sort, place, ahead)
        before = [] if place is None else self._ordered(where, filters, sort, place, 1, back=True)
        found = [row["id"] for row in after if row["id"] != id]
        if place is not None and len(found) < ahead:
            first = [row["id"] for row in self._ordered(where, filters, sort, None, ahead + 1)]
            found += [one for one in first if one != id and one not in found][: ahead - len(found)]
        return Neighbours(before[0]["id"] if before else "", tuple(found))

    def _place_of(self, id: str, sort: Sort, filters: Filters) -> tuple[float, int] | None:
        order = ORDERS[sort][0]
        sql = f"SELECT seq, reason, {order} AS rank FROM items WHERE id = ?"  # noqa: S608  # from ORDERS
        row = self._connection.execute(sql, (id,)).fetchone()
        if row is None:
            return None
        bonus = 0.0
        if sort is Sort.TEACHES and filters.stage is not Stage.ALL:
            judged = self._connection.execute("SELECT decided FROM judged WHERE reason = ?", (row["reason"],))
            bonus = _bonus(*judged.fetchone())
        return row["rank"] + bonus, row["seq"]

    def _ordered(
        self,
        where: Where,
        filters: Filters,
        sort: Sort,
        place: tuple[float, int] | None,
        limit: int,
        *,
        back: bool = False,
    ) -> list[sqlite3.Row]:
        """Reads rows from a place on, or back from it; the last column is their rank."""
        if sort is Sort.TEACHES and filters.stage is not Stage.ALL:
            return self._most_teaching(where, place, limit, back=back)
        return self._connection.execute(*_select(where, sort, place, limit, back=back)).fetchall()

    def _wanted(self, filters: Filters, sort: Sort, reviewer: str) -> Where:
        """Returns the filters as a condition. One that is asked again for each reason keeps what its filters select."""
        if sort is not Sort.TEACHES or not self._keep(filters):
            return condition(filters, reviewer)
        where = plain(filters, reviewer)
        return Where(f"{where.sql} AND seq IN selected", where.values)

    def _keep(self, filters: Filters) -> bool:
        """Puts the items that `selections` give into a table of this connection; says whether there are any filters."""
        selects = tuple(selections(filters))
        kept = (selects, self._mark("items"))  # nothing else changes what an item is found by
        if selects and kept != self._kept:
            self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS selected (seq INTEGER PRIMARY KEY)")
            self._connection.execute("DELETE FROM selected")
            sql = " INTERSECT ".join(one.sql for one in selects)
            values = [value for one in selects for value in one.values]
            self._connection.execute(f"INSERT INTO selected {sql}", values)
            self._kept = kept if not self._connection.in_transaction else None  # `moment` takes back what it wrote
        return bool(selects)

    def _most_teaching(
        self, where: Where, place: tuple[float, int] | None, limit: int, *, back: bool = False
    ) -> list[sqlite3.Row]:
        """What settles a doubt, a disagreement, or a reason that was seldom judged, first.

        The last changes with each decision, so no index holds this order: the best of each reason are merged.
        """
        found: list[sqlite3.Row] = []
        for reason, decided in self._connection.execute("SELECT reason, decided FROM judged").fetchall():
            bonus = _bonus(decided)
            of_reason = Where(f"reason = ? AND {where.sql}", (reason, *where.values))
            within = None if place is None else (place[0] - bonus, place[1])
            sql, values = _select(of_reason, Sort.TEACHES, within, limit, back=back)
            found += self._connection.execute(f"SELECT *, rank + ? FROM ({sql})", (bonus, *values))  # noqa: S608
        return sorted(found, key=lambda row: (row[-1], row["seq"]), reverse=not back)[:limit]

    def _seen(self, row: sqlite3.Row) -> Seen:
        more = self._connection.execute("SELECT * FROM titles WHERE seq = ?", (row["seq"],)).fetchone()
        why = []
        if row["split"] > 0:
            why.append("critics disagree")
        if row["doubt"] > 0:
            why.append("near the threshold")
        judged = self._connection.execute("SELECT decided FROM judged WHERE reason = ?", (row["reason"],)).fetchone()
        if not judged or judged[0] == 0:
            why.append("reason not judged yet")
        return Seen(
            id=row["id"],
            task=row["task"],
            status=row["status"],
            reasons=tuple(orjson.loads(more["reasons"])),
            critics=tuple(orjson.loads(more["critics"])),
            documents=tuple(orjson.loads(more["documents"])),
            kind=row["kind"],
            draw=row["draw"],
            round=row["round"],
            score=row["score"],
            title=more["title"],
            preview=more["preview"],
            drafted=bool(more["drafted"]),
            number=row["seq"],
            origin=row["origin"],
            decision=row["decision"],
            reviewer=row["reviewer"],
            why=tuple(why),
        )

    def seen(self, id: str) -> Seen | None:
        """Returns one item as a list shows it, None when the index does not have it."""
        row = self._connection.execute("SELECT * FROM items WHERE id = ?", (id,)).fetchone()
        return None if row is None else self._seen(row)

    @property
    def last(self) -> int:
        """The number of the item that came last: what came later has a greater one."""
        return self._mark("items")

    def ids(self, filters: Filters, *, reviewer: str = "", limit: int = 10_000, upto: int | None = None) -> list[str]:
        """Returns the ids of all items that `filters` let through, the oldest first: for decisions on many at once.

        `upto` leaves out items that came after the one with that number: nobody has seen them.
        """
        return list(self.numbers(filters, reviewer=reviewer, limit=limit, upto=upto))

    def numbers(
        self, filters: Filters, *, reviewer: str = "", limit: int = 10_000, upto: int | None = None
    ) -> dict[str, int]:
        """Returns what `ids` does, each with the item's number in the store."""
        where = condition(filters, reviewer)
        sql = f"SELECT id, seq FROM items WHERE {where.sql} AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608  # bound
        newest = 2**63 - 1 if upto is None else upto
        return dict(self._connection.execute(sql, (*where.values, newest, limit)).fetchall())

    def count(self, filters: Filters, *, reviewer: str = "") -> int:
        """Returns how many items `filters` let through."""
        if not self._keep(filters):
            return count(self._connection, plain(filters, reviewer))
        return count(self._connection, plain(filters, reviewer), "selected CROSS JOIN items USING (seq)")

    def counts(self, filters: Filters, tag: str, *, reviewer: str = "", limit: int = 50) -> dict[str, int]:
        """Returns the number of items by value, the most frequent first. The tag's own filter does not count.

        `tag` is `reason`, `critic`, `document`, `entity`, or a column: `status`, `kind`, `draw`, `round`, `decision`.
        """
        return count_by(self._connection, condition(without(filters, tag), reviewer), tag, limit)

    def reasons(self, limit: int = 50) -> list[str]:
        """Returns the reason codes that items came with first, those that people judged most at the front."""
        sql = "SELECT reason FROM judged WHERE reason <> '' ORDER BY decided DESC, reason LIMIT ?"
        return [reason for (reason,) in self._connection.execute(sql, (limit,))]

    def returned(self, id: str) -> list[str]:
        """Returns the ids of items that were made again from the item `id`."""
        return [one for (one,) in self._connection.execute("SELECT id FROM items WHERE origin = ? ORDER BY seq", (id,))]


def _bonus(decided: int) -> float:
    """What a reason's first judgements are worth, in ranks."""
    return round(GRAIN / (1 + decided)) / GRAIN


def _select(
    where: Where, sort: Sort, place: tuple[float, int] | None, limit: int, *, back: bool = False
) -> tuple[str, list[Any]]:
    """Returns the statement, with its values, that reads `limit` rows in an order, from a place on or back from it."""
    values, sql = list(where.values), where.sql
    order, way, by = ORDERS[sort]
    way = {"ASC": "DESC", "DESC": "ASC"}[way] if back else way
    if place is not None:
        sign = "<" if way == "DESC" else ">"
        sql += f" AND {order} {sign}= ? AND ({order} {sign} ? OR seq {sign} ?)"
        values += [place[0], place[0], place[1]]
    sql = f"SELECT *, {order} AS rank FROM items {by} WHERE {sql} ORDER BY {order} {way}, seq {way} LIMIT ?"  # noqa: S608
    return sql, [*values, limit]


def _place(after: str) -> tuple[float, int]:
    rank, _, seq = after.partition("_")
    if not PLACE.fullmatch(after):
        raise ConfigError(f"'{after[:50]}' is no place in the queue; take one that a page gave")
    return float(rank), int(seq)
