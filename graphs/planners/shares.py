"""Keeps several kinds of draw at their shares, by what was accepted rather than by what was tried."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from ...errors import ConfigError, meant
from .base import cell

Drawn = TypeVar("Drawn")


LEAST_RATE = 1 / 3  # a name is drawn at most three times as often as its share to make up for rejections
ENOUGH = 30  # draws after which a name of which nothing was accepted is not made up for at all


def made_up(counted: float, tried: float) -> float:
    """Returns what a name is taken to have, of which `counted` tasks are accepted or pending and `tried` were drawn.

    What is mostly rejected is drawn more often to make up for it, within the limits above.
    """
    return max(counted, tried * (1.0 if tried >= ENOUGH and counted <= 0 else LEAST_RATE))


class Shares:
    """Picks the name that is furthest behind its share of what is accepted or pending.

    A name whose tasks are mostly rejected is drawn more often, within the limits above: without them one that this
    corpus cannot give (numbers, in a text without any) would soon be all that is drawn.

    `coverage` counts accepted and pending tasks by cell and is live. It is updated only when a batch is planned, so
    what was picked since is counted here: else one batch would be of one kind.
    """

    def __init__(self, attribute: str, shares: Mapping[str, float], coverage: Mapping[str, int]) -> None:
        """Raises `ConfigError` when a share is negative or all are 0; a name with share 0 is never picked."""
        for name, share in shares.items():
            if share < 0:
                raise ConfigError(f"the share of '{name}' is {share}; give 0 or more")
        self._shares = {name: share for name, share in shares.items() if share > 0}
        if not self._shares:
            raise ConfigError(f"no {attribute} has a share above 0; the recipe would draw nothing")
        self._coverage = coverage
        self._cells = {name: cell(attribute, name) for name in self._shares}
        self._since: dict[str, int] = dict.fromkeys(self._shares, 0)
        self._known = {name: coverage.get(key, 0) for name, key in self._cells.items()}
        # A resumed run knows what was accepted, not what was tried: take it that all were tried alike.
        level = max(self._known[name] / share for name, share in self._shares.items())
        self._tried = {name: level * share for name, share in self._shares.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The names with a share, in the order given."""
        return tuple(self._shares)

    def pick(self, available: Collection[str]) -> str:
        """Returns one of `available` (names with a share), the first given of those equally far behind."""
        chosen = min((name for name in self._shares if name in available), key=self._progress)
        self._since[chosen] += 1
        self._tried[chosen] += 1
        return chosen

    def _progress(self, name: str) -> float:
        counted = self._coverage.get(self._cells[name], 0)
        if counted != self._known[name]:
            self._known[name] = counted
            self._since[name] = 0
        taken = made_up(counted, self._tried[name])
        return max(counted + self._since[name], taken) / self._shares[name]


def shares_of(names: Collection[str], given: Mapping[str, float]) -> dict[str, float]:
    """Returns each name's share, 1 where none is given; raises `ConfigError` for a name that is not drawn."""
    if unknown := [name for name in given if name not in names]:
        raise ConfigError(f"shares names '{unknown[0]}', which is not drawn{meant(unknown[0], names)}")
    return {name: given.get(name, 1.0) for name in names}


def by_shares(sources: Mapping[str, Iterator[Drawn]], shares: Shares) -> Iterator[tuple[str, Drawn]]:
    """Takes from the source that is furthest behind its share, until all are exhausted."""
    left = {name: sources[name] for name in shares.names if name in sources}
    while left:
        name = shares.pick(left)
        try:
            drawn = next(left[name])
        except StopIteration:
            del left[name]
            continue
        yield name, drawn


def crossed(count: int, shares: Shares, rng: random.Random) -> Iterator[tuple[int, str]]:
    """Pairs each of `count` places with each name once: all places once before any twice, the rarest name first.

    Places are visited in an order shuffled anew for each round. What is kept in memory is a few bytes a place.
    """
    bits = {name: 1 << place for place, name in enumerate(shares.names)}
    order = list(range(count))
    asked = [0] * count
    for _ in shares.names:
        rng.shuffle(order)
        for place in order:
            name = shares.pick([name for name in shares.names if not asked[place] & bits[name]])
            asked[place] |= bits[name]
            yield place, name
