"""Who is next to whom, as arrays: what samplers walk and communities are found in.

Compressed sparse rows (CSR): the neighbours of number i stand in `ends[offsets[i]:offsets[i + 1]]`, ascending. The
buffers are plain machine numbers that Python indexes at once, made by numpy where it is installed (the extra `graph`)
and by the standard library else, with the same content.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from ..numeric import np

HAS_NUMPY = find_spec("numpy") is not None  # found, not imported: a campaign without a graph need not load it
SEARCHED = 12  # numbers of a row that are read in the time of looking one up

Numbers = Sequence[int]


def grouped(keys: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Groups the places of `keys`, numbers in `[0, count)`.

    Returns:
        `offsets` (count + 1 int64) and `order` (len(keys) int64): the places at which `keys` is k, ascending, are
        `order[offsets[k]:offsets[k + 1]]`.
    """
    if HAS_NUMPY:
        values = np.asarray(keys, dtype=np.int64)
        offsets = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(np.bincount(values, minlength=count), out=offsets[1:])
        return offsets.data, np.argsort(values, kind="stable").data
    starts = array("q", bytes(8 * (count + 1)))
    for key in keys:
        starts[key + 1] += 1
    for place in range(count):
        starts[place + 1] += starts[place]
    nexts, order = starts[:], array("q", bytes(8 * len(keys)))
    for place, key in enumerate(keys):
        order[nexts[key]] = place
        nexts[key] += 1
    return memoryview(starts), memoryview(order)


def repeated(counts: Numbers) -> Numbers:
    """Returns each place as many times as `counts` says there, ascending."""
    if HAS_NUMPY:
        return np.repeat(np.arange(len(counts)), np.asarray(counts)).data
    return memoryview(array("q", [place for place, count in enumerate(counts) for _ in range(count)]))


def renumbered(values: Numbers, table: Numbers) -> Numbers:
    """Returns `table[value]` for each value, as 32-bit numbers."""
    if HAS_NUMPY:
        looked_up: Numbers = np.asarray(table, dtype=np.int32)[np.asarray(values)].data
        return looked_up
    return memoryview(array("i", map(table.__getitem__, values)))


class Rows:
    """For each number of one sort, numbers of another, ascending: which chunks an entity stands in, and the like."""

    __slots__ = ("ends", "offsets")

    def __init__(self, offsets: Numbers, ends: Numbers) -> None:
        self.offsets = offsets
        self.ends = ends

    @classmethod
    def of(cls, keys: Numbers, values: Numbers, count: int) -> Rows:
        """Makes the rows of `count` keys from pairs, `keys[i]` with `values[i]`; one that comes twice counts once."""
        return cls(*_sorted_pairs(keys, values, count))

    @property
    def keys(self) -> Numbers:
        """The key of each place in `ends`."""
        return repeated(self.sizes)

    @property
    def sizes(self) -> Numbers:
        """How many numbers each row has."""
        if HAS_NUMPY:
            return np.diff(np.asarray(self.offsets)).data
        return memoryview(array("q", map(int.__sub__, self.offsets[1:], self.offsets)))

    def turned(self, count: int) -> Rows:
        """Returns the rows of the `count` values: for each the keys that have it."""
        return Rows.of(self.ends, self.keys, count)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: int) -> Numbers:
        return self.ends[self.offsets[key] : self.offsets[key + 1]]

    def size(self, key: int) -> int:
        """Returns how many numbers a row has."""
        return self.offsets[key + 1] - self.offsets[key]

    def has(self, key: int, value: int) -> bool:
        """Tells whether a row has a number, in the logarithm of its length."""
        return self._place(key, value) >= 0

    def among(self, key: int, values: set[int]) -> set[int]:
        """Returns which of these numbers a row has; a long row is searched for each, not read."""
        start, stop = self.offsets[key], self.offsets[key + 1]
        if stop - start <= SEARCHED * len(values):
            return values.intersection(self.ends[start:stop])
        return {value for value in values if self._place(key, value) >= 0}

    def _place(self, key: int, value: int) -> int:
        stop = self.offsets[key + 1]
        place = bisect_left(self.ends, value, self.offsets[key], stop)
        return place if place < stop and self.ends[place] == value else -1


class Links(Rows):
    """An undirected graph without loops: each link stands in the rows of both its ends, with its weight."""

    __slots__ = ("weights",)

    def __init__(self, offsets: Numbers, ends: Numbers, weights: Sequence[float]) -> None:
        super().__init__(offsets, ends)
        self.weights = weights

    @classmethod
    def between(cls, lefts: Numbers, rights: Numbers, weights: Sequence[float], count: int) -> Links:
        """Makes the links of `count` numbers from pairs; weights of equal pairs add up, loops are left out."""
        return cls.joining(Pairs.of(lefts, rights, count), weights)

    @classmethod
    def joining(cls, pairs: Pairs, weights: Sequence[float]) -> Links:
        """Makes the links that relations of such weights give: those of equal pairs add up in the relations' order."""
        if HAS_NUMPY:
            return cls(*_linked_by_numpy(pairs, weights))
        rows: list[dict[int, float]] = [{} for _ in range(len(pairs.offsets) - 1)]
        for low, row in enumerate(rows):
            for place in range(pairs.offsets[low], pairs.offsets[low + 1]):
                high, weight = pairs.highs[place], weights[pairs.numbers[place]]
                if high != low:
                    row[high] = rows[high][low] = row.get(high, 0.0) + weight
        offsets, ends, totals = array("q", [0]), array("i"), array("d")
        for row in rows:
            ordered = sorted(row)
            ends.extend(ordered)
            totals.extend(map(row.__getitem__, ordered))
            offsets.append(len(ends))
        return cls(memoryview(offsets), memoryview(ends), memoryview(totals))

    @property
    def count(self) -> int:
        """How many links there are, each counted once."""
        return len(self.ends) // 2

    def weight(self, left: int, right: int) -> float:
        """Returns the weight of the link of two numbers, 0.0 where there is none."""
        place = self._place(left, right)
        return self.weights[place] if place >= 0 else 0.0


