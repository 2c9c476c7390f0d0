"""The scan for personal data and secrets as a check of drafts: reasons `pii` and `secret`, spans, never the words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime

from ...evals.contamination.scan import USUAL, Scanner, ScanSettings
from ...evals.contamination.texts import every_text_of
from ...storage.records import Decision, Draft, Verdict
from ..state import FlowContext, FlowState, Node, describe
from ..variables import last_draft

_SHOWN = 5


class PersonalDataGuard:
    """Objects to drafts with personal data or secrets in messages or fields. Implements `agents.state.Guard`."""

    name = "pii"

    def __init__(self, settings: ScanSettings) -> None:
        """Raises `ConfigError` for an unknown kind or region, or where the extra `pii` is not installed."""
        self._scanner = Scanner(settings)
        self._failed = Decision(settings.on_fail)
        self.version = hashlib.blake2b(settings.model_dump_json().encode(), digest_size=8).hexdigest()

    async def judge(self, draft: Draft) -> Verdict:
        """Names kinds and spans. The draft itself stays in the run's store, where people can look at it."""
        found = self._scanner.scan_cells(every_text_of(draft))
        if not found:
            return Verdict(by=self.name, draft=draft.index, decision=Decision.ACCEPT)
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return Verdict(
            by=self.name,
            draft=draft.index,
            decision=self._failed,
            reasons=tuple(dict.fromkeys(one.reason for one in found)),
            text="; ".join(one.described for one in found[:_SHOWN]) + more + ": take it out, or make it up",
        )


def personal_data(
    *find: str,
    regions: Sequence[str] = (),
    allow: Sequence[str] = (),
    on_fail: Literal["reject", "revise"] = "reject",
) -> Node:
    """Returns a node that objects to drafts with personal data (reason `pii`) or secrets (reason `secret`).

    Without `find` it looks for e-mail addresses, phone and card numbers, IBANs, SSNs and secrets. A campaign's table
    `[pii]` does the same for any flow.

    Raises:
        ConfigError: an unknown kind or region; the extra `pii` is not installed.
    """
    guard = PersonalDataGuard(
        ScanSettings(find=find or USUAL, regions=tuple(regions), allow=tuple(allow), on_fail=on_fail)
    )

    @describe(reads=("drafts",), writes=("verdicts", "decision", "reasons"))
    async def look(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        verdict = await guard.judge(last_draft(state))
        if verdict.decision is Decision.ACCEPT:
            return {"verdicts": [verdict]}
        return {"verdicts": [verdict], "decision": verdict.decision, "reasons": verdict.reasons}

    return look
