"""Vectors that come one by one, and the nearest of those that are there: the memory of a novelty gate.

The index is usearch's HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over vectors of one byte a dimension. It finds
most neighbours, not all. Many vectors at once are for `semantic.py`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from ..numeric import Lazy, Matrix, np
from .near import Twin

USEARCH = Lazy("usearch.index", "usearch", "evals")
NEIGHBOURS = 16
SEARCHED = 128  # candidates: of pairs at a cosine of 0.91 among 200,000 it finds 99.5%, with half as many 95.6%


class SemanticIndex:
    """Vectors in memory by number, one byte a dimension, found by an index; for one thread.

    A vector is (d,), float32 of length one, or int8 of any length but zero (`marks.as_kept`). Those are kept as they
    are: their cosines are off by 0.0001 on average; of float32, which is rounded here, by 0.003. Measured: 0.9 KB a
    vector of 384 dimensions.
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
        if row.any():
            self._opened(len(row)).add(number, row, copy=True)

    def add_all(self, numbers: Sequence[int], rows: Any) -> None:
        """Keeps vectors (n, d), none of zeros, under numbers that are all new: a third less work than one by one.

        Raises:
            ValueError: as `add`.
        """
        if len(numbers):
            keys = np.array(numbers, dtype=np.uint64)
            self._opened(rows.shape[1]).add(keys, rows, copy=True, threads=1)

    def _opened(self, width: int) -> Any:
        if self._index is None:
            self.width = width
            self._index = _index(width)
        elif width != self.width:
            raise ValueError(f"a vector of {width} dimensions came to vectors of {self.width}; embed all alike")
        return self._index

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
    return USEARCH.Index(
        ndim=width, metric="cos", dtype="i8", connectivity=16, expansion_add=96, expansion_search=SEARCHED
    )
