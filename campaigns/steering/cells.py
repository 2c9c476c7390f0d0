"""The cells that tasks fall into, and what is known of each: how often it was drawn, and how new its items were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ...graphs.recipes.base import cell as cell_name
from ...graphs.recipes.shares import made_up
from ...storage.records import Status, Task
from ...storage.returns import MARKS

PRIOR = (2.0, 0.2)  # tasks that a cell is taken to have had before its first: new ones, repeats

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
        self._readers: list[tuple[str, Callable[[Task], Iterable[str]]]] = []
        self._document = document
        self._communities = communities or {}
        readers: dict[str, Callable[[Task], Iterable[str]]] = {
            "draw": lambda task: (task.kind,),
            "chunk": lambda task: dict.fromkeys(task.chunks),
            "document": lambda task: dict.fromkeys(map(self._document, task.chunks)),
            "entity": lambda task: dict.fromkeys(task.entities),
            "relation": lambda task: dict.fromkeys(task.relations),
            "community": self._communities_of,
        }
        named = [name for name in dict.fromkeys(dimensions) if name != "attributes"]
        for name in named:
            self._readers.append((name, readers.get(name) or _attribute(name)))
        self._all = "attributes" in dimensions
        self._named = frozenset(named)

    def of(self, task: Task) -> Groups:
        """Returns the cells of a task."""
        groups = [(name, [cell_name(name, value) for value in read(task)]) for name, read in self._readers]
        if self._all:
            groups += [
                (name, [cell_name(name, value)])
                for name, value in task.attributes.items()
                if isinstance(value, str) and name not in MARKS and name not in self._named
            ]
        return [group for group in groups if group[1]]

    def _communities_of(self, task: Task) -> Iterator[str]:
        found = (one for entity in task.entities for one in self._communities.get(entity, ()))
        return iter(dict.fromkeys(found))


def _attribute(name: str) -> Callable[[Task], Iterable[str]]:
    def read(task: Task) -> Iterable[str]:
        value = task.attributes.get(name)
        return (value,) if isinstance(value, str) else ()

    return read


class Novelty:
    """How new the newest items of a cell are: a mean in [0, 1] over the last `memory` tasks or so.

    The mean of a Beta distribution whose evidence fades by 1 - 1/memory with each task; it begins near 1.
    """

    __slots__ = ("_new", "_old", "seen")

    def __init__(self) -> None:
        self._new = self._old = 0.0
        self.seen = 0

    @property
    def mean(self) -> float:
        new, old = PRIOR
        return (self._new + new) / (self._new + self._old + new + old)

    def add(self, novelty: float, blame: float, memory: int) -> None:
        """Takes in a task's novelty; what it lacks counts as far as this cell is to blame for it, in [0, 1]."""
        kept, lack = 1.0 - 1.0 / memory, (1.0 - novelty) * blame
        self._new = self._new * kept + 1.0 - lack
        self._old = self._old * kept + lack
        self.seen += 1


class Dimension:
    """The cells of one kind together.

    tasks:  accepted and pending tasks that are in any of its cells; `others` of them in no cell that has a share.
    rest:   the share that is left to those others; None where no cell has one.
    total:  the sum of the cells' counts; `seen` is how many of them have one above 0.
    level:  one more than the mean count, as it was when `measure` was called: while a batch is chosen it stands still,
            so that a cell is worth less with each task and never more.
    """

    __slots__ = ("level", "name", "others", "rest", "seen", "tasks", "total")

    def __init__(self, name: str, rest: float | None = None) -> None:
        self.name = name
        self.rest = rest
        self.tasks = self.others = self.seen = 0
        self.total = 0.0
        self.level = 1.0

    def measure(self) -> None:
        """Sets `level`."""
        self.level = 1.0 + (self.total / self.seen if self.seen else 0.0)

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
    count:    what it is taken to have: `live`, or more where most of what was tried came to nothing.
    waiting:  candidates of it that were not chosen yet.
    """

    __slots__ = (
        "accepted", "count", "dimension", "live", "mean", "most", "name", "novelty", "saturated", "share", "tried",
        "waiting", "weight",
    )  # fmt: skip

    def __init__(self, name: str, dimension: Dimension) -> None:
        self.name = name
        self.dimension = dimension
        self.live = self.accepted = self.tried = self.waiting = 0
        self.count = 0.0
        self.novelty = Novelty()
        self.mean = self.novelty.mean
        self.saturated = False
        self.weight = 1.0
        self.share: float | None = None
        self.most: int | None = None

    def planned(self, status: Status = Status.PENDING, *, counts: bool = True) -> None:
        """Counts a task; one that `counts` as nothing was accepted and its place is wanted again."""
        self.tried += 1
        if counts and status in (Status.PENDING, Status.ACCEPTED):
            self.live += 1
        if counts and status is Status.ACCEPTED:
            self.accepted += 1
        self._recount()

    def ended(self, status: Status) -> None:
        """Counts how a pending task ended."""
        if status is Status.ACCEPTED:
            self.accepted += 1
        else:
            self.live -= 1
        self._recount()

    def _recount(self) -> None:
        before, self.count = self.count, made_up(self.live, self.tried)
        self.dimension.total += self.count - before
        self.dimension.seen += int(self.count > 0) - int(before > 0)
