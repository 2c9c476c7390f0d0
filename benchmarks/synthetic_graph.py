"""A large knowledge graph that is the same each time: skewed degrees, planted groups, mentions in chunks.

Each relation is stated in a chunk or two of its source's group, and those chunks mention both its ends; so names, links
and chunks hang together as extraction makes them. Four of five relations stay within a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gristmill.storage.graph import put_entities, put_relations
from gristmill.storage.records import Chunk, Document, Entity, Relation, content_id
from gristmill.storage.schema import PUT_ENTITY, PUT_RELATION
from gristmill.storage.store import RunStore

TYPES = ("place", "person", "process", "product", "concept", "event", "organism", "substance")
KINDS = ("part of", "made of", "used in", "causes", "located in", "affects", "produces", "is a")
WORDS = ("valve", "pump", "seal", "boiler", "rotor", "sluice", "turbine", "hopper", "sieve", "kiln")
GROUP = 40  # entities of a group, on average
RELATIONS_IN_CHUNK = 10
CHUNKS_IN_DOCUMENT = 10
SLICE = 20_000
TEXT = "The valve of the pump is made of brass, and steam leaves the boiler through it."

Array = Any


@dataclass(frozen=True)
class Plan:
    """Who is joined to whom, and stated where, by number."""

    sources: Array
    targets: Array
    chunks: Array  # of each relation, two columns; both the same where one chunk states it
    count: int
    chunk_count: int
    groups: Array

    @classmethod
    def of(cls, entities: int, relations: int, seed: int = 7) -> Plan:
        dice = np.random.default_rng(seed)
        sizes = np.minimum(4 + dice.pareto(1.5, size=max(1, entities // 12)) * GROUP / 3, entities / 20 + 2).astype(int)
        groups = np.sort(np.repeat(np.arange(len(sizes)), sizes)[:entities])
        groups = np.concatenate([groups, np.full(entities - len(groups), len(sizes) - 1)]).astype(np.int64)
        heights = np.cumsum(np.minimum(1 + dice.pareto(1.3, size=entities), entities / 200 + 5))
        top = heights[-1]
        sources = np.searchsorted(heights, dice.random(relations) * top, side="right")
        first = np.searchsorted(groups, groups[sources], side="left")
        last = np.searchsorted(groups, groups[sources], side="right")
        near = first + (dice.random(relations) * (last - first)).astype(np.int64)
        far = np.searchsorted(heights, dice.random(relations) * top, side="right")
        targets = np.minimum(np.where(dice.random(relations) < 0.8, near, far), entities - 1)
        targets = np.where(targets == sources, (targets + 1) % entities, targets)
        stated = np.bincount(groups[sources], minlength=len(sizes))
        rooms = np.maximum(1, -(-stated // RELATIONS_IN_CHUNK))
        begins = np.concatenate([[0], np.cumsum(rooms)])
        room = rooms[groups[sources]]
        one = begins[groups[sources]] + (dice.random(relations) * room).astype(np.int64)
        other = begins[groups[sources]] + (dice.random(relations) * room).astype(np.int64)
        chunks = np.stack([one, np.where(dice.random(relations) < 0.2, other, one)], axis=1)
        return cls(sources, targets, chunks, entities, int(begins[-1]), groups)

    def mentions(self) -> tuple[Array, Array]:
        """Which chunks mention each entity, as offsets and chunk numbers; everyone stands in one at least."""
        keys = np.concatenate([self.sources, self.targets, self.sources, self.targets, np.arange(self.count)])
        values = np.concatenate(
            [
                *(self.chunks[:, 0],) * 2,
                *(self.chunks[:, 1],) * 2,
                np.arange(self.count) * self.chunk_count // self.count,
            ]
        )
        pairs = np.unique(keys * self.chunk_count + values)
        offsets = np.searchsorted(pairs // self.chunk_count, np.arange(self.count + 1))
        return offsets, pairs % self.chunk_count


def documents(count: int) -> Iterator[tuple[Document, list[Chunk]]]:
    """Documents whose chunks are `count` together."""
    width = len(TEXT) + 1
    for number in range(-(-count // CHUNKS_IN_DOCUMENT)):
        some = min(CHUNKS_IN_DOCUMENT, count - number * CHUNKS_IN_DOCUMENT)
        document = Document.of(f"manual-{number}.md", f"{number:07d} " + f"{TEXT} " * some)
        yield (
            document,
            [
                Chunk.of(document.id, place, 8 + place * width, 8 + (place + 1) * width, f"{TEXT} ")
                for place in range(some)
            ],
        )


def entity_rows(plan: Plan, chunks: list[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of the table `entities`, by id: what `put_entities` makes of the records, without making them."""
    offsets, numbers = (one.tolist() for one in plan.mentions())
    spans, quoted = [span(chunk) for chunk in chunks], [f'"{chunk}"' for chunk in chunks]
    ids = [content_id("entity", number) for number in range(plan.count)]
    types = [TYPES[group % len(TYPES)] for group in plan.groups.tolist()]
    for number in sorted(range(plan.count), key=ids.__getitem__):
        where = numbers[offsets[number] : offsets[number + 1]]
        id, name, kind = ids[number], f"{WORDS[number % len(WORDS)]} {number}", types[number]
        body = (
            f'{{"id":"{id}","name":"{name}","type":"{kind}","description":"Part {number} of the mill. {TEXT}",'
            f'"mentions":[{",".join([spans[one] for one in where])}]}}'
        )
        yield id, name, kind, len(where), f"[{','.join(sorted([quoted[one] for one in where]))}]", body


