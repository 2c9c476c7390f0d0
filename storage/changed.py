"""The tasks that were drawn from an entity which is another by now: merged with one, split, or gone.

Items made from them stay as they are: what they cite is still in the documents. Whoever looks at one is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import orjson

from .identities import Identities
from .returns import REFINES
from .rulings import PERSON, Ruling
from .schema import ADD_CHANGED, FORGET_CHANGED, Statement

if TYPE_CHECKING:
    from .store import RunStore


class How(StrEnum):
    """What became of an entity since a task was drawn from it."""

    MERGED = "merged"  # more is in it
    SPLIT = "split"  # less is in it, or other things
    GONE = "gone"  # nothing of it is left in the documents


class Changed(NamedTuple):
    """One mark. `entity` is the id that the task has; `cause` a ruling's id, or `refresh:N` for the Nth reading."""

    task: str
    entity: str
    cause: str
    reason: str


class Drawn(NamedTuple):
    """A task and what it was drawn from; `planned` says that no person sent it back."""

    task: str
    status: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    chunks: tuple[str, ...]
    planned: bool


class Told(NamedTuple):
    """What became of an entity that a task was drawn from, in words and by ids; `now` is empty where it is gone."""

    entity: str
    now: str
    reason: str
    cause: str
    text: str


def told(store: RunStore, task: str) -> list[Told]:
    """Returns the marks of a task with what they say, one an entity: the last thing that became of it."""
    found = []
    for mark in {mark.entity: mark for mark in changed_of(store, task)}.values():
        identities = Identities(store)
        now = identities.today([mark.entity])[mark.entity]
        ref = identities.of([mark.entity]).get(mark.entity)
        names = store.entity_names([now]) if now else {}
        was, there = ref.name if ref else mark.entity, names.get(now, "")
        became = {
            How.MERGED: f"is '{there}' since a merge" if was != there else "was merged with another entity",
            How.SPLIT: "was split" if was == there else f"was split, and leads to '{there}'",
            How.GONE: "is no longer in the documents",
        }[How(mark.reason)]
        text = f"drawn from '{was}', which {became}{_by(store, mark.cause)}"
        found.append(Told(mark.entity, now, mark.reason, mark.cause, text))
    return found


def _by(store: RunStore, cause: str) -> str:
    rows = store.rows("SELECT body FROM rulings WHERE id = ?", cause)
    if not rows:
        return ", since the documents were read again"
    ruling = Ruling.model_validate_json(rows[0][0])
    note = f": {ruling.reason}" if ruling.reason else ""
    return f" ({ruling.by.removeprefix(PERSON)}, {ruling.at:%Y-%m-%d}{note})"


def changed_of(store: RunStore, task: str) -> list[Changed]:
    """Returns the marks of a task, by entity, the latest ruling last."""
    rows = store.rows(
        "SELECT c.task, c.entity, c.cause, c.reason FROM changed c LEFT JOIN rulings r ON r.id = c.cause "
        "WHERE c.task = ? ORDER BY c.entity, coalesce(r.seq, 0), c.cause",
        task,
    )
    return [Changed(*row) for row in rows]


def caused(store: RunStore, causes: Collection[str]) -> set[tuple[str, str]]:
    """Returns the (task, entity) pairs that bear a mark of one of some causes."""
    found: set[tuple[str, str]] = set()
    for cause in causes:
        found.update(store.rows("SELECT task, entity FROM changed WHERE cause = ?", cause))
    return found


def changed_tasks(store: RunStore) -> set[str]:
    """Returns the ids of all tasks that bear a mark."""
    return {task for (task,) in store.rows("SELECT DISTINCT task FROM changed")}


def led_elsewhere(store: RunStore) -> dict[str, str]:
    """Returns where the entities that tasks were drawn from lead by now, of those that lead to another."""
    drawn_from = [entity for (entity,) in store.rows("SELECT DISTINCT entity FROM changed")]
    return {id: now for id, now in Identities(store).today(drawn_from).items() if id != now}


def count_changed(store: RunStore) -> int:
    """Returns how many items were made of tasks that bear a mark."""
    ((count,),) = store.rows("SELECT count(*) FROM items WHERE task IN (SELECT task FROM changed)")
    return int(count)


def statements(marks: Iterable[Changed], taken_back: Iterable[str] = ()) -> tuple[Statement, ...]:
    """Returns what writes marks, and forgets those whose cause was taken back."""
    return (FORGET_CHANGED, [(cause,) for cause in taken_back]), (ADD_CHANGED, list(marks))


def drawn(store: RunStore) -> Iterator[Drawn]:
    """Yields all tasks that were drawn from entities, few in memory at a time."""
    last = 0
    while page := store.rows("SELECT seq, id, status, body FROM tasks WHERE seq > ? ORDER BY seq LIMIT 2000", last):
        last = page[-1][0]
        for _, id, status, body in page:
            task = orjson.loads(body)
            if entities := tuple(task.get("entities", ())):
                yield Drawn(
                    id,
                    status,
                    entities,
                    tuple(task.get("relations", ())),
                    tuple(task.get("chunks", ())),
                    REFINES not in task.get("attributes", {}),
                )
