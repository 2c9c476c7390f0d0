"""Documents again: what was added, changed or removed since they were read, and what that leaves without its evidence.

Nothing is forgotten: former versions stay in the store, and the items made from them lead there. An item is stale when
what it cites is in no current version of its document. Its place is made again: it no longer counts, nor is exported.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import orjson

from ...storage.chunking import chunk
from ...storage.documents import Skipped, read_documents
from ...storage.records import Chunk, Document
from ...storage.store import RunStore
from ...storage.versions import Versions, current_documents, keep_documents, known_documents, make_current
from ..checking.rows import MARK as COLUMNS
from ..checking.rows import Columns, RowsWanted
from ..ingest import BATCH, batched, nothing_read
from ..seeds import keep_statements, seed_parts
from ..shards import Shard
from ..spec import CampaignSpec
from .staleness import versions_of

NAMED, SHOWN = 10, 3  # names of each sort that are kept for people, and that are said at once


@dataclass(frozen=True)
class Refreshed:
    """How the documents differ from those read before. Counts, and the first names of each sort.

    `kept` could not be read now and stay as they were; `stale` and `withdrawn` count items and tasks.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    stale: int = 0
    stale_accepted: int = 0
    withdrawn: int = 0
    names: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def described(self) -> str:
        """In words, as in `documents: 1 added (wells.txt), 1 changed (rance.md), 40 unchanged; ...`."""
        parts = [
            f"{count} {word}{_named(self.names.get(word, []), count)}"
            for count, word in (
                (self.added, "added"),
                (self.changed, "changed"),
                (self.removed, "removed"),
                (self.kept, "unreadable now and kept as they were"),
                (self.unchanged, "unchanged"),
            )
            if count
        ]
        items = f"; {self.stale} items are stale, {self.stale_accepted} of them accepted" if self.stale else ""
        tasks = f"; {self.withdrawn} tasks withdrawn" if self.withdrawn else ""
        return "documents: " + ", ".join(parts) + items + tasks


def _named(names: list[str], count: int) -> str:
    if not names:
        return ""
    return f" ({', '.join(names[:SHOWN])}{', ...' if count > SHOWN else ''})"


@dataclass
class _Reading:
    """What a reading of the files found. `documents` are (id, name) in order."""

    documents: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    kept: int = 0
    columns: Columns = field(default_factory=Columns)


async def refresh(
    spec: CampaignSpec,
    store: RunStore,
    on_document: Callable[[str], None] | None = None,
    *,
    stopping: asyncio.Event | None = None,
    wanted: RowsWanted | None = None,
) -> Refreshed | None:
    """Reads the campaign's documents again and makes what is there now the run's documents.

    Only new and changed ones are cut into chunks; the knowledge graph, where there is one, is marked as not built.
    Returns None when `stopping` was set before all were read: the run is as it was.

    Raises:
        ConfigError: a path does not exist, nothing could be read, or rows lack a column that is `wanted`; the run is as
            it was.
    """
    before = current_documents(store)
    reading = await _read(spec, store, before, on_document, stopping)
    if reading is None:
        return None
    if not reading.documents:
        raise nothing_read(
            spec, [Skipped(name=name, reason=why, detail=detail) for name, why, detail in reading.skipped]
        )
    if wanted is not None:
        wanted.require(reading.columns)
    now = {name: id for id, name in reading.documents}
    found = _compared(before, now, reading.kept)
    if reading.documents == [(id, name) for name, id in before.items()]:
        return found
    versions = await asyncio.to_thread(versions_of, store, reading.documents, reading.skipped, before)
    found = replace(found, stale=len(versions.stale), withdrawn=len(versions.withdrawn))
    found = replace(found, stale_accepted=_accepted(store, versions))
    marked = _marked(store, versions, found)
    await make_current(store, replace(marked, marks={**marked.marks, COLUMNS: reading.columns.as_mark}))
    return found


