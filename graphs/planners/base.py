"""What a planner is, and what it sees: it draws what to make next as tasks, and never sees a model.

Nothing here knows how a campaign runs the tasks or where it keeps them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel, ConfigDict

from ...storage.records import Chunk, Task
from ...storage.returns import MARKS
from ..sampling.sources import Sources
from .accepted import Accepted, Ended, NothingAccepted, NothingEnded
from .tried import Tried, untried

if TYPE_CHECKING:  # types only: a planner draws without networkx or langgraph being imported for its sake
    from ..knowledge.graph import KnowledgeGraph
    from ..sampling.engine import Yield
    from ..sampling.sampler import Sampler


class Options(BaseModel):
    """Base of a recipe's options: frozen, and an unknown key is an error (a typo must not be silently ignored)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def samplers(self) -> Mapping[str, Sampler]:
        """Returns the samplers that the planner draws by, by name: a campaign checks them before it spends."""
        return {}


@dataclass(frozen=True)
class Column:
    """Marks an option whose value is the name of a column of the rows: `label: Annotated[str, Column()] = "label"`.

    needed: whether every row must have it; otherwise a campaign only says when no row at all has it.
    """

    needed: bool = True


def columns_of(options: BaseModel) -> dict[str, tuple[str, Column]]:
    """Returns the options that name columns: option → the column's name and its mark; without those set to ''."""
    marks = {
        name: mark
        for name, one in type(options).model_fields.items()
        for mark in one.metadata
        if isinstance(mark, Column)
    }
    named = {name: getattr(options, name) for name in marks}
    return {name: (column, marks[name]) for name, column in named.items() if isinstance(column, str) and column}


def _never(_: str) -> bool:
    return False


def _nothing(_: Chunk) -> Mapping[str, Any]:
    return {}


def _document(chunk: Chunk) -> str:
    return chunk.document


def _none_pending() -> int:
    return 0


@dataclass(frozen=True)
class PlanView:
    """What a planner sees. A campaign makes one view and keeps it: the mappings are live and grow as it runs.

    chunks:     every chunk of the corpus, in document order.
    graph:      the knowledge graph, or None where the recipe does not need it.
    coverage:   how many accepted and pending tasks touch a chunk id, an entity id or a cell (see `coverage_keys`);
                an absent key counts as 0.
    is_planned: whether a task id was planned before, in this process or an earlier one.
    meta:       chunk → the other columns of the row that it is from (JSON values); empty for what is no row.
    source:     chunk → what it is from as people call it: the file, with `#` and the line or row where it is a row.
    accepted:   the items that are accepted so far.
    tries:      (chunk id, kind of task) → how many such tasks were planned on it and how they ended, live.
    pending:    how many tasks that were drawn have not ended; a planner that works in rounds waits for 0.
    notes:      JSON values by name that the planner keeps over restarts: what it writes here is stored with the tasks
                that it returns then.
    trained:    round → the model that the campaign's trainer gave after a `Handover`; None where it has no trainer.
    ended:      what all tasks ended with so far, the rejected and the failed too.
    yields:     what each sampler gave so far, by its label: a recipe enters the books of those that it opens.
    draws:      the open iterators of `lazily`; no planner of a user needs it.
    """

    chunks: Sequence[Chunk]
    graph: KnowledgeGraph | None = None
    coverage: Mapping[str, int] = field(default_factory=dict)
    is_planned: Callable[[str], bool] = _never
    meta: Callable[[Chunk], Mapping[str, Any]] = _nothing
    source: Callable[[Chunk], str] = _document
    accepted: Accepted = field(default_factory=NothingAccepted, repr=False, compare=False)
    tries: Callable[[str, str], Tried] = field(default=untried, repr=False, compare=False)
    pending: Callable[[], int] = _none_pending
    notes: MutableMapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    trained: Mapping[int, Mapping[str, str]] | None = None
    ended: Ended = field(default_factory=NothingEnded, repr=False, compare=False)
    yields: MutableMapping[str, Yield] = field(default_factory=dict, repr=False, compare=False)
    draws: MutableMapping[Any, Walk] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sources(self) -> Sources:
        """Documents and tokens of the chunks, for samplers that need them."""
        return Sources.of(self.chunks)


