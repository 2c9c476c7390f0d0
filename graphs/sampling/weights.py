"""How likely an entity is to be drawn, and a pool that draws by such weights without replacement."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from ..knowledge.links import Numbers
from ..knowledge.texts import ERRORS
from .numbered import Numbered

if TYPE_CHECKING:
    from ..knowledge.graph import KnowledgeGraph

Weigh = Callable[[int], float]
"""Gives the weight of an entity's number at this moment, not negative."""

Weight = Callable[[Numbered], Weigh]
"""Opens a weight over a graph. A weight may change while a sampler runs; a weight of 0 is drawn last."""

REFRESHED = 4  # weights read again after each draw, so that a pool follows live weights at a constant cost
LEAST = 1e-9  # stands for 0, so that every entity is drawn before a sampler ends


def uniform(graph: Numbered) -> Weigh:
    """Weighs all alike. Samplers start at once with it, whatever the size of the graph."""
    return lambda number: 1.0


def by_degree(graph: Numbered) -> Weigh:
    """Weighs an entity by one more than the number of entities that relations join to it."""
    offsets = graph.links.offsets
    return lambda number: 1.0 + offsets[number + 1] - offsets[number]


@dataclass(frozen=True)
class Bounded:
    """A weight that is never more than `most`: one of many is then drawn by it without weighing the others."""

    open: Weight
    most: float

    def __call__(self, graph: Numbered) -> Weigh:
        return self.open(graph)


def by_inverse_coverage(coverage: Mapping[str, int]) -> Weight:
    """Makes a weight of 1 / (1 + n), n being how many items `coverage` has for the entity id at that moment."""

    def weight(graph: Numbered) -> Weigh:
        ids, count, width = graph.ids, coverage.get, graph.ids.width
        data = ids.data

        def weigh(number: int) -> float:
            covered = count(str(data[number * width : number * width + width], "utf-8", ERRORS))
            return 1.0 / (1 + covered) if covered and covered > 0 else 1.0

        def weigh_any(number: int) -> float:
            covered = count(ids[number])
            return 1.0 / (1 + covered) if covered and covered > 0 else 1.0

        return weigh if width else weigh_any

    return Bounded(weight, 1.0)


def by_rare_relation(graph: KnowledgeGraph, drawn: Mapping[str, int]) -> Weight:
    """Makes a weight of 1 / (1 + n), n being how often `drawn` has, at that moment, an entity's rarest relation type.

    That is the one with the fewest relations in `graph`, of those that the entity is an end of; without any it weighs
    1. So rare types come early, and common ones in their turn. Takes a second for a million relations.
    """
    codes, names = graph.relation_type_codes, graph.relation_types
    often = Counter(codes)
    ranked = sorted(range(len(names)), key=lambda code: (often[code], code))
    rank = {code: place for place, code in enumerate(ranked)}
    rarest = array("i", (-1 for _ in graph.ids))
    for source, target, code in zip(graph.sources, graph.targets, codes, strict=True):
        place = rank[code]
        for end in (source, target):
            if rarest[end] < 0 or place < rarest[end]:
                rarest[end] = place

    def weigh(number: int) -> float:
        place = rarest[number]
        return 1.0 if place < 0 else 1.0 / (1 + max(0, drawn.get(names[ranked[place]], 0)))

    return Bounded(lambda _: weigh, 1.0)


def by_id(function: Callable[[str], float]) -> Weight:
    """Makes a weight of a function of an entity's id."""

    def weight(graph: Numbered) -> Weigh:
        ids = graph.ids
        return lambda number: function(ids[number])

    return weight


def product(*weights: Weight) -> Weight:
    """Makes the product of weights: coverage on top of another, for one."""
    several = [weight for weight in weights if weight is not uniform]
    if len(several) < 2:
        return several[0] if several else uniform

    def weight(graph: Numbered) -> Weigh:
        readers = [one(graph) for one in several]

        def weigh(number: int) -> float:
            total = 1.0
            for read in readers:
                total *= read(number)
            return total

        return weigh

    bounds = [one.most for one in several if isinstance(one, Bounded)]
    return Bounded(weight, prod(bounds)) if len(bounds) == len(several) else weight


class Pool:
    """Numbers that are drawn by weight and removed one by one, in O(log n), while the weights may change.

    A Fenwick tree (1994) holds the weights as they were last read. A draw reads its number's weight again and accepts
    it with the probability new/old, which is exact as long as weights fall, as inverse coverage does; to follow weights
    that rise, each draw reads a few more.
    """

    def __init__(self, numbers: Numbers, weigh: Weigh, rng: random.Random) -> None:
        self._numbers = numbers
        self._weigh = weigh
        self._random = rng.random
        self._left = size = len(numbers)
        self._weights = array("d", (max(LEAST, weigh(number)) for number in numbers))
        self._next = 0
        self._top = 1 << size.bit_length() >> 1
        self._tree = self._planted()

    def __len__(self) -> int:
        return self._left

    def pick(self) -> int:
        """Draws a place in `numbers` and leaves it in; raises `IndexError` when the pool is empty."""
        if not self._left:
            raise IndexError("the pool is empty")
        while True:
            place = self._find(self._random())
            stored = self._weights[place]
            if stored <= 0.0:  # rounding added up and led beside the few that are left
                self._tree = self._planted()
                place = next(place for place, weight in enumerate(self._weights) if weight > 0.0)
                stored = self._weights[place]
            current = max(LEAST, self._weigh(self._numbers[place]))
            if current != stored:
                self._change(place, current)
            self._refresh()
            if current >= stored or self._random() * stored < current:
                return place

    def remove(self, place: int) -> None:
        """Takes a place out; one that is out already is left alone."""
        if self._weights[place] > 0.0:
            self._change(place, 0.0)
            self._left -= 1

    def _planted(self) -> array[float]:
        size, tree = len(self._weights), array("d", [0.0])
        tree.extend(self._weights)
        for place in range(1, size + 1):
            parent = place + (place & -place)
            if parent <= size:
                tree[parent] += tree[place]
        return tree

    def _refresh(self) -> None:
        weights, numbers = self._weights, self._numbers
        for _ in range(REFRESHED):
            self._next = place = (self._next + 1) % len(weights)
            if weights[place] > 0.0 and (current := max(LEAST, self._weigh(numbers[place]))) != weights[place]:
                self._change(place, current)

    def _change(self, place: int, weight: float) -> None:
        difference = weight - self._weights[place]
        self._weights[place] = weight
        tree, at, size = self._tree, place + 1, len(self._tree)
        while at < size:
            tree[at] += difference
            at += at & -at

    def _find(self, share: float) -> int:
        """Returns the place at which the running sum of weights passes `share` of the total."""
        tree, size = self._tree, len(self._weights)
        wanted, at = 0.0, size
        while at:
            wanted += tree[at]
            at &= at - 1
        wanted *= share
        place, step = 0, self._top
        while step:
            after = place + step
            if after <= size and tree[after] <= wanted:
                place = after
                wanted -= tree[after]
            step >>= 1
        return min(place, size - 1)
