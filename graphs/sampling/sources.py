"""What samplers know of the chunks: which document each is of, and how many tokens it has."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain

from ...errors import ConfigError
from ...storage.records import Chunk
from ..knowledge.links import Numbers, Rows
from .numbered import Numbered

BYTES_PER_TOKEN = 4  # of UTF-8; stands in for a chunk that was never counted


class Sources:
    """Document id and token count by chunk id. Chunks are not looked at before a sampler needs to know."""

    def __init__(self, documents: Mapping[str, str], tokens: Mapping[str, int]) -> None:
        self._read: Callable[[], tuple[Mapping[str, str], Mapping[str, int]]] = lambda: (documents, tokens)

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> Sources:
        """Reads them off the chunks; tokens of a chunk that has no count are estimated from its bytes."""
        made = cls({}, {})
        made._read = lambda: (
            {chunk.id: chunk.document for chunk in chunks},
            {chunk.id: chunk.tokens or -(-len(chunk.text.encode()) // BYTES_PER_TOKEN) for chunk in chunks},
        )
        return made

    @cached_property
    def _known(self) -> tuple[Mapping[str, str], Mapping[str, int]]:
        return self._read()

    @property
    def documents(self) -> Mapping[str, str]:
        """The document id by chunk id."""
        return self._known[0]

    @property
    def tokens(self) -> Mapping[str, int]:
        """The token count by chunk id."""
        return self._known[1]

    def tokens_of(self, graph: Numbered) -> Numbers:
        """Returns the tokens by the graph's chunk numbers; raises `ConfigError` for a chunk that is not known."""
        self._require(graph, self.tokens)
        return array("q", (self.tokens[chunk] for chunk in graph.chunk_ids))

    def documents_of(self, graph: Numbered) -> tuple[list[str], Rows]:
        """Returns the sorted document ids, and for each entity the numbers of the documents that mention it."""
        self._require(graph, self.documents)
        names = sorted({self.documents[chunk] for chunk in graph.chunk_ids})
        place = {name: number for number, name in enumerate(names)}
        of_chunk = array("i", (place[self.documents[chunk]] for chunk in graph.chunk_ids))
        keys = array("i", chain.from_iterable([entity] * graph.chunks.size(entity) for entity in range(len(graph))))
        values = array("i", (of_chunk[chunk] for chunk in graph.chunks.ends))
        return names, Rows.of(keys, values, len(graph))

    def _require(self, graph: Numbered, known: Mapping[str, object]) -> None:
        for chunk in graph.chunk_ids:
            if chunk not in known:
                raise ConfigError(
                    f"the graph has mentions in chunk '{chunk}', which sources lack; make them of all chunks that the "
                    f"graph was built from: Sources.of(chunks)"
                )
