"""Cosine distances within a set of vectors: between any two, and to the nearest neighbour."""

from __future__ import annotations

from typing import Any

from ..figure import Figure
from ..intervals import mean_figure
from ..numeric import Matrix, np
from .vectors import CHUNK, NO_VECTORS, Unit, same_width

SAMPLE = 2_000
ALONE = "one text has no other to be far from"
UNIT = "cosine distance"


def pairwise_distance(vectors: Matrix | Unit) -> Figure:
    """Mean of 1 - cosine over all pairs of different rows: exact, without looking at any pair.

    For rows of length one the sum of all n² cosines is the squared length of the rows' sum, so the mean over the
    n (n - 1) / 2 pairs costs one pass (the average pairwise distance that Tevet and Berant 2021, arXiv:2004.02990, and
    most reports estimate by drawing pairs).

    Unit: cosine distance, 0 (all alike) to 2. Cost: n d; a million x 384 take about 3 s. It sees spread, not kinds: two
    far groups of twins have a high mean.
    """
    unit = Unit.of(vectors)
    if unit.count < 2:
        return Figure("pairwise_distance", None, UNIT, note=ALONE if unit.count else NO_VECTORS)
    total = np.zeros(unit.dimensions, dtype=np.float64)
    for chunk in unit.chunks():
        total += chunk.sum(axis=0)
    n = unit.count
    cosine = (float(total @ total) - n) / (n * (n - 1))
    return Figure("pairwise_distance", _held(1 - cosine), UNIT, of=n * (n - 1) // 2, note=unit.note)


def nearest_distance(
    vectors: Matrix | Unit, against: Matrix | Unit | None = None, *, sample: int = SAMPLE, seed: int = 0
) -> Figure:
    """Mean of 1 - cosine of a row to its nearest other row, or to its nearest row of `against`.

    The nearest are found exactly, by blocks; only the rows that are asked about are drawn, `sample` of them by `seed`.
    Student's interval, none where every row was asked about.

    Unit: cosine distance, 0 (each has a twin) to 2. Cost: sample x n x d products: 2,000 against 100,000 x 384 take
    about 2 s. It falls as a set grows, so compare sets of one size.

    Raises:
        ConfigError: the two sets' vectors have different dimensions, or a row is not finite.
    """
    name = "nearest_distance" if against is None else "nearest_distance_against"
    unit = Unit.of(vectors)
    pool = unit if against is None else Unit.of(against)
    same_width(unit, pool)
    if not unit.count or pool.count < (2 if against is None else 1):
        return Figure(name, None, UNIT, note=ALONE if unit.count and against is None else NO_VECTORS)
    whole = sample >= unit.count
    drawn = np.arange(unit.count) if whole else _drawn(unit.count, sample, seed)
    best = np.full(len(drawn), -1.0, dtype=np.float32)
    asked = [unit.rows(drawn[start : start + SAMPLE], np.float32) for start in range(0, len(drawn), SAMPLE)]
    for number, block in enumerate(pool.chunks(np.float32)):
        for part, rows in enumerate(asked):
            here = slice(part * SAMPLE, part * SAMPLE + len(rows))
            likeness = rows @ block.T
            if against is None:
                _drop_own(likeness, drawn[here], number * CHUNK)
            np.maximum(best[here], likeness.max(axis=1), out=best[here])
    values = [_held(1 - float(cosine)) for cosine in best]
    note = "; ".join(filter(None, ["" if whole else f"{len(drawn):,} of {unit.count:,} drawn", unit.note]))
    return mean_figure(name, values, unit=UNIT, note=note, least=0.0, most=2.0, whole=whole)


def _drawn(count: int, sample: int, seed: int) -> Any:
    return np.sort(np.random.default_rng(seed).choice(count, size=sample, replace=False))


def _drop_own(likeness: Any, places: Any, start: int) -> None:
    """Takes each row's likeness with itself out of the block that begins at `start`."""
    inside = np.flatnonzero((places >= start) & (places < start + likeness.shape[1]))
    likeness[inside, places[inside] - start] = -1.0


def _held(distance: float) -> float:
    """Rounding must not leave a distance below zero."""
    return min(2.0, max(0.0, distance))
