"""The programmatic gate of retrieval data: query, positive and negatives are different texts."""

from __future__ import annotations

from ...evals.folding import words
from ...storage.records import Draft
from ..state import FlowState, Node
from .verifier import PASSED, Finding, missing, text_of, verifier

FIELDS = ("query", "positive")


def contrast(*, least_negatives: int = 0, longest_query: int = 200) -> Node:
    """Checks the draft fields `query`, `positive` and `negatives` (a list) against each other.

    Reasons: `same_text` when the query is the positive, or a negative is either of them or another negative, whatever
    their case and punctuation; `too_short` for a text without a word; `too_long` for a query of more than
    `longest_query` words; `no_negative` for fewer than `least_negatives`. A negative that is the positive teaches a
    retriever to push away what it is to find.
    """

    def check(draft: Draft, _: FlowState) -> Finding:
        texts = []
        for name in FIELDS:
            text = text_of(draft, name)
            if text is None:
                return missing(name)
            texts.append(text)
        given = draft.fields.get("negatives")
        negatives = [str(text) for text in given] if isinstance(given, list | tuple) else []
        if len(negatives) < least_negatives:
            return Finding(("no_negative",), f"{len(negatives)} negatives, fewer than {least_negatives}")
        folded = [tuple(words(text)) for text in (*texts, *negatives)]
        if not all(folded):
            return Finding(("too_short",), "a text has no word")
        if len(set(folded)) < len(folded):
            return Finding(("same_text",), "two of query, positive and negatives are the same text")
        if len(folded[0]) > longest_query:
            return Finding(("too_long",), f"the query has {len(folded[0])} words, more than {longest_query}")
        return PASSED

    return verifier("contrast", check)
