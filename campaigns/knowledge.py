"""The graph phase: extracts every chunk once, merges what came, summarises what is long, and stores the graph.

Every chunk fails alone: what went wrong is booked with the chunk, and the graph is made of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from ..agents.extraction import Extraction
from ..agents.extractor import Extractor, extractor, with_before
from ..agents.state import FlowContext
from ..agents.terms import confirmed, terms_extractor
from ..errors import AccessDenied, BudgetExceeded, ConfigError, ServerLost, StoreError
from ..graphs.knowledge.communities import installed_method
from ..graphs.knowledge.cooccurrence import weigh_cooccurrence
from ..graphs.knowledge.each import for_each
from ..graphs.knowledge.graph import KnowledgeGraph
from ..graphs.knowledge.merge import assemble
from ..graphs.knowledge.summarise import summarise
from ..graphs.resolution.judging import JudgeBooks, judge
from ..graphs.resolution.references import gather
from ..graphs.resolution.resolve import resolve
from ..graphs.resolution.types import Types
from ..storage.records import Chunk, content_id
from ..storage.rulings import RESOLUTION, Rulings, in_force
from ..storage.store import RunStore
from .ledger import ChunkLedger, Tally, ledger_dict, lines_of
from .outcome import storable
from .spec import GraphSpec

FATAL = (AccessDenied, ServerLost, ConfigError, StoreError, BudgetExceeded)
ERROR, RAW = 500, 4_000  # characters that are kept of what a failed chunk's error says, and of the answer


def reader(spec: GraphSpec) -> Extractor:
    """Makes what reads a chunk as the campaign says: a model, rules, or either by the chunk's or document's hash."""
    by_rules = terms_extractor(schema=spec.types)
    if spec.extractor == "terms":
        return by_rules
    by_model = extractor(
        schema=spec.types,
        max_gleanings=spec.max_gleanings,
        min_yield=spec.min_yield,
        claims=spec.claims,
        context_tokens=spec.context_tokens,
    )

    async def read(chunk: Chunk, context: FlowContext, before: Chunk | None = None) -> Extraction:
        if spec.extractor == "mixed" and not is_of_share(spec, chunk):
            return await by_rules(chunk, context, before)
        try:
            return await by_model(chunk, context, before)
        except FATAL:
            raise
        except Exception as error:
            if not spec.rescue:
                raise
            found = await by_rules(chunk, context, before)
            return found.model_copy(update={"rescued": _reason(error)})

    return read


def is_of_share(spec: GraphSpec, chunk: Chunk) -> bool:
    """Whether a model reads this chunk of a mixed graph: the same chunks in whatever order they come."""
    key = chunk.document if spec.share_of == "documents" else chunk.id
    return int(content_id("share", key)[-12:], 16) < spec.model_share * 16**12


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
        return KnowledgeGraph.load(store)
    done = {chunk for chunk, _, _ in store.extractions()}
    waiting = ((chunk, before) for chunk, before in with_before(chunks) if chunk.id not in done)
    read = reader(spec)

    spent: list[BudgetExceeded] = []

    async def one(pair: tuple[Chunk, Chunk | None]) -> None:
        chunk, before = pair
        if stopping.is_set() or spent:
            return
        try:
            body, reason = (await read(chunk, context, before)).model_dump_json(), ""
        except BudgetExceeded as error:  # what is in flight is paid for: it may end
            spent.append(error)
            return
        except FATAL:
            raise
        except Exception as error:  # a user's model may raise anything; it costs this chunk and no other
            body, reason = _said(error), _reason(error)
        await store.add_extraction(chunk.id, body, reason=reason)
        on_chunk(chunk.id)

    await for_each(waiting, one, concurrency=concurrency)
    if spent:
        raise spent[0]
    if stopping.is_set():
        return None
    graph, resolution, ledger = await _merged(spec, store, chunks, context, concurrency)
    await store.set_mark(RESOLUTION, resolution)
    graph, summaries = await summarise(graph, context, max_tokens=spec.summary_tokens, concurrency=concurrency)
    ledger = {"chunks": len(chunks), **ledger, "summaries": summaries.model_dump(mode="json")}
    ledger["communities"] = installed_method()  # a run that goes on elsewhere finds the same ones, or says why not
    await store.set_graph(graph.entities.values(), graph.relations.values(), ledger)
    return KnowledgeGraph.load(store)


async def _merged(
    spec: GraphSpec, store: RunStore, chunks: Sequence[Chunk], context: FlowContext, concurrency: int
) -> tuple[KnowledgeGraph, dict[str, Any], dict[str, Any]]:
    """Merges what is stored; returns the graph, how its entities were resolved, and the books of all steps.

    A model is asked about names in the grey zone where the campaign says so; its answers are stored as they come.
    """
    tally = Tally(line for line in lines_of(store) if line.failed)
    by_rules: set[str] = set()

    def stored() -> Iterator[Extraction]:
        return (Extraction.model_validate_json(body) for _, reason, body in store.extractions() if not reason)

    def noted(extractions: Iterable[Extraction]) -> Iterator[Extraction]:
        for extraction in extractions:
            tally.add(ChunkLedger.of(extraction))
            if extraction.by == "terms":
                by_rules.add(extraction.chunk)
            yield extraction

    asks_rules = spec.extractor != "model" or spec.rescue
    rulings, types = Rulings(store), Types.of(spec.types, spec.resolution.near_types)
    documents = {chunk.id: chunk.document for chunk in chunks}
    found = noted(confirmed(stored, min_chunks=spec.min_chunks) if asks_rules else stored())
    gathering, judged = gather(found, documents, in_force(rulings.all())), JudgeBooks()
    if spec.resolution.use_model:
        _, judged = await judge(
            gathering.references,
            rulings.all(),
            context,
            text_of=lambda chunk: store.chunk(chunk).text,
            store=rulings.add,
            settings=spec.resolution,
            types=types,
            concurrency=concurrency,
        )
    merged = assemble(gathering, resolve(gathering.references, rulings.all(), spec.resolution, types=types))
    ledger = tally.ledger
    books = {
        "failed": ledger.failed,
        "extraction": ledger_dict(ledger),
        "merge": merged.books.model_dump(mode="json"),
        "judged": judged.model_dump(mode="json"),
    }
    return weigh_cooccurrence(merged.graph, by_rules), merged.resolution.as_json(), books


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", type(error).__name__))


def _said(error: Exception) -> str:
    """What is kept of a failed chunk beside the reason: the message, and what the model answered."""
    said = {"error": storable(str(error))[:ERROR], "raw": storable(str(getattr(error, "raw", "") or ""))[:RAW]}
    return orjson.dumps(said).decode()
