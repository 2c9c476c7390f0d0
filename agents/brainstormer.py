"""The brainstormer: lists what can be made of one source, and hands each task its own member of the list.

The tasks of one source ask the same question, which the call cache answers once; so a list of five costs one call, and
a task that runs again after a kill finds the same list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from ..prompts.wanted import Fields
from ..storage.records import Decision
from .asking import answer_fields, ask
from .proposer import UNSUITABLE
from .state import FlowContext, FlowState, Node, describe
from .variables import Given

PLACE = "place"  # the attribute of a task that says which member of the list is its own, from 0


def brainstormer(
    *,
    role: str = "proposer",
    prompt: str,
    variables: tuple[str, ...],
    listed: str,
    most: int,
    fields: tuple[str, ...] = (),
    given: Given | None = None,
) -> Node:
    """Returns a node that writes `proposal` and `values`, or ends the task with the reason `unsuitable`.

    Args:
        listed: the field of the prompt's schema that is the list, of records or of texts.
        fields: of a record, those that what follows reads.
        most: how many members count, however many a model gives; a member that is there twice counts once.

    A record's fields are prompt variables of what follows; a text is the variable `chosen`. A list that is too short
    for the task's `place` ends it without another call. The prompt must show nothing that differs between the tasks of
    one source, and these must have the same seed: the question is then one question.
    """
    names = tuple(dict.fromkeys((*variables, *(given or {}))))

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "chunks"),
        writes=("proposal", "values", "decision", "reasons"),
        answer=Fields(lists={listed: fields}),
    )
    async def brainstorm(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given)
        members = answer_fields(reply).get(listed) or ()  # a schema may let an answer leave it out
        place = int(state["task"].attributes.get(PLACE, 0))
        different = _different(members)[:most]
        if place >= len(different):
            return {"decision": Decision.REJECT, "reasons": (UNSUITABLE,)}
        return {"proposal": different[place], "values": different[place]}

    return brainstorm


def _different(members: Sequence[Any]) -> list[dict[str, Any]]:
    """The members as variables, each once: case and blanks make no other member; an empty one is none."""
    found: dict[str, dict[str, Any]] = {}
    for member in members:
        record = member if isinstance(member, dict) else {"chosen": str(member)}
        key = "\n".join(" ".join(str(value).casefold().split()) for value in record.values())
        if key.strip():
            found.setdefault(key, record)
    return list(found.values())
