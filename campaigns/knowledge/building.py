"""The graph phase: extracts every chunk once, merges what came, summarises what is long, and stores the graph.

Every chunk fails alone: what went wrong is booked with the chunk, and the graph is made of the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from ...agents.extraction.batches import batches
from ...agents.extraction.extractor import BatchExtractor, Extractor, batch_extractor, with_before
from ...agents.extraction.points import Columns, points_extractor
from ...agents.extraction.records import Extraction
from ...agents.extraction.terms import terms_extractor
from ...agents.state import FlowContext
from ...errors import AccessDenied, BudgetExceeded, ConfigError, ServerLost, StoreError
from ...graphs.knowledge.communities import installed_method
from ...graphs.knowledge.each import for_each
from ...graphs.knowledge.graph import KnowledgeGraph
from ...graphs.knowledge.summarise import SummaryBooks, summarise, tokens
from ...graphs.resolution.alike import AlikeBooks, alike
from ...graphs.resolution.judging import JudgeBooks, judge
from ...storage.graph import put_entities
from ...storage.records import Chunk, content_id
from ...storage.rulings import Rulings
from ...storage.schema import ADD_EXTRACTION, FORGET_EXTRACTION, UNKEEP
from ...storage.store import RunStore, mark_statement
from ..gating.gate import named_embedder
from ..outcome import storable
from ..spec import GraphSpec
from .merging import Made, Material
from .regraph import SUMMARIES, change_to, digest_of, known_summaries

Batched = tuple[tuple[Chunk, ...], Chunk | None]
FATAL = (AccessDenied, ServerLost, ConfigError, StoreError, BudgetExceeded)
ERROR, RAW = 500, 4_000  # characters that are kept of what a failed chunk's error says, and of the answer


def reader(
    spec: GraphSpec, columns: Columns, source: Callable[[Chunk], str] = lambda chunk: chunk.document
) -> BatchExtractor:
    """Makes what reads chunks as the campaign says: a model, rules, or either by the chunk's or document's hash.

    Chunks that are read together are all of one reader (`batches_of`). `columns` are those of the row that a chunk is,
    `source` is its file and line.
    """
    if spec.extractor == "points":
        return _one_by_one(points_extractor(spec.points, columns=columns, source=source))
    by_rules = _one_by_one(terms_extractor(schema=spec.types))
    if spec.extractor == "terms":
        return by_rules
    by_model = batch_extractor(
        schema=spec.types,
        max_gleanings=spec.max_gleanings,
        min_yield=spec.min_yield,
        claims=spec.claims,
        context_tokens=spec.context_tokens,
    )

    async def read(
        chunks: Sequence[Chunk], context: FlowContext, before: Chunk | None = None
    ) -> tuple[Extraction, ...]:
        if spec.extractor == "mixed" and not is_of_share(spec, chunks[0]):
            return await by_rules(chunks, context)
        try:
            return await by_model(chunks, context, before)
        except FATAL:
            raise
        except Exception as error:
            if not spec.rescue or len(chunks) > 1:
                raise
            found = await by_rules(chunks, context)
            return tuple(one.model_copy(update={"rescued": _reason(error)}) for one in found)

    return read


def _one_by_one(read: Extractor) -> BatchExtractor:
    async def each(
        chunks: Sequence[Chunk], context: FlowContext, before: Chunk | None = None
    ) -> tuple[Extraction, ...]:
        return tuple([await read(chunk, context) for chunk in chunks])

    return each


def batches_of(spec: GraphSpec, chunks: Iterable[Chunk]) -> Iterator[Batched]:
    """Yields the chunks that are read together, each with the chunk before: one for one where rules read them, and
    where each is a problem."""
    for batch, before in batches(chunks, 0 if spec.extractor in ("terms", "points") else spec.call_tokens):
        if spec.extractor == "mixed" and not all(is_of_share(spec, chunk) for chunk in batch):
            yield from (((chunk,), last) for chunk, last in with_before(batch, before))
        else:
            yield batch, before


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
    if (ledger := store.mark("graph")) is not None:
        if ledger.get("unsummarised"):
            await _summarised(spec, store, context, concurrency, ledger)
        return KnowledgeGraph.load(store)
    done = {chunk for (chunk,) in store.rows("SELECT chunk FROM extractions")}
    waiting = batches_of(spec, chunks)
    read = reader(
        spec,
        lambda chunk: store.document(chunk.document).meta,
        lambda chunk: store.document_name(chunk.document),
    )

    spent: list[BudgetExceeded] = []

    async def one(batch: Batched) -> None:
        pairs = [(chunk, before) for chunk, before in with_before(*batch) if chunk.id not in done]
        if stopping.is_set() or spent or not pairs:
            return
        waits = tuple(chunk for chunk, _ in pairs)
        try:
            found = await read(waits, context, pairs[0][1])
            bodies = [(one.chunk, "", one.model_dump_json()) for one in found]
            await store.write((ADD_EXTRACTION, bodies), (UNKEEP, [(one.chunk,) for one in found]))
        except BudgetExceeded as error:  # what is in flight is paid for: it may end
            spent.append(error)
            return
        except FATAL:
            raise
        except Exception as error:  # a user's model may raise anything; it costs this chunk and no other
            if len(waits) > 1:  # what cannot be read together may be readable alone
                for chunk, before in pairs:
                    await one(((chunk,), before))
                return
            await store.add_extraction(waits[0].id, _said(error), reason=_reason(error))
        for chunk in waits:
            on_chunk(chunk.id)

    await for_each(waiting, one, concurrency=concurrency)
    if spent:
        raise spent[0]
    if stopping.is_set():
        return None
    made, books = await _made(spec, store, context, concurrency)
    return await _kept(spec, store, made, books, context, concurrency)


async def reread_failed(store: RunStore) -> int:
    """Forgets which chunks could not be read, so that the graph is made again with them; returns how many those are.

    Only they are asked for again. An answer that came and could not be used is in the cache of calls: it changes only
    with the model, the prompt or its limits.
    """
    failed = [
        (chunk,)
        for (chunk,) in store.rows(
            "SELECT e.chunk FROM extractions e JOIN chunks c ON c.id = e.chunk WHERE c.place >= 0 AND e.reason <> ''"
        )
    ]
    if failed:
        unbuilt = [mark_statement("graph", None)] if store.mark("graph") is not None else []
        await store.write((FORGET_EXTRACTION, failed), (UNKEEP, failed), *unbuilt)
    return len(failed)


async def _made(
    spec: GraphSpec, store: RunStore, context: FlowContext, concurrency: int
) -> tuple[Made, dict[str, AlikeBooks | JudgeBooks]]:
    """Makes the graph of what is stored. Where the campaign says so an embedder joins names that are alike, and a model
    is asked about those in the grey zone; what they say is stored before the graph is made of it.
    """
    material, rulings, wanted = Material(spec, store), Rulings(store), spec.resolution
    books: dict[str, AlikeBooks | JudgeBooks] = {"judged": JudgeBooks()}
    if not wanted.use_model and not wanted.alike:
        return await asyncio.to_thread(material.brought_up, list(rulings.all())), books
    gathered = await asyncio.to_thread(material.gathered, list(rulings.all()))
    references = gathered.gathering.references
    if wanted.alike:
        embedder = named_embedder(wanted.embedder, context.models, "graph.resolution.embedder")
        found, books["alike"] = await alike(references, rulings.all(), embedder, material.types, threshold=wanted.alike)
        await rulings.add(*found)
    if wanted.use_model:
        _, books["judged"] = await judge(
            references,
            rulings.all(),
            context,
            text_of=lambda chunk: store.chunk(chunk).text,
            store=rulings.add,
            settings=wanted,
            types=material.types,
            concurrency=concurrency,
        )
    return await asyncio.to_thread(material.made, list(rulings.all()), gathered), books


async def _kept(
    spec: GraphSpec,
    store: RunStore,
    made: Made,
    asked: Mapping[str, AlikeBooks | JudgeBooks],
    context: FlowContext,
    concurrency: int,
) -> KnowledgeGraph:
    """Summarises what is long, and writes what is other than the stored graph."""
    known = known_summaries(store, made.graph)
    graph, summaries = await summarise(
        made.graph, context, max_tokens=spec.summary_tokens, concurrency=concurrency, known=known
    )
    full = made.graph.entities
    failed = [
        id
        for id, one in graph.entities.items()
        if tokens(one.description) > spec.summary_tokens and one.description == full[id].description
    ]
    waiting = 0
    if made.scope is not None:
        summaries, waiting = _of_all(summaries, made, store.mark(SUMMARIES) or {})
    ledger = {
        "chunks": store.count("chunks"),
        **made.books,
        **{name: books.model_dump(mode="json") for name, books in asked.items()},
        "summaries": summaries.model_dump(mode="json"),
        "unsummarised": waiting,
        "communities": installed_method(),  # a run that goes on elsewhere finds the same ones, or says why not
    }
    causes = [f"refresh:{(store.mark('refreshed') or {}).get('times', 0)}"]
    change = await asyncio.to_thread(change_to, store, made, graph, ledger, causes=causes, unsummarised=failed)
    await store.write(*change.statements)
    if waiting:
        await _summarised(spec, store, context, concurrency, store.mark("graph"))
    return KnowledgeGraph.load(store)


def _of_all(part: SummaryBooks, made: Made, before: Mapping[str, str]) -> tuple[SummaryBooks, int]:
    """The books of all entities, of which a part was made anew: the others are as they were, those that still want a
    summary under the reason `waiting`, and how many these are."""
    scope, entities = made.scope.entities if made.scope else frozenset(), made.resolution.counts["entities"]
    others = [digest for id, digest in before.items() if id not in scope]
    summarised, waiting = part.summarised + len(list(filter(None, others))), others.count("")
    failed = {**part.failed, "waiting": waiting} if waiting else part.failed
    short = entities - summarised - sum(failed.values())
    return part.model_copy(
        update={"entities": entities, "summarised": summarised, "short": short, "failed": failed}
    ), waiting


async def _summarised(
    spec: GraphSpec, store: RunStore, context: FlowContext, concurrency: int, ledger: dict[str, Any]
) -> None:
    """Summarises what was left long: by an edit of the graph, which asks no model, or by a call that failed before."""
    full, made = KnowledgeGraph.load(store), store.mark(SUMMARIES) or {}
    known = {id: full.entities[id].description for id, digest in made.items() if digest and id in full.entities}
    graph, books = await summarise(full, context, max_tokens=spec.summary_tokens, concurrency=concurrency, known=known)
    new = [one for one in graph.entities.values() if one.description != full.entities[one.id].description]
    made |= {one.id: digest_of(full.entities[one.id].description) for one in new}
    summarised = len(list(filter(None, made.values())))
    books = books.model_copy(
        update={"summarised": summarised, "short": books.entities - summarised - sum(books.failed.values())}
    )
    ledger = {**ledger, "summaries": books.model_dump(mode="json"), "unsummarised": 0}
    await store.write(put_entities(new), mark_statement(SUMMARIES, made), mark_statement("graph", ledger))


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", type(error).__name__))


def _said(error: Exception) -> str:
    """What is kept of a failed chunk beside the reason: the message, and what the model answered."""
    said = {"error": storable(str(error))[:ERROR], "raw": storable(str(getattr(error, "raw", "") or ""))[:RAW]}
    return orjson.dumps(said).decode()
