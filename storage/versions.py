"""The versions of a run's documents: which are current, which went, and the items whose evidence went with them.

A document's id is the hash of its text, so a changed file is another document under the same name. What is no longer
current keeps its rows, without a place: an item made from it still leads to the text that it was made from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from .identities import GONE, Identities
from .records import Chunk, Document, Task
from .rulings import Ruling
from .schema import (
    ADD_SKIPPED,
    ADD_STALE,
    BEQUEATH,
    EMPTY,
    KEEP_CHUNK,
    KEEP_DOCUMENT,
    PLACE_CHUNK,
    PLACE_DOCUMENT,
    RENAME_DOCUMENT,
    UNPLACE,
    WITHDRAW_TASK,
)
from .store import RunStore, mark_statement

STALE = "stale"  # the reason that an item carries in whose place another is wanted


@dataclass(frozen=True)
class Versions:
    """What is to be current from now on.

    documents: (id, name) in the order of reading; all are in the store.
    skipped:   (name, reason, detail) of what could not be read.
    stale:     (item id, reason) of every item whose evidence is in no current document.
    heirs:     chunk that went → the current chunk with the same text and headings.
    withdrawn: tasks that nobody has begun, of chunks that went.
    marks:     marks to set with it.
    """

    documents: Sequence[tuple[str, str]]
    skipped: Sequence[tuple[str, str, str]] = ()
    stale: Sequence[tuple[str, str]] = ()
    heirs: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Sequence[str] = ()
    marks: Mapping[str, object] = field(default_factory=dict)


def current_documents(store: RunStore) -> dict[str, str]:
    """Returns the ids of the current documents by name, in the order of reading."""
    return dict(store.rows("SELECT name, id FROM documents WHERE place >= 0 ORDER BY place"))


def known_documents(store: RunStore) -> dict[str, str]:
    """Returns the names of all documents that the run ever had, by id."""
    return dict(store.rows("SELECT id, name FROM documents"))


def chunks_of(store: RunStore, document: str) -> list[Chunk]:
    """Returns a document's chunks in their order, current or not."""
    rows = store.rows("SELECT body FROM chunks WHERE document = ?", document)
    return sorted((Chunk.model_validate_json(body) for (body,) in rows), key=lambda chunk: chunk.index)


async def keep_documents(store: RunStore, documents: Sequence[tuple[Document, Sequence[Chunk]]]) -> None:
    """Stores new versions with their chunks; they are not current before `make_current`."""
    await store.write(
        (KEEP_DOCUMENT, [(document.id, document.name, document.model_dump_json()) for document, _ in documents]),
        (
            KEEP_CHUNK,
            [(chunk.id, chunk.document, chunk.model_dump_json()) for _, chunks in documents for chunk in chunks],
        ),
    )


async def make_current(store: RunStore, versions: Versions) -> None:
    """Makes these the run's documents, in one transaction: a kill leaves either the old ones or the new ones."""
    names = known_documents(store)
    renamed = {id: name for id, name in versions.documents if names[id] != name}
    bodies = {id: store.document(id).model_copy(update={"name": name}) for id, name in renamed.items()}
    places: list[tuple[int, str]] = []
    for id, _ in versions.documents:
        rows = store.rows("SELECT id, body FROM chunks WHERE document = ?", id)
        ordered = sorted((int(orjson.loads(body)["index"]), chunk) for chunk, body in rows)
        places += [(len(places) + number, chunk) for number, (_, chunk) in enumerate(ordered)]
    await store.write(
        (UNPLACE.format("documents"), [(0,)]),
        (UNPLACE.format("chunks"), [(0,)]),
        (PLACE_DOCUMENT, [(at, id) for at, (id, _) in enumerate(versions.documents)]),
        (RENAME_DOCUMENT, [(bodies[id].name, bodies[id].model_dump_json(), id) for id in renamed]),
        (PLACE_CHUNK, places),
        (BEQUEATH, [(heir, chunk) for chunk, heir in versions.heirs.items()]),
        (EMPTY.format("skipped"), [(1,)]),
        (ADD_SKIPPED, list(versions.skipped)),
        (EMPTY.format("stale"), [(1,)]),
        (ADD_STALE, list(versions.stale)),
        (WITHDRAW_TASK, [(task,) for task in versions.withdrawn]),
        *[mark_statement(name, value) for name, value in versions.marks.items()],
    )


async def withdraw(store: RunStore, tasks: Sequence[str]) -> None:
    """Takes tasks that nobody has begun out of the plan."""
    await store.write((WITHDRAW_TASK, [(task,) for task in tasks]))


def stale_items(store: RunStore) -> dict[str, str]:
    """Returns the reasons of all stale items by id."""
    return dict(store.rows("SELECT item, reason FROM stale"))


