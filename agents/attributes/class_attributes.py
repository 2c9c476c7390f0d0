"""What a text of a class is to be like: a value in each dimension, of which none fits a class that is easily confused.

After AttrPrompt (Yu et al. 2023, arXiv:2306.15895).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langgraph.runtime import Runtime
from pydantic import BaseModel

from ...evals.folding import words
from ...prompts.schemas import Classes, Values
from ...storage.records import Task
from ..asking import parsed_as, together
from ..preparer import drawn
from ..state import FlowContext, FlowState, Node, NodeInfo, describe
from .attributes import alike, distinct

LIST, SHARED, SIMILAR = "list-class-values", "shared-values", "similar-classes"
CONFUSABLE, REQUIREMENTS, DRAWN = "confusable", "requirements", "drawn_values"
Expected = TypeVar("Expected", bound=BaseModel)


def class_attributes(
    *,
    classes: Sequence[str],
    domain: str,
    dimensions: Sequence[str],
    values: Mapping[str, Sequence[str]],
    similar: Mapping[str, Sequence[str]],
    most_similar: int = 5,
    each: int = 10,
    role: str = "attributes",
) -> Node:
    """Returns a node that draws a value of each dimension for the task's `label`, by the task's id.

    It writes `drawn_values` (dimension → value), `requirements` (the same as lines) and `confusable` (class names).
    Every question is asked once for all tasks of a class. A dimension whose values all fit other classes is left out.

    Args:
        dimensions: those whose values hang on the class, which a model lists, `each` of them.
        values: dimension → values that are the same for all classes.
        similar: class → classes that it is confused with; for others a model names them, `most_similar` at most.
    """
    parts = (
        NodeInfo(role, LIST, frozenset({"domain", "dimension", "class_name", "count"}), answer=Values),
        NodeInfo(role, SHARED, frozenset({"dimension", "class_name", "values", "others"}), answer=Values),
        NodeInfo(role, SIMILAR, frozenset({"domain", "class_name", "others", "count"}), answer=Classes),
    )

    @describe(reads=("task",), writes=("values",), parts=parts)
    async def choose(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        task = state["task"]
        label = str(task.attributes["label"])

        async def asked(expected: type[Expected], prompt: str, **given: object) -> Expected:
            reply = await runtime.context.ask(role, prompt, given, task=task, shared=True)
            return parsed_as(expected, reply, role, prompt)

        async def listed(name: str, dimension: str) -> list[str]:
            found = await asked(Values, LIST, domain=domain, dimension=dimension, class_name=name, count=each)
            return distinct(one for value in found.values if words(one := " ".join(value.split())))[:each]

        async def confusable() -> list[str]:
            others = [name for name in classes if name != label]
            if label in similar or len(others) <= most_similar:
                return list(similar.get(label, others))
            found = await asked(Classes, SIMILAR, domain=domain, class_name=label, others=others, count=most_similar)
            named = {tuple(words(name)) for name in found.classes}
            return [name for name in others if tuple(words(name)) in named][:most_similar]

        async def own(dimension: str) -> list[str]:
            """The values of the task's class that fit none of those it is confused with."""
            mine, *theirs = await together(listed(name, dimension) for name in (label, *near))
            if not mine or not near:
                return mine
            said = await asked(Values, SHARED, dimension=dimension, class_name=label, values=mine, others=near)
            dropped = [*said.values, *(value for some in theirs for value in some)]
            return [value for value in mine if not any(alike(value, other) for other in dropped if words(other))]

        near = await confusable()
        kept = dict(zip(dimensions, await together(map(own, dimensions)), strict=True))
        return {"values": {CONFUSABLE: near, **_drawn(task, {**kept, **values})}}

    return choose


def _drawn(task: Task, values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    chosen = {name: some[drawn(task.id, name, len(some))] for name, some in values.items() if some}
    return {DRAWN: chosen, REQUIREMENTS: [f"{name}: {value}" for name, value in chosen.items()]}
