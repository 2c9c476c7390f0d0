"""Programmatic gates of what is written after something else: no copy of it, and of a source not too far from it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import ConfigError
from ...evals.folding import words
from ...evals.grounding import grounded_fraction
from ...storage.records import Decision, Draft
from ..state import FlowState, Node
from ..variables import passage_text
from .verifier import PASSED, Finding, missing, text_of, verifier

RUN = 6  # words: shorter runs are names and set phrases, which every faithful rewriting keeps
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")


def rewriting(
    field: str = "text",
    *,
    shortest: float = 0.2,
    longest: float = 4.0,
    most_copied: float = 0.6,
    least_figures: float = 0.5,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks a rewritten text against the task's passage.

    Reasons: `too_short` and `too_long` by the ratio of its words to the passage's, `copied` when more than
    `most_copied` of its words stand in runs of six or more of the passage, `lost_figures` when fewer than
    `least_figures` of the passage's different figures (`1742`, `3.5`) are in it. The verdict's scores are `new`, the
    share of its words that is not copied, and `figures`, where the passage has any. That the meaning was kept is a
    critic's to say: words do not show it.

    Raises:
        ConfigError: a share is outside [0, 1], or the ratios cross.
    """
    if not 0 <= shortest < longest:
        raise ConfigError(f"rewriting has shortest={shortest} and longest={longest}; need 0 <= shortest < longest")
    for name, share in (("most_copied", most_copied), ("least_figures", least_figures)):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; give a share in [0, 1]")

    def check(draft: Draft, state: FlowState) -> Finding:
        text = text_of(draft, field)
        if text is None:
            return missing(field)
        source = passage_text(state)
        ratio = len(words(text)) / max(1, len(words(source)))
        copied = grounded_fraction(text, [source], run=RUN)
        reasons, remarks = [], []
        scores = {"new": 1 - copied}
        if ratio < shortest or ratio > longest:
            reasons.append("too_short" if ratio < shortest else "too_long")
            remarks.append(f"'{field}' has {ratio:.2f} words for each of the passage, not {shortest} to {longest}")
        if copied > most_copied:
            reasons.append("copied")
            remarks.append(f"{copied:.2f} of the words of '{field}' are copied, more than {most_copied:.2f}")
        if figures := set(_FIGURE.findall(source)):
            kept = len(figures & set(_FIGURE.findall(text))) / len(figures)
            scores["figures"] = kept
            if kept < least_figures:
                reasons.append("lost_figures")
                remarks.append(f"{kept:.2f} of the passage's figures are in '{field}', fewer than {least_figures:.2f}")
        return Finding(tuple(reasons), "; ".join(remarks), scores)

    return verifier("rewriting", check, on_fail=on_fail, reads=("drafts", "chunks"))


def unlike(texts: Sequence[str], *fields: str, most_copied: float = 0.6) -> Node:
    """Checks that each of the draft's `fields` is no copy of one of `texts`, such as the examples that a prompt showed.

    Reason `copied`: more than `most_copied` of its words stand in runs of six or more of one of them.

    Raises:
        ConfigError: `most_copied` is outside [0, 1], or there is no field.
    """
    if not 0 <= most_copied <= 1 or not fields:
        raise ConfigError(f"unlike has most_copied={most_copied} and fields {fields}; give a share in [0, 1], a field")

    def check(draft: Draft, _: FlowState) -> Finding:
        for field in fields:
            text = text_of(draft, field)
            if text is None:
                return missing(field)
            copied = max((grounded_fraction(text, [one], run=RUN) for one in texts), default=0.0)
            if copied > most_copied:
                return Finding(("copied",), f"{copied:.2f} of the words of '{field}' are an example's")
        return PASSED

    return verifier("unlike", check)
