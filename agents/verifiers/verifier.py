"""What every programmatic verifier shares: a check is a plain function of a draft, a node makes a verdict of it.

A check asks no model and keeps no state; one that waits for a process is an async function. It answers with a
`Finding`, never with an exception, for anything that a draft may contain: drafts are model text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from langgraph.runtime import Runtime

from ...errors import ConfigError
from ...storage.records import Decision, Draft, Span, Verdict
from ..state import FlowContext, FlowState, Node, NodeInfo, describe, info_of
from ..variables import last_draft

MISSING_FIELD = "missing_field"
_LONGEST_TEXT = 500  # characters of a finding's text: a verdict says what is wrong, it does not repeat the draft


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: reason codes (none means that the draft passes), scores in [0, 1], spans, and a remark."""

    reasons: tuple[str, ...] = ()
    text: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    evidence: tuple[Span, ...] = ()


PASSED = Finding()
Check = Callable[[Draft, FlowState], Finding | Awaitable[Finding]]


def verifier(
    by: str, check: Check, *, on_fail: Decision | str = Decision.REJECT, reads: Sequence[str] = ("drafts",)
) -> Node:
    """Makes a node of `check`, a user's own or one of `agents.verifiers.form`.

    The node appends one verdict on the newest draft. When the check fails, it writes `decision` (`on_fail`) and
    `reasons` too; when it passes, it leaves these to the critic.

    Raises:
        ConfigError: `on_fail` is neither `reject` nor `revise`.
    """
    if on_fail not in (Decision.REJECT, Decision.REVISE):
        raise ConfigError(f"verifier '{by}' has on_fail='{on_fail}'; choose 'reject' or 'revise'")
    failed = Decision(on_fail)

    @describe(reads=tuple({*reads, "drafts"}), writes=("verdicts", "decision", "reasons"))
    async def verify_draft(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        draft = last_draft(state)
        answer = check(draft, state)
        finding = await answer if isawaitable(answer) else answer
        verdict = Verdict(
            by=by,
            draft=draft.index,
            decision=failed if finding.reasons else Decision.ACCEPT,
            reasons=finding.reasons,
            scores=finding.scores,
            text=finding.text[:_LONGEST_TEXT],
            evidence=finding.evidence,
        )
        if not finding.reasons:
            return {"verdicts": [verdict]}
        return {"verdicts": [verdict], "decision": failed, "reasons": finding.reasons}

    return verify_draft


def verify(*verifiers: Node) -> Node:
    """Runs several verifiers in one LangGraph step, all of them, so that a refiner hears every reason at once.

    The decision is the gravest: `reject` before `revise`. (A step costs about 0.2 ms, most checks far less.)

    Raises:
        ConfigError: no verifier is given.
    """
    if not verifiers:
        raise ConfigError("verify() needs at least one verifier; leave the step out of the flow instead")
    infos = tuple(info_of(node) or NodeInfo() for node in verifiers)
    reads = frozenset[str]().union(*(info.reads for info in infos))
    writes = frozenset({"verdicts", "decision", "reasons"}).union(*(info.writes for info in infos))

    @describe(reads=tuple(reads), writes=tuple(writes), parts=infos)
    async def verify_all(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        verdicts: list[Verdict] = []
        for node in verifiers:
            verdicts += (await node(state, runtime)).get("verdicts", ())
        failed = [verdict for verdict in verdicts if verdict.decision is not Decision.ACCEPT]
        if not failed:
            return {"verdicts": verdicts}
        reasons = tuple(dict.fromkeys(reason for verdict in failed for reason in verdict.reasons))
        rejected = any(verdict.decision is Decision.REJECT for verdict in failed)
        return {
            "verdicts": verdicts,
            "decision": Decision.REJECT if rejected else Decision.REVISE,
            "reasons": reasons,
        }

    return verify_all


def text_of(draft: Draft, name: str) -> str | None:
    """Returns the draft's field `name` as text: a string or a number as it is; None when it is absent or no scalar."""
    value = draft.fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def missing(name: str) -> Finding:
    """The finding for a draft without the field that a check is about."""
    return Finding((MISSING_FIELD,), f"the draft has no text field '{name}'")
