"""Worse answers that stay with an item, each a draft of its own with the verdict against it.

Exports make a preference pair of each with the item (`storage/datasets/pairs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..storage.records import Decision, Draft, Verdict
from .state import FlowContext
from .verifiers.guards import verdicts_of


async def with_worse(
    context: FlowContext, better: Draft, worse: Iterable[tuple[Draft, Verdict]]
) -> tuple[list[Draft], list[Verdict]]:
    """Returns the worse drafts with `better` behind them, numbered on from its index, and the verdicts against them.

    A worse draft that says nothing, or that a guard of the campaign turns down, is left out, as it would become half
    of a pair: the benchmark's own words, or somebody's address. `better` has its calls then, so that each stands once.
    """
    drafts: list[Draft] = []
    verdicts: list[Verdict] = []
    calls = better.calls
    for draft, verdict in worse:
        if not await fit(context, draft):
            calls += draft.calls
            continue
        index = better.index + len(drafts)
        drafts.append(draft.model_copy(update={"index": index}))
        verdicts.append(verdict.model_copy(update={"draft": index}))
    return [*drafts, better.model_copy(update={"index": better.index + len(drafts), "calls": calls})], verdicts


async def fit(context: FlowContext, draft: Draft) -> bool:
    """Whether a draft may become half of a preference pair: it has words, and no guard is against it."""
    if not draft.messages or not draft.messages[-1].content.strip():
        return False
    return all(one.decision is Decision.ACCEPT for one in await verdicts_of(context.guards, draft))
