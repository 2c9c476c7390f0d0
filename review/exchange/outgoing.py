"""Items for another tool: one line each with all that it takes to decide them, and what was decided so far.

The queue is read as it stands at one moment, some hundred items at a time; the file appears when it is whole.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from ...campaigns.terminal import json_text
from ...storage.datasets.shapes import CALLS
from ...storage.datasets.writers import disk_errors
from ...storage.records import Item, Span
from ...storage.reviews import Review, Reviews, decision_of
from ...storage.store import RunStore
from ..listing import pages_of
from ..queue.index import ReviewIndex
from ..queue.query import Filters, Seen, Sort

KEPT = ("id", "task", "kind", "status", "reasons", "messages", "fields", "attributes", "entities", "round", "drafts",
        "verdicts", "error", "raw")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handed:
    """An item that is handed out: as the critics left it, as the queue shows it, with what people did."""

    item: Item
    number: int
    seen: Seen
    history: tuple[Review, ...]
    sources: tuple[dict[str, Any], ...]

    @property
    def last(self) -> str:
        """The last event that an import knows to have been seen; "" when there was none."""
        return self.history[-1].id if self.history else ""


def handed(
    index: ReviewIndex,
    store: RunStore,
    filters: Filters,
    sort: Sort = Sort.OLDEST,
    *,
    reviewer: str = "",
    limit: int | None = None,
) -> Iterator[Handed]:
    """Yields the items that `filters` let through, in the order `sort`, at most `limit`."""
    name_of = lru_cache(maxsize=10_000)(store.document_name)
    for page in pages_of(index, filters, sort, reviewer=reviewer, limit=limit):
        ids = [one.id for one in page.items]
        items, histories = store.numbered(ids), Reviews(store).histories(ids)
        for seen in page.items:
            if seen.id in items:  # a failed task may have begun again meanwhile
                number, item = items[seen.id]
                sources = tuple(_source(store, name_of(store.document_of(key)), key, item) for key in item.chunks)
                yield Handed(item, number, seen, tuple(histories.get(seen.id, ())), sources)


def line_of(one: Handed) -> dict[str, Any]:
    """Returns an item as a line of an export: JSON values, `decide` left for the other tool to fill."""
    found = one.item.model_dump(mode="json", include=set(KEPT), exclude=CALLS)
    decision = decision_of(one.history)
    return {name: found[name] for name in KEPT} | {
        "sources": list(one.sources),
        "score": one.seen.score,
        "critics": list(one.seen.critics),
        "why": list(one.seen.why),
        "origin": one.seen.origin,
        "decision": decision and decision.model_dump(mode="json", exclude={"prompts", "models"}),
        "last": one.last,
        "number": one.number,
        "decide": None,
    }


def write_lines(path: Path, lines: Iterable[dict[str, Any]], *, array: bool = False) -> int:
    """Writes values, one a line, or as an array with one element a line; returns how many. `-` is stdout.

    Raises:
        ConfigError: the file cannot be written.
        StoreFull: the disk is full; a file that was there is as it was.
    """
    if path == Path("-"):
        return _write(sys.stdout.buffer, lines, array)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".review-", suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                count = _write(file, lines, array)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return count


def _write(file: BinaryIO, lines: Iterable[dict[str, Any]], array: bool) -> int:
    count = 0
    file.write(b"[" if array else b"")
    for line in lines:
        file.write((b",\n" if count else b"\n") if array else b"")
        file.write(json_text(line))
        file.write(b"" if array else b"\n")
        count += 1
    file.write(b"\n]\n" if array else b"")
    return count


def _source(store: RunStore, document: str, key: str, item: Item) -> dict[str, Any]:
    """A passage with what was cited of it; spans are characters of its `text`."""
    chunk = store.chunk(key)
    spans: dict[Span, None] = dict.fromkeys(item.evidence)
    for cited in (*(draft.evidence for draft in item.drafts), *(verdict.evidence for verdict in item.verdicts)):
        spans |= dict.fromkeys(cited)
    return {
        "chunk": key,
        "document": document,
        "headings": list(chunk.headings),
        "start": chunk.start,
        "text": chunk.text,
        "spans": [span.model_dump(mode="json", exclude={"chunk"}) for span in spans if span.chunk == key],
    }
