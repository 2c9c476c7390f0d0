"""The responder: answers the newest draft's instruction, as a user's own words, in a chat of its own."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..prompts.wanted import Fields
from .asking import answer_fields, ask, draft_of
from .messages import Messages, instruction_response
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft


def responder(
    *,
    role: str = "responder",
    prompt: str = "respond-to-instruction",
    variables: tuple[str, ...] = ("instruction",),
    given: Given | None = None,
    messages: Messages = instruction_response,
    response_as: str = "response",
) -> Node:
    """Returns a node that appends a draft: the newest draft's fields with what `role` answers, as `response_as`.

    The answer is a text, or has that field where its prompt names a schema; other fields of it become the draft's too.

    The built-in prompt is the instruction and nothing else: no system message, no data tags. It is model text that is
    meant to be followed, and the call has nothing that it could give away.
    """
    names = tuple(dict.fromkeys((*variables, *(given or {}))))

    @describe(
        role=role, prompt=prompt, variables=names, reads=("task", "drafts"), writes=("drafts",),
        answer=Fields.of((response_as,), text=True),
    )  # fmt: skip
    async def respond(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        reply = await ask(state, runtime, role=role, prompt=prompt, variables=names, given=given)
        answered = {response_as: reply.text.strip()} if reply.parsed is None else answer_fields(reply)
        fields = {**last_draft(state).fields, **answered}
        return {"drafts": [draft_of(state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields)]}

    return respond
