"""Documents in: reads what the campaign names, cuts it into chunks, and books what could not be read."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ..errors import ConfigError
from ..graphs.exchange.seed_text import Part
from ..storage.chunking import chunk
from ..storage.documents import Skipped, read_documents
from ..storage.records import Chunk, Document
from ..storage.store import RunStore
from .checking.rows import MARK as COLUMNS
from .checking.rows import Columns, RowsWanted
from .seeds import keep_statements, seed_parts
from .shards import Shard
from .spec import CampaignSpec

BATCH = 100
PLACES = "read from"  # the mark with the paths that the documents were read from


@dataclass
class Ingested:
    """What came in: documents, chunks, tokens, and the names skipped by reason."""

    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


async def ingest(
    spec: CampaignSpec,
    store: RunStore,
    on_document: Callable[[str], None] | None = None,
    *,
    stopping: asyncio.Event | None = None,
    wanted: RowsWanted | None = None,
) -> Ingested:
    """Reads the campaign's documents into the store, once a run: a resumed run works on what it read first.

    Once `stopping` is set it returns what it has read so far; the next start reads everything anew. Rows without the
    columns that are `wanted` leave the documents unread too.

    Raises:
        ConfigError: a path does not exist, nothing could be read, or a column is lacking; names what was skipped, why.
    """
    wanted = wanted or RowsWanted()
    mark = store.mark("ingested")
    if mark is not None:
        if (known := store.mark(COLUMNS)) is not None:  # options may have changed
            wanted.require(Columns.of_mark(known))
        return Ingested(**{**mark, "skipped": Counter(mark["skipped"])})
    await store.forget_documents()  # of a start that ended while it read: the files may have changed since
    found, columns = Ingested(), Columns()
    batch: list[tuple[Document, list[Chunk]]] = []
    skipped: list[Skipped] = []
    shard = Shard.parse(spec.shard) if spec.shard else None
    takes = shard.takes if shard is not None else None
    try:
        reading = read_documents(spec.documents, text_field=spec.text_field, takes=takes) if spec.documents else ()
    except ConfigError as error:
        raise ConfigError(f"{error}{wanted.hint}") from None
    for document in reading:
        await asyncio.sleep(0)  # reading is work for the processor alone: between documents signals are heard
        if stopping is not None and stopping.is_set():
            return found
        if on_document is not None:
            on_document(document.name)
        if isinstance(document, Skipped):
            skipped.append(document)
            found.skipped[document.reason] += 1
            await store.add_skipped(document.name, document.reason, document.detail)
            continue
        chunks = chunk(document, max_tokens=spec.chunks.max_tokens, overlap=spec.chunks.overlap)
        batch.append((document, chunks))
        columns.add(document.meta)
        found.documents += 1
        found.chunks += len(chunks)
        found.tokens += sum(part.tokens for part in chunks)
        if len(batch) >= BATCH:
            await store.add_documents(batch)
            batch = []
    if batch:
        await store.add_documents(batch)
    for parts in batched(seed_parts(spec, takes)):
        if stopping is not None and stopping.is_set():
            return found
        await store.add_documents([(part.document, part.chunks) for part in parts])
        await keep_statements(store, parts)
        found.documents += len(parts)
        found.chunks += sum(len(part.chunks) for part in parts)
        found.tokens += sum(one.tokens for part in parts for one in part.chunks)
        if on_document is not None:
            on_document(parts[-1].document.name)
    if not found.chunks and (spec.documents or spec.graph.seed):
        raise ConfigError(f"{nothing_read(spec, skipped)}{wanted.hint}")
    wanted.require(columns)
    await store.set_mark(COLUMNS, columns.as_mark)
    await store.set_mark(
        "ingested",
        {
            "documents": found.documents,
            "chunks": found.chunks,
            "tokens": found.tokens,
            "skipped": dict(found.skipped),
        },
    )
    return found


def places_of(spec: CampaignSpec) -> list[str]:
    """Returns the paths of the documents as seen from the campaign's folder, so that a project may be moved."""
    return [os.path.relpath(path, spec.home or os.curdir) for path in spec.documents]


def passed_over(spec: CampaignSpec, store: RunStore) -> str:
    """Returns what to say of a run that read its documents from other paths than the campaign names now, or nothing."""
    before, now = store.mark(PLACES), places_of(spec)
    if before is None or before == now:
        return ""
    was, is_ = (", ".join(paths) or "nothing" for paths in (before, now))
    return f"documents: {is_} is not read, the run goes on with what it read of {was}; --refresh reads the files again"


def batched(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yields parts of a seed, some at a time."""
    left = iter(parts)
    while some := list(islice(left, BATCH)):
        yield some


def nothing_read(spec: CampaignSpec, skipped: Sequence[Skipped]) -> ConfigError:
    """Returns the error for documents of which none can be used: names the first that were skipped, and why."""
    if spec.shard and not skipped:
        return ConfigError(f"documents: none falls to shard {spec.shard}; take fewer shards, or leave this one out")
    reasons = "".join(f"\n  {entry.name}: {entry.reason}: {entry.detail}" for entry in skipped[:10])
    return ConfigError(
        f"documents: nothing could be read from {', '.join(spec.documents)}"
        + (f"; {len(skipped)} were skipped:{reasons}" if skipped else "; there are no files")
    )
