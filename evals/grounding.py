"""Finds quotes in chunks, and says how much of a text was taken from its sources.

A model's quote is a claim, never a fact: it counts only when it is found. Three steps, each only when the one before
found nothing: the exact characters; the same wording after folding (see `folding`); a fuzzy alignment above a ratio.
The fuzzy step forgives typing errors, not changed facts: numbers and negations must agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from ..storage.records import Chunk, Span
from .folding import UNSPACED, Folded, fold, joined, words

FUZZY_RATIO = 0.9
SHORTEST_FUZZY = 20  # folded characters; below that one edit is more than the ratio allows, or a different word
LONGEST_FUZZY = 1_000  # folded characters
REPETITIVE = 5  # pairs of equal words for each word of a quote; prose has 1 to 3, and difflib is cubic in them
LONGEST_DIFFERENCE = 80  # characters of a run of differing words that are compared; a longer one counts as different
SHARED_WORDS = 0.5  # share of the quote's words that a chunk must have to be worth an alignment
REACH = 3  # words by which the fuzzy step may move either end of its first alignment
_RUN = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
_MARKS = ".,;:!?()[]\"'"
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


def locate_ends(first: str, last: str, chunk: Chunk, *, most: int) -> Span | None:
    """Finds the shortest span of at most `most` characters that begins with `first` and ends with `last`.

    Both must be there in the same wording after folding: this is for a quote that leaves out its middle.
    """
    folded = fold(chunk.text)
    head, tail = fold(first.strip(_WRAPPING)).text.strip(), fold(last.strip(_WRAPPING)).text.strip()
    best: tuple[int, int] | None = None
    ends = list(_all_folded(tail, folded))
    for start, after in _all_folded(head, folded):
        end = next((end for begin, end in ends if begin >= after), None)
        if end is not None and end - start <= most and (best is None or end - start < best[1] - best[0]):
            best = (start, end)
    return None if best is None else _span(chunk, *best)


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
    return next(_all_folded(needle, folded), None)


def _all_folded(needle: str, folded: Folded) -> Iterator[tuple[int, int]]:
    at = folded.text.find(needle) if needle else -1
    while at >= 0:
        end = at + len(needle)
        if _whole(folded.text, at, end) and _cuts_no_character(folded, at, end):
            yield folded.starts[at], folded.ends[end - 1]
        at = folded.text.find(needle, at + 1)


def _cuts_no_character(folded: Folded, at: int, end: int) -> bool:
    """True when neither end lies inside what one source character folded to, such as a ligature."""
    return (at == 0 or folded.starts[at - 1] != folded.starts[at]) and (
        end == len(folded.text) or folded.starts[end] != folded.starts[end - 1]
    )


@lru_cache(maxsize=256)
def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(words(text))


def _align(needle: str, source: str, ratio: float) -> tuple[float, int, int] | None:
    """Aligns `needle` with the most similar run of whole words; returns the similarity and the ends in `source`.

    Words are aligned, and characters only where words differ: quick, and bounded for texts made to be slow.
    """
    needed = set(words(needle))
    if len(needed & _vocabulary(source)) < SHARED_WORDS * len(needed):
        return None
    folded = fold(source)
    bounds = [(run.start(), run.end()) for run in _RUN.finditer(folded.text)]
    there = [folded.text[start:end].strip(_MARKS) for start, end in bounds]
    wanted = [word.strip(_MARKS) for word in _RUN.findall(needle)]
    at = _densest(wanted, there)
    if _repetitive(wanted, there[max(0, at - REACH) : at + len(wanted) + REACH]):
        return None
    first, last = _fit(wanted, there, at)
    # Of equally similar runs the longest is taken, so that a `not` which the quote lost is seen and refused.
    similarity, _, start, end = max(
        (_similarity(wanted, there[low:high]), high - low, bounds[low][0], bounds[high - 1][1])
        for low in range(max(0, first - 1), first + 1)
        for high in range(last, min(len(there), last + 1) + 1)
    )
    if similarity < ratio or _facts(needle) != _facts(folded.text[start:end]):
        return None
    return similarity, folded.starts[start], folded.ends[end - 1]


def _similarity(wanted: Sequence[str], found: Sequence[str]) -> float:
    """Twice the matching characters over all characters; words that differ are compared by their characters."""
    matching = 0
    for kind, low, high, start, end in SequenceMatcher(None, wanted, found, autojunk=False).get_opcodes():
        left, right = " ".join(wanted[low:high]), " ".join(found[start:end])
        if kind == "equal":
            matching += len(left) + 1
        elif kind == "replace" and max(len(left), len(right)) <= LONGEST_DIFFERENCE:
            blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
            matching += 1 + sum(block.size for block in blocks)
    return 2 * matching / sum(len(word) + 1 for word in (*wanted, *found))


def _repetitive(wanted: Sequence[str], found: Sequence[str]) -> bool:
    counts = Counter(found)
    return sum(counts[word] for word in wanted) > REPETITIVE * len(wanted)


def _densest(wanted: Sequence[str], there: Sequence[str]) -> int:
    """Returns where the first run of `len(wanted)` words begins that shares the most words with `wanted`."""
    missing = Counter(wanted)
    shared = best = best_at = 0
    for at, word in enumerate(there):
        missing[word] -= 1
        shared += missing[word] >= 0
        if at >= len(wanted):
            left = there[at - len(wanted)]
            shared -= missing[left] >= 0
            missing[left] += 1
        if shared > best:
            best, best_at = shared, at - len(wanted) + 1
    return max(0, best_at)


def _fit(wanted: Sequence[str], there: Sequence[str], first: int) -> tuple[int, int]:
    """Moves the ends of a run of words, first the last one, by up to `REACH` to where it is most like `wanted`."""
    last = min(len(there), first + len(wanted))

    def similarity(start: int, end: int) -> float:
        return SequenceMatcher(None, wanted, there[start:end], autojunk=False).ratio()

    ends = range(max(first + 1, last - REACH), min(len(there), last + REACH) + 1)
    last = max(ends, key=lambda end: (similarity(first, end), end))
    starts = range(max(0, first - REACH), min(last - 1, first + REACH) + 1)
    return max(starts, key=lambda start: (similarity(start, last), -start)), last


def _facts(text: str) -> Counter[str]:
    return Counter(
        "not" if word in _NEGATIONS or word.endswith("n't") else word
        for word in words(text)
        if word in _NEGATIONS or word.endswith("n't") or any(character.isdigit() for character in word)
    )
