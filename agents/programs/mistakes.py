"""Mistakes of a weaker model: what it answers wrongly becomes the worse half of preference pairs.

After SENSE (Yang et al. 2024, arXiv:2408.03256), where execution says what is wrong.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from langgraph.runtime import Runtime

from ...errors import BadReply, ConfigError
from ...prompts.wanted import Text
from ...storage.records import Decision, Draft, Verdict
from ..asking import ask, draft_of
from ..messages import Messages
from ..state import FlowContext, FlowState, Node, describe, require_two
from ..variables import last_draft
from ..worse import with_worse
from .execution import code_in

EXPECTED = "expected"  # the entry of the state's `values` in which `check` finds what the newest draft answered
NOTHING_LEARNT = "nothing_expected"  # the reason of a check that could not compare


def mistakes(
    *,
    role: str = "weak",
    than: str = "generator",
    prompt: str,
    variables: tuple[str, ...],
    field: str,
    check: Node,
    messages: Messages,
    samples: int = 1,
) -> Node:
    """Returns a node that has a weaker model answer what the newest draft answered, and keeps what it got wrong.

    Each answer that `check` refuses becomes a draft with that verdict, behind which the newest draft comes again, as
    the item: exports make a preference pair of each. Where every answer was right, nothing changes.

    Args:
        than: the role that answered it, which needs another model.
        field: the field that an answer becomes, taken out of a Markdown fence; the other fields stay as they are.
        check: a verifier of this field; `value("expected")` gives it the newest draft's own.
        samples: answers that are asked for at once; equal ones count once.

    Raises:
        ConfigError: `samples` is below 1; when it runs, both roles are one model; and as `check` does.
    """
    if samples < 1:
        raise ConfigError(f"samples is {samples}; give at least 1")

    @describe(
        role=role, prompt=prompt, variables=variables, reads=("task", "drafts"), writes=("drafts", "verdicts"),
        apart=((than, role),), answer=Text(),
    )  # fmt: skip
    async def err(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        require_two(runtime.context, (than, role))
        good = last_draft(state)
        replies = await asyncio.gather(
            *(
                ask(state, runtime, role=role, prompt=prompt, variables=variables, sample=sample)
                for sample in range(samples)
            ),
            return_exceptions=True,
        )
        answers: dict[str, Draft] = {}
        for reply in replies:
            if isinstance(reply, BadReply):
                continue  # a weak model that says nothing usable costs no item that is good without it
            if isinstance(reply, BaseException):
                raise reply
            text = code_in(reply.text).strip()
            fields = {**good.fields, field: text}
            if text and text not in answers:
                answers[text] = draft_of(
                    state, runtime, reply, by=role, prompt=prompt, messages=messages, fields=fields
                )
        wrong: list[tuple[Draft, Verdict]] = []
        for draft in answers.values():
            values = {**state.get("values", {}), EXPECTED: good.fields[field]}
            seen = cast(FlowState, {**state, "drafts": [draft], "values": values})
            (verdict,) = (await check(seen, runtime))["verdicts"]
            if verdict.decision is not Decision.ACCEPT and NOTHING_LEARNT not in verdict.reasons:
                wrong.append((draft, verdict))
        again = good.model_copy(update={"index": good.index + 1, "calls": ()})  # they stand with the first
        drafts, verdicts = await with_worse(runtime.context, again, wrong)
        return {"drafts": drafts, "verdicts": verdicts} if verdicts else {}

    return err
