"""Samplers: each draws one kind of group of entities from a graph, by weight, seeded, each group once, lazily.

A sampler is `draw_x(graph, rng, *, weight=uniform, ...) -> Iterator[Draw]`. It starts at once, whatever the number of
groups that exist; it ends when all were drawn. Equal graphs, seeds and weights give equal draws in every process. Keep
an iterator and draw on: a new one with the same seed begins with the same groups.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Protocol

from ...errors import ConfigError
from .communities import draw_communities
from .draws import Draw, make_draw
from .graph import KnowledgeGraph, Link
from .walks import Extend, walks
from .weights import Weight, WeightedPool, uniform

__all__ = [
    "Draw",
    "Sampler",
    "draw_communities",
    "draw_distant_pairs",
    "draw_egos",
    "draw_entities",
    "draw_pairs",
    "draw_paths",
    "draw_triples",
]


class Sampler(Protocol):
    """What all samplers are called by; each has options of its own, all with a default."""

    def __call__(self, graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform) -> Iterator[Draw]: ...


def draw_entities(graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform) -> Iterator[Draw]:
    """Draws single entities."""
    for (entity,) in walks(graph, rng, weight=weight, length=1, extend=_next_to_last(graph, "any")):
        yield make_draw(graph, rng, "entity", (entity,))


def draw_pairs(
    graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform, link: Link = "relation"
) -> Iterator[Draw]:
    """Draws two entities that `link` joins: `relation`, `cooccurrence` (one chunk mentions both) or `any`."""
    for group in _distinct(walks(graph, rng, weight=weight, length=2, extend=_next_to_last(graph, link))):
        yield make_draw(graph, rng, "pair", group)


def draw_distant_pairs(
    graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform, link: Link = "relation"
) -> Iterator[Draw]:
    """Draws two entities that are not joined themselves but have a neighbour in common (two hops).

    The draw's relations are those that join both to the neighbour by which they were found.
    """
    seen: set[tuple[str, ...]] = set()
    for first, middle, last in walks(graph, rng, weight=weight, length=3, extend=_next_to_last(graph, link)):
        group = (first, last)
        if tuple(sorted(group)) in seen or last in graph.neighbours(first, link=link):
            continue
        seen.add(tuple(sorted(group)))
        through = make_draw(graph, rng, "pair", (first, middle, last))
        yield Draw("pair", group, through.relations, through.chunks)


def draw_triples(
    graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform, link: Link = "relation"
) -> Iterator[Draw]:
    """Draws three entities that are connected: the third is next to the first or to the second."""

    def extend(walk: tuple[str, ...]) -> tuple[str, ...]:
        near = graph.neighbours(walk[0], link=link)
        if len(walk) == 1:
            return near
        return tuple(sorted({*near, *graph.neighbours(walk[1], link=link)}))

    for group in _distinct(walks(graph, rng, weight=weight, length=3, extend=extend)):
        yield make_draw(graph, rng, "triple", group)


def draw_paths(
    graph: KnowledgeGraph, rng: random.Random, *, weight: Weight = uniform, hops: int = 2, link: Link = "relation"
) -> Iterator[Draw]:
    """Draws paths of `hops` steps (`hops + 1` different entities in their order); a path and its reverse are one."""
    if hops < 1:
        raise ConfigError(f"hops is {hops}; a path has at least 1")
    seen: set[tuple[str, ...]] = set()
    for walk in walks(graph, rng, weight=weight, length=hops + 1, extend=_next_to_last(graph, link)):
        key = min(walk, walk[::-1])
        if key not in seen:
            seen.add(key)
            yield make_draw(graph, rng, f"hop{hops}", walk)


def draw_egos(
    graph: KnowledgeGraph,
    rng: random.Random,
    *,
    weight: Weight = uniform,
    radius: int = 1,
    max_nodes: int = 8,
    link: Link = "relation",
) -> Iterator[Draw]:
    """Draws an entity with what lies within `radius` steps of it, nearest first, `max_nodes` entities at most.

    Where a ring has more entities than there is room for, it is drawn from by weight. An entity with no neighbour is
    passed over: draw it with `draw_entities`.
    """
    if radius < 1 or max_nodes < 2:
        raise ConfigError(f"radius is {radius} and max_nodes {max_nodes}; give at least 1 and 2")
    centres = WeightedPool(graph.ids, lambda entity: weight(graph, entity), rng)
    while len(centres):
        centre = centres.pick()
        centres.remove(centre)
        members = [centre]
        ring = [centre]
        for _ in range(radius):
            known = set(members)
            ring = sorted({near for entity in ring for near in graph.neighbours(entity, link=link)} - known)
            room = max_nodes - len(members)
            if len(ring) > room:
                ring = _some(graph, rng, weight, ring, room)
            members.extend(ring)
            if len(members) == max_nodes:
                break
        if len(members) > 1:
            yield make_draw(graph, rng, "ego", members)


def _some(graph: KnowledgeGraph, rng: random.Random, weight: Weight, ring: list[str], room: int) -> list[str]:
    pool = WeightedPool(ring, lambda entity: weight(graph, entity), rng)
    chosen = []
    for _ in range(room):
        chosen.append(pool.pick())
        pool.remove(chosen[-1])
    return sorted(chosen)


def _next_to_last(graph: KnowledgeGraph, link: Link) -> Extend:
    return lambda walk: graph.neighbours(walk[-1], link=link)


def _distinct(groups: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Leaves out a group whose members came before in another order."""
    seen: set[tuple[str, ...]] = set()
    for group in groups:
        key = tuple(sorted(group))
        if key not in seen:
            seen.add(key)
            yield group
