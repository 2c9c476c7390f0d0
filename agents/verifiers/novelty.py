"""The novelty gate: stands before the critic, so that a text which is there already costs no judgement."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ...evals.duplicates.claimed import Claimed
from ...storage.records import Decision, Verdict
from ..state import FlowContext, FlowState, Node, describe
from ..variables import AVOID, last_draft
from .duplicates import DUPLICATE, MOST_ATTEMPTS, duplicate_verdict, gated_text, novelty_score

SHOWN = 1500  # characters of a text that a generator is shown, for it to write something else


def novelty(*, fields: tuple[str, ...] = ("question",), by: str = "novelty", attempts: int | None = 0) -> Node:
    """Returns a node that claims the newest draft's text in the pool and rejects it when another item holds its like.

    `fields` are the draft fields that make up the text, unless the campaign names others. With `attempts` above 0 a
    duplicate is sent back so many times before it is rejected: the verdict is `revise` then, with the reason
    `duplicate`, and the flow must lead to a generator, which finds the texts to keep away from in the variable `avoid`
    (the reference flow does). None has as many as the campaign says. Where the pool measures likeness, the verdict has
    the score `novelty`, 1 less the likeness of the nearest text. Without a pool in the context everything is new. A
    task's own earlier claim (a refined draft that kept its question) is no twin. Before there is a draft it looks at
    the state's `values` of these names, such as a persona, and a twin ends the task; drafts must keep them as fields.
    """

    @describe(reads=("task", "drafts", "verdicts"), writes=("verdicts", "decision", "reasons", "values"), gates=fields)
    async def claim(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        pool, rules = runtime.context.pool, runtime.context.gate
        if pool is None:
            return {}
        values, drafted = state.get("values", {}), bool(state.get("drafts"))
        if not drafted and not set(fields) <= values.keys():
            last_draft(state)  # says that a generator is missing
        index = last_draft(state).index if drafted else 0
        text = gated_text(last_draft(state).fields if drafted else values, (rules.fields if drafted else ()) or fields)
        claimed = await pool.claim(text, state["task"].id)
        if claimed.twin is None:
            return {"verdicts": [_verdict(by, index, Decision.ACCEPT, claimed)]} if claimed.measured else {}
        if not drafted:
            return {"decision": Decision.REJECT, "reasons": (DUPLICATE,)}
        allowed = rules.attempts if attempts is None else attempts
        if _sent_back(state, by) < min(allowed, MOST_ATTEMPTS):
            shown = [*state.get("values", {}).get(AVOID, ()), text[:SHOWN]]
            return {"verdicts": [_verdict(by, index, Decision.REVISE, claimed)], "values": {AVOID: shown}}
        verdict = _verdict(by, index, Decision.REJECT, claimed)
        return {"verdicts": [verdict], "decision": Decision.REJECT, "reasons": verdict.reasons}

    return claim


def _verdict(by: str, draft: int, decision: Decision, claimed: Claimed) -> Verdict:
    if claimed.twin is not None:
        return duplicate_verdict(by, draft, decision, claimed)
    return Verdict(by=by, draft=draft, decision=decision, scores=novelty_score(claimed))


def _sent_back(state: FlowState, by: str) -> int:
    """How many drafts this gate has sent back to the generator."""
    return sum(
        verdict.by == by and verdict.decision is Decision.REVISE and DUPLICATE in verdict.reasons
        for verdict in state.get("verdicts", [])
    )
