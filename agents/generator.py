"""The generator: writes the first draft of an item."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..models.contract import Reply
from ..prompts.wanted import TEXT, Fields
from .asking import answer_fields, ask, draft_of
from .messages import OTHER_MESSAGES, Messages, fields_read, question_answer
from .state import FlowContext, FlowState, Node, describe
from .variables import AVOID, OF_REVIEWER, TRAITS, Given

FINISH, CUT = "finish_reason", "length"  # the field of a text that ended at the most tokens allowed
QUESTION_ANSWER = ("passage", "headings", "kind", "kind_description", "topic", "quote", "angle")


def generator(
    *,
    role: str = "generator",
    prompt: str = "write-question-answer",
    messages: Messages = question_answer,
    variables: tuple[str, ...] = QUESTION_ANSWER,
    given: Given | None = None,
    adds: Given | None = None,
    text_as: str = TEXT,
    fields: tuple[str, ...] = (),
) -> Node:
    """Returns a node that appends a draft.

    Args:
        messages: how the answer's fields become chat messages; see `agents/messages.py`.
        variables: the prompt variables that the node gives; see `agents/variables.py` for what is known. Besides them
            it gives what a person asks for who sent an earlier attempt back: `reviewer_note`, `earlier_attempt`, and in
            `avoid` the texts of its own drafts that a novelty gate sent back.
        given: further variables, or other values for known ones, as functions of the state.
        adds: further fields of the draft, which no model writes: a label that is known, the passage that a query is
            for. They win over what the answer has under their names.
        text_as: the field that the text becomes which answers a prompt without a schema, without blanks around it; the
            field `finish_reason` then says when it was cut off.
        fields: of the answer, those that what follows reads, besides those that the messages are made of.
    """
    names = tuple(dict.fromkeys((*variables, *OF_REVIEWER, AVOID, TRAITS, *(given or {}))))

    own = text_as != TEXT
    needed = {*fields, *fields_read(messages), *((text_as,) if own else ())} - (adds or {}).keys()
    read = Fields.of(needed, text=own or None, mend=OTHER_MESSAGES)

    def fields_of(reply: Reply) -> dict[str, Any]:
        if reply.parsed is not None or text_as == TEXT:
            return answer_fields(reply)
        return {text_as: reply.text.strip(), **({FINISH: CUT} if reply.finish_reason == CUT else {})}

    @describe(
        role=role, prompt=prompt, variables=names, reads=("task", "chunks", "entities", "proposal"),
        writes=("drafts",), answer=read,
    )  # fmt: skip
    async def generate(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        # A prompt that does not show what to avoid is at least another draw of the same question.
        again = len(state.get("values", {}).get(AVOID, ()))
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, sample=again)
        fields = fields_of(reply)
        draft = draft_of(state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields, adds=adds)
        return {"drafts": [draft]}

    return generate
