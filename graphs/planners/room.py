"""Whether the evidence of a group fits into a prompt, which decides if a task can be made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from ...agents.context.packing import pack
from ...errors import FlowError
from ...storage.chunking import count_tokens
from ...storage.records import Chunk
from ...storage.stored import StoredChunks
from ..knowledge.graph import KnowledgeGraph
from .base import PlanView

PER_CHUNK, PER_ENTITY = 60, 30  # tokens of a heading path, of a name: more than most have, so that few are counted
LEAST = 4  # tokens that a sentence has at least: a group of more chunks than that allows is not looked at


class Room:
    """Tells whether the sentences that show a group fit into `context_tokens`.

    Chunks are read one by one, when a group needs them, and their sizes are remembered.
    """

    def __init__(self, view: PlanView, graph: KnowledgeGraph, context_tokens: int) -> None:
        self.context_tokens = context_tokens
        self._view, self._graph = view, graph
        self._sizes: dict[str, int] = {}
        self._last: tuple[object, bool] = (None, False)

    def holds(
        self, entities: Sequence[str], relations: Iterable[str], chunks: Sequence[str], *, few: bool = True
    ) -> bool:
        """Tells whether a prompt shows a sentence for every entity, and for every relation that the chunks state.

        `few` chunks that fit whole are not looked at more closely.
        """
        if LEAST * len(chunks) > self.context_tokens:
            return False
        aside = PER_CHUNK * len(chunks) + PER_ENTITY * len(entities)
        if few and sum(map(self._size, chunks)) + aside <= self.context_tokens:
            return True
        group = (tuple(entities), tuple(chunks))
        if self._last[0] != group:  # a draw is asked about when it is made, and again for its task
            self._last = (group, self._packs(entities, relations, chunks))
        return self._last[1]

    def _packs(self, entities: Sequence[str], relations: Iterable[str], chunks: Sequence[str]) -> bool:
        found = [chunk for id in chunks if (chunk := self._chunk(id)) is not None]
        there = set(chunks)
        stated = [self._graph.relations[id] for id in relations if not there.isdisjoint(self._graph.chunks_of(id))]
        members = [self._graph.entities[id] for id in entities]
        try:
            packed = pack(found, members, stated, max_tokens=self.context_tokens)
        except FlowError:  # not even the names fit
            return False
        return packed.evidenced.issuperset([*entities, *(one.id for one in stated)])

    def _size(self, id: str) -> int:
        if id not in self._sizes:
            chunk = self._chunk(id)
            self._sizes[id] = 0 if chunk is None else chunk.tokens or count_tokens(chunk.text)
        return self._sizes[id]

    def _chunk(self, id: str) -> Chunk | None:
        chunks = self._view.chunks
        return chunks.named(id) if isinstance(chunks, StoredChunks) else self._by_id.get(id)

    @cached_property
    def _by_id(self) -> dict[str, Chunk]:
        return {chunk.id: chunk for chunk in self._view.chunks}
