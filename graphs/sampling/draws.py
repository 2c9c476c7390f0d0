"""What a sampler draws: entities that belong together. What shows them is worked out when it is asked for."""

from __future__ import annotations

from zlib import crc32

from .evidence import evidence
from .numbered import Numbered

Group = tuple[int, ...]
"""Entities by number, in the sampler's order."""


class Draw:
    """Entities that belong together, the relations among them, and the few chunks that mention them all.

    kind:      the sampler's name, or the label that it was given.
    entities:  ids in the sampler's order: along the path, the centre or the anchor first.
    relations: ids of the relations among them, sorted.
    chunks:    ids; the one that covers most first. Equal groups have equal chunks, whatever drew them.
    ordered:   whether the order says something (a path), or the group is a set.

    `through` are the numbers that relations and chunks are of: a distant pair's have the entity between as well. Two
    draws are equal when kind and entities are.
    """

    __slots__ = ("_chunks", "_held", "_relations", "graph", "kind", "numbers", "ordered", "through")

    def __init__(
        self,
        graph: Numbered,
        kind: str,
        numbers: Group,
        *,
        through: Group | None = None,
        ordered: bool = False,
        chunks: Group | None = None,
    ) -> None:
        self.graph = graph
        self.kind = kind
        self.numbers = numbers
        self.through = through or numbers
        self.ordered = ordered
        self._chunks = chunks
        self._held = chunks is not None
        self._relations: Group | None = None

    @property
    def entities(self) -> tuple[str, ...]:
        return self.graph.ids.take(self.numbers)

    @property
    def bridged(self) -> tuple[str, ...]:
        """The entities with those between them by which they were found."""
        return self.graph.ids.take(self.through)

    @property
    def relation_numbers(self) -> Group:
        if self._relations is None:
            self._relations = tuple(self.graph.relations_among(self.through))
        return self._relations

    @property
    def relations(self) -> tuple[str, ...]:
        return self.graph.relation_ids.take(self.relation_numbers)

    @property
    def chunks(self) -> tuple[str, ...]:
        if self._chunks is None:
            self._chunks = self._shown(0)
        return self.graph.chunk_ids.take(self._chunks)

    def evidence(self, seed: int = 0) -> tuple[str, ...]:
        """Returns the chunks that this seed chooses where several show as much; seed 0 chooses `chunks`.

        A subgraph that was grown within a budget has the chunks that it was grown by, whatever the seed.
        """
        if seed == 0 or self._held:
            return self.chunks
        return self.graph.chunk_ids.take(self._shown(seed))

    def _shown(self, seed: int) -> Group:
        members = sorted(self.through)
        salt = crc32(self.graph.ids.joined(members, b"\n"), seed)
        return evidence(self.graph, members, self.relation_numbers, salt)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Draw) and (self.kind, self.entities) == (other.kind, other.entities)

    def __hash__(self) -> int:
        return hash((self.kind, self.entities))

    def __repr__(self) -> str:
        return f"Draw({self.kind}: {', '.join(self.entities)})"
