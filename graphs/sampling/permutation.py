"""A shuffled order of the first `count` numbers that is computed place by place and stored nowhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import isqrt

ROUNDS = 6
MASK = (1 << 64) - 1


class Permutation:
    """A keyed bijection of `range(count)`: a Feistel network over two digits, and cycle walking.

    The digits have bases a = ceil(sqrt(count)) and b = ceil(count / a), so that hardly a step leaves the range and is
    walked on (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). It serves sampling, not secrecy.
    """

    __slots__ = ("_high", "_keys", "_low", "count")

    def __init__(self, count: int, rng: random.Random) -> None:
        """Makes the order that `rng` chooses; takes the same time for every `count`."""
        self.count = count
        self._high = isqrt(max(count - 1, 0)) + 1
        self._low = -(-count // self._high) if count else 1
        self._keys = tuple(rng.getrandbits(63) | 1 for _ in range(ROUNDS))

    def __getitem__(self, place: int) -> int:
        """Returns the number at a place of the order; both are in `[0, count)`."""
        count, a, b = self.count, self._high, self._low
        if not 0 <= place < count:
            raise IndexError(f"place {place} is outside of an order of {count}")
        k1, k2, k3, k4, k5, k6 = self._keys
        while True:
            x, y = place // b, place % b
            x = (x + ((((y + k1) * k2) & MASK) >> 31) % a) % a
            y = (y + ((((x + k2) * k3) & MASK) >> 31) % b) % b
            x = (x + ((((y + k3) * k4) & MASK) >> 31) % a) % a
            y = (y + ((((x + k4) * k5) & MASK) >> 31) % b) % b
            x = (x + ((((y + k5) * k6) & MASK) >> 31) % a) % a
            y = (y + ((((x + k6) * k1) & MASK) >> 31) % b) % b
            place = x * b + y
            if place < count:
                return place

    def __iter__(self) -> Iterator[int]:
        return (self[place] for place in range(self.count))

    def __len__(self) -> int:
        return self.count
