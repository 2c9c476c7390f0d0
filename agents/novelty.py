"""The novelty gate: stands before the critic, so that a text which is there already costs no judgement."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from ..storage.records import Decision, Verdict
from .state import FlowContext, FlowState, Node, describe
from .variables import last_draft

DUPLICATE = "duplicate"


def novelty(*, fields: tuple[str, ...] = ("question",), by: str = "novelty") -> Node:
    """Returns a node that claims the newest draft's text in the pool and rejects it when another item holds it.

    `fields` are the draft fields that make up the text. Without a pool in the context everything is new. A task's own
    earlier claim (a refined draft that kept its question) is no twin.
    """

    @describe(reads=("task", "drafts"), writes=("verdicts", "decision", "reasons"))
    async def claim(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        pool = runtime.context.pool
        if pool is None:
            return {}
        draft = last_draft(state)
        task = state["task"].id
        twin = await pool.claim("\n".join(str(draft.fields.get(name, "")) for name in fields), task)
        if twin is None or twin == task:
            return {}
        verdict = Verdict(
            by=by, draft=draft.index, decision=Decision.REJECT, reasons=(DUPLICATE,), text=f"the same text as in {twin}"
        )
        return {"verdicts": [verdict], "decision": Decision.REJECT, "reasons": verdict.reasons}

    return claim
