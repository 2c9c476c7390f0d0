"""Finds quotes in chunks, and says how much of a text was taken from its sources.

A model's quote is a claim, never a fact: it counts only when it is found. Three steps, each only when the one before
found nothing: the exact characters; the same wording after folding (see `folding`); a fuzzy alignment above a ratio.
The fuzzy step forgives typing errors, not changed facts: numbers and negations must agree.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz import fuzz

from ..storage.records import Chunk, Span
from .folding import Folded, fold, joined, words

FUZZY_RATIO = 0.9
SHORTEST_FUZZY = 20  # folded characters; below that one edit is more than the ratio allows, or a different word
LONGEST_FUZZY = 1_000  # folded characters; bounds the quadratic alignment (9 ms against a chunk of 4,000)
SHARED_WORDS = 0.5  # share of the quote's words that a chunk must have to be worth an alignment
REACH = 3  # words by which the fuzzy step may move either end of its first alignment
_RUN = re.compile(r"\S+")
_NEGATIONS = frozenset({"not", "no", "never", "none", "nor", "neither", "without", "cannot"})
_WRAPPING = " \t\r\n\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb\u2026"


def locate(quote: str, chunks: Sequence[Chunk], *, ratio: float | None = FUZZY_RATIO) -> Span | None:
    """Finds `quote` in the first chunk that has it, trying every chunk exactly before trying any loosely.

    Args:
        quote: what a model says that the source says; quotation marks and an ellipsis around it are ignored.
        chunks: where to look, in order of preference.
        ratio: the least similarity in [0, 1] for the fuzzy step; None leaves that step out.

    Returns:
        A span whose `quote` is `chunk.text[start:end]`, never the model's own wording; None when it is nowhere.
    """
    needle = quote.strip(_WRAPPING).removeprefix("...").removesuffix("...").strip(_WRAPPING)
    if not needle:
        return None
    for chunk in chunks:
        if (start := _find(needle, chunk.text)) is not None:
            return _span(chunk, start, start + len(needle))
    folded = fold(needle).text.strip()
    for wording in (folded, folded.rstrip(".,;:")):
        for chunk in chunks:
            if (ends := _find_folded(wording, fold(chunk.text))) is not None:
                return _span(chunk, *ends)
    if ratio is None or not SHORTEST_FUZZY <= len(folded) <= LONGEST_FUZZY:
        return None
    best: tuple[float, Chunk, int, int] | None = None
    for chunk in chunks:
        found = _align(folded, chunk.text, ratio)
        if found is not None and (best is None or found[0] > best[0]):
            best = (found[0], chunk, found[1], found[2])
    return None if best is None else _span(*best[1:])


def grounded_fraction(text: str, sources: Sequence[str], *, run: int = 3) -> float:
    """Returns the share, in [0, 1], of `text`'s words that stand in runs of `run` or more words found in one source.

    With `run=1` this is the extractive fragment coverage of Grusky et al. 2018 (Newsroom, arXiv:1804.11283) up to
    their greedy choice of fragments. A text shorter than `run` must be found whole. A text without words is 0.0.
    """
    found = words(text)
    if not found:
        return 0.0
    size = max(1, min(run, len(found)))
    known: set[tuple[str, ...]] = set()
    for source in sources:
        there = words(source)
        known.update(tuple(there[at : at + size]) for at in range(len(there) - size + 1))
    covered = [False] * len(found)
    for at in range(len(found) - size + 1):
        if tuple(found[at : at + size]) in known:
            covered[at : at + size] = [True] * size
    return sum(covered) / len(found)


def _span(chunk: Chunk, start: int, end: int) -> Span:
    return Span(chunk=chunk.id, start=start, end=end, quote=chunk.text[start:end])


def _whole(text: str, start: int, end: int) -> bool:
    """True when `text[start:end]` cuts no word, and no accent off its letter."""
    if start > 0 and joined(text[start - 1], text[start]):
        return False
    return end == len(text) or not (joined(text[end - 1], text[end]) or unicodedata.combining(text[end]))


def _find(needle: str, text: str) -> int | None:
    at = text.find(needle)
    while at >= 0:
        if _whole(text, at, at + len(needle)):
            return at
        at = text.find(needle, at + 1)
    return None


def _find_folded(needle: str, folded: Folded) -> tuple[int, int] | None:
    if not needle:
        return None
    at = folded.text.find(needle)
    while at >= 0:
        end = at + len(needle)
        if _whole(folded.text, at, end) and _cuts_no_character(folded, at, end):
            return folded.starts[at], folded.ends[end - 1]
        at = folded.text.find(needle, at + 1)
    return None


def _cuts_no_character(folded: Folded, at: int, end: int) -> bool:
    """True when neither end lies inside what one source character folded to, such as a ligature."""
    return (at == 0 or folded.starts[at - 1] != folded.starts[at]) and (
        end == len(folded.text) or folded.starts[end] != folded.starts[end - 1]
    )


@lru_cache(maxsize=256)
def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(words(text))


def _align(needle: str, source: str, ratio: float) -> tuple[float, int, int] | None:
    """Aligns `needle` with the most similar run of whole words; returns the similarity and the ends in `source`."""
    wanted = set(words(needle))
    if len(wanted & _vocabulary(source)) < SHARED_WORDS * len(wanted):
        return None
    folded = fold(source)
    text = folded.text
    # The first alignment may cut words, which costs it some similarity: hence the slack, and the check below.
    rough = fuzz.partial_ratio_alignment(needle, text, score_cutoff=100 * max(0.0, ratio - 0.1))
    if rough is None or len(text) * ratio < len(needle):
        return None
    bounds = [(word.start(), word.end()) for word in _RUN.finditer(text)]
    first = bisect_right(bounds, (rough.dest_start, len(text))) - 1
    last = bisect_left(bounds, (rough.dest_end, 0)) - 1
    # Of equally similar passages the longest is taken, so that a `not` which the quote lost is seen and refused.
    similarity, _, start, end = max(
        (fuzz.ratio(needle, text[start:end]) / 100, end - start, start, end)
        for start, _ in bounds[max(0, first - REACH) : first + REACH + 1]
        for _, end in bounds[max(0, last - REACH) : last + REACH + 1]
        if start < end
    )
    if similarity < ratio or _facts(needle) != _facts(text[start:end]):
        return None
    return similarity, folded.starts[start], folded.ends[end - 1]


def _facts(text: str) -> Counter[str]:
    return Counter(
        "not" if word in _NEGATIONS or word.endswith("n't") else word
        for word in words(text)
        if word in _NEGATIONS or word.endswith("n't") or any(character.isdigit() for character in word)
    )
