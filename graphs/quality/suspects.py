"""What may be wrong with a graph's entities: one thing that stands twice, and two things that stand as one.

No pair is looked at that shares no block: what resolution left open is taken from what it stored, and found by its own
blocks and scores where a graph was not resolved here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from ...agents.extraction.schema import type_key
from ...agents.names import name_key
from ...storage.records import Entity, Record
from ..knowledge.graph import KnowledgeGraph
from ..resolution.found import Found
from ..resolution.references import Reference
from ..resolution.resolve import resolve
from ..resolution.scoring import Kind
from ..resolution.settings import Doubt, Join, Refusal, ResolutionSettings
from ..resolution.types import Types

OPEN = frozenset({"ambiguous", "chain"})  # refusals that do not say that two are different
MOST_COMPARED = 200_000  # entities of a graph that was not resolved here; more would take minutes
MOST_NEAR = 50  # chunks of an entity whose contexts are compared
LEAST_CONTEXT = 3  # other entities that a document must tell of beside it, for its context to say anything


class Suspect(Record):
    """Two entities that may be one, with the score in [0, 1] and the reason that resolution gives."""

    left: str
    right: str
    names: tuple[str, str]
    types: tuple[str, str]
    score: float
    reason: str


class Homonym(Record):
    """A name under which several things may go.

    Either it has several entities (`entities`, by id), or one entity's documents tell of it in contexts that have
    nothing in common (`contexts` of them).
    """

    name: str
    entities: tuple[str, ...]
    types: tuple[str, ...]
    contexts: int = 1


def suspects_of(graph: KnowledgeGraph, resolution: Mapping[str, Any] | None = None) -> list[Suspect] | None:
    """Returns pairs that may be one entity, the likeliest first; None for a graph that is too large to compare.

    A part of a name counts for people alone: the tide mill is not the Eling Tide Mill, and Marconi may be Guglielmo.
    `resolution` is what the store keeps of how the graph was resolved.
    """
    pairs = _stored(graph, resolution or {})
    if pairs is None:
        if len(graph.ids) > MOST_COMPARED:
            return None
        pairs = _compared(graph)
    found: dict[tuple[str, str], Suspect] = {}
    for left, right, score, reason in pairs:
        pair = min(left, right), max(left, right)
        if left != right and (pair not in found or found[pair].score < score):
            found[pair] = _suspect(graph, *pair, score, reason)
    alike = (one for one in found.values() if one.reason != Kind.PART or "person" in map(type_key, one.types))
    return sorted(alike, key=lambda one: (-one.score, one.left, one.right))


def _stored(graph: KnowledgeGraph, resolution: Mapping[str, Any]) -> list[tuple[str, str, float, str]] | None:
    pairs = [*resolution.get("doubts", ()), *(one for one in resolution.get("refused", ()) if one["why"] in OPEN)]
    if not pairs and not resolution.get("joins"):  # resolution was off, or the graph is none of a campaign's
        return None
    membership = resolution.get("membership", {})
    ends = [(*(membership.get(one[side], one[side]) for side in ("left", "right")), one) for one in pairs]
    there = graph.ids.find
    return [
        (left, right, float(one["score"]), str(one["reason"]))
        for left, right, one in ends
        if there(left) is not None and there(right) is not None
    ]


def _compared(graph: KnowledgeGraph) -> list[tuple[str, str, float, str]]:
    """The pairs that resolution would join, or doubt, were each entity all that was found under its name."""
    references = {id: _reference(graph, number, id) for number, id in enumerate(graph.ids)}
    resolved = resolve(references, (), ResolutionSettings(), types=Types(""))
    refused = (one for one in resolved.refused if one.why in OPEN)
    some: list[Join | Doubt | Refusal] = [*resolved.joins, *resolved.doubts, *refused]
    return [(one.left, one.right, one.score, str(one.reason)) for one in some]


def _reference(graph: KnowledgeGraph, number: int, id: str) -> Reference:
    entity: Entity = graph.entities[id]
    content = Found(
        found=1,
        names=Counter([entity.name]),
        aliases=Counter(entity.aliases),
        descriptions=Counter(line for line in entity.description.splitlines() if line),
        chunks=set(graph.chunks_of(id)),
    )
    near = frozenset(name_key(graph.names[one]) for one in graph.links[number])
    return Reference(id, name_key(entity.name), type_key(entity.type), content, near - {""})


def _suspect(graph: KnowledgeGraph, left: str, right: str, score: float, reason: str) -> Suspect:
    numbers = graph.number(left), graph.number(right)
    return Suspect(
        left=left,
        right=right,
        names=(graph.names[numbers[0]], graph.names[numbers[1]]),
        types=(graph.types[graph.type_codes[numbers[0]]], graph.types[graph.type_codes[numbers[1]]]),
        score=round(score, 3),
        reason=reason,
    )


def homonyms_of(graph: KnowledgeGraph, documents: Mapping[str, str]) -> list[Homonym]:
    """Returns names under which several things may go: first those that have several entities, then those with one.

    `documents` is the document's id by chunk id; without it only the first are found.
    """
    named: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(graph.names):
        named[name_key(name)].append(number)
    shared = [
        Homonym(
            name=graph.names[numbers[0]],
            entities=tuple(graph.ids[number] for number in numbers),
            types=tuple(graph.types[graph.type_codes[number]] for number in numbers),
        )
        for key, numbers in sorted(named.items())
        if key and len(numbers) > 1
    ]
    apart = [
        Homonym(
            name=graph.names[number],
            entities=(graph.ids[number],),
            types=(graph.types[graph.type_codes[number]],),
            contexts=count,
        )
        for number in range(len(graph.ids))
        if (count := _contexts(graph, number, documents)) > 1
    ]
    return shared + sorted(apart, key=lambda one: (-one.contexts, one.name))


def _contexts(graph: KnowledgeGraph, number: int, documents: Mapping[str, str]) -> int:
    """How many of an entity's documents tell of it among things of which none is in another of them; 1 for its own."""
    chunks = graph.chunks_by_entity
    name = graph.names[number]
    if " " in name.strip() or not name[:1].isupper() or not 2 <= chunks.size(number) <= MOST_NEAR:
        return 1  # long names are seldom shared, and a common noun stands in many contexts
    near: defaultdict[str, set[int]] = defaultdict(set)
    for chunk in chunks[number]:
        document = documents.get(graph.chunk_ids[chunk])
        if document is not None:
            near[document].update(graph.entities_by_chunk_number[chunk])
    told = [others - {number} for others in near.values() if len(others) > LEAST_CONTEXT]
    if len(told) < 2 or any(left & right for left, right in combinations(told, 2)):
        return 1
    return len(told)
