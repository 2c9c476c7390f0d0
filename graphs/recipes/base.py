"""What a recipe is: a planner (what to make next) and a flow (how one task becomes an item).

A planner sees a `PlanView` and returns new tasks; it never sees a model. A flow sees one task; it never sees the plan.
Nothing here knows how a campaign runs the tasks or where it keeps them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ...storage.records import Chunk, Task
from ...storage.returns import MARKS
from ..sampling.sources import Sources

if TYPE_CHECKING:  # types only: a planner draws without networkx or langgraph being imported for its sake
    from langgraph.graph import StateGraph

    from ..knowledge.graph import KnowledgeGraph
    from ..sampling.engine import Yield


class Options(BaseModel):
    """Base of a recipe's options: frozen, and an unknown key is an error (a typo must not be silently ignored)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _never(_: str) -> bool:
    return False


@dataclass(frozen=True)
class PlanView:
    """What a planner sees. A campaign makes one view and keeps it: the mappings are live and grow as it runs.

    chunks:     every chunk of the corpus, in document order.
    graph:      the knowledge graph, or None where the recipe does not need it.
    coverage:   how many accepted and pending tasks touch a chunk id, an entity id or a cell (see `coverage_keys`);
                an absent key counts as 0.
    is_planned: whether a task id was planned before, in this process or an earlier one.
    yields:     what each sampler gave so far, by its label: a recipe enters the books of those that it opens.
    draws:      the open iterators of `lazily`; no planner of a user needs it.
    """

    chunks: Sequence[Chunk]
    graph: KnowledgeGraph | None = None
    coverage: Mapping[str, int] = field(default_factory=dict)
    is_planned: Callable[[str], bool] = _never
    yields: MutableMapping[str, Yield] = field(default_factory=dict, repr=False, compare=False)
    draws: MutableMapping[Any, Iterator[Task]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sources(self) -> Sources:
        """Documents and tokens of the chunks, for samplers that need them."""
        return Sources.of(self.chunks)


Planner = Callable[[PlanView, int, random.Random, Any], Sequence[Task]]
"""`(view, count, rng, options) -> tasks`: at most `count` tasks that are new, none twice; empty when exhausted.

Deterministic for a fresh view and an rng of the same seed. It costs as much as the tasks it returns, not as much as
all tasks that there could be.
"""

Draws = Callable[[PlanView, random.Random, Any], Iterator[Task]]
"""`(view, rng, options) -> iterator of tasks`: finite, lazy; a task that was planned before may come again."""


def lazily(draws: Draws) -> Planner:
    """Turns a generator of tasks into a planner; usable as a decorator.

    The iterator stays open in the view from call to call, so a plan of a million tasks is walked once and never
    stands in memory. A resumed campaign has a fresh view: the walk starts over and skips what is planned.
    """

    def plan(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        if count <= 0:
            return []
        if plan not in view.draws:
            view.draws[plan] = _new_only(draws(view, rng, options), view.is_planned)
        return _distinct(view.draws[plan], count)

    plan.__doc__ = draws.__doc__
    plan.__name__ = draws.__name__
    return plan


def _new_only(tasks: Iterator[Task], is_planned: Callable[[str], bool]) -> Iterator[Task]:
    return (task for task in tasks if not is_planned(task.id))


def _distinct(tasks: Iterator[Task], count: int) -> list[Task]:
    """Takes `count` tasks of different ids: a batch is not planned before it is returned, so it may hold a repeat."""
    batch: dict[str, Task] = {}
    while len(batch) < count:
        more = list(islice(tasks, count - len(batch)))
        if not more:
            break
        batch.update((task.id, task) for task in more)
    return list(batch.values())


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


@dataclass(frozen=True)
class Recipe:
    """A planner and a flow under a name.

    name:    what the campaign file says, e.g. `grounded-qa`.
    paper:   the paper it follows, empty for none; the recipe's module says what is faithful to it and what is not.
    gives:   the kind of its items: `qa`, `reasoning`, `pretraining`; `sft` where the user's flow decides.
    needs:   a subset of {"documents", "graph"}; a campaign builds the knowledge graph only for recipes that need it.
    roles:   the roles that its flow asks, each bound to a model by the campaign.
    options: the pydantic model of its options; every field has a default.
    planner: see `Planner`.
    flow:    options → the StateGraph that one task runs through; None where only the user can say (`rows`).
    """

    name: str
    summary: str
    paper: str
    gives: str
    needs: frozenset[str]
    roles: tuple[str, ...]
    options: type[BaseModel]
    planner: Planner
    flow: Callable[[Any], StateGraph[Any, Any, Any, Any]] | None