Planner = Callable[[PlanView, int, random.Random, Any], Sequence[Task]]
"""`(view, count, rng, options) -> tasks`: at most `count` tasks that are new, none twice; empty when exhausted, `WAIT`
when there is nothing to draw before a task that is planned has ended (a planner that works from accepted items).

Deterministic for a fresh view and an rng of the same seed. It costs as much as the tasks it returns, not as much as
all tasks that there could be.
"""


class Wait(tuple[Task, ...]):
    """The type of `WAIT`: no task now, and no end."""

    __slots__ = ()


WAIT: Final = Wait()


class Handover(Wait):
    """No task now: the items of the round `number` go to the campaign's trainer first, and the planner is asked again
    when `PlanView.trained` has the round. For planners that see a trainer there."""

    number: int

    def __new__(cls, number: int) -> Self:
        made = super().__new__(cls)
        made.number = number
        return made


Draws = Callable[[PlanView, random.Random, Any], Iterator[Task | Handover | None]]
"""`(view, rng, options) -> iterator of tasks`: finite, lazy; a task that was planned before may come again. None says
that nothing is to be drawn before a task has ended; the iterator is asked again then, and after a `Handover` when the
trainer has ended."""


WATCHED = 4096


ROUNDS = 16


PATIENCE = 1000  # repeats that are let pass before any are counted


def lazily(draws: Draws) -> Planner:
    """Turns a generator of tasks into a planner; usable as a decorator.

    The iterator stays open in the view from call to call, so a plan of a million tasks is walked once and never
    stands in memory. A resumed campaign has a fresh view: the walk starts over and skips what is planned. A generator
    without end that gives the same tasks again and again counts as exhausted, see `Walk`.
    """

    def plan(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        if count <= 0:
            return ()
        if plan not in view.draws:
            view.draws[plan] = Walk(draws(view, rng, options), view.is_planned)
        return view.draws[plan].take(count)

    plan.__doc__ = draws.__doc__
    plan.__name__ = draws.__name__
    return plan


class Walk:
    """An open generator of tasks, of which those are taken that are new.

    It ends where the generator does, or goes round: where, since the last new task, each of the tasks that came was
    seen `ROUNDS` times on average. A generator may draw with replacement, and would then never end.
    """

    def __init__(self, tasks: Iterator[Task | Handover | None], is_planned: Callable[[str], bool]) -> None:
        self._tasks = tasks
        self._handover: Handover | None = None  # it came behind tasks, which go first
        self._is_planned = is_planned
        self._watched: set[str] = set()
        self._again = 0

    def take(self, count: int) -> Sequence[Task]:
        """Takes `count` tasks of different ids that were not planned before, fewer when there are no more now."""
        if self._handover is not None:
            handover, self._handover = self._handover, None
            return handover
        batch: dict[str, Task] = {}  # not planned before it is returned, so it may hold a repeat
        passed = False
        for task in self._tasks:
            if task is None:
                if passed and not batch:  # what was planned before says nothing of what comes behind it
                    passed = False
                    continue
                return list(batch.values()) or WAIT
            if isinstance(task, Handover):
                if not batch:
                    return task
                self._handover = task
                break
            passed = True
            if task.id not in batch and not self._is_planned(task.id):
                batch[task.id] = task
                self._watched.clear()
                self._again = 0
            elif self._goes_round(task.id):
                break
            if len(batch) == count:
                break
        return list(batch.values())

    def _goes_round(self, task: str) -> bool:
        """Notes a task that is not new; of more than `WATCHED` different ones the first stand for all."""
        if task in self._watched:
            self._again += 1
        elif len(self._watched) < WATCHED:
            self._watched.add(task)
        return self._again > ROUNDS * len(self._watched) + PATIENCE


def cell(attribute: str, value: object) -> str:
    """Returns the coverage key of an attribute's value, e.g. `kind=definition`."""
    return f"{attribute}={value}"


def coverage_keys(task: Task) -> tuple[str, ...]:
    """Returns what a task counts towards in `PlanView.coverage`: its chunks, its entities, the cells of its attributes.

    Only attributes that are text make cells; a list or a number steers nothing, nor what a person's note is about.
    """
    cells = (
        cell(name, value) for name, value in task.attributes.items() if isinstance(value, str) and name not in MARKS
    )
    return (*task.chunks, *task.entities, cell("draw", task.kind), *cells)