def stale_reason(store: RunStore, item: str) -> str:
    """Returns why an item is stale, or an empty string."""
    rows = store.rows("SELECT reason FROM stale WHERE item = ?", item)
    return str(rows[0][0]) if rows else ""


def stale_tasks(store: RunStore) -> set[str]:
    """Returns the ids of the tasks whose items the critics accepted and that are stale."""
    rows = store.rows("SELECT i.task FROM stale s JOIN items i ON i.id = s.item WHERE i.status = 'accepted'")
    return {task for (task,) in rows}


def as_of_today(store: RunStore, rulings: Iterable[Ruling]) -> list[Ruling]:
    """Returns rulings so that they hold for what stands today in place of the documents and chunks that they name.

    What was decided of a document holds for its later versions, while it keeps its name; of a chunk, while some chunk
    of the document says the same words.
    """
    given = list(rulings)
    if not any(ruling.divides for ruling in given):
        return given
    named: defaultdict[str, list[str]] = defaultdict(list)
    names = known_documents(store)
    for id, name in sorted(names.items()):
        named[name].append(id)
    heirs = dict(store.rows("SELECT id, heir FROM chunks WHERE heir <> '' AND place IS NULL"))
    return [
        one.model_copy(
            update={
                "documents": tuple(dict.fromkeys(id for it in one.documents for id in (it, *named[names.get(it, "")]))),
                "chunks": tuple(dict.fromkeys(id for it in one.chunks for id in (it, heirs.get(it, it)))),
            }
        )
        if one.divides
        else one
        for one in given
    ]


class Heirs:
    """Which current chunk says what a former one said, word for word, and which former ones a current one follows.

    Entities that tasks were drawn from and that were merged since stand for those of today.
    """

    MOST = 64  # versions of one task that are looked for

    def __init__(self, store: RunStore) -> None:
        self._heir: dict[str, str] = dict(store.rows("SELECT id, heir FROM chunks WHERE heir <> '' AND place IS NULL"))
        drawn = [entity for (entity,) in store.rows("SELECT DISTINCT entity FROM changed")]
        self._now = {id: now for id, now in Identities(store).today(drawn).items() if id != now}
        self._former: defaultdict[str, list[str]] = defaultdict(list)
        for former, heir in sorted(self._heir.items()):
            self._former[heir].append(former)
        self._drawn = {self._work(self.today(task), now) for task, now in _changed_tasks(store)}

    def today(self, task: Task) -> Task:
        """Returns the task as it counts: with today's entities, and current chunks in place of former ones."""
        update: dict[str, tuple[str, ...]] = {}
        if any(chunk in self._heir for chunk in task.chunks):
            update["chunks"] = tuple(self._heir.get(chunk, chunk) for chunk in task.chunks)
        if any(entity in self._now for entity in task.entities):
            now = dict.fromkeys(self._now.get(entity, entity) for entity in task.entities)
            update["entities"] = tuple(entity for entity in now if entity != GONE)
        return task.model_copy(update=update) if update else task

    def has(self, task: Task) -> bool:
        """Whether the same work was drawn from entities that have other ids since they were merged or split."""
        return bool(self._drawn) and self._work(task, {}) in self._drawn

    @staticmethod
    def _work(task: Task, now: Mapping[str, str]) -> tuple[Any, ...]:
        """What a task is about, whatever it is called: ids are sorted, for today's have another order."""
        relations = sorted(now.get(relation, relation) for relation in task.relations)
        return (
            *(task.kind, tuple(sorted(task.chunks)), tuple(sorted(task.entities)), tuple(relations)),
            *(orjson.dumps(task.attributes, option=orjson.OPT_SORT_KEYS), task.seed),
        )

    def former(self, task: Task) -> Iterator[str]:
        """Yields the ids that the same task had when its chunks were those of former versions; few at most."""
        if not any(chunk in self._former for chunk in task.chunks):
            return
        choices: Iterable[tuple[str, ...]] = [()]
        for chunk in task.chunks:
            choices = [(*head, one) for head in choices for one in (chunk, *self._former.get(chunk, ()))][: self.MOST]
        for chunks in choices:
            if chunks != task.chunks:
                yield Task.of(
                    task.kind,
                    chunks=chunks,
                    entities=task.entities,
                    relations=task.relations,
                    attributes=task.attributes,
                    seed=task.seed,
                ).id


def _changed_tasks(store: RunStore) -> Iterator[tuple[Task, Mapping[str, str]]]:
    """Yields the tasks that were drawn from entities which are others now, with where their relations lead."""
    rows = store.rows("SELECT body FROM tasks WHERE id IN (SELECT task FROM changed)")
    tasks = [Task.model_validate_json(body) for (body,) in rows]
    now = Identities(store).today(relation for task in tasks for relation in task.relations)
    for task in tasks:
        yield task, now
