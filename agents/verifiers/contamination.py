"""The contamination gate: a draft that repeats a row of the user's evaluation sets is rejected before it costs more."""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import copy
from typing import Any

from langgraph.runtime import Runtime

from ...evals.contamination.alike import SemanticTexts, near_texts
from ...evals.contamination.loaded import digest_of, index_of
from ...evals.contamination.ngrams import COMMON, WORDS
from ...evals.contamination.sources import EvalSet, eval_sets
from ...evals.contamination.texts import texts_of
from ...evals.vectors.embedding import Embedder
from ...storage.records import Decision, Draft, Verdict
from ..state import FlowContext, FlowState, Node, describe
from ..variables import last_draft

CONTAMINATED = "contaminated"
_SHOWN = 3
_LONGEST_TEXT = 500


class ContaminationGuard:
    """Rejects drafts that repeat a row of the sets. Implements `agents.state.Guard`.

    They share `n` words in a row with it or, where `near` is a threshold, have its wording but for single words, or,
    where `semantic` is one, mean the same to an embedder (`seeing`; before it has one it compares no vectors).
    The verdict's text names set, row, column and both spans of the longest matches.
    """

    name = "contamination"

    def __init__(
        self,
        sets: Iterable[str | os.PathLike[str] | EvalSet],
        *,
        n: int = WORDS,
        common: int = COMMON,
        near: float = 0.0,
        semantic: float = 0.0,
    ) -> None:
        """Reads the sets; raises `ConfigError` as `index_of` does. `near` and `semantic` are thresholds, 0 for none."""
        found = eval_sets(sets)
        self.index = index_of(found, n=n, common=common)
        self.near = near_texts(self.index, near) if near else None
        self.meaning = SemanticTexts(self.index, semantic) if semantic else None
        self.embedder: Embedder | None = None
        self.version = f"{digest_of(found)}-{n}-{common}-{near:g}" + (f"-{semantic:g}" if semantic else "")

    def seeing(self, embedder: Embedder | None) -> ContaminationGuard:
        """Returns this guard with an embedder, which it asks when it first judges a draft."""
        guard = copy(self)
        guard.embedder = embedder
        return guard

    async def judge(self, draft: Draft) -> Verdict:
        cells = texts_of(draft)
        matches = [match for cell in cells for match in self.index.matches(cell, most=_SHOWN)]
        if not matches and self.near is not None:
            matches = [match for cell in cells for match in self.near.matches(cell)]
        if not matches and self.meaning is not None and self.embedder is not None:
            matches = await self.meaning.matches(cells, self.embedder)
        if not matches:
            return Verdict(by=self.name, draft=draft.index, decision=Decision.ACCEPT)
        worst = sorted(matches, key=lambda match: (-match.words, -match.score))[:_SHOWN]
        return Verdict(
            by=self.name,
            draft=draft.index,
            decision=Decision.REJECT,
            reasons=(CONTAMINATED,),
            text="; ".join(match.described for match in worst)[:_LONGEST_TEXT],
        )


def contamination(
    *sets: str | os.PathLike[str] | EvalSet, n: int = WORDS, common: int = COMMON, near: float = 0.0
) -> Node:
    """Returns a node that rejects drafts which repeat a row of the evaluation sets (reason `contaminated`).

    A campaign's key `contamination.sets` does the same for any flow; this one is for a flow that brings sets of its
    own.

    Raises:
        ConfigError: a set is not there, is not readable, or has no text.
    """
    guard = ContaminationGuard(sets, n=n, common=common, near=near)

    @describe(reads=("drafts",), writes=("verdicts", "decision", "reasons"))
    async def compare(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        verdict = await guard.judge(last_draft(state))
        if verdict.decision is Decision.ACCEPT:
            return {"verdicts": [verdict]}
        return {"verdicts": [verdict], "decision": verdict.decision, "reasons": verdict.reasons}

    return compare
