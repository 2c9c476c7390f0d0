"""Steps from entity to entity along one kind of link, by chance or by weight, at a cost that no hub can raise."""

from __future__ import annotations

import random
from collections.abc import Container, Sequence

from ..knowledge.graph import Link
from .numbered import Numbered
from .weights import Bounded, Weigh, Weight, uniform

NOWHERE = -1  # no step can be made
MANY = 48  # next steps; where there are more, only some are weighed
WEIGHED = 16
TRIES = 8  # blind steps that may fall on what is left out, before all that is left is listed


class Walker:
    """Reads a graph by one kind of link; `rng` makes its choices."""

    __slots__ = ("_blind", "_ends", "_most", "_offsets", "_random", "graph", "link", "near", "rng", "weigh")

    def __init__(self, graph: Numbered, link: Link, weight: Weight, rng: random.Random) -> None:
        self.graph = graph
        self.link = link
        self.rng = rng
        self.weigh: Weigh = weight(graph)
        self.near = graph.links.__getitem__ if link == "relation" else self._partners
        self._blind = weight is uniform
        self._most = weight.most if isinstance(weight, Bounded) else 0.0
        self._random = rng.random
        self._offsets, self._ends = graph.links.offsets, graph.links.ends

    def _partners(self, entity: int) -> Sequence[int]:
        return self.graph.near(entity, self.link)

    def joined(self, left: int, right: int) -> bool:
        """Tells whether two entities are next to each other."""
        return self.graph.joined(left, right, self.link)

    def degree(self, entity: int) -> int:
        """Returns how many entities are next to one."""
        if self.link == "relation":
            return self._offsets[entity + 1] - self._offsets[entity]
        return len(self.near(entity))

    def step(self, entity: int, without: Container[int] = ()) -> int:
        """Returns an entity next to one and not among those left out, `NOWHERE` when there is none."""
        if self._blind and self.link == "relation":
            start = self._offsets[entity]
            count = self._offsets[entity + 1] - start
            for _ in range(TRIES if count else 0):
                found = self._ends[start + int(self._random() * count)]
                if found not in without:
                    return found
        return self.choose(self.near(entity), without)

    def choose(self, options: Sequence[int], without: Container[int] = ()) -> int:
        """Returns one of the options by weight, `NOWHERE` for none.

        Under a bounded weight one is drawn by chance and taken as often as it weighs of the bound. Where that takes
        none, and under other weights, all are weighed; where there are many, some of them.
        """
        if self._most:
            chance, weigh, count, most = self._random, self.weigh, len(options), self._most
            for _ in range(TRIES if count else 0):
                one = options[int(chance() * count)]
                if one not in without and chance() * most < weigh(one):
                    return one
        if len(options) > MANY:
            left = [one for one in self.sample(options, WEIGHED) if one not in without]
            if left:
                return self._by_weight(left)
        left = [one for one in options if one not in without]
        return self._by_weight(left) if left else NOWHERE

    def _by_weight(self, left: list[int]) -> int:
        if self._blind:
            return left[int(self._random() * len(left))]
        weigh = self.weigh
        sums, total = [], 0.0
        for one in left:
            total += max(0.0, weigh(one))
            sums.append(total)
        wanted = self._random() * total
        if total <= 0.0:
            return left[int(self._random() * len(left))]
        for place, upto in enumerate(sums):
            if wanted < upto:
                return left[place]
        return left[-1]

    def sample(self, options: Sequence[int], count: int) -> list[int]:
        """Returns about `count` of many options by chance, without reading the others."""
        size, chance = len(options), self._random
        return [options[int(chance() * size)] for _ in range(count)]

    def some(self, options: Sequence[int], count: int, without: Container[int] = ()) -> list[int]:
        """Returns `count` different options by weight, or all that there are, in ascending order."""
        left = [one for one in options if one not in without] if without else list(options)
        if len(left) <= count:
            return left
        if self._blind:
            return sorted(self.rng.sample(left, count))
        # Efraimidis and Spirakis 2006: the largest of u ** (1 / w) are a weighted sample without replacement.
        chance, weigh = self._random, self.weigh
        keyed = sorted(((chance() ** (1.0 / max(1e-9, weigh(one))), one) for one in left), reverse=True)
        return sorted(one for _, one in keyed[:count])
