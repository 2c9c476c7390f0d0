"""Where draws begin: which entities, and in which order or by what chance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from ..knowledge.links import Numbers
from .permutation import Permutation
from .weights import Pool, Weigh

NONE = -1  # there is no root left
PUT_BACK = 64  # roots in a row that may be, before all weights are read


class Roots(Protocol):
    """The entities that draws begin with."""

    def __len__(self) -> int: ...

    def pick(self) -> int:
        """Returns a root, which may come again; `NONE` when there is none."""
        ...

    def take(self) -> int:
        """Returns a root that never comes again; `NONE` when all were taken."""
        ...

    def __iter__(self) -> Iterator[int]:
        """Goes through all roots once, in an order of its own."""
        ...


class Even:
    """All roots alike. It starts at once and keeps no list."""

    def __init__(self, numbers: Numbers, rng: random.Random) -> None:
        self._numbers = numbers
        self._count = len(numbers)
        self._random = rng.random
        self._order = Permutation(self._count, rng)
        self._taken = 0

    def __len__(self) -> int:
        return self._count

    def pick(self) -> int:
        return self._numbers[int(self._random() * self._count)] if self._count else NONE

    def take(self) -> int:
        if self._taken == self._count:
            return NONE
        place = self._order[self._taken]
        self._taken += 1
        return self._numbers[place]

    def __iter__(self) -> Iterator[int]:
        return (self._numbers[place] for place in self._order)


class Weighted:
    """Roots by weight; reading all weights takes about a second for a million.

    Of a weight that is never more than `most` none is read before it is drawn: a root is drawn by chance and taken as
    often as it weighs of the bound, which is as likely. Only where that takes none are all weights read.
    """

    def __init__(self, numbers: Numbers, weigh: Weigh, rng: random.Random, most: float = 0.0) -> None:
        self._numbers = numbers
        self._weigh, self._most = weigh, most
        self._rng = rng
        self._gone: set[int] = set()  # places, until there is a pool
        self._pool = None if most else Pool(numbers, weigh, rng)
        self._order = Permutation(len(numbers), rng)

    def __len__(self) -> int:
        return len(self._numbers)

    def pick(self) -> int:
        place = self._place()
        return NONE if place == NONE else self._numbers[place]

    def take(self) -> int:
        place = self._place()
        if place == NONE:
            return NONE
        if self._pool is None:
            self._gone.add(place)
        else:
            self._pool.remove(place)
        return self._numbers[place]

    def __iter__(self) -> Iterator[int]:
        return (self._numbers[place] for place in self._order)

    def _place(self) -> int:
        if self._pool is None:
            numbers, chance, count, most = self._numbers, self._rng.random, len(self._numbers), self._most
            for _ in range(PUT_BACK if count else 0):
                place = int(chance() * count)
                if place not in self._gone and chance() * most < self._weigh(numbers[place]):
                    return place
            self._pool = Pool(numbers, self._weigh, self._rng)
            for place in self._gone:
                self._pool.remove(place)
            self._gone.clear()
        return self._pool.pick() if len(self._pool) else NONE


class InOrder:
    """Roots in the order given, each once: `pick` takes them too."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._taken = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def pick(self) -> int:
        return self.take()

    def take(self) -> int:
        if self._taken == len(self._numbers):
            return NONE
        self._taken += 1
        return self._numbers[self._taken - 1]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)
