"""Which few chunks show a group of entities: always the same for the same group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .numbered import Numbered

LOOKED_AT = 64  # chunks of one entity or relation: a hub in thousands of chunks costs no more than others
ODD = 0x9E3779B1  # 2**32 by the golden ratio: a multiplier that mixes
MASK = 0xFFFFFFFF


def evidence(graph: Numbered, entities: Sequence[int], relations: Iterable[int], salt: int) -> tuple[int, ...]:
    """Chooses few chunks that together mention every entity that any chunk mentions.

    Greedy set cover: the chunk that mentions most of the entities still uncovered, among those the one that states
    most of the relations, among those one by a hash of `salt` and the chunk's id. So equal groups show equal chunks in
    every process, another salt other ones, and a graph that grew elsewhere the same. Of an entity in more than
    `LOOKED_AT` chunks only so many are candidates by themselves.
    """
    stated = _stated(graph, relations)
    windows = _windows(graph, entities, salt)
    rows = _completed(graph, entities, windows, stated)
    hashes = graph.chunk_hashes

    def order(chunk: int) -> tuple[int, int, int]:
        return -stated.get(chunk, 0), ((hashes[chunk] ^ salt) * ODD) & MASK, chunk

    left = 0
    for bit, row in enumerate(rows):
        if row:
            left |= 1 << bit
    chosen: list[int] = []
    shared = _shared(rows)
    ranked = sorted(shared, key=order) if len(shared) > 1 else shared
    while ranked:
        best, most = -1, 1
        for chunk in ranked:  # the first of those that gain most
            gain = (shared[chunk] & left).bit_count()
            if gain > most:
                best, most = chunk, gain
        if best < 0:
            break
        chosen.append(best)
        left &= ~shared[best]
    for bit, row in enumerate(rows):
        if left >> bit & 1:
            best = _alone(row, windows[bit], stated, hashes, salt)
            chosen.append(best)
            left &= ~shared.get(best, 1 << bit)
    return tuple(chosen)


def _stated(graph: Numbered, relations: Iterable[int]) -> dict[int, int]:
    """How many of the relations each chunk states."""
    offsets, ends = graph.stated.offsets, graph.stated.ends
    stated: dict[int, int] = {}
    for relation in relations:
        start = offsets[relation]
        for chunk in ends[start : min(offsets[relation + 1], start + LOOKED_AT)]:
            stated[chunk] = stated.get(chunk, 0) + 1
    return stated


def _windows(graph: Numbered, entities: Sequence[int], salt: int) -> list[set[int]]:
    """The chunks that are candidates for showing each entity: all of its own, of a hub `LOOKED_AT` of them."""
    offsets, ends = graph.chunks.offsets, graph.chunks.ends
    windows = []
    for entity in entities:
        start, stop = offsets[entity], offsets[entity + 1]
        if stop - start > LOOKED_AT:
            start += salt % (stop - start - LOOKED_AT + 1)
            stop = start + LOOKED_AT
        windows.append(set(ends[start:stop]))
    return windows


def _completed(
    graph: Numbered, entities: Sequence[int], windows: Sequence[set[int]], stated: Iterable[int]
) -> Sequence[set[int]]:
    """Which of all candidates mention each entity.

    A relation's chunk may mention an entity elsewhere than where the relation is; a hub's other chunks count too.
    """
    chunks = graph.chunks
    hubs = [bit for bit, entity in enumerate(entities) if chunks.size(entity) > LOOKED_AT]
    if not hubs or len(entities) == 1:
        return windows
    rows = list(windows)
    candidates = set(stated).union(*windows)
    for bit in hubs:
        rows[bit] = chunks.among(entities[bit], candidates)
    return rows


def _shared(rows: Sequence[set[int]]) -> dict[int, int]:
    """The chunks that mention two or more of the entities, with these as bits."""
    seen: set[int] = set()
    shared: set[int] = set()
    for row in rows:
        shared |= seen & row
        seen |= row
    masks = dict.fromkeys(sorted(shared), 0)
    for bit, row in enumerate(rows):
        for chunk in shared & row:
            masks[chunk] |= 1 << bit
    return masks


def _alone(row: set[int], window: set[int], stated: dict[int, int], hashes: Sequence[int], salt: int) -> int:
    """The chunk that shows an entity which no shared one does: one that states a relation before all others."""
    own = row & stated.keys()
    if own:
        return min(own, key=lambda chunk: (-stated[chunk], ((hashes[chunk] ^ salt) * ODD) & MASK, chunk))
    least, best = MASK + 1, -1
    for chunk in window:
        place = ((hashes[chunk] ^ salt) * ODD) & MASK
        if place < least or (place == least and chunk < best):
            least, best = place, chunk
    return best
