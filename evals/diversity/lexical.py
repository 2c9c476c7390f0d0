"""Figures of wording alone: distinct-n, MTLD, compression ratio. They see repeated words, never repeated meaning."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from ...errors import ConfigError, require_texts
from ..figure import Figure
from ..intervals import mean_figure
from ..numeric import np
from .wording import Wording

NOTHING = "no text with a word"
THRESHOLD = 0.72  # McCarthy and Jarvis's
SHORT = 100  # words; MTLD of fewer is known to swing
GROUP_WORDS, GROUPS = 2_000, 20
MOST_WHOLE, STRETCH, STRETCHES = 8_000_000, 256 * 1024, 20  # bytes, bytes, stretches


def distinct_n(texts: Wording | Sequence[str], n: int = 2) -> Figure:
    """Distinct n-grams over all n-grams of the set, none across two texts.

    Li et al. 2016 (A Diversity-Promoting Objective Function, arXiv:1510.03055). Words are folded (`evals.folding`).

    Unit: share in (0, 1]. Cost: a sort of all n-grams; 100,000 texts of 60 words take about a second for each n.
    It falls with the number of words measured, so compare sets of one size only.

    Raises:
        ConfigError: n is less than 1.
    """
    if n < 1:
        raise ConfigError(f"distinct-n was asked for n = {n}; give at least 1")
    wording = Wording.of(texts)
    name = f"distinct_{n}"
    grams = wording.grams(n) if wording.texts else ()
    if not len(grams):
        return Figure(name, None, "share", note=f"no text of {n} words or more")
    ordered = np.sort(grams)
    distinct = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    return Figure(name, distinct / len(grams), "share", of=len(grams), note=wording.note)


def mtld(words: Sequence[str], threshold: float = THRESHOLD) -> float | None:
    """Mean length of the runs of `words` that keep their type-token ratio above `threshold`; None of no words.

    The measure of textual lexical diversity: McCarthy and Jarvis 2010 (Behavior Research Methods 42), run forwards and
    backwards and averaged. What is left at the end counts as the part of a run by which its ratio fell. Words that
    never repeat give the text's length, as in the package lexicalrichness.

    Unit: words. Cost: linear, about 0.3 s for a million words. Of fewer than 100 words it swings.

    Raises:
        ConfigError: the threshold is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise ConfigError(f"the threshold of MTLD is {threshold}; give one between 0 and 1, usually {THRESHOLD}")
    if not words:
        return None
    return fmean(len(words) / _factors(way, threshold) for way in (words, words[::-1]))


def mtld_of(texts: Wording | Sequence[str], *, threshold: float = THRESHOLD, seed: int = 0) -> Figure:
    """MTLD of a set: of its texts one after the other, in a drawn order, so that neighbours are no near relations.

    Unit: words; `of` counts the words read. The mean over up to 20 disjoint groups of 2,000 words, with Student's
    interval; a smaller set is one group without an interval. Cost: 40,000 words are read at most.
    """
    wording = Wording.of(texts)
    if not wording.texts:
        return Figure("mtld", None, "words", note=NOTHING)
    groups = _groups(wording.drawn(len(wording.texts), seed).words)
    values = [value for group in groups if (value := mtld(group, threshold)) is not None]
    note = wording.note
    if sum(map(len, groups)) < SHORT:
        note = "; ".join(filter(None, [note, f"fewer than {SHORT} words, so unsteady"]))
    if len(values) > 1:
        note = "; ".join(filter(None, [note, f"{len(values)} groups of {GROUP_WORDS:,} words or more"]))
    found = mean_figure("mtld", values, unit="words", note=note, least=0.0, whole=len(values) == 1)
    return replace(found, of=sum(map(len, groups)))


def compression_ratio(texts: Wording | Sequence[str]) -> Figure:
    """Bytes of the texts, one a line in the order given, over their bytes when compressed by gzip at level 9.

    Shaib et al. 2024 (Standardizing the Measurement of Text Diversity, arXiv:2403.00553). The higher, the more is said
    again. gzip looks back 32 kB, so it sees repetition among neighbours only: the order of the texts matters.

    Unit: times. Sets above 8 MB are read in 20 stretches of 256 kB, evenly apart, whose mean has Student's interval.
    Cost: about 2 s at most. Tiny sets carry the format's header of some 20 bytes.
    """
    if isinstance(texts, Wording):
        given: Sequence[str] = texts.texts
    else:
        given = [text for text in require_texts("texts", texts) if text.strip()]
    if not given:
        return Figure("compression_ratio", None, "times", note="no text")
    # a lone surrogate, as a broken JSON escape leaves it, has no UTF-8
    whole = "\n".join(given).encode(errors="replace")
    if len(whole) <= MOST_WHOLE:
        note = "too little to compress well" if len(whole) < 1000 else ""
        return Figure("compression_ratio", _ratio(whole), "times", of=len(given), note=note)
    step = (len(whole) - STRETCH) // (STRETCHES - 1)
    values = [_ratio(whole[at * step : at * step + STRETCH]) for at in range(STRETCHES)]
    note = f"{STRETCHES} stretches of {STRETCH // 1024} kB of {len(given):,} texts"
    return mean_figure("compression_ratio", values, unit="times", note=note, least=0.0)


def _ratio(data: bytes) -> float:
    return len(data) / len(gzip.compress(data, mtime=0))


def _factors(words: Iterable[str], threshold: float) -> float:
    seen: set[str] = set()
    count, factors, ratio = 0, 0.0, 1.0
    for word in words:
        count += 1
        seen.add(word)
        ratio = len(seen) / count
        if ratio <= threshold:
            seen, count = set(), 0
            factors += 1
    if count:
        factors += (1 - ratio) / (1 - threshold)
    return factors or 1.0  # every word once: one run that never fell


def _groups(texts: Sequence[list[str]]) -> list[list[str]]:
    """Words of consecutive texts in groups of at least GROUP_WORDS; one group where there are not two."""
    groups: list[list[str]] = [[]]
    for found in texts:
        if len(groups[-1]) >= GROUP_WORDS:
            if len(groups) == GROUPS:
                return groups
            groups.append([])
        groups[-1].extend(found)
    if len(groups) > 1 and len(groups[-1]) < GROUP_WORDS:
        groups[-2].extend(groups.pop())
    return groups
