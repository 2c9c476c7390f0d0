"""What a subset is chosen from: vectors, scores, cells and texts of the same items, by place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ConfigError, require_texts
from ..numeric import Matrix, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Floats = NDArray[np.float64]
else:
    Places = Floats = Any

Value = TypeVar("Value")
BLOCK = 16_384  # rows that are worked on at once: 25 MB at 384 dimensions
UNEVEN = 0.02  # how far from one the square of a row's length may lie: vectors that were kept as float16 pass


class Vectors:
    """Rows of a matrix, which may be a memory-mapped file; only what is asked for is read.

    matrix: (n, d) float32, rows of length one.
    rows:   which of them are meant, in order; None for all.
    """

    def __init__(self, matrix: Matrix, rows: Places | None = None) -> None:
        self.matrix, self.rows = matrix, rows

    def __len__(self) -> int:
        return len(self.matrix) if self.rows is None else len(self.rows)

    def at(self, places: Places) -> Matrix:
        """Returns the vectors at `places`, in memory."""
        found = self.matrix[places if self.rows is None else self.rows[places]]
        return np.ascontiguousarray(found, dtype=np.float32)

    def block(self, start: int, end: int) -> Matrix:
        """Returns the vectors `[start, end)`, in memory or as a view."""
        found = self.matrix[start:end] if self.rows is None else self.matrix[self.rows[start:end]]
        return np.asarray(found, dtype=np.float32)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, Matrix]]:
        """Yields all vectors as (number of the first, block)."""
        for start in range(0, len(self), size):
            yield start, self.block(start, min(start + size, len(self)))

    def take(self, places: Places) -> Vectors:
        """Returns a part, without reading it."""
        return Vectors(self.matrix, places if self.rows is None else self.rows[places])


@dataclass(frozen=True, eq=False)
class Pool:
    """Items to choose from. What is None was not given; all that is given is by place, of one length.

    vectors:  of the items.
    scores:   quality, higher is better; NaN where there is none.
    feedback: what the iterative form learns from, higher wants more of the like; NaN where there is none.
    cells:    attribute cells, "" where an item has none.
    texts:    of the items.
    examples: target texts that ZIP-FIT compares with; not by place.
    """

    size: int
    vectors: Vectors | None = None
    scores: Floats | None = None
    feedback: Floats | None = None
    cells: Sequence[str] | None = None
    texts: Sequence[str] | None = None
    examples: Sequence[str] = ()

    @classmethod
    def of(
        cls,
        *,
        vectors: Matrix | None = None,
        scores: Sequence[float | None] | Floats | None = None,
        feedback: Sequence[float | None] | Floats | None = None,
        cells: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
        examples: Sequence[str] = (),
        size: int | None = None,
    ) -> Pool:
        """Makes a pool; `size` is needed only where nothing else is given.

        Reads all vectors once. Rows of zeros, NaN or infinities stay and count as missing: see `without_vector`.

        Raises:
            ConfigError: lengths differ, vectors are no matrix, or their rows have not length one.
        """
        texts = None if texts is None else require_texts("texts", texts)
        cells = None if cells is None else require_texts("cells", cells)
        examples = require_texts("examples", examples)
        given = {"vectors": vectors, "scores": scores, "feedback": feedback, "cells": cells, "texts": texts}
        lengths = {name: len(value) for name, value in given.items() if value is not None}
        if size is not None:
            lengths["size"] = size
        if len(set(lengths.values())) != 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "nothing"
            raise ConfigError(f"what is given of the items must be of one length, not {told}")
        return cls(
            size=next(iter(lengths.values())),
            vectors=None if vectors is None else Vectors(_matrix(vectors)),
            scores=None if scores is None else _floats("scores", scores),
            feedback=None if feedback is None else _floats("feedback", feedback),
            cells=cells,
            texts=texts,
            examples=tuple(examples),
        )

    def take(self, places: Places) -> Pool:
        """Returns a part of the pool, its places counted anew; reads no vectors."""
        return Pool(
            size=len(places),
            vectors=None if self.vectors is None else self.vectors.take(places),
            scores=None if self.scores is None else self.scores[places],
            feedback=None if self.feedback is None else self.feedback[places],
            cells=None if self.cells is None else [self.cells[place] for place in places],
            texts=None if self.texts is None else [self.texts[place] for place in places],
            examples=self.examples,
        )

    @property
    def all_vectors(self) -> Vectors:
        """The vectors; raises `ConfigError` where none were given. So do the three below."""
        return _given(self.vectors, "vectors of the items, made by an embedder")

    @property
    def all_scores(self) -> Floats:
        return _given(self.scores, "a score for each item, such as a critic's")

    @property
    def all_cells(self) -> Sequence[str]:
        return _given(self.cells, "the attribute cell of each item")

    @property
    def all_texts(self) -> Sequence[str]:
        return _given(self.texts, "the texts of the items")

    def without_vector(self) -> NDArray[np.bool_]:
        """Returns (n,) flags of rows that say nothing: all zero, or with a NaN or an infinity."""
        found = np.ones(self.size, dtype=bool)
        if self.vectors is not None:
            for start, block in self.vectors.blocks():
                lengths = np.einsum("ij,ij->i", block, block)
                found[start : start + len(block)] = ~(np.isfinite(lengths) & (lengths > 0))
        return found


def _given(value: Value | None, what: str) -> Value:
    if value is None:
        raise ConfigError(f"this needs {what}; there is none here")
    return value


def _matrix(vectors: Matrix) -> Matrix:
    if getattr(vectors, "ndim", 0) != 2 or vectors.shape[1] == 0 or vectors.dtype.kind != "f":
        shape, kind = getattr(vectors, "shape", type(vectors).__name__), getattr(vectors, "dtype", "")
        raise ConfigError(f"vectors are {shape} {kind}; give a matrix (n, d) of float32".replace("  ", " "))
    for start, block in Vectors(vectors).blocks():
        lengths = np.einsum("ij,ij->i", block, block)
        wrong = np.isfinite(lengths) & (lengths > 0) & (abs(lengths - 1) > UNEVEN)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ConfigError(
                f"the vector of item {start + row} has length {float(lengths[row]) ** 0.5:.3g}, not 1; "
                f"divide each row by its length"
            )
    return vectors


def _floats(name: str, values: Sequence[float | None] | Floats) -> Floats:
    """As float64, None as NaN."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be numbers or None: {error}") from None
    if found.ndim != 1:
        raise ConfigError(f"{name} are of shape {found.shape}; give one number an item")
    if np.isinf(found).any():
        raise ConfigError(f"{name} of item {int(np.flatnonzero(np.isinf(found))[0])} is infinite; give None for none")
    return found
