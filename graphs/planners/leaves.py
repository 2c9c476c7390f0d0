"""Searches that go through the leaves of a tree, problem by problem, and see what earlier leaves of a problem gave.

A search is one chunk's. Its leaves are drawn in waves: a wave begins when the one before has ended, so what a leaf
knows of the others hangs on the books alone, and a resumed campaign draws the same leaves.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...storage.records import Chunk, Item, Status, Task
from .base import PlanView
from .ends import Ends

LEAF = "leaf"  # the attribute of a task that says which leaf of its search it is, from 0


@dataclass
class Search:
    """How far a search is: its leaves that ended, those of them accepted with their items' numbers, scores by leaf.

    `wave` are the leaves that were drawn last, with their tasks' ids.
    """

    ended: set[int] = field(default_factory=set)
    accepted: list[tuple[int, int]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    wave: dict[int, str] = field(default_factory=dict)

    def begin(self, at_once: int, leaves: int) -> int:
        """The first leaf of the first wave of `at_once` that has not ended; `leaves` or more when all have."""
        first = 0
        while first < leaves and all(leaf in self.ended for leaf in range(first, min(first + at_once, leaves))):
            first += at_once
        return first


Draw = Callable[[Chunk, Search], Sequence[Task] | None]
"""`(chunk, search) -> tasks of its next wave`, those that have not ended; None when the search is over."""


class Searches:
    """All searches of a campaign. As many are open as it takes to give what is asked for.

    `score` reads what a search keeps of an item, accepted or not; None for nothing.
    """

    def __init__(self, view: PlanView, score: Callable[[Item], float | None]) -> None:
        self._view, self._score = view, score
        self._ends = Ends(view)
        self._searches: dict[str, Search] = {}
        self._drawn: set[str] = set()  # since tasks were handed over last: not known as planned yet

    def draw(self, chunks: Iterable[Chunk], wave: Draw) -> Iterator[Task | None]:
        """Gives the tasks of the searches of `chunks`; None while all that are open wait for a task to end."""
        self._look()
        waiting, opened = iter(chunks), dict[str, Chunk]()
        ready: list[str] = []
        while True:
            for id in dict.fromkeys(ready):
                search = self._searches.setdefault(id, Search())
                if id not in opened or not self._has_ended(search):
                    continue
                tasks = wave(opened[id], search)
                if tasks is None:
                    del opened[id]
                    continue
                search.wave = {int(task.attributes[LEAF]): task.id for task in tasks}
                for task in tasks:
                    if not self._view.is_planned(task.id):
                        self._drawn.add(task.id)
                        yield task
            if ready := self._look():
                continue
            if (chunk := next(waiting, None)) is not None:
                opened[chunk.id] = chunk
                ready = [chunk.id]
            elif opened:
                yield None
                self._drawn.clear()
                ready = list(opened)
            else:
                return

    def _look(self) -> list[str]:
        """Takes in what ended since the last look; returns the chunks that it was about."""
        found = []
        for number, item in self._ends.new():
            leaf = item.attributes.get(LEAF)
            if not isinstance(leaf, int) or not item.chunks:
                continue
            search = self._searches.setdefault(item.chunks[0], Search())
            search.ended.add(leaf)
            if item.status is Status.ACCEPTED:
                insort(search.accepted, (leaf, number))
            if (score := self._score(item)) is not None:
                insort(search.scores, (leaf, score))
            found.append(item.chunks[0])
        return found

    def _has_ended(self, search: Search) -> bool:
        """Whether the last wave has ended, but for what was drawn and never planned."""
        return all(
            leaf in search.ended or (task not in self._drawn and not self._view.is_planned(task))
            for leaf, task in search.wave.items()
        )
