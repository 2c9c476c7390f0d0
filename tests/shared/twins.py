"""A planner of a user whose tasks of one kind all give the same text, which steering has to find. Loaded by name."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from gristmill.graphs.planners.base import PlanView, lazily
from gristmill.storage.records import Task


def _tasks(view: PlanView) -> Iterator[Task]:
    """A task of its own for each chunk, and as many of the first chunk, whose requests and so texts are equal."""
    for number, chunk in enumerate(view.chunks):
        yield Task.of("chunk", chunks=(chunk.id,), attributes={"kind": "own"})
        yield Task.of("chunk", chunks=(view.chunks[0].id,), attributes={"kind": "twin", "number": number})


def plan(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
    """A planner that keeps nothing and looks at what is planned."""
    return list(islice((task for task in _tasks(view) if not view.is_planned(task.id)), count))


@lazily
def walk(view: PlanView, rng: random.Random, options: Any) -> Iterator[Task]:
    """The same as a walk that stays open."""
    return _tasks(view)
