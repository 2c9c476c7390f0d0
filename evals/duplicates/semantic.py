"""Finds texts that mean nearly the same, by the cosine of their vectors, with an index that finds the nearest.

The index is usearch's HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over vectors of one byte a dimension; what it
finds is measured again in full. It finds most neighbours, not all. Few vectors are compared without it, each with each.
Vectors are `numeric.Matrix`: rows of length one, all zero for a text without a vector, which is near no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from typing import Any

from ..numeric import Lazy, Matrix, np
from .near import Twin

USEARCH = Lazy("usearch.index", "usearch", "evals")
FEW = 4096  # vectors up to which each is compared with each: a second or less
NEIGHBOURS = 16
BLOCK = 2048  # rows searched at a time, and measured again: 50 MB of 384 dimensions
ROUNDED = 0.03  # by how much a cosine of vectors of one byte a dimension may be off


def semantic_duplicates(rows: Matrix, *, threshold: float = 0.9) -> dict[int, Twin]:
    """Returns, for each row that is near an earlier one that was kept, that one: keyed by the row's number.

    Cosines are at least `threshold`. The first of several is kept, as the gate of a campaign would do.

    Raises:
        ValueError: the rows are not finite or not of length one, or the threshold is not above 0 and at most 1.
    """
    _require(rows, threshold)
    known = _filled(rows)
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}  # rows that are equal to the last bit: thousands of them would hide all other neighbours
    for number in known:
        at = first.setdefault(hashlib.blake2b(rows[number].tobytes(), digest_size=16).digest(), number)
        if at != number:
            same[number] = at
    distinct = [number for number in known if number not in same]
    near: dict[int, list[int]] = {}
    for number, others in _neighbours(rows, distinct, distinct, threshold):
        for other in others:
            if other != number:
                near.setdefault(max(number, other), []).append(min(number, other))
    found: dict[int, Twin] = {}
    for number in known:
        if number in same:
            kept = found.get(same[number])
            found[number] = kept or Twin(same[number], 1.0)
            continue
        # A neighbour that was dropped stands for the one that was kept for it, where that is near enough too.
        kept_for = {found[other].number if other in found else other for other in near.pop(number, ())}
        best = max(((_cosine(rows, number, other), -other) for other in kept_for), default=(0.0, 0))
        if kept_for and best[0] >= threshold:
            found[number] = Twin(-best[1], best[0])
    return found


def semantic_matches(rows: Matrix, against: Matrix, *, threshold: float = 0.9) -> list[Twin | None]:
    """Returns for each of `rows` the nearest of `against`, if its cosine is at least `threshold`.

    Raises:
        ValueError: as `semantic_duplicates`, or the two are of different dimensions.
    """
    _require(rows, threshold)
    _require(against, threshold)
    if len(rows) and len(against) and rows.shape[1] != against.shape[1]:
        raise ValueError(
            f"vectors of {rows.shape[1]} and of {against.shape[1]} dimensions cannot be compared; embed both alike"
        )
    found: list[Twin | None] = [None] * len(rows)
    for number, others in _neighbours(rows, _filled(rows), _filled(against), threshold, against):
        likeness, other = max((_cosine(rows, number, other, against), -other) for other in others)
        found[number] = Twin(-other, likeness)
    return found


class SemanticIndex:
    """Vectors in memory by number, one byte a dimension, found by an index; for one thread.

    Measured: 0.9 KB a vector of 384 dimensions.
    """

    def __init__(self) -> None:
        self._index: Any = None
        self.width = 0  # d, once a vector is there

    def __len__(self) -> int:
        return 0 if self._index is None else len(self._index)

    def add(self, number: int, row: Matrix) -> None:
        """Keeps a vector (d,) under a number; one of zeros is never found.

        Raises:
            ValueError: its length differs from that of the others.
        """
        if not row.any():
            return
        if self._index is None:
            self.width = len(row)
            self._index = _index(self.width)
        elif len(row) != self.width:
            raise ValueError(f"a vector of {len(row)} dimensions came to vectors of {self.width}; embed all alike")
        self._index.add(number, row, copy=True)

    def __contains__(self, number: int) -> bool:
        return self._index is not None and number in self._index

    def nearest(self, row: Matrix, besides: Container[int] = ()) -> Twin | None:
        """Returns the nearest, or None; `besides` are numbers that do not count."""
        return next((twin for twin in self.neighbours(row) if twin.number not in besides), None)

    def neighbours(self, row: Matrix) -> list[Twin]:
        """Returns up to 16 vectors, the nearest first; none for a row of zeros, or of another length."""
        if not len(self) or not row.any() or len(row) != self.width:
            return []
        found = self._index.search(row, min(NEIGHBOURS, len(self)))
        return [
            Twin(number, min(1.0, max(0.0, 1.0 - distance)))
            for number, distance in zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        ]

    def remove(self, number: int) -> None:
        """Takes a vector out. Harmless for one that is not there."""
        if number in self:
            self._index.remove(number)


def _index(width: int) -> Any:
    return USEARCH.Index(ndim=width, metric="cos", dtype="i8", connectivity=16, expansion_add=96, expansion_search=64)


def _neighbours(
    rows: Matrix, asked: list[int], held: list[int], threshold: float, against: Matrix | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Yields each of the rows `asked` that has any of `held` at `threshold` or above, with these."""
    others = rows if against is None else against
    if not asked or not held:
        return
    few = len(held) <= FEW
    index = None
    if not few:
        index = _index(others.shape[1])
        for start in range(0, len(held), BLOCK):
            part = held[start : start + BLOCK]
            index.add(np.asarray(part), others[part])
    for start in range(0, len(asked), BLOCK):
        part = asked[start : start + BLOCK]
        if few:
            yield from _each_with_each(rows, part, others, held, threshold)
        else:
            yield from _searched(index, rows, part, others, threshold)


