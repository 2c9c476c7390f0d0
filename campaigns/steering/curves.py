"""The curve of each cell: how new its items were, by the number of its tasks; a pure function over a run's store."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ...errors import NotStored
from ...storage.records import Status, Task
from ...storage.store import RunStore
from .cells import Cells
from .outcomes import ended_tasks
from .spec import DIMENSIONS

ALL = "all"  # the curve of the whole campaign
POINTS = 24  # of a curve at most; longer ones have points of more tasks each


@dataclass(frozen=True)
class Point:
    """A stretch of a cell's tasks: `tasks` were done at its end, `novelty` is the mean of those that say something of
    it, None where none does; `accepted` is the part of the stretch that was accepted."""

    tasks: int
    novelty: float | None
    accepted: float


@dataclass(frozen=True)
class Curve:
    """A cell with its finished tasks, and how its novelty went."""

    cell: str
    tasks: int
    accepted: int
    points: tuple[Point, ...]

    @property
    def newest(self) -> float | None:
        """The novelty of the last stretch that says something of it."""
        return next((point.novelty for point in reversed(self.points) if point.novelty is not None), None)


@dataclass
class _Stretch:
    tasks: int = 0
    accepted: int = 0
    told: int = 0
    novelty: float = 0.0

    def add(self, other: _Stretch) -> None:
        self.tasks += other.tasks
        self.accepted += other.accepted
        self.told += other.told
        self.novelty += other.novelty


@dataclass
class _Growing:
    """A curve of a few stretches, which double when there are too many: what is kept does not grow with the run."""

    size: int = 1
    stretches: list[_Stretch] = field(default_factory=list)

    def add(self, one: _Stretch) -> None:
        if not self.stretches or self.stretches[-1].tasks >= self.size:
            if len(self.stretches) >= POINTS:
                self._halve()
            if not self.stretches or self.stretches[-1].tasks >= self.size:
                self.stretches.append(_Stretch())
        self.stretches[-1].add(one)

    def _halve(self) -> None:
        pairs = zip(self.stretches[::2], self.stretches[1::2], strict=True)
        self.stretches = [_joined(*pair) for pair in pairs]
        self.size *= 2

    def curve(self, cell: str) -> Curve:
        done, points = 0, []
        for one in self.stretches:
            done += one.tasks
            novelty = one.novelty / one.told if one.told else None
            points.append(Point(done, novelty, one.accepted / one.tasks))
        return Curve(cell, done, sum(one.accepted for one in self.stretches), tuple(points))


def _joined(one: _Stretch, other: _Stretch) -> _Stretch:
    one.add(other)
    return one


def curves(
    store: RunStore,
    *,
    dimensions: Sequence[str] | None = None,
    communities: Mapping[str, Sequence[str]] | None = None,
    most: int = 50,
) -> list[Curve]:
    """Returns the curves of a run's cells: of the whole campaign first (`all`), then of the `most` cells with most
    finished tasks, by their names.

    Tasks that a person's note made are in none. It reads every item once, so it takes seconds for 100,000.

    Args:
        dimensions: see `SteerSpec`; those that the run steered by, or the default ones, when absent.
        communities: an entity's communities, where `community` is one of them.
    """
    if dimensions is None:
        dimensions = ((store.mark("campaign") or {}).get("steer") or {}).get("dimensions") or DIMENSIONS
    return curves_of(ended_tasks(store), Cells(dimensions, documents_of(store), communities), most=most)


def curves_of(ended: Iterable[tuple[Task, Status, float | None]], cells: Cells, *, most: int = 50) -> list[Curve]:
    """Returns the curves of ended tasks, each with its novelty; see `curves`."""
    found: dict[str, _Growing] = {ALL: _Growing()}
    for task, status, novelty in ended:
        one = _Stretch(1, int(status is Status.ACCEPTED), int(novelty is not None), novelty or 0.0)
        found[ALL].add(one)
        for _, names in cells.of(task):
            for name in names:
                found.setdefault(name, _Growing()).add(one)
    every = found.pop(ALL)
    chosen = heapq.nsmallest(most, found, key=lambda name: (-sum(one.tasks for one in found[name].stretches), name))
    rest = [found[name].curve(name) for name in sorted(chosen)]
    return [every.curve(ALL), *rest] if every.stretches else []


def documents_of(store: RunStore) -> Callable[[str], str]:
    """Returns what gives a chunk's document its name; a chunk that is not there has none."""

    @lru_cache(maxsize=65_536)
    def name(chunk: str) -> str:
        try:
            return store.document_name(store.document_of(chunk))
        except NotStored:  # a planner of a user named it; its task will fail, and say so
            return ""

    return name
