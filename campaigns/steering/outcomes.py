"""How new an ended task was, read from its item alone: the books say all that steering learns from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ...agents.verifiers.duplicates import DUPLICATE
from ...storage.records import Item, Status, Task
from ...storage.returns import is_refine
from ...storage.store import RunStore

PAGE = 1000
ENDED = (
    "SELECT i.seq, t.body, i.status, i.body FROM items i JOIN tasks t ON t.id = i.task "
    "WHERE i.seq > ? ORDER BY i.seq LIMIT ?"
)
SCORE = "novelty"  # the score of a gate's verdict: how far a draft is from the nearest text in the pool, in [0, 1]


def novelty_of(items: Sequence[Item]) -> float | None:
    """Returns how new what a task gave was, in [0, 1]; None where its end says nothing of that.

    A duplicate is 0; an accepted item is what a novelty gate measured, 1 without one; what was rejected for another
    reason, or failed, was not compared with anything.
    """
    for item in items:
        scores = (verdict.scores for verdict in reversed(item.verdicts))
        return _novelty(item.status, item.reasons, scores)
    return None


def _novelty(status: str, reasons: Sequence[str], scores: Iterator[Mapping[str, Any]]) -> float | None:
    if status == Status.REJECTED:
        return 0.0 if DUPLICATE in reasons else None
    if status != Status.ACCEPTED:
        return None
    found = next((one[SCORE] for one in scores if isinstance(one.get(SCORE), int | float)), 1.0)
    return min(1.0, max(0.0, found)) if math.isfinite(found) else 1.0


def ended_tasks(store: RunStore) -> Iterator[tuple[Task, Status, float | None]]:
    """Yields the tasks that ended, in the order they did, with their novelty; none that a person's note made."""
    after = -1
    while page := store.rows(ENDED, after, PAGE):
        after = page[-1][0]
        for _, task_body, status, body in page:
            task = Task.model_validate_json(task_body)
            if is_refine(task):
                continue
            item = orjson.loads(body)
            scores = (verdict.get("scores") or {} for verdict in reversed(item.get("verdicts") or []))
            yield task, Status(status), _novelty(status, item.get("reasons") or (), scores)