def _each_with_each(
    rows: Matrix, part: list[int], others: Matrix, held: list[int], threshold: float
) -> Iterator[tuple[int, list[int]]]:
    cosines = rows[part] @ others[held].T
    for number, line in zip(part, cosines >= threshold - 1e-5, strict=True):
        if line.any():
            yield number, [held[at] for at in np.flatnonzero(line).tolist()]


def _searched(
    index: Any, rows: Matrix, part: list[int], others: Matrix, threshold: float
) -> Iterator[tuple[int, list[int]]]:
    found = index.search(rows[part], NEIGHBOURS + 1)
    # For one row alone the library leaves a dimension out. Places beyond what it found are marked by no number.
    keys = found.keys.reshape(len(part), -1)
    cosines = 1.0 - found.distances.reshape(len(part), -1)
    there = np.arange(keys.shape[1]) < np.asarray(getattr(found, "counts", keys.shape[1])).reshape(-1, 1)
    likely = (cosines >= threshold - ROUNDED) & there
    for at in np.flatnonzero(likely.any(axis=1)).tolist():
        numbers = keys[at][likely[at]].astype(np.int64)
        near = numbers[others[numbers] @ rows[part[at]] >= threshold - 1e-5]
        if len(near):
            yield part[at], near.tolist()


def _cosine(rows: Matrix, number: int, other: int, against: Matrix | None = None) -> float:
    others = rows if against is None else against
    return min(1.0, max(0.0, round(float(rows[number] @ others[other]), 6)))


def _filled(rows: Matrix) -> list[int]:
    found: list[int] = np.flatnonzero(np.einsum("nd,nd->n", rows, rows) > 0).tolist()
    return found


def _require(rows: Matrix, threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold:g}; give a cosine above 0, up to 1")
    if rows.ndim != 2:
        raise ValueError(f"vectors have shape {rows.shape}; (n, d) is needed")
    lengths = np.einsum("nd,nd->n", rows, rows)
    wrong = ~(np.isclose(lengths, 1.0, atol=1e-2) | (lengths == 0))  # also where it is not finite
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"row {at} has length {lengths[at] ** 0.5:g}; rows must be of length one, or zero")
