"""Best of several: a model answers a few times, a judge marks each answer, the best one is the draft."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from langgraph.runtime import Runtime

from ..errors import BadReply, ConfigError
from ..models.contract import Reply
from ..prompts.schemas import Mark
from ..storage.records import Decision, Draft, Verdict
from .asking import ask, draft_of, label_of, parsed_as
from .generator import CUT, FINISH
from .messages import Messages, instruction_response
from .state import FlowContext, FlowState, Node, NodeInfo, describe
from .variables import last_draft

LOW, SCORE = "low_reward", "reward"
MOST = 10  # marks that the judge gives


def best_of(
    *,
    role: str = "solver",
    prompt: str = "solve-step-by-step",
    variables: tuple[str, ...] = ("instruction",),
    samples: int = 5,
    judge: str = "reward",
    judge_prompt: str = "mark-solution",
    minimum: float = 0.0,
    messages: Messages = instruction_response,
    text_as: str = "response",
) -> Node:
    """Returns a node that appends a draft for each different answer, the best one last, and a verdict on each.

    The judge sees `variables` and the answer, as `text_as`; its mark in tenths is the score `reward`. Answers that have
    less than the best are rejected as `low_reward`, which makes preference pairs of them, and so is a best one under
    `minimum`. An answer that cannot be used or marked is left out, one that was cut off too, unless there is no other.

    Raises:
        ConfigError: `samples` is below 1, or `minimum` is outside [0, 1].
        BadReply: no answer can be used, when it runs.
    """
    if samples < 1 or not 0 <= minimum <= 1:
        raise ConfigError(f"best_of has samples={samples} and minimum={minimum}; give 1 at least, a share in [0, 1]")
    parts = (
        NodeInfo(role, prompt, frozenset(variables), frozenset({"task", "drafts"})),
        NodeInfo(judge, judge_prompt, frozenset((*variables, text_as)), frozenset({"task", "drafts"})),
    )

    @describe(reads=("task", "drafts"), writes=("drafts", "verdicts", "decision", "reasons"), parts=parts)
    async def choose(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        def answer(sample: int) -> Coroutine[Any, Any, Reply]:
            return ask(state, runtime, role=role, prompt=prompt, variables=variables, sample=sample)

        def mark(text: str) -> Coroutine[Any, Any, Reply]:
            return ask(state, runtime, role=judge, prompt=judge_prompt, variables=variables, more={text_as: text})

        given = [reply for reply in await _usable([answer(sample) for sample in range(samples)]) if reply is not None]
        whole = [reply for reply in given if reply.finish_reason != CUT] or given
        distinct: dict[str, Reply] = {}
        for reply in whole:
            distinct.setdefault(reply.text.strip(), reply)
        texts = list(distinct.items())
        marks = await _usable([mark(text) for text, _ in texts])
        told = [
            (parsed_as(Mark, marked, judge, judge_prompt), marked, text, reply)
            for marked, (text, reply) in zip(marks, texts, strict=True)
            if marked is not None
        ]
        first = last_draft(state)
        drafts: list[Draft] = []
        verdicts: list[Verdict] = []
        told.sort(key=lambda each: each[0].mark, reverse=True)  # of those marked alike the first stays first
        for one, marked, text, reply in reversed(told):
            fields = {**first.fields, text_as: text, **({FINISH: CUT} if reply.finish_reason == CUT else {})}
            draft = draft_of(state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields)
            good = one.mark == told[0][0].mark and one.mark / MOST >= minimum
            drafts.append(draft.model_copy(update={"index": first.index + 1 + len(drafts)}))
            verdicts.append(
                Verdict(
                    by=judge,
                    draft=drafts[-1].index,
                    decision=Decision.ACCEPT if good else Decision.REJECT,
                    reasons=() if good else (LOW,),
                    scores={SCORE: one.mark / MOST},
                    text=one.reason[:500],
                    prompt=label_of(runtime, judge_prompt),
                    model=marked.model,
                    calls=marked.calls,
                )
            )
        final = verdicts[-1]
        return {"drafts": drafts, "verdicts": verdicts, "decision": final.decision, "reasons": final.reasons}

    return choose


async def _usable(asked: Sequence[Coroutine[Any, Any, Reply]]) -> list[Reply | None]:
    """The replies in their order, None for one that cannot be used; raises what else went wrong, or if none can."""
    replies = await asyncio.gather(*asked, return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException) and not isinstance(reply, BadReply):
            raise reply
    if replies and all(isinstance(reply, BadReply) for reply in replies):
        raise next(reply for reply in replies if isinstance(reply, BadReply))
    return [None if isinstance(reply, BaseException) else reply for reply in replies]
