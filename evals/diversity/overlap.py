"""Figures of wording between texts: self-BLEU, and how like its nearest relation a text is by ROUGE-L."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from ...errors import ConfigError
from ..figure import Figure
from ..intervals import mean_figure, share_figure
from ..numeric import Lazy, np
from .wording import Wording

ORDERS = 4
GROUP, GROUPS = 200, 20
NOVEL = 0.7  # Self-Instruct keeps an instruction whose ROUGE-L with every other one is below this
SAMPLE = 500  # texts whose nearest relation is looked for
BLOCK = 2_000  # relations at once: 500 x 2,000 likenesses are 4 MB
LONGEST = 500  # words of a text that ROUGE-L reads: the time of a comparison grows with the product of both lengths
WORK, FEWEST = 6e9, 100  # blocks of 64 words times words, about 16 s; texts that are asked about however long they are
GROUPED = 1_000_000  # words that self-BLEU reads, about 6 s
ALONE = "one text has no other to be like"

process = Lazy("rapidfuzz.process", "rapidfuzz", "evals")
indel = Lazy("rapidfuzz.distance.Indel", "rapidfuzz", "evals")


def self_bleu(texts: Wording | Sequence[str], *, group: int = GROUP, groups: int = GROUPS, seed: int = 0) -> Figure:
    """Mean BLEU-4 of each text with the other texts of its group as references.

    Zhu et al. 2018 (Texygen, arXiv:1802.01886); sentence BLEU as sacrebleu works it out (Post 2018, arXiv:1804.08771:
    exponential smoothing, effective order, nearest reference length), over folded words. More references make BLEU
    higher, so groups are of one size, `group`, whatever the set's: up to `groups` of them, disjoint, drawn by `seed`;
    fewer of long texts, so that a million words are read, but two at least.

    Unit: share in [0, 1]; high is repetitive. Student's interval over groups; a set of fewer than two groups is
    measured whole, without an interval, and does not compare with others. Cost: linear in words; 4,000 texts of 60
    words take 2 s.

    Raises:
        ConfigError: a group is of fewer than two texts.
    """
    if group < 2:
        raise ConfigError(f"self-BLEU was asked for groups of {group}; give at least 2 texts")
    wording = Wording.of(texts)
    if len(wording.texts) < 2:
        return Figure("self_bleu", None, "share", note=ALONE if wording.texts else "no text with a word")
    mean_words = sum(map(len, wording.words)) / len(wording.words)
    groups = max(min(groups, 2), min(groups, int(GROUPED / (group * mean_words))))
    drawn = list(wording.groups(group, groups, seed))
    values = [fmean(_bleus(part.words)) for part in drawn]
    size = (
        f"{len(values)} groups of {group} texts" if len(values) > 1 else f"all {len(wording.texts)} texts as one group"
    )
    note = "; ".join(filter(None, [size, wording.note]))
    found = mean_figure("self_bleu", values, unit="share", note=note, least=0.0, most=1.0, whole=len(values) == 1)
    return replace(found, of=sum(len(part.texts) for part in drawn))


def rouge_l_nearest(
    texts: Wording | Sequence[str],
    against: Wording | Sequence[str] | None = None,
    *,
    novel: float = NOVEL,
    sample: int = SAMPLE,
    seed: int = 0,
) -> list[Figure]:
    """How like its nearest relation a text is, and how many texts have none that is as like as `novel`.

    ROUGE-L (Lin 2004), the F-measure with equal weights: twice the longest common subsequence over both lengths, over
    folded words. The rule of Self-Instruct (Wang et al. 2022, arXiv:2212.10560) is `rouge_l_novel` with 0.7. Relations
    are all of `against` (seeds, an earlier set), or else all other texts of the set, twins included, so both of two
    twins count as not novel; Self-Instruct itself compares with earlier ones only and would keep the first.

    Returns:
        `rouge_l_nearest` (mean likeness to the nearest, Student's interval) and `rouge_l_novel` (share, Wilson's), over
        `sample` drawn texts, each against every relation. Without intervals where all texts were measured.

    Cost: `sample` times the number of relations, about 0.15 µs a pair of 60 words: 500 against 100,000 take 8 s. Of
    longer texts fewer are drawn, 100 at least, and then fewer relations; only the first 500 words of a text are read.
    The note says each of them.
    """
    if not 0 < novel <= 1:
        raise ConfigError(f"ROUGE-L novelty has the threshold {novel}; give one above 0 and up to 1, usually {NOVEL}")
    wording = Wording.of(texts)
    pool = wording if against is None else Wording.of(against)
    if not wording.texts or len(pool.texts) < (2 if against is None else 1):
        missing = (
            "no text with a word" if not wording.texts else ALONE if against is None else "nothing to compare with"
        )
        return [Figure(name, None, "share", note=missing) for name in ("rouge_l_nearest", "rouge_l_novel")]
    drawn, relations = _afforded(wording, pool, min(sample, len(wording.texts)), seed)
    places = {} if against is not None else {place: row for row, place in enumerate(drawn)}
    nearest = _nearest(
        [wording.words[at] for at in drawn],
        [pool.words[at] for at in relations],
        {number: places[at] for number, at in enumerate(relations) if at in places},
    )
    whole = len(drawn) == len(wording.texts) and len(relations) == len(pool.texts)
    cut = sum(len(found) > LONGEST for found in pool.words)
    note = "; ".join(
        filter(None, [
            "" if len(drawn) == len(wording.texts) else f"{len(drawn)} of {len(wording.texts):,} texts drawn",
            "" if len(relations) == len(pool.texts) else f"the nearest of {len(relations):,} drawn ones",
            wording.note,
            f"{cut:,} texts cut at {LONGEST:,} words" if cut else "",
        ])
    )  # fmt: skip
    below = sum(value < novel for value in nearest)
    mean = mean_figure("rouge_l_nearest", nearest, unit="share", note=note, least=0.0, most=1.0, whole=whole)
    if whole:
        return [mean, Figure("rouge_l_novel", below / len(nearest), "share", of=len(nearest), note=note)]
    return [mean, share_figure("rouge_l_novel", below, len(nearest), note=note)]


def _afforded(wording: Wording, pool: Wording, sample: int, seed: int) -> tuple[list[int], list[int]]:
    """The places of the texts to ask about and of their relations: fewer of long ones, so that time is bounded."""
    rng = np.random.default_rng(seed)
    blocks = sum(min(len(found), LONGEST) // 64 + 1 for found in wording.words) / len(wording.words)
    words = sum(min(len(found), LONGEST) for found in pool.words)
    asked = min(sample, max(FEWEST, int(WORK / (blocks * words))))
    compared = min(len(pool.words), max(2, int(len(pool.words) * WORK / (asked * blocks * words))))
    return _drawn(rng, len(wording.words), asked), _drawn(rng, len(pool.words), compared)


def _drawn(rng: Any, count: int, sample: int) -> list[int]:
    if sample >= count:
        return list(range(count))
    chosen: list[int] = np.sort(rng.choice(count, size=sample, replace=False)).tolist()
    return chosen


def _nearest(left: Sequence[list[str]], right: Sequence[list[str]], own: Mapping[int, int]) -> list[float]:
    """The highest ROUGE-L of each of `left` with any of `right`; `own` has which row a place of `right` itself is."""
    code: dict[str, int] = {}
    rows = ["".join(_letter(code.setdefault(word, len(code) + 1)) for word in found[:LONGEST]) for found in left]
    # a word that no row has can match nothing, so all of these are one letter that no row has
    letters = {word: _letter(number) for word, number in code.items()}
    other = _letter(0)
    best = np.zeros(len(rows), dtype=np.float32)
    for start in range(0, len(right), BLOCK):
        block = [
            "".join([letters.get(word, other) for word in found[:LONGEST]]) for found in right[start : start + BLOCK]
        ]
        likeness: Any = process.cdist(rows, block, scorer=indel.normalized_similarity, dtype=np.float32, workers=-1)
        for place in range(start, start + len(block)):
            if place in own:
                likeness[own[place], place - start] = 0.0
        np.maximum(best, likeness.max(axis=1), out=best)
    return [min(1.0, float(value)) for value in best]


def _letter(number: int) -> str:
    """One character for a word's number; the surrogates are stepped over."""
    return chr(number if number < 0xD800 else number + 0x800)


