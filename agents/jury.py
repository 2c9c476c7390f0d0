"""A jury: several models score one draft by the same question, and their joint score decides, not what each would do.

GSDP (Wang et al. 2024, arXiv:2412.08864) has several open models score problem and solution in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError
from ..prompts.schemas import Judgement
from ..storage.records import Decision, Verdict
from .asking import ask, shown_to, together
from .critic import REASONS, verdict_of
from .state import FlowContext, FlowState, Node, NodeInfo, describe
from .variables import last_draft

LOW, JURY = "low_score", "jury"

Least = Callable[[FlowState], float]
"""state → the least joint score in [0, 1] by which its draft is accepted."""


def jury(roles: Sequence[str], *, prompt: str, variables: tuple[str, ...], scores: Sequence[str], least: Least) -> Node:
    """Returns a node that appends a verdict of each role and a joint one, and writes `decision` and `reasons`.

    The joint score is the mean over all roles of the mean of `scores`; one that a model does not give counts as 0. A
    draft below `least` is rejected with the reason `low_score` and those that the models gave. All calls are in flight
    at once; if one fails, the others are awaited first (their answers are cached by then) and its error is raised.

    Raises:
        ConfigError: no role is given, or one twice.
    """
    if not roles or len(set(roles)) < len(roles):
        raise ConfigError(f"a jury needs one role or more, each once; these are {', '.join(roles) or 'none'}")
    parts = tuple(
        NodeInfo(
            role, prompt, frozenset(variables), frozenset({"task", "entities", "drafts"}), answer=Judgement,
            scores=frozenset(scores),
        )
        for role in roles
    )  # fmt: skip

    @describe(reads=("task", "entities", "drafts"), writes=("verdicts", "decision", "reasons"), parts=parts)
    async def judge(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        async def one(role: str) -> Verdict:
            shown = shown_to(role, state, runtime)
            reply = await ask(state, runtime, role=role, prompt=prompt, variables=variables, shown=shown)
            return verdict_of(
                state, runtime, reply, by=role, role=role, prompt=prompt, minimum={}, reasons=REASONS, shown=shown
            )

        verdicts = await together(map(one, roles))
        joint = fmean(verdict.scores.get(name, 0.0) for verdict in verdicts for name in scores)
        needed = least(state)
        accepted = round(joint, 6) >= needed
        reasons = () if accepted else tuple(dict.fromkeys((LOW, *(code for one in verdicts for code in one.reasons))))
        jointly = Verdict(
            by=JURY,
            draft=last_draft(state).index,
            decision=Decision.ACCEPT if accepted else Decision.REJECT,
            reasons=reasons,
            scores={"joint": round(joint, 6)},
            text=f"the mean of {len(verdicts)} models' scores is {joint:.2f}, and {needed:.2f} is needed",
        )
        return {"verdicts": [*verdicts, jointly], "decision": jointly.decision, "reasons": reasons}

    return judge
