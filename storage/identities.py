"""Which entity every id of the graph leads to today, and under which names its parts were found.

A reference is what was found under one name with one type; entities are sets of references (`graphs/resolution`). An id
that a task or an item kept may be that of an entity which was merged since, or of a relation whose ends were: all of
them lead to what is there now. Nothing here knows how it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from .database import Row
from .schema import FORGET_MOVED, FORGET_REF, MOVE, MOVE_ON, PUT_REF, Statement

MANY = 500  # ids in one statement
GONE = ""  # where an id leads of which nothing is left

COLUMNS = "id, key, name, type, chunks, entity"
NOW = "m.id, coalesce(r.entity, m.now) FROM moved m LEFT JOIN refs r ON r.id = m.now"


class Ref(NamedTuple):
    """A reference as the stored graph has it: `chunks` counts those that have it, `entity` is what it is part of."""

    id: str
    key: str
    name: str
    type: str
    chunks: int
    entity: str


@dataclass(frozen=True)
class Moves:
    """How the identities change: references to put and to forget, and where ids lead that are no reference any more.

    `moved` maps such ids, and those of relations that went, to a reference or a relation, `GONE` for nothing; `back`
    are ids that stand for themselves again.
    """

    refs: Sequence[Ref] = ()
    forgotten: Sequence[str] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    back: Sequence[str] = ()

    def statements(self) -> tuple[Statement, ...]:
        """Returns what writes them, to go with the graph in one transaction."""
        return (
            (PUT_REF, list(self.refs)),
            (FORGET_REF, [(id,) for id in self.forgotten]),
            (MOVE_ON, [(now, id) for id, now in self.moved.items()]),
            (MOVE, list(self.moved.items())),
            (FORGET_MOVED, [(id,) for id in self.back]),
        )


def today(read: Callable[..., list[Row]], ids: Iterable[str]) -> dict[str, str]:
    """Returns what each id of an entity or a relation leads to: itself, another, or `GONE`; few queries for many.

    `read` runs a statement: `Database.rows`, or a store's. An id that nobody knows leads to itself.
    """
    wanted = list(dict.fromkeys(ids))
    found = {id: id for id in wanted}
    for start in range(0, len(wanted), MANY):
        some = wanted[start : start + MANY]
        marks = ", ".join("?" * len(some))
        found |= dict(read(f"SELECT {NOW} WHERE m.id IN ({marks})", *some))  # bound
        found |= dict(read(f"SELECT id, entity FROM refs WHERE id IN ({marks})", *some))  # noqa: S608
    return found


class Reading(Protocol):
    """What is read from: a store, or a database."""

    def rows(self, sql: str, *values: Any) -> list[Row]: ...


class Identities:
    """The identities of one run, as its stored graph was made."""

    def __init__(self, store: Reading) -> None:
        self._store = store

    def today(self, ids: Iterable[str]) -> dict[str, str]:
        """Returns what each id leads to; see `today`."""
        return today(self._store.rows, ids)

    def all(self) -> Iterator[Ref]:
        """Yields every reference, by id, a page in memory."""
        last = ""
        while page := self._refs("WHERE id > ? ORDER BY id LIMIT 2000", last):
            yield from page
            last = page[-1].id

    def of(self, ids: Iterable[str]) -> dict[str, Ref]:
        """Returns references by id; those that are not there are left out."""
        found: dict[str, Ref] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            found |= {one.id: one for one in self._refs(f"WHERE id IN ({', '.join('?' * len(some))})", *some)}
        return found

    def members(self, entity: str) -> list[Ref]:
        """Returns the references of an entity, those of most chunks first."""
        return self._refs("WHERE entity = ? ORDER BY chunks DESC, key, id", entity)

    def called(self, key: str) -> list[Ref]:
        """Returns the references of one name key, those of most chunks first."""
        return self._refs("WHERE key = ? ORDER BY chunks DESC, id", key)

    def membership(self) -> dict[str, str]:
        """Returns the entity of each id that is not its own: of references in another's, and of ids that were."""
        found: dict[str, str] = dict(self._store.rows("SELECT id, entity FROM refs WHERE entity <> id"))
        moved = self._store.rows(f"SELECT {NOW} WHERE m.now <> ? AND r.id IS NOT NULL", GONE)
        return found | dict(moved)

    def moved(self) -> dict[str, str]:
        """Returns where ids lead that are no references and no relations any more: to one of these, or `GONE`."""
        return dict(self._store.rows("SELECT id, now FROM moved"))

    def moved_of(self, ids: Iterable[str]) -> dict[str, str]:
        """Returns of `moved` those that are among some ids, or lead to one."""
        found: dict[str, str] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            marks = ", ".join("?" * len(some))
            for column in ("id", "now"):
                found |= dict(self._store.rows(f"SELECT id, now FROM moved WHERE {column} IN ({marks})", *some))  # noqa: S608  # bound
        return found

    def known(self, ids: Iterable[str]) -> dict[str, str]:
        """Returns the entities that ids lead to; those that nobody knows, or that lead to nothing, are left out."""
        found = self.today(ids)
        own = self.of(id for id, now in found.items() if id == now)
        return {id: now for id, now in found.items() if now != GONE and (id != now or id in own)}

    def _refs(self, where: str, *values: str) -> list[Ref]:
        rows = self._store.rows(f"SELECT {COLUMNS} FROM refs {where}", *values)  # noqa: S608  # from this module
        return [Ref(*row) for row in rows]