async def _read(
    spec: CampaignSpec,
    store: RunStore,
    before: Mapping[str, str],
    on_document: Callable[[str], None] | None,
    stopping: asyncio.Event | None,
) -> _Reading | None:
    """Reads all files; stores what is new, not yet current."""
    reading, known, batch = _Reading(), set(known_documents(store)), list[tuple[Document, list[Chunk]]]()
    shard = Shard.parse(spec.shard) if spec.shard else None
    takes = shard.takes if shard is not None else None
    came_of = _by_file(before)

    def tells(key: str) -> bool:  # a file that cannot be read is told to every shard that has a document of it
        return shard is None or shard.takes(key) or key in came_of

    for document in read_documents(spec.documents, text_field=spec.text_field, takes=tells) if spec.documents else ():
        await asyncio.sleep(0)
        if stopping is not None and stopping.is_set():
            return None
        if on_document is not None:
            on_document(document.name)
        if isinstance(document, Skipped):
            if takes is None or document.reason == "duplicate" or takes(document.name):
                reading.skipped.append((document.name, document.reason, document.detail))
            if document.reason not in ("duplicate", "no_rows"):  # a file that cannot be read for a while is not gone
                same = [(before[name], name) for name in came_of.get(document.name, ())]
                reading.documents += same
                reading.kept += len(same)
            continue
        reading.documents.append((document.id, document.name))
        reading.columns.add(document.meta)
        if document.id not in known:
            known.add(document.id)
            batch.append((document, chunk(document, max_tokens=spec.chunks.max_tokens, overlap=spec.chunks.overlap)))
        if len(batch) >= BATCH:
            await keep_documents(store, batch)
            batch = []
    if batch:
        await keep_documents(store, batch)
    for parts in batched(seed_parts(spec, takes)):
        if stopping is not None and stopping.is_set():
            return None
        reading.documents += [(part.document.id, part.document.name) for part in parts]
        new = [part for part in parts if part.document.id not in known]
        known.update(part.document.id for part in new)
        await keep_documents(store, [(part.document, part.chunks) for part in new])
        await keep_statements(store, new)
    reading.documents = list(dict(reading.documents).items())
    return reading


def _by_file(documents: Iterable[str]) -> Mapping[str, list[str]]:
    """The names of documents by their own, and by that of the table whose rows they are."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in documents:
        found[name].append(name)
        table, mark, _ = name.rpartition("#")
        if mark:
            found[table].append(name)
    return dict(found)


def _compared(before: Mapping[str, str], now: Mapping[str, str], kept: int) -> Refreshed:
    ids = set(before.values())
    added = [name for name, id in now.items() if name not in before and id not in ids]
    changed = [name for name, id in now.items() if name in before and before[name] != id and id not in ids]
    current, replaced = set(now.values()), set(changed)
    removed = [name for name, id in before.items() if id not in current and name not in replaced]
    return Refreshed(
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        unchanged=len(now) - len(added) - len(changed) - kept,
        kept=kept,
        names={
            word: names[:NAMED]
            for word, names in (("added", added), ("changed", changed), ("removed", removed))
            if names
        },
    )


def _accepted(store: RunStore, versions: Versions) -> int:
    if not versions.stale:
        return 0
    accepted = {id for (id,) in store.rows("SELECT id FROM items WHERE status = 'accepted'")}
    return sum(id in accepted for id, _ in versions.stale)


def _marked(store: RunStore, versions: Versions, found: Refreshed) -> Versions:
    ids = [id for id, _ in versions.documents]
    chunks, tokens = _sizes(store, ids)
    reasons: dict[str, int] = {}
    for _, reason, _ in versions.skipped:
        reasons[reason] = reasons.get(reason, 0) + 1
    marks: dict[str, object] = {
        "ingested": {"documents": len(ids), "chunks": chunks, "tokens": tokens, "skipped": reasons},
        "refreshed": {"times": ((store.mark("refreshed") or {}).get("times", 0)) + 1, **asdict(found)},
    }
    if store.mark("graph") is not None:
        marks["graph"] = None  # the next phase builds it from what is current, and pays for new chunks only
    return replace(versions, marks=marks)


def _sizes(store: RunStore, documents: Iterable[str]) -> tuple[int, int]:
    chunks = tokens = 0
    for id in documents:
        for (body,) in store.rows("SELECT body FROM chunks WHERE document = ?", id):
            chunks += 1
            tokens += int(orjson.loads(body).get("tokens", 0))
    return chunks, tokens
