"""What every role does around a model call: ask for an answer of a known shape, keep it as a draft or a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from langgraph.runtime import Runtime
from pydantic import BaseModel

from ..errors import FlowError
from ..evals.grounding import locate
from ..models.contract import Reply
from ..storage.records import Call, Draft, Span
from .messages import Messages
from .precedents import Shown
from .state import FlowContext, FlowState
from .variables import Given, gather

Expected = TypeVar("Expected", bound=BaseModel)
Some = TypeVar("Some")


async def ask(
    state: FlowState,
    runtime: Runtime[FlowContext],
    *,
    role: str,
    prompt: str,
    variables: Sequence[str],
    given: Given | None = None,
    more: Mapping[str, Any] | None = None,
    sample: int = 0,
    shown: Shown | None = None,
    shared: bool = False,
) -> Reply:
    """Asks `role` by `prompt` with the variables named, and with `more`, which are values already.

    `shown` are the precedents that stand before the prompt. A `shared` question is asked once for all tasks that ask
    it with equal variables.
    """
    values = gather(state, variables, given)
    if more:
        values.update(more)
    return await runtime.context.ask(
        role, prompt, values, task=state["task"], sample=sample, shown=shown, shared=shared
    )


async def together(asked: Iterable[Awaitable[Some]]) -> list[Some]:
    """Awaits all at once and returns what came, in their order; where some fail, raises the first one's error.

    It raises when all have ended: none is cancelled after it was paid, each is in the cache, and the task is still
    there to be charged with it.
    """
    found: list[Some] = []
    for one in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


def shown_to(critic: str, state: FlowState, runtime: Runtime[FlowContext]) -> Shown | None:
    """Returns what people decided on other drafts, as far as `critic` is to see it before it judges this one.

    `critic` is the name on its verdicts. None is from a document of the task's chunks.
    """
    precedents = runtime.context.precedents
    if precedents is None:
        return None
    return precedents.to(critic, {chunk.document for chunk in state.get("chunks", [])}, runtime.context.prompts)


def parsed_as(expected: type[Expected], reply: Reply, role: str, prompt: str) -> Expected:
    """Returns the reply's parsed answer; raises `FlowError` when the prompt is answered by another schema."""
    if isinstance(reply.parsed, expected):
        return reply.parsed
    found = "no schema" if reply.parsed is None else f"schema {type(reply.parsed).__name__}"
    raise FlowError(
        f"prompt '{prompt}' is answered by {found}, and role '{role}' needs {expected.__name__}; "
        f"put 'schema: {expected.__name__}' into the prompt's front matter, or a class of yours derived from it"
    )


def answer_fields(reply: Reply) -> dict[str, Any]:
    """Returns the parsed answer as JSON values, or `{"text": ...}` for a prompt that names no schema."""
    return {"text": reply.text} if reply.parsed is None else reply.parsed.model_dump(mode="json")


def spans_of(quotes: Sequence[str], state: FlowState) -> tuple[tuple[Span, ...], list[str]]:
    """Locates quotes in the task's chunks; returns the spans, each once, and the quotes that are nowhere."""
    spans: dict[tuple[str, int, int], Span] = {}
    lost: list[str] = []
    for quote in quotes:
        span = locate(quote, state.get("chunks", []))
        if span is None:
            lost.append(quote)
        else:
            spans.setdefault((span.chunk, span.start, span.end), span)
    return tuple(spans.values()), lost


def label_of(runtime: Runtime[FlowContext], prompt: str, shown: Shown | None = None) -> str:
    """Returns `name@version`: what drafts and verdicts carry, so that an item says by which wording it was made.

    A critic that was shown precedents has their mark in it: `name@version+p` and 8 digits of the set's version.
    """
    return f"{prompt}@{runtime.context.prompts.get(prompt).version}{shown.mark if shown else ''}"


def draft_of(
    state: FlowState,
    runtime: Runtime[FlowContext],
    reply: Reply,
    *,
    by: str,
    prompt: str,
    messages: Messages,
    fields: Mapping[str, Any] | None = None,
    note: str = "",
    calls: tuple[Call, ...] | None = None,
    adds: Given | None = None,
) -> Draft:
    """Makes the next draft from a reply; `calls` are all that it took, where these are more than the reply's.

    `fields` default to the answer's own. The quotes in `fields["evidence"]` stay there as the model gave them; those
    found in the chunks become the draft's evidence spans. `adds` are fields that are worked out from the state.
    """
    fields = answer_fields(reply) if fields is None else dict(fields)
    fields |= {name: of(state) for name, of in (adds or {}).items()}
    said = fields.get("evidence")  # of a schema of the user's own it may be anything
    quotes = [quote for quote in (said if isinstance(said, list | tuple) else [said]) if isinstance(quote, str)]
    return Draft(
        index=len(state.get("drafts", [])),
        by=by,
        messages=messages(fields, state),
        fields=dict(fields),
        evidence=spans_of(quotes, state)[0],
        prompt=label_of(runtime, prompt),
        model=reply.model,
        note=note,
        calls=reply.calls if calls is None else calls,
    )
