"""How likely an entity is to be drawn, and a pool that draws by such weights without replacement."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from .graph import KnowledgeGraph

Weight = Callable[[KnowledgeGraph, str], float]
"""Gives an entity id's weight, not negative. It may change while a sampler runs; a weight of 0 is drawn last."""

REFRESHED = 4  # weights read again after each draw, so that a pool follows live weights at a constant cost
LEAST = 1e-9  # stands for 0, so that every entity is drawn before a sampler ends


def uniform(graph: KnowledgeGraph, entity: str) -> float:
    """Weighs all entities alike."""
    return 1.0


def by_degree(graph: KnowledgeGraph, entity: str) -> float:
    """Weighs an entity by one more than the number of entities that relations join to it."""
    return 1.0 + graph.degree(entity)


def by_inverse_coverage(coverage: Mapping[str, int]) -> Weight:
    """Makes a weight of 1 / (1 + n), n being how many items `coverage` has for the entity id at that moment."""

    def weight(graph: KnowledgeGraph, entity: str) -> float:
        return 1.0 / (1 + max(0, coverage.get(entity, 0)))

    return weight


class WeightedPool:
    """Keys that are drawn by weight and removed one by one, in O(log n), while the weights may change.

    A Fenwick tree holds the weights as they were last read. A draw reads its key's weight again and accepts it with
    the probability new/old, which is exact as long as weights fall, as inverse coverage does; to follow weights that
    rise, each draw reads a few more.
    """

    def __init__(self, keys: Sequence[str], weigh: Callable[[str], float], rng: random.Random) -> None:
        self._keys = list(keys)
        self._weigh = weigh
        self._rng = rng
        self._left = len(self._keys)
        self._weights = [self._read(key) for key in self._keys]
        self._place = {key: place for place, key in enumerate(self._keys)}
        self._next = 0
        # tree[i] sums the weights of a block that ends at i (Fenwick 1994); built in one pass.
        size = len(self._keys)
        self._tree = [0.0, *self._weights]
        for place in range(1, size + 1):
            parent = place + (place & -place)
            if parent <= size:
                self._tree[parent] += self._tree[place]
        self._top = 1 << size.bit_length()

    def __len__(self) -> int:
        return self._left

    def pick(self) -> str:
        """Draws a key and leaves it in; raises `IndexError` when the pool is empty."""
        if not self._left:
            raise IndexError("the pool is empty")
        while True:
            place = self._find(self._rng.random())
            stored = self._weights[place]
            if stored <= 0.0:  # rounding led beside the last key that is left
                place = next(place for place, weight in enumerate(self._weights) if weight > 0.0)
                stored = self._weights[place]
            current = self._set(place)
            self._refresh()
            if current >= stored or self._rng.random() * stored < current:
                return self._keys[place]

    def remove(self, key: str) -> None:
        """Takes a key out; a key that is out already is left alone."""
        place = self._place[key]
        if self._weights[place] > 0.0:
            self._change(place, 0.0)
            self._left -= 1

    def _read(self, key: str) -> float:
        return max(LEAST, self._weigh(key))

    def _set(self, place: int) -> float:
        weight = self._read(self._keys[place])
        self._change(place, weight)
        return weight

    def _refresh(self) -> None:
        for _ in range(min(REFRESHED, len(self._keys))):
            self._next = (self._next + 1) % len(self._keys)
            if self._weights[self._next] > 0.0:
                self._set(self._next)

    def _change(self, place: int, weight: float) -> None:
        difference = weight - self._weights[place]
        if difference == 0.0:
            return
        self._weights[place] = weight
        at = place + 1
        while at < len(self._tree):
            self._tree[at] += difference
            at += at & -at

    def _find(self, share: float) -> int:
        """Returns the place at which the running sum of weights passes `share` of the total."""
        place, step = 0, self._top
        wanted = share * self._total()
        while step:
            after = place + step
            if after < len(self._tree) and self._tree[after] <= wanted:
                place = after
                wanted -= self._tree[after]
            step >>= 1
        return min(place, len(self._keys) - 1)

    def _total(self) -> float:
        total, at = 0.0, len(self._keys)
        while at:
            total += self._tree[at]
            at &= at - 1
        return total
