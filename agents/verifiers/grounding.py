"""The programmatic verifier of grounding: what a draft quotes must stand in the task's chunks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ...errors import ConfigError
from ...evals.folding import words
from ...evals.grounding import FUZZY_RATIO, grounded_fraction
from ...storage.records import Chunk, Decision, Draft, Span
from ..context.packing import Packed, whole
from ..state import FlowState, Node
from .verifier import Finding, text_of, verifier

_SHORTEST_QUOTATION = 3  # words: shorter ones are names and terms set in quotes, not claims about the source
_QUOTATION = re.compile(
    r"\u201c([^\u201c\u201d]{1,2000})\u201d|\"([^\"\n]{1,2000})\"|\u00ab([^\u00ab\u00bb]{1,2000})\u00bb"
)


def grounding(
    *,
    evidence: str | None = "evidence",
    at_least: int = 1,
    quoted_in: Sequence[str] = ("answer",),
    minimum_fraction: Mapping[str, float] | None = None,
    ratio: float | None = FUZZY_RATIO,
    shown: Callable[[FlowState], Packed] | None = None,
    on_fail: Decision | str = Decision.REJECT,
) -> Node:
    """Checks that what the draft says the source says stands in the task's chunks.

    Reasons: `ungrounded` for a quote that is nowhere, `no_evidence` for fewer than `at_least` quotes that are found,
    `low_grounding` for a field whose words are not the source's. The verdict's evidence are the spans found, and its
    score `grounded` is the share of quotes that were.

    Args:
        evidence: the field that lists verbatim quotes; None leaves it out. The draft's evidence spans are checked too.
        quoted_in: fields whose passages between quotation marks, of three words or more, must be verbatim.
        minimum_fraction: field to least share, in [0, 1], of its words in runs of the source; see `grounded_fraction`.
        ratio: how alike a quote must be to be found; see `evals.grounding.locate`. None demands the same wording.
        shown: the `Packing` by which the roles saw the chunks; what it left out is then no source. None for all text.
    """
    floors = dict(minimum_fraction or {})
    for name, floor in floors.items():
        if not 0 <= floor <= 1:
            raise ConfigError(f"minimum_fraction of '{name}' is {floor}; give a share in [0, 1]")

    def check(draft: Draft, state: FlowState) -> Finding:
        chunks = state.get("chunks", [])
        there = shown(state) if shown else whole(chunks)
        quotes = _listed(draft, evidence) + [quote for name in quoted_in for quote in _quotations(draft, name)]
        found = [there.locate(quote, ratio=ratio) for quote in quotes]
        found += [_claimed(span, chunks, there) for span in draft.evidence]
        quotes += [span.quote or span.chunk for span in draft.evidence]
        spans = [span for span in found if span is not None]
        lost = [quote for quote, span in zip(quotes, found, strict=True) if span is None]
        reasons, remarks = [], []
        scores = {"grounded": len(spans) / (len(spans) + len(lost))} if spans or lost else {}
        if lost:
            reasons.append("ungrounded")
            remarks.append(f"not in the source: {'; '.join(repr(quote[:80]) for quote in lost[:3])}")
        if evidence is not None and len(set(spans)) < at_least:
            reasons.append("no_evidence")
            remarks.append(f"{len(set(spans))} quotes found, fewer than {at_least}")
        for name, floor in floors.items():
            share = grounded_fraction(text_of(draft, name) or "", there.texts)
            scores[f"grounded_{name}"] = share
            if share < floor:
                reasons.append("low_grounding")
                remarks.append(f"{share:.2f} of the words of '{name}' are the source's, less than {floor:.2f}")
        unique: dict[Span, None] = dict.fromkeys(spans)
        return Finding(tuple(dict.fromkeys(reasons)), "; ".join(remarks), scores, tuple(unique))

    return verifier("grounding", check, on_fail=on_fail, reads=("drafts", "chunks"))


def _claimed(span: Span, chunks: Sequence[Chunk], there: Packed) -> Span | None:
    """The span if its quote is the chunk's and is shown, there or elsewhere."""
    true = any(chunk.id == span.chunk and chunk.text[span.start : span.end] == span.quote for chunk in chunks)
    if not true or not span.quote:
        return None
    return span if there.shows(span) else there.locate(span.quote, ratio=None)


def _listed(draft: Draft, name: str | None) -> list[str]:
    value = draft.fields.get(name) if name is not None else None
    if isinstance(value, str):
        return [value]
    return [str(quote) for quote in value] if isinstance(value, list | tuple) else []


def _quotations(draft: Draft, name: str) -> list[str]:
    found = ["".join(groups) for groups in _QUOTATION.findall(text_of(draft, name) or "")]
    return [quote for quote in found if len(words(quote)) >= _SHORTEST_QUOTATION]
