"""Random walks over the graph that never repeat and never need the list of all walks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .graph import KnowledgeGraph
from .weights import Weight, WeightedPool

Extend = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Gives the entities that may follow a walk so far, in a fixed order; those on the walk already are left out."""


MANY = 128  # next steps; where there are more, only some are weighed, so that a hub costs no more than others
WEIGHED = 64


@dataclass(slots=True)
class _Branch:
    """What is left of the walks that begin alike: `spent` next steps are used up."""

    spent: set[str] = field(default_factory=set)
    children: dict[str, _Branch] = field(default_factory=dict)


def walks(
    graph: KnowledgeGraph, rng: random.Random, *, weight: Weight, length: int, extend: Extend
) -> Iterator[tuple[str, ...]]:
    """Yields every sequence of `length` different entities that `extend` allows, each once, in a weighted random order.

    The first entity is drawn by weight among all, each next one by weight among those that may follow, or among
    `WEIGHED` of them at random where more than `MANY` may. What was drawn is remembered as a tree of prefixes, so
    memory grows with the draws made and not with the walks that exist.
    """
    roots = WeightedPool(graph.ids, lambda entity: weight(graph, entity), rng)
    branches: dict[str, _Branch] = {}

    def descend(branch: _Branch, walk: tuple[str, ...]) -> tuple[str, ...] | None:
        if len(walk) == length:
            return walk
        while options := _left(rng, extend(walk), branch.spent, walk):
            weights = [max(0.0, weight(graph, step)) for step in options]
            step = rng.choices(options, weights)[0] if sum(weights) > 0.0 else rng.choice(options)
            if len(walk) + 1 == length:
                branch.spent.add(step)
                return (*walk, step)
            found = descend(branch.children.setdefault(step, _Branch()), (*walk, step))
            if found is not None:
                return found
            branch.spent.add(step)
            del branch.children[step]
        return None

    while len(roots):
        root = roots.pick()
        found = descend(branches.setdefault(root, _Branch()), (root,))
        if found is None or length == 1:
            roots.remove(root)
            del branches[root]
        if found is not None:
            yield found


def _left(rng: random.Random, near: tuple[str, ...], spent: set[str], walk: tuple[str, ...]) -> list[str]:
    """Next steps that are left: all of them, or some of many. Empty only when none is left."""
    if len(near) > MANY:
        some = [step for step in rng.sample(near, WEIGHED) if step not in spent and step not in walk]
        if some:
            return some
    return [step for step in near if step not in spent and step not in walk]