def _bleus(texts: Sequence[list[str]]) -> list[float]:
    """BLEU of each text against the others.

    Clipping needs the highest count of an n-gram among the *other* texts: the highest and the second highest of all
    tell it, so one pass over all texts is enough for every one of them.
    """
    counts = [[Counter(_grams(found, size)) for size in range(1, ORDERS + 1)] for found in texts]
    highest: dict[Any, tuple[int, int, int]] = {}  # highest count, whose it is, highest of the others
    for owner, orders in enumerate(counts):
        for order in orders:
            for gram, count in order.items():
                first, whose, second = highest.get(gram, (0, -1, 0))
                if count > first:
                    highest[gram] = (count, owner, first)
                elif count > second:
                    highest[gram] = (first, whose, count)
    lengths = sorted(len(found) for found in texts)
    values = []
    for owner, orders in enumerate(counts):
        correct = []
        for order in orders:
            matched = 0
            for gram, count in order.items():
                first, whose, second = highest[gram]
                matched += min(count, second if whose == owner else first)
            correct.append(matched)
        length = len(texts[owner])
        values.append(_bleu(correct, length, _closest(length, lengths)))
    return values


def _grams(words: list[str], size: int) -> Any:
    return words if size == 1 else zip(*(words[at:] for at in range(size)), strict=False)


def _closest(length: int, lengths: Sequence[int]) -> int:
    """The reference length nearest to `length`, the shorter of two, its own place in `lengths` left out."""
    at = bisect_left(lengths, length)
    if at + 1 < len(lengths) and lengths[at + 1] == length:
        return length  # another text is as long
    around = [lengths[place] for place in (at - 1, at + 1) if 0 <= place < len(lengths)]
    return min(around, key=lambda other: (abs(other - length), other))


def _bleu(correct: Sequence[int], length: int, reference: int) -> float:
    """Sentence BLEU in [0, 1] from matched n-grams of each order."""
    if not any(correct):
        return 0.0
    smoothing, logs = 1.0, []
    for order, matched in enumerate(correct):
        total = length - order
        if total <= 0:
            break  # effective order: a text of three words has no 4-grams to miss
        if matched == 0:
            smoothing *= 2
        logs.append(math.log(matched / total if matched else 1 / (smoothing * total)))
    penalty = min(0.0, 1 - reference / length)
    return math.exp(penalty + sum(logs) / len(logs))
