"""What is said of a draft whose like is there already; apart from the gate, so that who reads runs loads no flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...evals.duplicates.claimed import Claimed
from ...storage.records import Decision, Verdict

DUPLICATE = "duplicate"
NOVELTY = "novelty"  # the score of the gate's verdict
MOST_ATTEMPTS = 10

_WAYS = {"exact": "the same text as in", "near": "nearly the same text as in", "semantic": "its vector is like that of"}


def gated_text(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    """The text of a draft's `fields` that must be new, by their names: one a line."""
    values = (fields.get(name) for name in names)
    return "\n".join("" if value is None else str(value) for value in values)


def duplicate_verdict(by: str, draft: int, decision: Decision, claimed: Claimed) -> Verdict:
    """The verdict on a draft whose text has a twin: names it, and how they are alike."""
    alike = f" (likeness {claimed.likeness:.2f})" if claimed.how in ("near", "semantic") else ""
    return Verdict(
        by=by,
        draft=draft,
        decision=decision,
        reasons=(DUPLICATE,),
        scores=novelty_score(claimed),
        text=f"{_WAYS.get(claimed.how, _WAYS['exact'])} {claimed.twin}{alike}",
    )


def novelty_score(claimed: Claimed) -> dict[str, float]:
    """The score that the gate's verdict has: 1 less the likeness of the nearest text; none where none was measured."""
    return {NOVELTY: round(claimed.novelty, 3)} if claimed.measured else {}
