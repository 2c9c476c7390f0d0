"""A panel of judges: several critics look at one draft at the same time, each for another thing, and must agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from ..errors import ConfigError, meant
from ..prompts.schemas import Judgement
from ..storage.records import Decision, Verdict
from .asking import ask, shown_to, together
from .critic import REASONS, floors_of, verdict_of
from .names import code_of
from .state import FlowContext, FlowState, Node, NodeInfo, describe
from .variables import Given

JUDGE_PROBLEM = ("passages", "points", "problem", "reasoning", "answer", "evidence")


def panel(
    judges: Mapping[str, str],
    *,
    prompt: str = "judge-problem",
    variables: tuple[str, ...] = JUDGE_PROBLEM,
    given: Given | None = None,
    minimum: Mapping[str, float] | None = None,
    agree: int | None = None,
    reasons: tuple[str, ...] = REASONS,
) -> Node:
    """Returns a node that appends one verdict a judge and writes `decision` and `reasons`.

    Args:
        judges: judge name → role. The name is the prompt's variable `judge`, which says what to look for; roles may
            differ, so that several models judge, as GSDP does.
        minimum: least score in [0, 1] by judge, which is also the name of the score that the judge gives.
        agree: how many must accept; all of them when absent.

    The decision is accept when enough accept, reject when so many reject that a mended draft is not worth its price
    (more than `len(judges) - agree`), else revise. All calls are in flight at once; if one fails, the others are
    awaited first (their answers are cached by then) and its error is raised.

    Raises:
        ConfigError: there is no judge, `agree` is not between 1 and their number, or a minimum is outside [0, 1] or for
            none of the judges.
    """
    if not judges:
        raise ConfigError("a panel needs at least one judge, as {'relevance': 'judge'}")
    needed = len(judges) if agree is None else agree
    if not 1 <= needed <= len(judges):
        raise ConfigError(f"agree is {agree}; it must lie between 1 and the number of judges, {len(judges)}")
    floors = floors_of(minimum)
    for name in floors:
        if name not in judges:
            raise ConfigError(f"minimum names '{name}', which is none of the judges{meant(name, judges)}")
    names = tuple(dict.fromkeys((*variables, *(given or {}))))
    parts = tuple(
        NodeInfo(role, prompt, frozenset((*names, "judge")), frozenset({"task", "chunks", "drafts"}), answer=Judgement)
        for role in judges.values()
    )

    @describe(reads=("task", "chunks", "entities", "drafts"), writes=("verdicts", "decision", "reasons"), parts=parts)
    async def judge(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        async def one(name: str, role: str) -> Verdict:
            least = {code_of(name): floors[name]} if name in floors else {}
            shown = shown_to(f"{role}:{name}", state, runtime)
            reply = await ask(
                state,
                runtime,
                role=role,
                prompt=prompt,
                variables=names,
                given=given,
                more={"judge": name},
                shown=shown,
            )
            return verdict_of(
                state,
                runtime,
                reply,
                by=f"{role}:{name}",
                role=role,
                prompt=prompt,
                minimum=least,
                reasons=reasons,
                shown=shown,
            )

        verdicts = await together(one(name, role) for name, role in judges.items())
        decision = _decide(verdicts, needed)
        against = [verdict for verdict in verdicts if verdict.decision is not Decision.ACCEPT]
        given_reasons = tuple(dict.fromkeys(reason for verdict in against for reason in verdict.reasons))
        return {
            "verdicts": verdicts,
            "decision": decision,
            "reasons": () if decision is Decision.ACCEPT else given_reasons,
        }

    return judge


def _decide(verdicts: list[Verdict], needed: int) -> Decision:
    accepted = sum(verdict.decision is Decision.ACCEPT for verdict in verdicts)
    rejected = sum(verdict.decision is Decision.REJECT for verdict in verdicts)
    if accepted >= needed:
        return Decision.ACCEPT
    return Decision.REJECT if rejected > len(verdicts) - needed else Decision.REVISE
