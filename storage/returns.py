"""Items that people sent back: the task that a note makes, and the versions of one item that come of it.

A send-back is an event; its task is made from the event and the task of the item, so it has the same id whoever makes
it, however often. The item that comes of it names the one that was sent back, so versions form a tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..errors import NotStored
from .records import Item, Record, Status, Task, item_id
from .reviews import Action, Review, Reviews
from .store import RunStore

REFINES, NOTE, REVIEW = "refines", "reviewer_note", "review"
MARKS = frozenset({REFINES, NOTE, REVIEW})  # attributes of a refine task that say where it comes from


def refine_task(origin: Task, review: Review) -> Task:
    """Makes the task that mends the item of `origin`, which `review` sent back.

    It is the origin's own task, with the item, the note and the event among its attributes. Its kind stays, too: flows
    and prompts read it, and it says which draw an accepted item counts towards. Its seed is the event's, so that a flow
    which runs anew without a look at the note does not have all its answers from the call cache.
    """
    marks = {REFINES: review.item, NOTE: review.note, REVIEW: review.id}
    return Task.of(
        origin.kind,
        chunks=origin.chunks,
        entities=origin.entities,
        relations=origin.relations,
        attributes={**origin.attributes, **marks},
        seed=int.from_bytes(hashlib.blake2b(review.id.encode(), digest_size=4).digest(), "big") >> 1,
    )


class Remake(Record):
    """What comes of a send-back, the event `event`: the item with id `item`, once its task has ended.

    `status` is where that task stands, None before it is planned.
    """

    event: str
    note: str
    task: str
    item: str
    status: Status | None


def remakes_of(item: Item, history: Sequence[Review], store: RunStore) -> tuple[Remake, ...]:
    """Returns what comes of each time that `item` was sent back, the oldest first.

    Those of a send-back that was undone are left out, unless their task had been planned before: it runs nevertheless.
    """
    undone, found = {one.undoes for one in history}, []
    for event in (one for one in history if one.action is Action.SEND_BACK):
        task = refine_task(store.task(item.task), event).id
        try:
            status = store.status(task)
        except NotStored:
            status = None
        if status is not None or event.id not in undone:
            found.append(Remake(event=event.id, note=event.note, task=task, item=item_id(task), status=status))
    return tuple(found)


def is_refine(task: Task) -> bool:
    """Whether a person's note made this task."""
    return all(isinstance(task.attributes.get(name), str) for name in MARKS)


def sent_back_item(task: Task, store: RunStore) -> Item | None:
    """Returns the item that a refine task mends; None while its own task, which had failed, runs again."""
    rows = store.rows("SELECT task FROM items WHERE id = ?", task.attributes[REFINES])
    return store.item_of(rows[0][0]) if rows else None


def versions_of(task: Task, store: RunStore) -> tuple[str, ...]:
    """Returns the ids of the tasks of all versions of the item that the refine task `task` mends, its own among them.

    A task is walked to once: what a planner of a user wrote into its attributes leads nowhere for ever.
    """
    first, seen = task, {task.id}
    while is_refine(first) and (item := sent_back_item(first, store)) is not None and item.task not in seen:
        first = store.task(item.task)
        seen.add(first.id)
    found: dict[str, Task] = {task.id: task}
    waiting = [first]
    while waiting:
        one = waiting.pop()
        found[one.id] = one
        for review in Reviews(store).history(item_id(one.id)):
            if review.action is Action.SEND_BACK:
                made = refine_task(one, review)
                if made.id not in found and store.is_planned(made.id):
                    waiting.append(made)
    return tuple(found)
