"""Where a flow goes next: route functions for conditional edges, and the node that settles a task.

They read verdicts and rounds only, so they serve any flow over the published state. The names of the nodes that they
lead to are constants here. They are async though they await nothing: LangGraph sends a plain function to a thread,
which made a task of the reference flow cost a third more CPU (2.4 ms against 1.8).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.graph import END
from langgraph.runtime import Runtime

from ...agents.state import FlowContext, FlowState, describe
from ...agents.variables import objection_reasons, objections
from ...agents.verifiers.duplicates import DUPLICATE
from ...storage.records import Decision

PROPOSE = "propose"
GENERATE = "generate"
VERIFY = "verify"
CRITICISE = "criticise"
REFINE = "refine"
SETTLE = "settle"

Route = Callable[[FlowState], Awaitable[str]]


async def after_proposal(state: FlowState) -> str:
    """To the generator, or to the end when the proposer rejected the passage."""
    return END if state.get("decision") == Decision.REJECT else GENERATE


def after_checks(following: str, *, refine: bool, max_rounds: int, again: str = "") -> Route:
    """Routes by the verdicts on the newest draft: a rejection settles, a revision refines, else on to `following`.

    With no refiner, or no round left, a revision settles too. A duplicate that its gate sent back goes to `again`, the
    generator: an edit would leave it alike. The gate itself limits how often.
    """

    async def route(state: FlowState) -> str:
        against = objections(state)
        decisions = {verdict.decision for verdict in against}
        if not decisions:
            return following
        if Decision.REJECT in decisions:
            return SETTLE
        if again and any(DUPLICATE in verdict.reasons for verdict in against):
            return again
        return REFINE if refine and state.get("round", 0) < max_rounds else SETTLE

    return route


def after_critic(*, refine: bool, max_rounds: int) -> Route:
    """Routes by the critic's `decision`: accept and reject end, revise refines while there are rounds left."""

    async def route(state: FlowState) -> str:
        if state.get("decision") != Decision.REVISE:
            return END
        return REFINE if refine and state.get("round", 0) < max_rounds else SETTLE

    return route


@describe(reads=("drafts", "verdicts"), writes=("decision", "reasons"))
async def settle(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    """Ends a task by the verdicts on its newest draft: accept without objections, else reject with their reasons."""
    if objections(state):
        return {"decision": Decision.REJECT, "reasons": objection_reasons(state)}
    return {"decision": Decision.ACCEPT, "reasons": ()}
