"""The degree law: how many entities have how many neighbours, and the power law that comes nearest.

After Clauset, Shalizi and Newman, "Power-law distributions in empirical data" (SIAM Review 51, 2009): the exponent by
maximum likelihood for whole numbers, and where the tail begins by the least Kolmogorov-Smirnov distance. Their test by
simulation is left out: the distance says how near the law comes, not that another law would not come nearer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import log, sqrt

from ...storage.records import Record

LEAST_LINKED = 100  # entities with a neighbour; of fewer an exponent says nothing
LEAST_TAIL = 50  # entities in the tail
STARTS = 100  # beginnings of the tail that are tried, the smallest degrees first
LOW, HIGH = 1.05, 8.0  # between which the exponent is sought
_TERMS = 12  # of the sum before the Euler-Maclaurin remainder takes over


class DegreeLaw(Record):
    """The power law p(k) ~ k^-exponent of the degrees from `start` on, `tail` of them; `distance` is at most 1.

    Without an exponent `reason` says why.
    """

    exponent: float | None = None
    start: int = 0
    tail: int = 0
    distance: float = 0.0
    reason: str = ""


def degree_law(degrees: Iterable[int]) -> DegreeLaw:
    """Fits the law to the degrees above 0."""
    counts = Counter(degree for degree in degrees if degree > 0)
    linked = counts.total()
    if linked < LEAST_LINKED:
        return DegreeLaw(reason=f"{linked} linked entities are too few; an exponent needs {LEAST_LINKED}")
    values = sorted(counts)
    fits: list[DegreeLaw] = []
    left = linked
    for place, start in enumerate(values[:-1]):
        if left < LEAST_TAIL or len(fits) == STARTS:
            break
        fits.append(_fit(values[place:], counts, left))
        left -= counts[start]
    if not fits:
        return DegreeLaw(reason="all linked entities have equally many neighbours")
    best = min(fits, key=lambda fit: (fit.distance, fit.start))
    if best.exponent is not None and best.exponent >= HIGH - 0.01:
        return DegreeLaw(reason="degrees fall faster than any power law of an exponent below 8")
    return best


def _fit(values: Sequence[int], counts: Counter[int], total: int) -> DegreeLaw:
    start = values[0]
    logs = sum(counts[value] * log(value) for value in values)

    def loss(exponent: float) -> float:
        return total * log(hurwitz_zeta(exponent, start)) + exponent * logs

    exponent = _least(loss)
    whole, seen, distance = hurwitz_zeta(exponent, start), 0, 0.0
    for value in values:
        seen += counts[value]
        expected = 1 - hurwitz_zeta(exponent, value + 1) / whole
        distance = max(distance, abs(seen / total - expected))
    return DegreeLaw(exponent=round(exponent, 4), start=start, tail=total, distance=round(distance, 4))


def _least(loss: Callable[[float], float]) -> float:
    """Returns where a function with one valley between `LOW` and `HIGH` is least, by golden sections."""
    low, high = LOW, HIGH
    ratio = (sqrt(5) - 1) / 2
    one, other = high - ratio * (high - low), low + ratio * (high - low)
    left, right = loss(one), loss(other)
    while high - low > 1e-6:
        if left < right:
            high, other, right = other, one, left
            one = high - ratio * (high - low)
            left = loss(one)
        else:
            low, one, left = one, other, right
            other = low + ratio * (high - low)
            right = loss(other)
    return (low + high) / 2


def hurwitz_zeta(exponent: float, start: float) -> float:
    """Returns the sum of (start + n)^-exponent over n = 0, 1, ..., for an exponent above 1 (DLMF 25.11).

    Summed directly at first, the rest by Euler and Maclaurin to the third term: exact to some ten digits.
    """
    total = sum((start + n) ** -exponent for n in range(_TERMS))
    edge = start + _TERMS
    total += edge ** (1 - exponent) / (exponent - 1) + edge**-exponent / 2
    term = exponent * edge ** (-exponent - 1)
    total += term / 12
    term *= (exponent + 1) * (exponent + 2) / edge**2
    total -= term / 720
    term *= (exponent + 3) * (exponent + 4) / edge**2
    return float(total + term / 30240)
