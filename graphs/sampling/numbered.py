"""A graph in numbers, as samplers walk it: plain buffers that Python indexes at once. It knows no weight."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from weakref import WeakKeyDictionary, ref
from zlib import crc32

from ..knowledge.graph import KnowledgeGraph, Link
from ..knowledge.links import SEARCHED, Numbers

KEPT = 4096  # entities whose partners by chunk are remembered: all pairs of a large graph would not fit


class Numbered:
    """Entities, relations and chunks by number; numbers go by the sorted order of ids.

    links:    which entities a relation joins, with weights.
    chunks:   entity → the chunks that mention it.        members: chunk → the entities that it mentions.
    stated:   relation → the chunks that state it.
    types:    the entity types; `type_codes` has the place of each entity's.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = ref(graph)  # weak: this is kept as long as the graph is, and would keep it for ever
        self.ids = graph.ids
        self.names = graph.names
        self.types = graph.types
        self.type_codes = graph.type_codes
        self.chunk_ids = graph.chunk_ids
        self.relation_ids = graph.relation_ids
        self.sources, self.targets = graph.sources, graph.targets
        self.links = graph.links
        self.chunks = graph.chunks_by_entity
        self.members = graph.entities_by_chunk_number
        self.stated = graph.chunks_by_relation
        self.pairs = graph.pairs
        self.relations_between = graph.pairs.between
        self._number, self._relation = graph.ids.find, graph.relation_ids.find
        self._partners = lru_cache(maxsize=KEPT)(self._find_partners)

    def __len__(self) -> int:
        return len(self.ids)

    def number(self, entity: str) -> int:
        """Returns an entity's number, or -1 for an unknown id."""
        found = self._number(entity)
        return -1 if found is None else found

    def relation_number(self, relation: str) -> int:
        """Returns a relation's number, or -1 for an unknown id."""
        found = self._relation(relation)
        return -1 if found is None else found

    @cached_property
    def linked(self) -> Numbers:
        """The entities that some relation joins to another, ascending."""
        offsets = self.links.offsets
        return array("i", (number for number in range(len(self.ids)) if offsets[number] < offsets[number + 1]))

    @cached_property
    def mentioned(self) -> Numbers:
        """The entities that share a chunk with another or are linked, ascending."""
        crowded = {one for chunk in range(len(self.members)) if self.members.size(chunk) > 1
                   for one in self.members[chunk]}  # fmt: skip
        return array("i", sorted(crowded.union(self.linked)))

    @cached_property
    def chunk_hashes(self) -> Numbers:
        """A hash of each chunk's id, the same in every process and in every graph that has the chunk."""
        return array("I", (crc32(chunk.encode()) for chunk in self.chunk_ids))

    def relations_among(self, entities: Iterable[int]) -> list[int]:
        """Returns the relations that join two of these entities, ascending."""
        members = sorted(set(entities))
        offsets, highs, numbers = self.pairs.offsets, self.pairs.highs, self.pairs.numbers
        found: list[int] = []
        for place, low in enumerate(members):
            start, stop = offsets[low], offsets[low + 1]
            others: Iterable[int] = members[place + 1 :]
            if start == stop or not others:
                continue
            if stop - start <= SEARCHED * (len(members) - place - 1):  # else a hub's row is not read
                others = set(highs[start:stop]).intersection(others)
            for high in others:
                at = bisect_left(highs, high, start, stop)
                while at < stop and highs[at] == high:
                    found.append(numbers[at])
                    at += 1
        found.sort()
        return found

    def near(self, entity: int, link: Link = "relation") -> Sequence[int]:
        """Returns the entities next to one, ascending."""
        return self.links[entity] if link == "relation" else self._partners(entity, link)

    def _find_partners(self, entity: int, link: Link) -> tuple[int, ...]:
        found = set(chain.from_iterable(self.members[chunk] for chunk in self.chunks[entity]))
        if link == "any":
            found.update(self.links[entity])
        found.discard(entity)
        return tuple(sorted(found))

    def joined(self, left: int, right: int, link: Link = "relation") -> bool:
        """Tells whether two entities are next to each other."""
        if link != "cooccurrence" and self.links.has(left, right):
            return True
        return link != "relation" and self._share_a_chunk(left, right)

    def _share_a_chunk(self, left: int, right: int) -> bool:
        few, many = sorted((left, right), key=self.chunks.size)
        return any(self.chunks.has(many, chunk) for chunk in self.chunks[few])


_known: WeakKeyDictionary[KnowledgeGraph, Numbered] = WeakKeyDictionary()


def numbered(graph: KnowledgeGraph) -> Numbered:
    """Returns a graph's numbers, made once a graph."""
    if graph not in _known:
        _known[graph] = Numbered(graph)
    return _known[graph]
