"""Whether a plan is another idea than those that solved its problem before, pair by pair.

After the measure of idea diversity of PlanSearch (Wang et al. 2024, arXiv:2409.03733): the share of pairs of solutions
that a model calls different ideas.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..prompts.schemas import SameIdea
from ..storage.records import Decision, Verdict
from .asking import ask, label_of, parsed_as, together
from .state import FlowContext, FlowState, Node, describe
from .variables import Given, last_draft
from .verifiers.agreement import Answers

IDEAS = "ideas"  # the name on its verdicts
DIVERSITY = "idea_diversity"
SAME_IDEA = "same_idea"


def new_idea(
    field: str,
    *,
    known: Answers,
    role: str = "judge",
    prompt: str = "same-idea",
    given: Given | None = None,
    least: float = 1.0,
) -> Node:
    """Returns a node that has `role` compare the newest draft's `field` with each of the `known` ideas.

    The verdict has the score `idea_diversity`, the share of pairs called different; below `least` it rejects with
    `same_idea`. Where nothing is known there is no verdict and no call.

    Raises:
        ConfigError: `least` is outside [0, 1].
    """
    if not 0 <= least <= 1:
        raise ConfigError(f"least is {least}; a share lies in [0, 1]")
    names = tuple(given or {})

    @describe(
        role=role,
        prompt=prompt,
        variables=(*names, "first", "second"),
        reads=("task", "chunks", "drafts"),
        writes=("verdicts", "decision", "reasons"),
        answer=SameIdea,
    )
    async def compare(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        draft, others = last_draft(state), known(state)
        if not others:
            return {}
        pairs = [{"first": other, "second": draft.fields[field]} for other in others]
        replies = await together(
            ask(state, runtime, role=role, prompt=prompt, variables=names, given=given, more=pair) for pair in pairs
        )
        answers = [parsed_as(SameIdea, reply, role, prompt) for reply in replies]
        share = sum(not answer.same for answer in answers) / len(answers)
        rejected = share < least
        verdict = Verdict(
            by=IDEAS,
            draft=draft.index,
            decision=Decision.REJECT if rejected else Decision.ACCEPT,
            reasons=(SAME_IDEA,) if rejected else (),
            scores={DIVERSITY: round(share, 3)},
            text="\n".join(answer.reason for answer in answers if answer.same)[:500],
            prompt=label_of(runtime, prompt),
            model=replies[0].model,
            calls=tuple(call for reply in replies for call in reply.calls),
        )
        if not rejected:
            return {"verdicts": [verdict]}
        return {"verdicts": [verdict], "decision": Decision.REJECT, "reasons": verdict.reasons}

    return compare
