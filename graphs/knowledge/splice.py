"""Takes some rows out of large arrays and puts others in, by whole stretches; needs numpy.

What stood by old numbers stands by new ones afterwards. A stretch that stays is one copy, so a change of a few dozen
rows in a million costs what copying the memory costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ..numeric import np
from .links import Numbers, Rows
from .texts import Texts

Array = Any
Row = TypeVar("Row")


class Splice:
    """Rows of `count` that go (`dropped`, by old number) and places, ascending, before which new ones come in.

    A row that is replaced is dropped, and a new one comes in at its place.
    """

    def __init__(self, count: int, dropped: Iterable[int], places: Sequence[int]) -> None:
        self.count = count
        self.dropped = np.array(sorted(dropped), dtype=np.int64)
        self.places = np.array(places, dtype=np.int64)
        self._steps = self._planned()  # (first, last + 1) of a stretch that stays, or (-1, which one) that comes in

    def _planned(self) -> list[tuple[int, int]]:
        events = sorted([*((place, 0, one) for one, place in enumerate(self.places.tolist())),
                         *((number, 1, 0) for number in self.dropped.tolist())])  # fmt: skip
        steps, at = [], 0
        for place, goes, one in events:
            if at < place:
                steps.append((at, place))
            at = max(at, place)
            if goes:
                at = place + 1
            else:
                steps.append((-1, one))
        if at < self.count:
            steps.append((at, self.count))
        return steps

    @property
    def size(self) -> int:
        """How many rows there are afterwards."""
        return self.count - len(self.dropped) + len(self.places)

    def numbers(self) -> list[int]:
        """Returns the new numbers of what comes in."""
        before = self.places - np.searchsorted(self.dropped, self.places)
        found: list[int] = (before + np.arange(len(self.places))).tolist()
        return found

    def table(self) -> Array:
        """Returns the new number of each old one, -1 for what goes (int32)."""
        moved = np.zeros(self.count + 1, dtype=np.int32)
        np.add.at(moved, self.places, 1)
        np.subtract.at(moved, self.dropped + 1, 1)
        table = np.arange(self.count, dtype=np.int32) + np.cumsum(moved[: self.count], dtype=np.int32)
        table[self.dropped] = -1
        return table

    def column(self, old: Sequence[Any], new: Sequence[Any], table: Array | None = None) -> Array:
        """Returns a column after the change, the old values by `table`'s where there is one; `new` come in."""
        array = np.asarray(old)
        fresh = np.asarray(new, dtype=array.dtype if table is None else table.dtype)
        return _copied([fresh[b : b + 1] if a < 0 else array[a:b] for a, b in self._steps],
                       [a < 0 for a, _ in self._steps], fresh.dtype, table)  # fmt: skip

    def ragged(self, offsets: Numbers, sizes: Sequence[int]) -> Array:
        """Returns the offsets after the change; `sizes` are those of the rows that come in."""
        starts = np.asarray(offsets)
        out = np.zeros(self.size + 1, dtype=np.int64)
        row = total = 0
        for first, last in self._steps:
            if first < 0:
                total += sizes[last]
                row += 1
                out[row] = total
                continue
            count = last - first
            np.add(starts[first + 1 : last + 1], total - int(starts[first]), out=out[row + 1 : row + count + 1])
            row += count
            total = int(out[row])
        return out

    def joined(self, offsets: Numbers, old: Sequence[Any], new: Sequence[Array], table: Array | None = None) -> Array:
        """Returns what stands in the rows after the change, as `column` does; `new` are the rows that come in."""
        data = np.asarray(old)
        dtype = data.dtype if table is None else table.dtype
        return _copied(self._pieces(offsets, data, new), [a < 0 for a, _ in self._steps], dtype, table)

    def _pieces(self, offsets: Numbers, data: Array, new: Sequence[Array]) -> list[Array]:
        return [new[b] if a < 0 else data[offsets[a] : offsets[b]] for a, b in self._steps]

    def texts(self, old: Texts, new: Sequence[str]) -> Texts:
        """Returns texts after the change."""
        fresh = Texts.of(new)
        own = [fresh.data[fresh.offsets[one] : fresh.offsets[one + 1]] for one in range(len(new))]
        data = b"".join(self._pieces(old.offsets, memoryview(old.data), own))
        return Texts(self.ragged(old.offsets, [len(one) for one in own]).data, data)

    def rows(self, old: Rows, new: Sequence[Array], table: Array | None = None) -> Rows:
        """Returns rows after the change, the old ends by `table`'s numbers where there is one."""
        ends = self.joined(old.offsets, old.ends, new, table)
        return Rows(self.ragged(old.offsets, [len(one) for one in new]).data, ends.data)


def _copied(pieces: Sequence[Array], fresh: Sequence[bool], dtype: Any, table: Array | None) -> Array:
    """Returns the pieces in one, all but the fresh ones by the table: written once, to where they go."""
    out = np.empty(sum(map(len, pieces)), dtype=dtype)
    at = 0
    for piece, new in zip(pieces, fresh, strict=True):
        place = out[at : at + len(piece)]
        if table is None or new:
            place[:] = piece
        else:
            np.take(table, piece, out=place, mode="clip")  # all are in it; to raise would cost a copy
        at += len(piece)
    return out


class Renumbering:
    """What some ids that come in and some that go do to the numbers of all: numbers are the sorted order of ids.

    `table` gives the new number of each old one, -1 for what died; who is replaced lives on under the new number.
    `born` are the new numbers that no id had before, each with the old number that it came to stand before.
    """

    def __init__(self, old: Texts, ids: Sequence[str], died: Iterable[int]) -> None:
        self._old = old
        before = [old.find(id) for id in ids]
        places = [old.place(id) if one is None else one for id, one in zip(ids, before, strict=True)]
        replaced = {one for one in before if one is not None}
        self.died = set(died) - replaced
        self.splice = Splice(len(old), self.died | replaced, places)
        self.ids = self.splice.texts(old, ids)
        self.numbers = self.splice.numbers()
        self.table = self.splice.table()
        self.born: dict[int, int] = {}
        self._before: dict[int, int] = {}
        for number, one, place in zip(self.numbers, before, places, strict=True):
            if one is None:
                self.born[number] = place
            else:
                self.table[one] = number

    @property
    def moves(self) -> Array | None:
        """The table, None where all keep their numbers."""
        return self.table if self.born or self.died else None

    def new(self, number: int) -> int:
        """Returns the new number of one that is still there."""
        found = int(self.table[number])
        self._before[found] = number
        return found

    def old(self, number: int) -> int:
        """Returns the old number of one that was there before."""
        if (before := self._before.get(number)) is not None:
            return before
        return self._old.place(self.ids[number])

    def with_rows(self, rows: Mapping[int, Row], nothing: Row) -> tuple[Splice, list[Row]]:
        """Returns the splice that gives these rows, by new number, in place of what stood there.

        Who was born and is not among them has `nothing`. All other rows stay, those of who is replaced too.
        """
        fresh = {**dict.fromkeys(self.born, nothing), **rows}
        numbers = sorted(fresh)
        places = [self.born[one] if one in self.born else self.old(one) for one in numbers]
        stood = {place for one, place in zip(numbers, places, strict=True) if one not in self.born}
        return Splice(len(self._old), self.died | stood, places), [fresh[one] for one in numbers]
