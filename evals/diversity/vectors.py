"""Checks and reads matrices of vectors: what every figure over vectors does first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError
from ..numeric import Matrix, np

CHUNK = 8_192  # rows; as float64 of 384 dimensions 25 MB
NO_VECTORS = "no text with a vector"


@dataclass(frozen=True)
class Unit:
    """Vectors that may be read: finite, two-dimensional.

    Rows need not have length one: each chunk is scaled as it is read, so a matrix of a million rows is never copied.
    Rows of zeros stand for texts without a vector; they are left out of every figure, and `note` says how many.

    Raises:
        ConfigError: not a matrix of numbers, or a row is not finite; names the shape, or the first such row.
    """

    matrix: Matrix
    full: Any  # places of the rows that are not zero; None where all are

    @classmethod
    def of(cls, vectors: Matrix | Unit) -> Unit:
        if isinstance(vectors, Unit):
            return vectors
        try:
            matrix = np.asarray(vectors)
        except ValueError:  # lists of several lengths
            raise ConfigError("vectors have several lengths; embed all texts with one model") from None
        if matrix.ndim != 2:
            raise ConfigError(f"vectors have the shape {matrix.shape}; give a matrix with one row for each text")
        if not (np.issubdtype(matrix.dtype, np.floating) or np.issubdtype(matrix.dtype, np.integer)):
            raise ConfigError(f"vectors are of {matrix.dtype}; give numbers")
        zero = []
        for start in range(0, len(matrix), CHUNK):
            part = matrix[start : start + CHUNK]
            squares = np.einsum("ij,ij->i", part, part, dtype=np.float64)
            if not np.isfinite(squares).all():
                row = start + int(np.flatnonzero(~np.isfinite(squares))[0])
                what = "not finite" if not np.isfinite(matrix[row]).all() else "too large to be squared"
                raise ConfigError(f"row {row} of the vectors is {what}; embed that text again, or give it zeros")
            zero.append(squares == 0)
        empty = np.concatenate(zero) if zero else np.zeros(0, dtype=bool)
        return cls(matrix, np.flatnonzero(~empty) if empty.any() else None)

    @property
    def count(self) -> int:
        """How many texts have a vector."""
        return len(self.matrix) if self.full is None else len(self.full)

    @property
    def dimensions(self) -> int:
        return int(self.matrix.shape[1])

    @property
    def note(self) -> str:
        left = len(self.matrix) - self.count
        return f"{left:,} without a vector left out" if left else ""

    def chunks(self, kind: Any = None) -> Iterator[Any]:
        """Yields all full rows, CHUNK at a time, of length one, as float64 (or `kind`)."""
        for start in range(0, self.count, CHUNK):
            yield self.rows(slice(start, start + CHUNK), kind)

    def rows(self, which: Any, kind: Any = None) -> Any:
        """The full rows at the places `which`, of length one."""
        chosen = self.matrix[which] if self.full is None else self.matrix[self.full[which]]
        part = np.array(chosen, dtype=kind or np.float64)
        part /= np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))[:, None]
        return part


def same_width(left: Unit, right: Unit) -> None:
    """Raises `ConfigError` where vectors of two models are compared."""
    if left.dimensions != right.dimensions:
        raise ConfigError(
            f"vectors of {left.dimensions} and of {right.dimensions} dimensions cannot be compared; embed both sets "
            f"with one model"
        )
