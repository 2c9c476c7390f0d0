"""The drafter: makes a draft of what was prepared before there was one, so that checks can look at it."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..storage.records import Draft
from .messages import Messages
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, gather


def drafter(fields: tuple[str, ...], *, by: str, messages: Messages, given: Given | None = None) -> Node:
    """Returns a node that appends a draft without asking a model.

    Args:
        fields: names of the state's `values` or of the task's attributes that become the draft's fields.
        by: the role that wrote them.
        given: further fields, as functions of the state.
    """
    names = tuple(dict.fromkeys((*fields, *(given or {}))))

    @describe(reads=("task", "chunks", "values"), writes=("drafts",))
    async def draft(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        found = gather(state, names, given)
        index = len(state.get("drafts", []))
        return {"drafts": [Draft(index=index, by=by, messages=messages(found, state), fields=found)]}

    return draft
