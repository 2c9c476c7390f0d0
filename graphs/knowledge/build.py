"""Builds a graph from chunks in one call, for scripts and tests. A campaign does the same with its own store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...agents.extraction.extractor import Extractor, with_before
from ...agents.extraction.records import Extraction
from ...agents.extraction.schema import DEFAULT, GraphSchema
from ...agents.state import FlowContext
from ...errors import AccessDenied, ModelError, ServerLost
from ...storage.records import Chunk
from ..resolution.settings import ResolutionSettings
from .each import for_each
from .graph import KnowledgeGraph
from .merge import MergeBooks, merge_resolved


@dataclass(frozen=True)
class Build:
    """A graph, the extractions it was made of, and the chunks that failed, each with its error."""

    graph: KnowledgeGraph
    books: MergeBooks
    extractions: tuple[Extraction, ...]
    failed: Mapping[str, ModelError]


async def build(
    chunks: Iterable[Chunk],
    extract: Extractor,
    context: FlowContext,
    *,
    concurrency: int = 16,
    schema: GraphSchema = DEFAULT,
    resolution: ResolutionSettings | None = None,
    on_result: Callable[[Chunk, Extraction | ModelError], None] | None = None,
) -> Build:
    """Extracts from every chunk, `concurrency` at a time, and merges.

    `schema` is that of the extractor; `resolution` says which names are one entity (no model is asked about them here).
    A chunk whose model call fails is reported and the rest goes on. `on_result` is called once a chunk, as they end.
    The chunks of a document come in their order, so that an extractor which looks back finds the one before.

    Raises:
        AccessDenied, ServerLost, BudgetExceeded, ConfigError: every further call would fail too.
    """
    done: dict[str, Extraction] = {}
    failed: dict[str, ModelError] = {}

    documents: dict[str, str] = {}

    async def one(pair: tuple[Chunk, Chunk | None]) -> None:
        chunk, before = pair
        documents[chunk.id] = chunk.document
        result: Extraction | ModelError
        try:
            result = done[chunk.id] = await extract(chunk, context, before)
        except (AccessDenied, ServerLost):
            raise
        except ModelError as error:
            result = failed[chunk.id] = error
        if on_result is not None:
            on_result(chunk, result)

    await for_each(with_before(chunks), one, concurrency=concurrency)
    extractions = tuple(done[chunk] for chunk in sorted(done))
    merged = merge_resolved(extractions, documents=documents, settings=resolution, schema=schema)
    return Build(merged.graph, merged.books, extractions, dict(sorted(failed.items())))
