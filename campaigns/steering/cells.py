"""The cells that tasks fall into, and what is known of each: how often it was drawn, and how new its items were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...graphs.planners.base import cell as cell_name
from ...graphs.planners.shares import made_up
from ...storage.records import Status, Task
from ...storage.returns import MARKS

PRIOR = (2.0, 0.2)  # tasks that a cell is taken to have had before its first: good ones, others
USUAL = 2.0  # repeats that a cell is taken to have had before its first, which gave what was hoped for

LIVE = (Status.PENDING, Status.ACCEPTED)

Groups = list[tuple[str, list[str]]]
"""A task's cells by dimension, none empty."""


class Cells:
    """Names the cells of tasks: `kind=definition`, `document=tides.md`, `entity=ID`.

    `document` gives a chunk's document name, `communities` an entity's communities.
    """

    def __init__(
        self,
        dimensions: Sequence[str],
        document: Callable[[str], str],
        communities: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._readers: list[tuple[str, Callable[[Task], Sequence[str]]]] = []
        self._document = document
        self._communities = communities or {}
        readers: dict[str, Callable[[Task], Sequence[str]]] = {
            "draw": lambda task: (task.kind,),
            "chunk": lambda task: _each(task.chunks),
            "document": lambda task: _each([self._document(chunk) for chunk in task.chunks]),
            "entity": lambda task: _each(task.entities),
            "relation": lambda task: _each(task.relations),
            "community": self._communities_of,
        }
        named = [name for name in dict.fromkeys(dimensions) if name != "attributes"]
        for name in named:
            self._readers.append((name, readers.get(name) or _attribute(name)))
        self._all = "attributes" in dimensions
        self._named = frozenset(named)

    def of(self, task: Task) -> Groups:
        """Returns the cells of a task."""
        return [(name, [cell_name(name, value) for value in values]) for name, values in self.values(task)]

    def values(self, task: Task) -> list[tuple[str, Sequence[str]]]:
        """Returns what a task has in each dimension where it has anything: the cells' names without the dimension's."""
        found: list[tuple[str, Sequence[str]]] = []
        for name, read in self._readers:
            if values := read(task):
                found.append((name, values))
        if self._all:
            for name, value in task.attributes.items():
                if isinstance(value, str) and name not in MARKS and name not in self._named:
                    found.append((name, (value,)))
        return found

    def _communities_of(self, task: Task) -> Sequence[str]:
        return tuple(dict.fromkeys(one for entity in task.entities for one in self._communities.get(entity, ())))


def _each(values: Sequence[str]) -> Sequence[str]:
    return values if len(values) < 2 else tuple(dict.fromkeys(values))


def _attribute(name: str) -> Callable[[Task], Sequence[str]]:
    def read(task: Task) -> Sequence[str]:
        value = task.attributes.get(name)
        return (value,) if isinstance(value, str) else ()

    return read


class Fading:
    """A mean in [0, 1] over about the last `memory` tasks of a cell: of their novelty.

    The mean of a Beta distribution whose evidence fades by 1 - 1/memory with each task; it begins near 1.
    """

    __slots__ = ("_bad", "_good", "mean", "seen")

    def __init__(self) -> None:
        self._good = self._bad = 0.0
        self.seen = 0
        self.mean = PRIOR[0] / sum(PRIOR)

    def add(self, value: float, blame: float, memory: int) -> None:
        """Takes in a task's value; what it lacks counts as far as this cell is to blame for it, in [0, 1]."""
        kept, lack = 1.0 - 1.0 / memory, (1.0 - value) * blame
        self._good = self._good * kept + 1.0 - lack
        self._bad = self._bad * kept + lack
        self.mean = (self._good + PRIOR[0]) / (self._good + self._bad + sum(PRIOR))
        self.seen += 1


class Repeats:
    """How far what a cell's repeated asks gave was more or less than was hoped for of such asks, as a factor above 0.

    One kind of question has one answer in a passage and another has ten: the history of an ask does not say it, the
    asks of the same kind before it do. What was hoped for is taken without this factor, with those of other cells.
    """

    __slots__ = ("_got", "_hoped", "_seen", "factor")

    def __init__(self) -> None:
        self._got = self._hoped = 0.0
        self._seen = 0
        self.factor = 1.0

    def add(self, value: float, hope: float) -> None:
        """Takes in what a repeat gave, in [0, 1], and what was hoped for by all that is known, in (0, 1]."""
        self._got += value
        self._hoped += min(1.0, hope / self.factor)
        self._seen += 1
        self.factor = (USUAL + self._got / self._hoped * self._seen) / (USUAL + self._seen)


class Dimension:
    """The cells of one kind together.

    tasks:  accepted and pending tasks that are in any of its cells; `others` of them in no cell that has a share.
    rest:   the share that is left to those others; None where no cell has one.
    total:  the sum of the cells' live tasks; `seen` is how many of them have any.
    level:  one more than the mean count, as it was when `measure` was called: while a batch is chosen it stands still,
            so that a cell is worth less with each task and never more.
    cells:  its cells by value; `barred` is how many of them may not be drawn.
    """

    __slots__ = ("barred", "cells", "level", "name", "others", "rest", "seen", "tasks", "total")

    def __init__(self, name: str, rest: float | None = None) -> None:
        self.name = name
        self.rest = rest
        self.tasks = self.others = self.total = self.seen = self.barred = 0
        self.level = 1.0
        self.cells: dict[str, Cell] = {}

    def measure(self, power: float) -> None:
        """Sets `level`, to the power that rarity has."""
        self.level = (1.0 + (self.total / self.seen if self.seen else 0.0)) ** power

    def change(self, cells: Sequence[Cell], by: int) -> None:
        """Counts a task in these cells as live, or no longer."""
        self.tasks += by
        if self.rest is not None and all(cell.share is None for cell in cells):
            self.others += by

    def is_ahead(self, cells: Sequence[Cell]) -> bool:
        """Whether one more task in these cells would have more than its share, and the one that rounding leaves."""
        if self.rest is None:
            return False
        more = self.tasks + 1
        shared = [cell for cell in cells if cell.share is not None]
        if not shared:
            return self.others + 1 > self.rest * more + 1
        return any(cell.live + 1 > (cell.share or 0.0) * more + 1 for cell in shared)


class Cell:
    """What is known of one cell.

    live:     its accepted and pending tasks.
    accepted: of them, the accepted ones.
    tried:    all tasks of it that were planned.
    waiting:  candidates of it that were not chosen yet.
    novelty:  how new its newest items were.
    repeats:  what its repeated asks gave; None before the first.
    rarity:   (weight / (n + 1)) to the power that rarity has; n is `live`, or a third of `tried` if more.
    bar:      why nothing of it may be drawn: `weight`, `at_most`, `saturated`; or empty.
    """

    __slots__ = (
        "_power", "accepted", "bar", "dimension", "live", "most", "name", "novelty", "rarity", "repeats", "share",
        "tried", "waiting", "weight",
    )  # fmt: skip

    def __init__(
        self, name: str, dimension: Dimension, power: float, weight: float, share: float | None, most: int | None
    ) -> None:
        self.name, self.dimension = name, dimension
        self.weight, self.share, self.most = weight, share, most
        self.live = self.accepted = self.tried = self.waiting = 0
        self.novelty = Fading()
        self.repeats: Repeats | None = None
        self._power = power
        self.rarity = weight**power if weight else 0.0
        self.bar = ""
        if not weight or most is not None:
            self._bar()

    @property
    def saturated(self) -> bool:
        """Whether its items hardly bring anything new."""
        return self.bar == "saturated"

    def planned(self, status: Status = Status.PENDING, *, counts: bool = True) -> None:
        """Counts a task; one that `counts` as nothing was accepted and its place is wanted again."""
        self.tried += 1
        self._change(1 if counts and status in LIVE else 0)
        if counts and status is Status.ACCEPTED:
            self.accepted += 1
            self._bar()

    def ended(self, status: Status) -> None:
        """Counts how a pending task ended."""
        if status is Status.ACCEPTED:
            self.accepted += 1
            self._bar()
        else:
            self._change(-1)

    def learn(self, novelty: float, blame: float, *, memory: int, after: int, threshold: float) -> bool:
        """Takes in a task's novelty; tells whether the cell became saturated by it, or is so no longer."""
        self.novelty.add(novelty, blame, memory)
        spent = self.novelty.seen >= after and self.novelty.mean < threshold
        if spent == self.saturated or self.bar not in ("", "saturated"):
            return False
        self._set_bar("saturated" if spent else "")
        return True

    def _change(self, by: int) -> None:
        if by:
            dimension, before = self.dimension, self.live
            self.live += by
            dimension.total += by
            dimension.seen += (self.live > 0) - (before > 0)
        if self.weight:
            self.rarity = (self.weight / (made_up(self.live, self.tried) + 1.0)) ** self._power

    def _bar(self) -> None:
        if self.weight == 0:
            self._set_bar("weight")
        elif self.most is not None and self.accepted >= self.most:
            self._set_bar("at_most")

    def _set_bar(self, bar: str) -> None:
        self.dimension.barred += (bar != "") - (self.bar != "")
        self.bar = bar
