"""Gives every task that a planner draws a value in each dimension of a campaign's attributes, whatever the planner."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...agents.attributes.attributes import propose_dimensions, propose_personas, propose_values
from ...agents.state import FlowContext
from ...agents.variables import TRAITS
from ...errors import ConfigError
from ...graphs.planners.base import Planner, PlanView
from ...graphs.planners.groups import group_rng
from ...storage.records import Chunk, Task
from ...storage.store import RunStore
from .spec import AttributesSpec

MARK = "attributes"
PERSONA = "persona"
SHOWN, CHARACTERS = 6, 3000  # passages that stand for the documents, and how much of them
AGAIN = 4  # times that a planner is asked in vain which gives nothing but what it gave

Traits = Mapping[str, Mapping[str, Sequence[str]]]
"""Dimension → class → values; the values of all classes are under the empty name."""


async def settle(
    spec: AttributesSpec, store: RunStore, context: FlowContext, chunks: Sequence[Chunk], seed: int
) -> Traits:
    """Returns the values of all dimensions: those given, and those proposed, which a run is asked for only once.

    Raises:
        ConfigError: a model proposed no value for a dimension.
    """
    given: dict[str, dict[str, list[str]]] = {name: {"": list(some)} for name, some in spec.values.items()}
    if not spec.asks or not len(chunks):
        return given
    kept = store.mark(MARK)
    if kept is None:
        kept = await _proposed(spec, context, chunks, seed)
        await store.set_mark(MARK, kept)
    return {**kept, **given}


async def _proposed(
    spec: AttributesSpec, context: FlowContext, chunks: Sequence[Chunk], seed: int
) -> dict[str, dict[str, list[str]]]:
    rng = random.Random(seed)  # noqa: S311  # which passages are shown; nothing secret hangs on it
    places = sorted(rng.sample(range(len(chunks)), min(len(chunks), max(SHOWN, spec.personas))))
    passages = [chunks[place].text for place in places]
    shown = "\n\n".join(passage[: CHARACTERS // SHOWN] for passage in passages[:SHOWN])
    names = list(spec.propose)
    if spec.dimensions:
        names += await propose_dimensions(context, shown, spec.dimensions)
    found: dict[str, dict[str, list[str]]] = {}
    for name in dict.fromkeys(names):
        found[name] = await propose_values(context, shown, name, spec.each, classes=spec.classes)
        if not any(found[name].values()):
            raise ConfigError(f"the model proposed no value for '{name}'; give some in [attributes.values]")
    if spec.personas:
        found[PERSONA] = {"": await propose_personas(context, passages, spec.personas)}
    return found


def crossed(planner: Planner, traits: Traits, class_of: str = "") -> Planner:
    """Returns a planner whose tasks are those of `planner`, each with a value of every dimension.

    Which values hangs on the task alone, so that a restart gives the same ones, whatever was drawn between. Attributes
    that a planner gives itself stay as they are.
    """
    return _Crossed(planner, traits, class_of) if traits else planner


class _Crossed:
    """Asks a planner batch for batch, as a campaign would: one that waits, or counts what is planned, looks at the
    books again only when they have what it gave before. It asks by its own ids, and is told of those that the books
    have."""

    def __init__(self, planner: Planner, traits: Traits, class_of: str) -> None:
        self._planner, self._traits, self._class_of = planner, traits, class_of
        self._ids: dict[str, str] = {}  # of the tasks that the planner gave: their ids, and those with their traits
        self._view = self._inner = PlanView(chunks=())
        self.__name__ = getattr(planner, "__name__", "planner")

    def __call__(self, view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        if count <= 0:
            return ()
        if view is not self._view:
            self._ids = {}
            self._view, self._inner = view, replace(view, is_planned=self._is_planned)
        vain = 0
        while vain < AGAIN + len(self._ids) // count:
            tasks = self._planner(self._inner, count, rng, options)
            if not tasks:  # an end, a wait, a handover
                return tasks
            vain = vain + 1 if all(task.id in self._ids for task in tasks) else 0
            if new := [task for task in map(self._with_traits, tasks) if not view.is_planned(task.id)]:
                return new
        return ()

    def _with_traits(self, task: Task) -> Task:
        found = with_traits(task, self._traits, self._class_of)
        self._ids[task.id] = found.id
        return found

    def _is_planned(self, task: str) -> bool:
        return task in self._ids and self._view.is_planned(self._ids[task])


def with_traits(task: Task, traits: Traits, class_of: str = "") -> Task:
    """Returns a task with a value in each dimension, drawn by its id."""
    rng = group_rng("traits", task.id)
    class_name = str(task.attributes.get(class_of, "")) if class_of else ""
    chosen: dict[str, str] = {}
    for name, by_class in traits.items():
        values = by_class.get(class_name) or by_class.get("") or ()
        if values and name not in task.attributes:
            chosen[name] = values[rng.randrange(len(values))]
    if not chosen:
        return task
    return Task.of(
        task.kind,
        chunks=task.chunks,
        entities=task.entities,
        relations=task.relations,
        attributes={**task.attributes, **chosen, TRAITS: list(chosen)},
        seed=task.seed,
    )