def relation_rows(plan: Plan, chunks: list[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of the table `relations`, by id."""
    sources, targets, stated = plan.sources.tolist(), plan.targets.tolist(), plan.chunks.tolist()
    spans, quoted = [span(chunk) for chunk in chunks], [f'"{chunk}"' for chunk in chunks]
    ids = [content_id("relation", number) for number in range(len(sources))]
    ends = [content_id("entity", number) for number in range(plan.count)]
    for number in sorted(range(len(ids)), key=ids.__getitem__):
        where = sorted(set(stated[number]))
        id, source, target, kind = ids[number], ends[sources[number]], ends[targets[number]], KINDS[number % len(KINDS)]
        weight = f'"weight":{float(len(where))},' if len(where) > 1 else ""  # 1.0 is the default, which is left out
        body = (
            f'{{"id":"{id}","source":"{source}","target":"{target}","type":"{kind}","description":"{TEXT[:40]}",'
            f'{weight}"mentions":[{",".join([spans[one] for one in where])}]}}'
        )
        shown = f"[{','.join(sorted([quoted[one] for one in where]))}]"
        yield id, source, target, kind, float(len(where)), shown, body


def span(chunk: str) -> str:
    return f'{{"chunk":"{chunk}","start":4,"end":9,"quote":"valve"}}'


async def fill(store: RunStore, entity_count: int, relation_count: int) -> None:
    """Stores documents, chunks and the graph, a slice at a time; the first row of each is checked by its record."""
    plan = Plan.of(entity_count, relation_count)
    chunks: list[str] = []
    for some in slices(documents(plan.chunk_count), SLICE // CHUNKS_IN_DOCUMENT):
        await store.add_documents(some)
        chunks += [chunk.id for _, own in some for chunk in own]
    for rows in slices(entity_rows(plan, chunks), SLICE):
        statement = put_entities([Entity.model_validate_json(rows[0][-1])])
        assert statement == (PUT_ENTITY, rows[:1])
        await store.write((PUT_ENTITY, rows))
    for rows in slices(relation_rows(plan, chunks), SLICE):
        statement = put_relations([Relation.model_validate_json(rows[0][-1])])
        assert statement == (PUT_RELATION, rows[:1])
        await store.write((PUT_RELATION, rows))
    await store.set_mark("graph", {"chunks": len(chunks)})


def slices(things: Iterator[Any], size: int) -> Iterator[list[Any]]:
    some = []
    for thing in things:
        some.append(thing)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
