"""Sums that grow by one item at a time: counts by value, and what is paid for each accepted item."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ...evals.figure import Figure
from ...evals.intervals import Z95, student

BARS = 24
SHARED = 20  # of what lies within 0 and 1


@dataclass
class Spread:
    """Values by how often they came: mean, spread and quantiles are exact. Values are whole, or rounded to hundredths,
    so that what is kept does not grow with the items."""

    unit: str
    counts: Counter[float] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        if math.isfinite(value):
            self.counts[value if isinstance(value, int) else round(value, 2)] += 1

    @property
    def count(self) -> int:
        return self.counts.total()

    @property
    def mean(self) -> float:
        return math.fsum(value * times for value, times in self.counts.items()) / self.count

    @property
    def error(self) -> float | None:
        """The standard error of the mean; None of fewer than two values."""
        if self.count < 2:
            return None
        mean = self.mean
        squares = math.fsum(times * (value - mean) ** 2 for value, times in self.counts.items())
        return math.sqrt(squares / (self.count - 1) / self.count)

    def quantile(self, share: float) -> float:
        """The least value that at least `share` of the values do not exceed."""
        wanted, seen = share * self.count, 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen >= wanted:
                return value
        raise ValueError("no value; ask `count` first")

    def figure(self, name: str, *, note: str = "") -> Figure:
        """The mean with Student's 95% interval, as a sample of what the same source would give.

        Values that are all shares or scores within 0 and 1 hold their mean there; of others none is below 0.
        """
        if not self.count:
            return Figure(name, None, self.unit, note=note or "no item has it")
        if (error := self.error) is None:
            return Figure(name, self.mean, self.unit, of=1, note="; ".join(filter(None, (note, "one value"))))
        half = student(self.count - 1) * error
        mean = self.mean
        most = 1.0 if self.unit in ("share", "score") and max(self.counts) <= 1 else math.inf
        least = 0.0 if min(self.counts) >= 0 else -math.inf
        return Figure(name, mean, self.unit, max(least, mean - half), min(most, mean + half), self.count, note)

    def as_dict(self, beside: Spread | None = None) -> dict[str, Any]:
        """Returns quantiles and bars as JSON values; each bar is (from, up to, count), the last one takes the rest.

        Bars are those of the values of `beside` too, so that the bars of two sets compare. `whole` says that the values
        are whole numbers: a bar's first is its value then.
        """
        if not self.count:
            return {"unit": self.unit, "n": 0, "bars": [], "note": "no item has it"}
        cuts = {name: self.quantile(share) for name, share in (("p5", 0.05), ("median", 0.5), ("p95", 0.95))}
        both = self if beside is None or not beside.count else Spread(self.unit, self.counts + beside.counts)
        told = {"unit": self.unit, "n": self.count, "mean": self.mean, **cuts, "whole": both.whole}
        return {**told, "bars": self._bars(both._edges()), "note": ""}

    @property
    def whole(self) -> bool:
        return all(isinstance(value, int) for value in self.counts)

    @property
    def _shares(self) -> bool:
        """Whether all values are shares or scores within 0 and 1, which are shown on all of that scale."""
        return self.unit in ("share", "score") and min(self.counts) >= 0 and max(self.counts) <= 1

    def _edges(self) -> list[float]:
        """The edges of bars of one width over what lies under the 99th percentile; the last ends at the largest."""
        if self._shares and not self.whole:
            return [place / SHARED for place in range(SHARED + 1)]
        low, high, most = min(self.counts), self.quantile(0.99), max(self.counts)
        width = (high - low) / BARS or 0.05
        if self.whole:
            width = float(max(1, math.ceil((high - low + 1) / BARS)))
        number = int((high - low) // width) + 1
        edges = [low + width * place for place in range(number)]
        return [*edges, max(edges[-1] + width, most + (1 if self.whole else 0))]

    def _bars(self, edges: list[float]) -> list[list[float]]:
        tall = [0] * (len(edges) - 1)
        for value, times in self.counts.items():
            tall[min(len(tall), bisect_right(edges, value)) - 1] += times
        return [[start, end, count] for start, end, count in zip(edges[:-1], edges[1:], tall, strict=True)]


@dataclass
class Spent:
    """Tokens and money, and how many items they went to."""

    tokens: int = 0
    usd: float = 0.0
    items: int = 0

    def add(self, tokens: int, usd: float) -> None:
        self.tokens += tokens
        self.usd += usd
        self.items += 1


@dataclass
class Price:
    """What all items took per accepted one: a ratio of sums, with its interval by the delta method (Cochran 1977)."""

    unit: str
    items: int = 0
    accepted: int = 0
    paid: float = 0.0
    squares: float = 0.0
    with_accepted: float = 0.0  # what the accepted ones took themselves

    def add(self, cost: float, *, accepted: bool) -> None:
        self.items += 1
        self.accepted += accepted
        self.paid += cost
        self.squares += cost * cost
        self.with_accepted += cost * accepted

    @property
    def error(self) -> float | None:
        """The standard error of the ratio; None of fewer than two items."""
        if self.items < 2 or not self.accepted:
            return None
        ratio = self.paid / self.accepted
        rest = self.squares - 2 * ratio * self.with_accepted + ratio * ratio * self.accepted
        return math.sqrt(max(0.0, rest) * self.items / (self.items - 1)) / self.accepted

    def figure(self, name: str, *, note: str = "") -> Figure:
        if not self.accepted:
            return Figure(name, None, self.unit, note="no item was accepted" if self.items else "no item")
        ratio = self.paid / self.accepted
        if (error := self.error) is None:
            return Figure(name, ratio, self.unit, of=self.items, note=note)
        return Figure(name, ratio, self.unit, max(0.0, ratio - Z95 * error), ratio + Z95 * error, self.items, note)
