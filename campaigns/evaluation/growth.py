"""How a set grew, over its items in the order in which they ended: what they cost, and what accepted ones touch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ...storage.records import Usage

POINTS = 64  # at most; longer ones are of more items each


@dataclass(frozen=True, slots=True)
class Moment:
    """Where things stood after `items`: all numbers are sums from the first item on, `seen` counts different values."""

    items: int
    accepted: int
    tokens: int
    usd: float
    seen: Mapping[str, int]


@dataclass
class Growth:
    """Moments evenly apart, of which half are dropped when there are too many: what is kept does not grow with the set.

    `known` are the values of a dimension that count, of dimensions that somebody listed (the chunks, the entities).
    """

    known: Mapping[str, Collection[str]] = field(default_factory=dict)
    _seen: dict[str, set[str]] = field(default_factory=dict)
    _items: int = 0
    _accepted: int = 0
    _tokens: int = 0
    _usd: float = 0.0
    _every: int = 1
    _moments: list[Moment] = field(default_factory=list)

    def touch(self, name: str, values: Iterable[str]) -> None:
        """Counts values of a listed dimension that an accepted item touches."""
        if (known := self.known.get(name)) is not None:
            self._seen.setdefault(name, set()).update(value for value in values if value in known)

    def add(self, usage: Usage, usd: float, *, accepted: bool, cells: Mapping[str, Counter[str]]) -> None:
        """Counts an item that has ended; `cells` are the values of accepted items so far, this one's too."""
        self._items += 1
        self._accepted += accepted
        self._tokens += usage.input_tokens + usage.output_tokens
        self._usd += usd
        if self._items % self._every == 0:
            self._moments.append(self._now(cells))
            if len(self._moments) >= POINTS:
                self._moments = self._moments[1::2]
                self._every *= 2

    def moments(self, cells: Mapping[str, Counter[str]]) -> list[Moment]:
        """Returns the moments, with where things stand now as the last one."""
        if not self._items or self._items % self._every == 0:
            return list(self._moments)
        return [*self._moments, self._now(cells)]

    def _now(self, cells: Mapping[str, Counter[str]]) -> Moment:
        seen = {name: len(values) for name, values in cells.items()} | {
            name: len(values) for name, values in self._seen.items()
        }
        return Moment(self._items, self._accepted, self._tokens, self._usd, seen)
