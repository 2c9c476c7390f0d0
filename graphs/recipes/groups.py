"""Turns what a sampler draws into a task that is the same whenever the same group is drawn.

A sampler picks evidence chunks and an order by chance. A resumed campaign draws again, and a group that was planned
before must then be known again: so order and chunks are fixed here by the group alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from ...errors import ConfigError
from ...storage.records import Task, content_id
from ..knowledge.draws import Draw, evidence
from ..knowledge.graph import KnowledgeGraph, Link
from ..knowledge.weights import Weight, by_degree, by_inverse_coverage, uniform
from .base import PlanView

WeightName = Literal["coverage", "degree", "uniform"]
MOST_RELATIONS = 12  # of a task; more would fill the prompt with lines and not with source text
PATIENCE = 2_000  # draws in a row that a filter may refuse before a source counts as exhausted; bounds a plan's time


def graph_of(view: PlanView, recipe: str) -> KnowledgeGraph:
    """Returns the view's graph; raises `ConfigError` when the campaign built none, or an empty one."""
    if view.graph is None:
        raise ConfigError(f"recipe '{recipe}' draws from a knowledge graph and the campaign has none; build it first")
    if not view.graph.entities:
        raise ConfigError(
            f"recipe '{recipe}' draws from the knowledge graph, which is empty: no entity was found in the documents; "
            f"see `gristmill graph`, or change the entity types"
        )
    return view.graph


def weight_of(name: WeightName, view: PlanView) -> Weight:
    """Returns the sampler weight called `name`; `coverage` prefers entities that few tasks touch."""
    return {"coverage": by_inverse_coverage(view.coverage), "degree": by_degree, "uniform": uniform}[name]


def group_rng(*parts: object) -> random.Random:
    """Returns a random source that depends on `parts` (JSON values) alone, equal in every process."""
    return random.Random(content_id("rng", *parts))  # noqa: S311  # reproducible draws, nothing secret hangs on them


def task_of(
    graph: KnowledgeGraph,
    kind: str,
    entities: Iterable[str],
    *,
    ordered: bool,
    max_chunks: int,
    attributes: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Task | None:
    """Makes the task of a group, or None when fewer than all entities are mentioned in `max_chunks` chunks.

    `ordered` keeps the entities' order up to reversal (a path); else they are sorted. Relations are those that most
    chunks state.
    """
    members = tuple(entities)
    members = min(members, members[::-1]) if ordered else tuple(sorted(members))
    relations = graph.relations_among(members)
    rng = group_rng(kind, members, seed)
    chunks = evidence(graph, rng, members, relations)
    if not chunks or len(chunks) > max_chunks or not all(graph.chunks_of(entity) for entity in members):
        return None
    strongest = sorted(relations, key=lambda one: (-graph.relations[one].weight, one))[:MOST_RELATIONS]
    return Task.of(
        kind,
        chunks=chunks,
        entities=members,
        relations=tuple(strongest),
        attributes=dict(attributes or {}),
        seed=seed,
    )


def patiently(
    draws: Iterator[Draw], graph: KnowledgeGraph, *, max_chunks: int, chordless: Link | None = None
) -> Iterator[Draw]:
    """Passes on the draws that a task can be made of, and ends after `PATIENCE` refusals in a row.

    `chordless` refuses a path with a short cut: entities that are not neighbours on it and that this link joins.
    """
    while True:
        for draw in islice(draws, PATIENCE):
            if len(draw.chunks) <= max_chunks and not (chordless and _has_chord(graph, draw.entities, chordless)):
                yield draw
                break
        else:
            return


def _has_chord(graph: KnowledgeGraph, path: tuple[str, ...], link: Link) -> bool:
    return any(
        _joined(graph, path[left], path[right], link)
        for left in range(len(path))
        for right in range(left + 2, len(path))
    )


def _joined(graph: KnowledgeGraph, left: str, right: str, link: Link) -> bool:
    related = link != "cooccurrence" and graph.links.has(graph.number(left), graph.number(right))
    return related or (link != "relation" and graph.cooccurrence(left, right) > 0)
