"""Which few chunks show a group of entities: always the same for the same group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from .numbered import Numbered

LOOKED_AT = 64  # chunks of one entity or relation: a hub in thousands of chunks costs no more than others
ODD = 0x9E3779B1  # 2**32 by the golden ratio: a multiplier that mixes


def evidence(graph: Numbered, entities: Sequence[int], relations: Iterable[int], salt: int) -> tuple[int, ...]:
    """Chooses few chunks that together mention every entity that any chunk mentions.

    Greedy set cover: the chunk that mentions most of the entities still uncovered, among those the one that states
    most of the relations, among those one by a hash of `salt` and the chunk's id. So equal groups show equal chunks in
    every process, another salt other ones, and a graph that grew elsewhere the same. Of an entity in more than
    `LOOKED_AT` chunks only so many are candidates by themselves.
    """
    stated: dict[int, int] = {}
    for relation in relations:
        for chunk in graph.stated[relation][:LOOKED_AT]:
            stated[chunk] = stated.get(chunk, 0) + 1
    masks, hubs, everything = _masks(graph, entities, stated, salt)
    hashes = graph.chunk_hashes

    def rank(chunk: int, left: int) -> tuple[int, int, int, int]:
        order = ((hashes[chunk] ^ salt) * ODD) & 0xFFFFFFFF
        return -(masks[chunk] & left).bit_count(), -stated.get(chunk, 0), order, chunk

    chosen: list[int] = []
    left = everything
    heap = [rank(chunk, left) for chunk, mask in masks.items() if mask & (mask - 1)]
    heapify(heap)
    while left and heap:  # lazy greedy (Minoux 1978): a chunk's gain only falls
        best = heappop(heap)
        now = rank(best[3], left)
        if now[0] > -2:
            continue  # mentions one entity at most that is left: no better than any other chunk of it
        if heap and now > heap[0]:
            heappush(heap, now)
            continue
        chosen.append(best[3])
        left &= ~masks[best[3]]
    for bit, entity in enumerate(entities):
        if left >> bit & 1:
            row = _window(graph.chunks[entity], salt) if entity in hubs else graph.chunks[entity]
            own = [chunk for chunk in stated if masks[chunk] >> bit & 1] or row
            chosen.append(min(own, key=lambda chunk: rank(chunk, everything)[1:]))
            left &= ~masks[chosen[-1]]
    return tuple(chosen)


def _masks(
    graph: Numbered, entities: Sequence[int], stated: Iterable[int], salt: int
) -> tuple[dict[int, int], set[int], int]:
    """Which of the entities each candidate chunk mentions, as bits; the hubs; and the bits of all with a mention."""
    chunks = graph.chunks
    masks: dict[int, int] = dict.fromkeys(stated, 0)
    hubs: set[int] = set()
    everything = 0
    for bit, entity in enumerate(entities):
        row = chunks[entity]
        if len(row):
            everything |= 1 << bit
        if len(row) > LOOKED_AT:
            hubs.add(entity)
            row = _window(row, salt)
        for chunk in row:
            masks[chunk] = masks.get(chunk, 0) | 1 << bit
    # A relation's chunk may mention an entity elsewhere than where the relation is; a hub's other chunks count too.
    for bit, entity in enumerate(entities):
        if entity in hubs:
            for chunk in masks:
                if chunks.has(entity, chunk):
                    masks[chunk] |= 1 << bit
    return masks, hubs, everything


def _window(row: Sequence[int], salt: int) -> Sequence[int]:
    start = salt % (len(row) - LOOKED_AT + 1)
    return row[start : start + LOOKED_AT]