class Pairs:
    """Numbers of relations by the two that they join, whichever way: parallel ones stand together, ascending.

    `highs` and `numbers` belong together: from `offsets[low]` to `offsets[low + 1]` stand the relations whose smaller
    end is `low`, by their greater end.
    """

    __slots__ = ("highs", "numbers", "offsets")

    def __init__(self, offsets: Numbers, highs: Numbers, numbers: Numbers) -> None:
        self.offsets = offsets
        self.highs = highs
        self.numbers = numbers

    @classmethod
    def of(cls, sources: Numbers, targets: Numbers, count: int) -> Pairs:
        """Makes the pairs of relations, `sources[i]` with `targets[i]`, that join `count` numbers."""
        if HAS_NUMPY:
            source, target = np.asarray(sources, np.int64), np.asarray(targets, np.int64)
            low, high = np.minimum(source, target), np.maximum(source, target)
            order = np.argsort(low * count + high, kind="stable")
            offsets = np.zeros(count + 1, dtype=np.int64)
            np.cumsum(np.bincount(low, minlength=count), out=offsets[1:])
            return cls(offsets.data, high[order].astype(np.int32).data, order.astype(np.int32).data)
        ends = [(min(pair), max(pair)) for pair in zip(sources, targets, strict=True)]
        ordered = sorted(range(len(ends)), key=ends.__getitem__)
        starts, _ = grouped([low for low, _ in ends], count)
        highs = array("i", [ends[number][1] for number in ordered])
        return cls(starts, memoryview(highs), memoryview(array("i", ordered)))

    def between(self, left: int, right: int) -> Numbers:
        """Returns the relations that join two numbers, ascending; with `left == right` those that join it to itself."""
        low, high = (left, right) if left <= right else (right, left)
        start, stop = self.offsets[low], self.offsets[low + 1]
        first = bisect_left(self.highs, high, start, stop)
        return self.numbers[first : bisect_right(self.highs, high, first, stop)]

    def each(self, left: int, right: int) -> Iterator[int]:
        """Yields the relations that join two numbers, ascending: for whoever needs the first that fits."""
        low, high = (left, right) if left <= right else (right, left)
        stop, highs = self.offsets[low + 1], self.highs
        place = bisect_left(highs, high, self.offsets[low], stop)
        while place < stop and highs[place] == high:
            yield self.numbers[place]
            place += 1


def _linked_by_numpy(pairs: Pairs, weights: Sequence[float]) -> tuple[Numbers, Numbers, Sequence[float]]:
    count = len(pairs.offsets) - 1
    highs = np.asarray(pairs.highs)
    lows = np.repeat(np.arange(count, dtype=highs.dtype), np.diff(np.asarray(pairs.offsets)))
    proper = lows != highs
    lows, highs = lows[proper], highs[proper]
    first = np.ones(len(lows), dtype=bool)
    first[1:] = (lows[1:] != lows[:-1]) | (highs[1:] != highs[:-1])
    # bincount adds one after the other, as Python does: other sums of numpy's may differ in the last digit.
    each = np.asarray(weights)[np.asarray(pairs.numbers)[proper]]
    totals = np.bincount(np.cumsum(first) - 1, weights=each) if len(first) else each
    lows, highs = lows[first], highs[first]
    keys, values = np.concatenate([lows, highs]), np.concatenate([highs, lows])
    order = np.argsort(keys.astype(np.int64) * count + values)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys, minlength=count), out=offsets[1:])
    return offsets.data, values[order].data, np.concatenate([totals, totals])[order].data


def _sorted_pairs(keys: Numbers, values: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Returns CSR offsets, and values ascending within each key, each once."""
    if HAS_NUMPY:
        smaller = np.asarray(values, np.int64)
        width = int(smaller.max()) + 1 if len(smaller) else 1
        both = np.asarray(keys, np.int64) * width + smaller
        both.sort()
        first = np.ones(len(both), dtype=bool)
        first[1:] = both[1:] != both[:-1]
        both = both[first]
        starts: Numbers = np.searchsorted(both, np.arange(count + 1) * width).data
        return starts, (both % width).astype(np.int32).data
    rows: list[set[int]] = [set() for _ in range(count)]
    for place, key in enumerate(keys):
        rows[key].add(values[place])
    offsets, ends = array("q", [0]), array("i")
    for row in rows:
        ends.extend(sorted(row))
        offsets.append(len(ends))
    return memoryview(offsets), memoryview(ends)
