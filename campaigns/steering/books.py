"""Keeps what is known of every cell, task by task: counts from the plan, novelty from what ends in the books."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...graphs.planners.base import cell as cell_name
from ...storage.records import Status, Task
from .cells import Cell, Cells, Dimension
from .spec import SteerSpec

Known = Sequence[tuple[Dimension, Sequence[Cell]]]
"""A task's cells, by dimension."""

MARGIN = 0.02  # a share that is missed by no more is met
ENOUGH = 20  # tasks of a dimension before a share is said to be missed


class CellBooks:
    """All cells that a task or a candidate fell into. `saturated` are the names of those that are."""

    def __init__(self, spec: SteerSpec, cells: Cells) -> None:
        self.saturated: dict[str, Cell] = {}
        self.revived = False
        self._spec = spec
        self._names = cells
        self._opened_cells = 0
        self._dimensions: dict[str, Dimension] = {}
        self._shared: dict[str, float] = {}
        for name, share in spec.shares.items():
            dimension = name.partition("=")[0]
            self._shared[dimension] = self._shared.get(dimension, 0.0) + share

    def __len__(self) -> int:
        return self._opened_cells

    def of(self, task: Task) -> Known:
        """Returns the cells of a task; new ones are opened."""
        found: list[tuple[Dimension, list[Cell]]] = []
        dimensions = self._dimensions
        for name, values in self._names.values(task):
            dimension = dimensions.get(name) or self._dimension(name)
            known = dimension.cells
            found.append((dimension, [known.get(value) or self._opened(value, dimension) for value in values]))
        return found

    def _dimension(self, name: str) -> Dimension:
        rest = max(0.0, 1.0 - self._shared[name]) if name in self._shared else None
        return self._dimensions.setdefault(name, Dimension(name, rest))

    def measure(self) -> None:
        """Sets the level of every dimension: a batch is about to be chosen."""
        for dimension in self._dimensions.values():
            dimension.measure(self._spec.rarity)

    def _opened(self, value: str, dimension: Dimension) -> Cell:
        spec, name = self._spec, cell_name(dimension.name, value)
        quotas = spec.weights.get(name, 1.0), spec.shares.get(name), spec.at_most.get(name)
        cell = dimension.cells[value] = Cell(name, dimension, spec.rarity, *quotas)
        self._opened_cells += 1
        return cell

    def _named(self, name: str) -> Cell | None:
        """Returns the cell of a full name, where it is open."""
        dimension, _, value = name.partition("=")
        return self._dimensions[dimension].cells.get(value) if dimension in self._dimensions else None

    def plan(self, known: Known, status: Status = Status.PENDING, *, counts: bool = True) -> None:
        """Counts a planned task; see `Cell.planned`."""
        for dimension, cells in known:
            for cell in cells:
                cell.planned(status, counts=counts)
            if counts and status in (Status.PENDING, Status.ACCEPTED):
                dimension.change(cells, 1)

    def end(self, known: Known, status: Status) -> None:
        """Counts how a pending task ended."""
        for dimension, cells in known:
            for cell in cells:
                cell.ended(status)
            if status is not Status.ACCEPTED:
                dimension.change(cells, -1)

    def learn(self, known: Known, novelty: float | None, hope: float = 1.0) -> None:
        """Takes in how new an ended task was; None says that its end tells nothing of that. `hope` is how new it was to
        be, in [0, 1], for a task that was asked before: the cells take so much of the blame.

        Of what it lacks the weakest of its cells takes all the blame, others as much as they are weak beside it: a cell
        is not spent because it was drawn together with one that is.
        """
        if novelty is None:
            return
        spec = self._spec
        cells = [cell for _, some in known for cell in some]
        for cell, blame in _blamed(cells, [cell.novelty.mean for cell in cells]):
            if cell.learn(novelty, blame * hope, memory=spec.memory, after=spec.after, threshold=spec.threshold):
                if cell.saturated:
                    self.saturated[cell.name] = cell
                else:
                    self.saturated.pop(cell.name, None)
                    self.revived = True

    def forget(self, known: Known) -> None:
        """Closes cells of a candidate that was passed over, where nothing else is known of them."""
        for _, cells in known:
            for cell in cells:
                cell.waiting -= 1
                if not cell.waiting and not cell.tried:
                    self._close(cell)

    def _close(self, cell: Cell) -> None:
        dimension = cell.dimension
        if dimension.cells.pop(cell.name[len(dimension.name) + 1 :], None) is not None:
            dimension.barred -= cell.bar != ""
            self._opened_cells -= 1

    def missed(self) -> list[str]:
        """Says which quotas the recipe did not meet so far: cells by name, and what they have."""
        told: list[str] = []
        for name, share in sorted(self._spec.shares.items()):
            dimension = self._dimensions.get(name.partition("=")[0])
            cell = self._named(name)
            has = 0 if cell is None else cell.live
            tasks = 0 if dimension is None else dimension.tasks
            if tasks >= ENOUGH and has / tasks < share - MARGIN:
                told.append(f"{name} has {has / tasks:.0%} of {tasks} tasks, not {share:.0%}")
        return told + [f"{name} was never drawn" for name in self._unseen()]

    def _unseen(self) -> Iterable[str]:
        named = dict.fromkeys((*self._spec.weights, *self._spec.at_most))
        return (name for name in named if self._spec.weights.get(name, 1.0) > 0 and not self._was_drawn(name))

    def _was_drawn(self, name: str) -> bool:
        cell = self._named(name)
        return cell is not None and (cell.tried > 0 or cell.waiting > 0)


def _blamed(cells: Sequence[Cell], means: Sequence[float]) -> list[tuple[Cell, float]]:
    """Returns cells with their part of the blame for what a task lacks."""
    weakest = 1.0 - min(means, default=1.0)
    return [(cell, (1.0 - mean) / weakest if weakest else 1.0) for cell, mean in zip(cells, means, strict=True)]
