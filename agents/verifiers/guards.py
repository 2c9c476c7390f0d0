"""What a campaign checks every draft for, whatever its flow: each guard gives its verdict before a critic is paid.

A flow has the node `guarded()` where its cheap checks stand; `reference_flow` has it. The last draft of a flow without
one is checked when the flow ends, so that no flow gets round a campaign's guards, but its critic is paid by then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from langgraph.runtime import Runtime

from ...storage.records import Decision, Draft, Verdict
from ..state import FlowContext, FlowState, Guard, Node, describe
from ..variables import last_draft


def guarded() -> Node:
    """Returns a node that has the context's guards judge the newest draft, one after another, until one rejects.

    Without guards in the context it does nothing.
    """

    @describe(reads=("drafts",), writes=("verdicts", "decision", "reasons"))
    async def guard(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        guards = runtime.context.guards
        if not guards:
            return {}
        verdicts = await verdicts_of(guards, last_draft(state))
        failed = [verdict for verdict in verdicts if verdict.decision is not Decision.ACCEPT]
        if not failed:
            return {"verdicts": verdicts}
        reasons = tuple(dict.fromkeys(reason for verdict in failed for reason in verdict.reasons))
        gravest = Decision.REJECT if any(one.decision is Decision.REJECT for one in failed) else Decision.REVISE
        return {"verdicts": verdicts, "decision": gravest, "reasons": reasons}

    return guard


async def verdicts_of(guards: Sequence[Guard], draft: Draft, *, but: Collection[str] = ()) -> list[Verdict]:
    """Returns the guards' verdicts on a draft, up to the first that rejects; those named in `but` have judged it."""
    verdicts: list[Verdict] = []
    for guard in guards:
        if guard.name in but:
            continue
        verdicts.append(await guard.judge(draft))
        if verdicts[-1].decision is Decision.REJECT:
            break
    return verdicts
