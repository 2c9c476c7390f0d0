"""The preparer: asks for what a draft is to be written by before there is one: metadata, contexts, feedback, a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langgraph.runtime import Runtime

from ..prompts.wanted import TEXT, Fields
from ..storage.records import Decision, content_id
from .asking import answer_fields, ask
from .proposer import UNSUITABLE
from .state import FlowContext, FlowState, Node, describe
from .variables import OF_REVIEWER, TRAITS, Given


def preparer(
    *,
    prompt: str,
    variables: tuple[str, ...],
    fields: tuple[str, ...] = (),
    role: str = "preparer",
    given: Given | None = None,
    shared: bool = False,
    sample: Callable[[FlowState], int] | None = None,
    pick: Mapping[str, str] | None = None,
    place: str = "",
) -> Node:
    """Returns a node that writes the fields of an answer into the state's `values`, as variables of later prompts.

    A list of which nothing is left to pick, and an answer whose field `suitable` is false, end the task with the reason
    `unsuitable`.

    Args:
        variables: what the prompt is given, besides `traits` and what a person asks for who sent an item back.
        fields: of the answer, those that later prompts are given, besides what is picked.
        shared: all tasks that ask with equal variables get the same answer, and a run asks for it once.
        sample: which of a question's answers a task gets, 0 or more: tasks of another number draw another.
        pick: variable → the field of the answer, a list, of which an entry becomes that variable.
        place: the task's attribute that says which entry, counted from 0, or which entries, for a list of places; the
            variable is a list then. Without it the task's id decides, each entry being as likely as any other.
    """
    beside = () if shared else (*OF_REVIEWER, TRAITS)
    names = tuple(dict.fromkeys((*variables, *beside, *(given or {}))))
    picks = dict(pick or {})

    @describe(
        role=role,
        prompt=prompt,
        variables=names,
        reads=("task", "chunks", "values"),
        writes=("values", "decision", "reasons"),
        answer=Fields(frozenset(fields), dict.fromkeys(picks.values(), ()), text=not picks and {*fields} <= {TEXT}),
    )
    async def prepare(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        number = sample(state) if sample else 0
        reply = await ask(
            state, runtime, role=role, prompt=prompt, variables=names, given=given, sample=number, shared=shared
        )
        values = answer_fields(reply)
        task = state["task"]
        for name, listed in picks.items():
            entries = [entry for entry in values.get(listed, ()) if entry]
            wanted = task.attributes[place] if place else drawn(task.id, name, len(entries))
            numbers = [int(one) for one in (wanted if isinstance(wanted, list | tuple) else [wanted])]
            if not all(0 <= number < len(entries) for number in numbers):
                return {"decision": Decision.REJECT, "reasons": (UNSUITABLE,)}
            chosen = [entries[number] for number in numbers]
            values[name] = chosen if isinstance(wanted, list | tuple) else chosen[0]
        if values.get("suitable") is False:
            return {"decision": Decision.REJECT, "reasons": (UNSUITABLE,)}
        return {"values": values}

    return prepare


def drawn(task: str, name: str, of: int) -> int:
    """Returns a number below `of` (0 for none) that hangs on a task's id and a name alone: a restart draws the same."""
    return int(content_id("pick", task, name)[-16:], 16) % of if of else 0
