"""Teachable instructions: a strong and a target model answer one, and it is kept where the target has to learn.

After CodecLM's contrastive filtering (Wang et al. 2024, arXiv:2404.05875).
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..prompts.schemas import Ratings
from ..prompts.wanted import Text
from ..storage.records import Decision, Verdict
from .asking import ask, draft_of, label_of, parsed_as, together
from .messages import instruction_response
from .state import FlowContext, FlowState, Node, NodeInfo, describe, require_two
from .variables import last_draft
from .worse import with_worse

RESPOND, COMPARE = "respond-to-instruction", "compare-responses"
LAGS = "target_lags"  # the reason against a target's response
MOST = 10  # marks that the judge gives


def teachable(*, strong: str = "strong", target: str = "target", judge: str = "judge", gap: float = 0.3) -> Node:
    """Returns a node that appends a draft, the newest instruction with the strong model's response, and a verdict.

    The judge marks both responses, once in either order; the mean difference in tenths is the score `gap`. Where it is
    smaller than `gap`, the verdict is `revise` with the reason `too_easy`. Where the target lags, its response comes
    before as a draft of its own, rejected as `target_lags`, so that exports make a preference pair of the two.

    Raises:
        ConfigError: `gap` is outside (0, 1]; when it runs, `strong` and `target` are one model.
    """
    if not 0 < gap <= 1:
        raise ConfigError(f"gap is {gap}; it must lie above 0 and be 1 at most")
    parts = (
        NodeInfo(strong, RESPOND, frozenset({"instruction"}), answer=Text()),
        NodeInfo(target, RESPOND, frozenset({"instruction"}), answer=Text()),
        NodeInfo(judge, COMPARE, frozenset({"instruction", "first", "second"}), answer=Ratings),
    )

    @describe(
        reads=("task", "drafts"), writes=("drafts", "verdicts", "decision", "reasons"), parts=parts,
        apart=((strong, target),),
    )  # fmt: skip
    async def compare(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        require_two(runtime.context, (strong, target))
        said = ("instruction",)
        best, other = await together(
            ask(state, runtime, role=role, prompt=RESPOND, variables=said) for role in (strong, target)
        )
        texts = (best.text.strip(), other.text.strip())
        orders = [dict(zip(("first", "second"), pair, strict=True)) for pair in (texts, texts[::-1])]
        replies = await together(
            ask(state, runtime, role=judge, prompt=COMPARE, variables=said, more=order) for order in orders
        )
        one, two = (parsed_as(Ratings, reply, judge, COMPARE) for reply in replies)
        found = (one.first + two.second - one.second - two.first) / 2 / MOST
        accepted = found >= gap
        told = last_draft(state).fields
        draft = draft_of(
            state, runtime, best, by=strong, prompt=RESPOND, messages=instruction_response,
            fields={**told, "response": texts[0]},
            calls=best.calls if accepted else best.calls + other.calls,
        )  # fmt: skip
        verdict = Verdict(
            by=judge,
            draft=draft.index,
            decision=Decision.ACCEPT if accepted else Decision.REVISE,
            reasons=() if accepted else ("too_easy",),
            scores={"gap": max(0.0, found)},
            text=one.reason[:500],
            prompt=label_of(runtime, COMPARE),
            model=replies[0].model,
            calls=tuple(call for reply in replies for call in reply.calls),
        )
        worse = []
        if accepted:
            fields = {**told, "response": texts[1]}
            lagging = draft_of(
                state, runtime, other, by=target, prompt=RESPOND, messages=instruction_response, fields=fields
            )
            against = {"decision": Decision.REJECT, "reasons": (LAGS,), "scores": {}, "calls": ()}
            worse.append((lagging, verdict.model_copy(update=against)))
        drafts, verdicts = await with_worse(runtime.context, draft, worse)
        return {
            "drafts": drafts,
            "verdicts": [*verdicts, verdict.model_copy(update={"draft": drafts[-1].index})],
            "decision": verdict.decision,
            "reasons": verdict.reasons,
        }

    return compare
