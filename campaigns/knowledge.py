"""The graph phase: extracts every chunk once, merges what came, summarises what is long, and stores the graph.

Every chunk fails alone: what went wrong is booked with the chunk, and the graph is made of the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..agents.extraction import Extraction
from ..agents.extractor import extractor
from ..agents.state import FlowContext
from ..errors import AccessDenied, BudgetExceeded, ConfigError, ServerLost, StoreError
from ..graphs.knowledge.each import for_each
from ..graphs.knowledge.graph import KnowledgeGraph
from ..graphs.knowledge.merge import merge_resolved
from ..graphs.knowledge.summarise import summarise
from ..storage.records import Chunk
from ..storage.rulings import RESOLUTION, Rulings
from ..storage.store import RunStore
from .spec import GraphSpec

FATAL = (AccessDenied, ServerLost, ConfigError, StoreError)


async def build_graph(
    spec: GraphSpec,
    store: RunStore,
    chunks: Sequence[Chunk],
    context: FlowContext,
    *,
    concurrency: int,
    stopping: asyncio.Event,
    on_chunk: Callable[[str], None],
) -> KnowledgeGraph | None:
    """Builds the graph, or loads the one that an earlier start of this run has finished.

    Returns None when `stopping` was set before it was done: the extractions made so far are stored.

    Raises:
        BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError: the campaign must stop.
    """
    if store.mark("graph") is not None:
        entities, relations = store.graph()
        return KnowledgeGraph(entities, relations)
    done = {chunk for chunk, _, _ in store.extractions()}
    waiting = (chunk for chunk in chunks if chunk.id not in done)
    extract = extractor(schema=spec.types, max_gleanings=spec.max_gleanings)

    spent: list[BudgetExceeded] = []

    async def one(chunk: Chunk) -> None:
        if stopping.is_set() or spent:
            return
        try:
            body, reason = (await extract(chunk, context)).model_dump_json(), ""
        except FATAL:
            raise
        except BudgetExceeded as error:  # what is in flight is paid for: it may end
            spent.append(error)
            return
        except Exception as error:  # a user's model may raise anything; it costs this chunk and no other
            body, reason = "", getattr(error, "reason", type(error).__name__)
        await store.add_extraction(chunk.id, body, reason=reason)
        on_chunk(chunk.id)

    await for_each(waiting, one, concurrency=concurrency)
    if spent:
        raise spent[0]
    if stopping.is_set():
        return None
    failed = Counter(reason for _, reason, _ in store.extractions() if reason)
    merged = merge_resolved(
        (Extraction.model_validate_json(body) for _, reason, body in store.extractions() if not reason),
        documents={chunk.id: chunk.document for chunk in chunks},
        rulings=Rulings(store).all(),
        settings=spec.resolution,
        schema=spec.types,
    )
    await store.set_mark(RESOLUTION, merged.resolution.as_json())
    graph, summaries = await summarise(merged.graph, context, max_tokens=spec.summary_tokens, concurrency=concurrency)
    ledger: dict[str, Any] = {
        "chunks": len(chunks),
        "failed": dict(failed),
        "merge": merged.books.model_dump(mode="json"),
        "summaries": summaries.model_dump(mode="json"),
    }
    await store.set_graph(graph.entities.values(), graph.relations.values(), ledger)
    return graph
