"""The refiner: a suggester says how to mend a draft, an editor does it (the suggester-editor pair of AgentInstruct)."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..prompts.schemas import Suggestions
from ..prompts.wanted import Fields
from ..storage.records import Call
from ..storage.returns import NOTE
from .asking import ask, draft_of, parsed_as
from .messages import OTHER_MESSAGES, Messages, fields_read, question_answer
from .preparer import drawn
from .state import FlowContext, FlowState, Node, NodeInfo, describe
from .variables import TRAITS, Given

SUGGEST = ("passage", "question", "answer", "evidence", "kind", "reasons", "comment")
EDIT = ("passage", "question", "answer", "evidence", "kind", "reasons")


def refiner(
    *,
    role: str = "refiner",
    suggest: str | None = "suggest-edits",
    suggest_role: str | None = None,
    suggest_variables: tuple[str, ...] = SUGGEST,
    edit: str = "edit-question-answer",
    variables: tuple[str, ...] = EDIT,
    messages: Messages = question_answer,
    given: Given | None = None,
    adds: Given | None = None,
    one: bool = False,
    fields: tuple[str, ...] = (),
) -> Node:
    """Returns a node that appends the mended draft and counts `round`.

    Args:
        role: the editor's role, and the suggester's unless `suggest_role` names another.
        suggest: the suggester's prompt; None edits from the critic's reasons alone.
        edit: the editor's prompt; it gets `suggestions` besides `variables`, an empty list without a suggester.
        adds: further fields of the draft, as the generator has them.
        one: the editor gets one of the suggestions, drawn by the task's id and the round.
        fields: of the editor's answer, those that what follows reads, besides those that the messages are made of.

    Both prompts also get `reviewer_note`: what a person asks for who sent the item back, empty for all other items. In
    the first round it is the `comment` too, for a prompt that does not know it. And they get `traits`, which the item
    is to fit, as the generator did.

    The suggestions stay in the draft's note.
    """
    extra = (NOTE, TRAITS, *(given or {}))
    edit_names = tuple(dict.fromkeys((*variables, *extra)))
    suggest_names = tuple(dict.fromkeys((*suggest_variables, *extra)))
    suggester = suggest_role or role
    reads = frozenset({"task", "chunks", "drafts", "verdicts"})
    mended = Fields.of({*fields, *fields_read(messages)} - (adds or {}).keys(), mend=OTHER_MESSAGES)
    parts: tuple[NodeInfo, ...] = (NodeInfo(role, edit, frozenset((*edit_names, "suggestions")), reads, answer=mended),)
    if suggest:
        parts = (NodeInfo(suggester, suggest, frozenset(suggest_names), reads, answer=Suggestions), *parts)

    @describe(reads=(*sorted(reads), "round"), writes=("drafts", "round"), parts=parts)
    async def refine(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        suggestions: list[str] = []
        suggested: tuple[Call, ...] = ()
        if suggest:
            reply = await ask(state, runtime, role=suggester, prompt=suggest, variables=suggest_names, given=given)
            suggestions, suggested = parsed_as(Suggestions, reply, suggester, suggest).suggestions, reply.calls
        if one and suggestions:
            suggestions = [suggestions[drawn(state["task"].id, f"round {state.get('round', 0)}", len(suggestions))]]
        more = {"suggestions": suggestions}
        reply = await ask(state, runtime, role=role, prompt=edit, variables=edit_names, given=given, more=more)
        calls = suggested + reply.calls
        note = "\n".join(suggestions)
        draft = draft_of(
            state, runtime, reply, by=role, prompt=edit, messages=messages, note=note, calls=calls, adds=adds
        )
        return {"drafts": [draft], "round": state.get("round", 0) + 1}

    return refine
