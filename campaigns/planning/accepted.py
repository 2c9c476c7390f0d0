"""The items of a run as planners see them: live, a few at a time, whatever their number.

Statements that look at what is new go by the row's number alone: led by an index of statuses, a database would go
through all accepted items each time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from ...errors import NotStored
from ...storage.records import Item, Status
from ...storage.store import RunStore

TRIES = 8  # draws of a row's number for each item wanted, before the rows are looked through


class AcceptedItems:
    """Implements `graphs.recipes.base.Accepted` over the store of a run.

    Items that are stale since their documents changed are left out of neither count nor draws: they are good examples
    still. What people accepted or rejected later is not known here.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._counted = self._until = 0

    def __len__(self) -> int:
        ((count, last),) = self._store.rows(
            "SELECT count(CASE WHEN status = ? THEN 1 END), coalesce(max(seq), 0) FROM items WHERE seq > ?",
            Status.ACCEPTED.value,
            self._until,
        )
        self._counted += int(count)
        self._until = max(self._until, int(last))
        return self._counted

    def newest(self, count: int) -> list[Item]:
        """Returns at most `count` items, the newest first."""
        rows = self._store.rows(
            "SELECT body FROM items WHERE status = ? ORDER BY seq DESC LIMIT ?", Status.ACCEPTED.value, max(0, count)
        )
        return [Item.model_validate_json(body) for (body,) in rows]

    def sample(self, rng: random.Random, count: int) -> list[Item]:
        """Returns at most `count` different items, each as likely as any other, in no order.

        Numbers of rows are drawn until enough of them are accepted items; where few are, all numbers are read.
        """
        ((last,),) = self._store.rows("SELECT coalesce(max(seq), 0) FROM items")
        found: dict[int, str] = {}
        for _ in range(TRIES * count):
            if len(found) == count:
                break
            if (body := self._body(number := rng.randint(1, max(1, last)))) is not None:
                found[number] = body
        if len(found) < count:
            rows = self._store.rows("SELECT seq FROM items WHERE status = ? ORDER BY seq", Status.ACCEPTED.value)
            left = [number for (number,) in rows if number not in found]
            for number in rng.sample(left, min(count - len(found), len(left))):
                if (body := self._body(number)) is not None:
                    found[number] = body
        return [Item.model_validate_json(body) for body in found.values()]

    def every(self) -> Iterator[Item]:
        """Yields all items, in the order in which they were accepted, a page at a time."""
        return self._store.items(Status.ACCEPTED)

    def _body(self, number: int) -> str | None:
        rows = self._store.rows("SELECT body FROM items WHERE seq = ? AND status = ?", number, Status.ACCEPTED.value)
        return str(rows[0][0]) if rows else None


class EndedItems:
    """Implements `graphs.recipes.base.Ended` over the store of a run; the numbers are those of its rows."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def after(self, number: int, count: int) -> list[tuple[int, Item]]:
        """Returns at most `count` items of the rows behind `number`, in the order that they were stored."""
        rows = self._store.rows("SELECT seq, body FROM items WHERE seq > ? ORDER BY seq LIMIT ?", number, max(0, count))
        return [(seq, Item.model_validate_json(body)) for seq, body in rows]

    def at(self, number: int) -> Item:
        """Returns the item of the row `number`; raises `NotStored` where there is none."""
        rows = self._store.rows("SELECT body FROM items WHERE seq = ?", number)
        if not rows:
            raise NotStored(f"no item is numbered {number}")
        return Item.model_validate_json(rows[0][0])
