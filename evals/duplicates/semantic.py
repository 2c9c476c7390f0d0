"""Finds texts that mean nearly the same, by the cosine of their vectors: of many at once, in cells compared in full.

Vectors are `numeric.Matrix`: rows of length one, all zero for a text without a vector, which is near no other. Of few
vectors (`cells.FEW`) each is compared with each. Of more, a vector is compared with those of the four cells that are
nearest to it, and a few neighbours are overlooked, the fewer the nearer they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..numeric import Matrix, np
from .cells import TOGETHER, Cells, Numbers, by_cell
from .near import Twin

ROUNDED = 1e-5  # by how much a product of float32 may be off: what is near is rounded to 6 digits, and looked at again
AGAIN = 0.25  # of the rows dropped: then those that stayed are looked at again
FIRST, BLOCK = 512, 16_384  # rows taken together: the first few are compared with each other


def semantic_duplicates(rows: Matrix, *, threshold: float = 0.9) -> dict[int, Twin]:
    """Returns, for each row that is near an earlier one that was kept, that one: keyed by the row's number.

    Cosines are at least `threshold`. The first of several is kept, as the gate of a campaign would do.

    Raises:
        ValueError: the rows are not finite or not of length one, or the threshold is not above 0 and at most 1.
    """
    rows = np.asarray(rows)
    _require(rows, threshold)
    known = _filled(rows)
    found = _dropped(rows, known, threshold)
    more = found
    while len(more) > AGAIN * len(known):  # families larger than a cell: what stayed of them in each cell, once more
        known = np.array([number for number in known.tolist() if number not in more], dtype=np.int64)
        more = _dropped(rows, known, threshold)
        found = {**_following(rows, found, more, threshold), **more}
    return found


def _dropped(rows: Matrix, known: Numbers, threshold: float) -> dict[int, Twin]:
    """The rows that are near an earlier one which stays, of those with a vector."""
    kept = _Kept(rows, Cells.of(rows, known), threshold)
    found: dict[int, Twin] = {}
    for block in _blocks(known):
        found.update(kept.take(block))
    return found


def _following(rows: Matrix, found: dict[int, Twin], more: dict[int, Twin], threshold: float) -> dict[int, Twin]:
    """`found`, where the twin of a row was dropped itself: the row is its twin's twin's, or stays after all."""
    followed: dict[int, Twin] = {}
    for number, twin in found.items():
        while twin.number in more:
            other = more[twin.number].number
            twin = _twin(other, rows[number] @ rows[other])
        if twin.likeness >= threshold:
            followed[number] = twin
    return followed


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
    asked, held = _filled(rows), _filled(against)
    if not len(asked) or not len(held):
        return found
    kept = _Kept(against, Cells.of(against, held), threshold)
    for block in _blocks(held):
        kept.hold(block, kept.cells.nearest(against[block])[:, 0])
    for block in _blocks(asked):
        numbers, likeness = kept.nearest(rows[block], kept.cells.nearest(rows[block]))
        for at in np.flatnonzero(likeness >= threshold).tolist():
            found[int(block[at])] = _twin(numbers[at], likeness[at])
    return found


class _Kept:
    """Rows that were kept, by the cell that is nearest to each."""

    def __init__(self, rows: Matrix, cells: Cells, threshold: float) -> None:
        self.cells = cells
        self._rows, self._threshold = rows, threshold
        self._least = threshold - ROUNDED
        self._held: list[Numbers] = [np.empty(0, dtype=np.int64)] * len(cells)

    def hold(self, numbers: Numbers, homes: Numbers) -> None:
        """Keeps rows, ascending, each in its cell."""
        for cell, part in by_cell(homes[:, None]):
            self._held[cell] = np.concatenate([self._held[cell], numbers[part]])

    def nearest(self, block: Matrix, cells: Numbers) -> tuple[Numbers, Matrix]:
        """For each row (b, d) the nearest that is kept, of the cells (b, p) it looks into: numbers, cosines.

        The first of several; a cosine is -1 where none is near.
        """
        numbers = np.full(len(block), -1, dtype=np.int64)
        likeness = np.full(len(block), -1.0, dtype=np.float32)
        for whole, held in ((part, held) for cell, part in by_cell(cells) for held in _parts(self._held[cell])):
            cosines = block[whole] @ self._rows[held].T
            near = np.flatnonzero(cosines.max(axis=1) >= self._least)  # few: the rest is not looked at again
            part, cosines = whole[near], _rounded(cosines[near])
            best = cosines.argmax(axis=1)
            most, which = cosines[np.arange(len(part)), best], held[best]
            better = (most > likeness[part]) | ((most == likeness[part]) & (which < numbers[part]))
            numbers[part[better]], likeness[part[better]] = which[better], most[better]
        return numbers, likeness

    def take(self, block: Numbers) -> dict[int, Twin]:
        """Keeps those of the next rows that are near none that was kept; returns the others with their twins."""
        rows = self._rows[block]
        cells = self.cells.nearest(rows)
        numbers, likeness = self.nearest(rows, cells)
        near = likeness >= self._threshold
        found = {int(block[at]): _twin(numbers[at], likeness[at]) for at in np.flatnonzero(near).tolist()}
        new = np.flatnonzero(~near)
        among = self._among(rows[new], cells[new])
        for later in sorted(among):
            kept = ((-cosine, other) for other, cosine in among[later].items() if int(block[new[other]]) not in found)
            if (nearest := min(kept, default=None)) is not None:
                found[int(block[new[later]])] = _twin(block[new[nearest[1]]], -nearest[0])
        stay = np.array([at for at in new.tolist() if int(block[at]) not in found], dtype=np.int64)
        self.hold(block[stay], cells[stay, 0])
        return found

    def _among(self, rows: Matrix, cells: Numbers) -> dict[int, dict[int, float]]:
        """Which of these rows are near each other: the later → the earlier → cosine."""
        homes: dict[int, list[Numbers]] = {}
        for cell, part in by_cell(cells[:, :1]):
            homes.setdefault(cell, []).append(part)
        found: dict[int, dict[int, float]] = {}
        for part, home in ((part, home) for cell, part in by_cell(cells) for home in homes.get(cell, ())):
            cosines = rows[part] @ rows[home].T
            for one, other in np.argwhere(cosines >= self._least).tolist():
                first, last = sorted((int(part[one]), int(home[other])))
                cosine = float(_rounded(cosines[one, other]))
                if first != last and cosine >= self._threshold:
                    found.setdefault(last, {})[first] = cosine
        return found


def _blocks(numbers: Numbers) -> Iterator[Numbers]:
    """Parts of the numbers, in order, growing: where all are alike the first few are all that is kept."""
    start, size = 0, FIRST
    while start < len(numbers):
        yield numbers[start : start + size]
        start, size = start + size, min(BLOCK, 2 * size)


def _parts(numbers: Numbers) -> Iterator[Numbers]:
    for start in range(0, len(numbers), TOGETHER):
        yield numbers[start : start + TOGETHER]


def _rounded(cosines: Matrix) -> Matrix:
    found: Matrix = np.clip(np.round(cosines, 6), -1.0, 1.0)
    return found


def _twin(number: Numbers, likeness: float) -> Twin:
    return Twin(int(number), min(1.0, max(0.0, round(float(likeness), 6))))


def _filled(rows: Matrix) -> Numbers:
    return np.flatnonzero(np.einsum("nd,nd->n", rows, rows) > 0)


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
