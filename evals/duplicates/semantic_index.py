"""Vectors that come one by one, and the nearest of those that are there: the memory of a novelty gate.

The index is usearch's HNSW graph (Malkov and Yashunin, arXiv:1603.09320) over vectors of one byte a dimension. It finds
most neighbours, not all. Many vectors at once are for `semantic.py`.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ..numeric import Lazy, Matrix
from .near import Twin

USEARCH = Lazy("usearch.index", "usearch", "evals")
NEIGHBOURS = 16


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
