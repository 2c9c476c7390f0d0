"""Planners to be steered, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from gristmill.campaigns.steering.cells import Cells
from gristmill.campaigns.steering.spec import SteerSpec
from gristmill.campaigns.steering.steering import Steering
from gristmill.storage.records import Status, Task

KINDS = ("definition", "list", "number", "cause")


class Walk:
    """A planner that gives a list once, and all that was not planned once more when it begins again."""

    walks = True

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = list(tasks)
        self.planned: set[str] = set()
        self.opened = 1
        self._left = iter(self.tasks)
        self.steering: Steering | None = None

    def _news(self, one: Task) -> bool:
        return one.id not in self.planned and not (self.steering and self.steering.holds(one.id))

    async def candidates(self, count: int) -> list[Task]:
        return list(islice(filter(self._news, self._left), count))

    def reopen(self) -> None:
        self.opened += 1
        self._left = iter(self.tasks)


def steered(source: Walk, **spec: Any) -> Steering:
    values: dict[str, Any] = {"on": True, "dimensions": ("kind", "chunk"), "window": 8, **spec}
    source.steering = Steering(SteerSpec(**values), Cells(values["dimensions"], lambda chunk: chunk))
    return source.steering


async def batch(steering: Steering, source: Walk, room: int | None = None) -> Sequence[Task]:
    drawn = await steering.draw(room or steering.spec.window, source)
    assert not {one.id for one in drawn} & source.planned, "a task was planned twice"
    source.planned |= {one.id for one in drawn}
    return drawn


async def all_of(steering: Steering, source: Walk, novelty: Any = lambda _: 1.0) -> list[Task]:
    """Draws to the end; each task is accepted with its novelty, or rejected as a duplicate where that is 0."""
    every: list[Task] = []
    while drawn := await batch(steering, source):
        every += drawn
        for one in drawn:
            new = novelty(one)
            steering.ended(one, Status.ACCEPTED if new is None or new > 0 else Status.REJECTED, new)
    return every
