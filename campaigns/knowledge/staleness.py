"""What hangs on documents that are no longer current: stale items, waiting tasks, passages that stayed as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from ...storage.identities import Identities
from ...storage.records import Task
from ...storage.returns import is_refine
from ...storage.store import RunStore
from ...storage.versions import Versions, chunks_of, known_documents, withdraw

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ...graphs.knowledge.graph import KnowledgeGraph

REMOVED, CHANGED = "document_removed", "evidence_changed"  # why an item is stale


def versions_of(
    store: RunStore,
    documents: Sequence[tuple[str, str]],
    skipped: Sequence[tuple[str, str, str]],
    before: Mapping[str, str],
) -> Versions:
    """Finds what hangs on documents that are no longer current. Reads all items when there are such documents.

    `documents` are (id, name) of what is to be current, `before` the ids of what was, by name. A text that was there
    under another name is no new version of the one whose name it has now; and a row of a table has no versions: its
    number says where it stands, not which it is.
    """
    current = {id for id, _ in documents}
    ids = set(before.values())
    names = {
        name: id
        for id, name in documents
        if (id not in ids or before.get(name) == id) and not name.rpartition("#")[2].isdecimal()
    }
    successors = {id: names.get(name) for id, name in known_documents(store).items() if id not in current}
    gone = {
        chunk: document for chunk, document in store.rows("SELECT id, document FROM chunks") if document in successors
    }
    judge = _Judge(store, gone, successors)
    return Versions(
        documents=documents,
        skipped=skipped,
        stale=list(_stale(store, judge)) if gone else [],
        heirs=_heirs(store, successors),
        withdrawn=[task.id for task in _waiting(store) if not gone.keys().isdisjoint(task.chunks)] if gone else [],
    )


def _heirs(store: RunStore, successors: Mapping[str, str | None]) -> dict[str, str]:
    """Maps the chunks of former versions to current ones of the same text under the same headings.

    Of several that are the same, such as a licence that stands twice, the nth leads to the nth; the last to the last
    when there are fewer.
    """
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for former, successor in successors.items():
        if successor is not None:
            versions[successor].append(former)
    found: dict[str, str] = {}
    for successor, formers in versions.items():
        now = _same(store, successor)
        for former in formers:
            for said, ids in _same(store, former).items():
                if said in now:
                    found |= {id: now[said][min(at, len(now[said]) - 1)] for at, id in enumerate(ids)}
    return found


def _same(store: RunStore, document: str) -> Mapping[tuple[tuple[str, ...], str], Sequence[str]]:
    """A document's chunks by their headings and text, in their order."""
    found: defaultdict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for one in chunks_of(store, document):
        found[one.headings, one.text].append(one.id)
    return found


class _Judge:
    """Says of an item why it is stale: of what it cites, or was shown where it cites nothing, a passage is gone."""

    def __init__(self, store: RunStore, gone: Mapping[str, str], successors: Mapping[str, str | None]) -> None:
        self._store = store
        self._gone = gone
        self._successors = successors
        self._text = lru_cache(maxsize=64)(lambda id: store.document(id).text)

    def __call__(self, item: Mapping[str, Any]) -> str:
        cited = [(span["chunk"], span.get("quote", "")) for span in item.get("evidence", ())]
        if not cited:
            cited = [(chunk, "") for chunk in item.get("chunks", ())]
        reasons = {self._of(chunk, quote) for chunk, quote in cited if chunk in self._gone}
        return next((reason for reason in (REMOVED, CHANGED) if reason in reasons), "")

    def _of(self, chunk: str, quote: str) -> str:
        successor = self._successors[self._gone[chunk]]
        if successor is None:
            return REMOVED
        return "" if (quote or self._store.chunk(chunk).text) in self._text(successor) else CHANGED


def _stale(store: RunStore, judge: _Judge) -> Iterator[tuple[str, str]]:
    last = 0
    while page := store.rows(
        "SELECT seq, id, body FROM items WHERE seq > ? AND status <> 'failed' ORDER BY seq LIMIT 500", last
    ):
        for seq, id, body in page:
            last = seq
            if reason := judge(orjson.loads(body)):
                yield id, reason


def _waiting(store: RunStore) -> Iterator[Task]:
    """Yields the pending tasks that a planner drew. What a person sent back is theirs: it stays."""
    last = 0
    while page := store.pending(last):
        last = page[-1][0]
        yield from (task for _, task in page if not is_refine(task))


async def withdraw_lost(store: RunStore, graph: KnowledgeGraph) -> int:
    """Withdraws the waiting tasks that name an entity or relation which the graph does not have; returns how many.

    A graph that was built anew, of other documents, has others than the one that the tasks were drawn from.
    """
    lost = []
    for task in _waiting(store):
        away = [id for id in task.entities if id not in graph.entities]
        away += [id for id in task.relations if id not in graph.relations]
        now = Identities(store).today(away) if away else {}  # what was merged since is still there
        if any(there not in graph.entities and there not in graph.relations for there in now.values()):
            lost.append(task.id)
    await withdraw(store, lost)
    return len(lost)
