"""Records of a graph that stay in a run's store until somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator, Mapping, ValuesView
from functools import lru_cache
from heapq import merge
from typing import TypeVar

from ...storage.records import Entity, Relation
from .texts import Texts

Fact = TypeVar("Fact", bound=Entity | Relation)
KEPT = 4096  # records in memory: those of tasks that run, of a page, of a hub's neighbours


class StoredRecords(Mapping[str, Fact]):
    """Records by id, in the order of their ids; each is read from the store when it is asked for, `KEPT` stay.

    `values()` and `items()` read the store from end to end, a record in memory at a time. What `changed` holds stands
    in place of what is stored, whether or not the store has it by now.
    """

    def __init__(
        self,
        ids: Texts,
        read: Callable[[str], Fact],
        stream: Callable[[], Iterator[Fact]],
        changed: Mapping[str, Fact] | None = None,
    ) -> None:
        self._ids = ids
        self._read = read
        self._stream = stream
        self._changed = changed or {}
        self._kept = lru_cache(maxsize=KEPT)(read)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._ids.find(id) is not None

    def __getitem__(self, id: str) -> Fact:
        if id not in self:
            raise KeyError(id)
        found = self._changed.get(id)
        return self._kept(id) if found is None else found

    def values(self) -> ValuesView[Fact]:
        return _Values(self)

    def items(self) -> ItemsView[str, Fact]:
        return _Items(self)

    def updated(self, ids: Texts, records: Iterable[Fact]) -> StoredRecords[Fact]:
        """Returns the records with these ids, of which some are new or other than those that are stored."""
        changed = {**self._changed, **{one.id: one for one in records}}
        return StoredRecords(
            ids, self._read, self._stream, {id: one for id, one in changed.items() if ids.find(id) is not None}
        )

    def all(self) -> Iterator[Fact]:
        """Yields the records by id."""
        stored = (one for one in self._stream() if one.id not in self._changed and one.id in self)
        changed = (self._changed[id] for id in sorted(self._changed))
        yield from merge(stored, changed, key=lambda one: one.id)


def changed(
    records: Mapping[str, Fact], new: Mapping[str, Fact], removed: Collection[str], ids: Texts
) -> Mapping[str, Fact]:
    """Returns records by id after a change that leaves those with `ids`."""
    if isinstance(records, StoredRecords):
        return records.updated(ids, new.values())
    kept = {id: one for id, one in records.items() if id not in removed or id in new} | dict(new)
    return kept if records.keys() >= new.keys() else dict(sorted(kept.items()))


class _Values(ValuesView[Fact]):
    def __init__(self, records: StoredRecords[Fact]) -> None:
        super().__init__(records)
        self._all = records.all

    def __iter__(self) -> Iterator[Fact]:
        return self._all()


class _Items(ItemsView[str, Fact]):
    def __init__(self, records: StoredRecords[Fact]) -> None:
        super().__init__(records)
        self._all = records.all

    def __iter__(self) -> Iterator[tuple[str, Fact]]:
        return ((one.id, one) for one in self._all())
