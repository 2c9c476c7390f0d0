"""What a stored graph was made of, in rows: a later document or ruling is compared with these, and with no more.

For each reference what was found under it, for each pair of references that were related what relates them, the keys
under which names meet (`blocks`), the pairs of references that may be one (`likely`), and which chunks are taken.
Nothing here knows what the bodies say or how it is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from .schema import EMPTY, Statement

if TYPE_CHECKING:
    from .store import RunStore

MANY = 500  # values in one statement
KEPT = "kept"  # the mark that says by which settings and rulings the rows were made; None where they are not to be used
TABLES = ("found", "stated", "blocks", "likely", "taken")

PUT_FOUND = (
    "INSERT INTO found (id, card, rest) VALUES (?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET card = excluded.card, rest = excluded.rest"
)
PUT_STATED = (
    "INSERT INTO stated (source, target, type, relation, records, body) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (source, target, type) DO UPDATE SET relation = excluded.relation, records = excluded.records, "
    "body = excluded.body"
)
PUT_BLOCK = "INSERT INTO blocks (key, ref) VALUES (?, ?) ON CONFLICT DO NOTHING"
PUT_LIKELY = (
    "INSERT INTO likely (one, other, value, kind, veto, short) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (one, other) "
    "DO UPDATE SET value = excluded.value, kind = excluded.kind, veto = excluded.veto, short = excluded.short"
)
PUT_TAKEN = "INSERT INTO taken (chunk, keys) VALUES (?, ?) ON CONFLICT (chunk) DO UPDATE SET keys = excluded.keys"
FORGET_FOUND = "DELETE FROM found WHERE id = ?"
FORGET_STATED = "DELETE FROM stated WHERE source = ? AND target = ? AND type = ?"
FORGET_BLOCKS = "DELETE FROM blocks WHERE ref = ?"
FORGET_ONE, FORGET_OTHER = "DELETE FROM likely WHERE one = ?", "DELETE FROM likely WHERE other = ?"
FORGET_TAKEN = "DELETE FROM taken WHERE chunk = ?"

Triple = tuple[str, str, str]


class StatedRow(NamedTuple):
    """What relates two references in one way: `relation` is that of the graph which has it, or why none has."""

    source: str
    target: str
    type: str
    relation: str
    records: int
    body: str


class LikelyRow(NamedTuple):
    """A pair of references, the lesser id first, with how likely they are one."""

    one: str
    other: str
    value: float
    kind: str
    veto: str
    short: str


class KeptRows:
    """The rows of one run, read by ids."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def names(self, refs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (id, name) of references."""
        return self._some("SELECT id, name FROM refs WHERE id IN ({})", refs)

    def entities(self, refs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (id, entity) of references."""
        return self._some("SELECT id, entity FROM refs WHERE id IN ({})", refs)

    def called(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (name key, id) of references."""
        return self._some("SELECT key, id FROM refs WHERE key IN ({})", keys)

    def cards(self, refs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (id, card) of references: what they are compared by."""
        return self._some("SELECT id, card FROM found WHERE id IN ({})", refs)

    def found(self, refs: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yields (id, card, rest) of references: all that was found."""
        return self._some("SELECT id, card, rest FROM found WHERE id IN ({})", refs)

    def keys(self, refs: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (id, block key) of references."""
        return self._some("SELECT ref, key FROM blocks WHERE ref IN ({})", refs)

    def members(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (block key, id) of blocks."""
        return self._some("SELECT key, ref FROM blocks WHERE key IN ({})", keys)

    def likely(self, refs: Iterable[str]) -> Iterator[LikelyRow]:
        """Yields the pairs that have one of some references; one that has two of them may come twice."""
        wanted = list(refs)
        for end in ("one", "other"):
            sql = f"SELECT one, other, value, kind, veto, short FROM likely WHERE {end} IN ({{}})"  # noqa: S608
            yield from (LikelyRow(*row) for row in self._some(sql, wanted))

    def stated(self, column: str, values: Iterable[str]) -> Iterator[StatedRow]:
        """Yields what is stated, by its `source`, `target` or `relation`."""
        sql = f"SELECT source, target, type, relation, records, body FROM stated WHERE {column} IN ({{}})"  # noqa: S608
        return (StatedRow(*row) for row in self._some(sql, values))

    def triple(self, triple: Triple) -> StatedRow | None:
        """Returns what is stated of two references in one way, None where nothing is."""
        rows = self._store.rows(
            "SELECT source, target, type, relation, records, body FROM stated "
            "WHERE source = ? AND target = ? AND type = ?",
            *triple,
        )
        return StatedRow(*rows[0]) if rows else None

    def documents(self, chunks: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yields (chunk, document), also of chunks that are no longer current."""
        return self._some("SELECT id, document FROM chunks WHERE id IN ({})", chunks)

    def keys_in(self, chunks: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        """Yields (chunk, the name keys that stand in it)."""
        for chunk, keys in self._some("SELECT chunk, keys FROM taken WHERE chunk IN ({})", chunks):
            yield chunk, orjson.loads(keys)

    def extractions(self, chunks: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yields (chunk, reason, body) of extractions."""
        return self._some("SELECT chunk, reason, body FROM extractions WHERE chunk IN ({})", chunks)

    def came(self) -> list[str]:
        """Returns the current chunks that were read and are not taken."""
        return self._ids(
            "SELECT e.chunk FROM extractions e JOIN chunks c ON c.id = e.chunk "
            "WHERE c.place >= 0 AND NOT EXISTS (SELECT 1 FROM taken t WHERE t.chunk = e.chunk) ORDER BY e.chunk"
        )

    def went(self) -> list[str]:
        """Returns the chunks that are taken and no longer current."""
        return self._ids(
            "SELECT t.chunk FROM taken t WHERE NOT EXISTS "
            "(SELECT 1 FROM chunks c WHERE c.id = t.chunk AND c.place >= 0) ORDER BY t.chunk"
        )

    def taken(self) -> int:
        """Returns how many chunks are taken."""
        ((count,),) = self._store.rows("SELECT count(*) FROM taken")
        return int(count)

    def _ids(self, sql: str) -> list[str]:
        return [id for (id,) in self._store.rows(sql)]

    def _some(self, sql: str, values: Iterable[str]) -> Iterator[Any]:
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), MANY):
            some = wanted[start : start + MANY]
            yield from self._store.rows(sql.format(", ".join("?" * len(some))), *some)


def emptied() -> Sequence[Statement]:
    """Returns what empties the rows, to go with those that are written anew."""
    return [(EMPTY.format(table), [(1,)]) for table in TABLES]
