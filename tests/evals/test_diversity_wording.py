"""Figures of wording: held to reference implementations and hand-worked values, and to bad input."""

from __future__ import annotations

import gzip
import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

from gristmill.errors import ConfigError
from gristmill.evals.diversity.lexical import compression_ratio, distinct_n, mtld, mtld_of
from gristmill.evals.diversity.measure import measure
from gristmill.evals.diversity.overlap import LONGEST, rouge_l_nearest, self_bleu
from gristmill.evals.diversity.wording import Wording
from gristmill.evals.figure import Figure
from gristmill.evals.intervals import mean_figure, student

VOCABULARY = [f"{a}{b}" for a in "bcdfgklm" for b in ("an", "el", "ir", "op", "us")]


def made(count: int, *, seed: int = 0, shortest: int = 1, longest: int = 40) -> list[str]:
    """Texts of plain words, some common and some rare, that every tokeniser cuts alike."""
    rng = random.Random(seed)
    weights = [1 / (place + 1) for place in range(len(VOCABULARY))]
    return [" ".join(rng.choices(VOCABULARY, weights, k=rng.randint(shortest, longest))) for _ in range(count)]


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


# distinct-n


def test_distinct_n_by_hand() -> None:
    texts = ["the mill turns", "The mill stands.", "", "turns"]
    assert value(distinct_n(texts, 1)) == pytest.approx(4 / 7)  # the mill turns stands
    assert value(distinct_n(texts, 2)) == pytest.approx(3 / 4)  # "turns the" spans two texts and is none
    assert distinct_n(texts, 2).of == 4
    assert distinct_n(texts, 2).note == "1 without a word left out"
    assert value(distinct_n(texts, 3)) == 1.0
    assert distinct_n(texts, 4) == Figure("distinct_4", None, "share", note="no text of 4 words or more")


@pytest.mark.parametrize("n", [1, 2, 3, 5, 17])  # 40 words: past 64 bits at 12
def test_distinct_n_is_what_sets_of_tuples_say(n: int) -> None:
    texts = made(200)
    grams = [tuple(cut[at : at + n]) for text in texts for cut in [text.split()] for at in range(len(cut) - n + 1)]
    figure = distinct_n(texts, n)
    assert (figure.value, figure.of) == (pytest.approx(len(set(grams)) / len(grams)), len(grams))


def test_distinct_n_of_a_text_that_repeats_itself() -> None:
    assert value(distinct_n(["go " * 11], 2)) == pytest.approx(0.1)
    with pytest.raises(ConfigError, match="n = 0; give at least 1"):
        distinct_n(["a"], 0)


# MTLD


@pytest.mark.parametrize("text", [*made(12, seed=3, shortest=5, longest=400), " ".join(VOCABULARY), "one"])
def test_mtld_is_that_of_lexicalrichness(text: str) -> None:
    from lexicalrichness import LexicalRichness  # heavy, as it loads matplotlib, pandas and nltk

    found = mtld(text.split())
    assert found == pytest.approx(LexicalRichness(text, preprocessor=None, tokenizer=str.split).mtld(threshold=0.72))


def test_mtld_by_hand() -> None:
    # a a | b b | c: the ratio falls to 1/2 at each second word; c is left at 1 and adds nothing: 5 / 2. Backwards
    # c b b is at 2/3, below 0.72: one run; then a a: another: 5 / 2.
    assert mtld(["a", "a", "b", "b", "c"]) == pytest.approx(2.5)
    assert mtld([]) is None
    with pytest.raises(ConfigError, match=r"threshold of MTLD is 1\.0"):
        mtld(["a"], 1.0)


def test_mtld_of_a_set_has_an_interval_where_there_are_groups() -> None:
    many = mtld_of(made(1000, shortest=30))
    assert many.low is not None
    assert many.high is not None
    assert many.low < value(many) < many.high
    assert "groups of 2,000 words" in many.note
    few = mtld_of(["the mill turns the wheel"])
    assert (few.low, few.high) == (None, None)
    assert "fewer than 100 words" in few.note
    assert mtld_of(["", " ... "]) == Figure("mtld", None, "words", note="no text with a word")


# compression


def test_compression_ratio_is_gzips() -> None:
    texts = made(300)
    joined = "\n".join(texts).encode()
    assert value(compression_ratio(texts)) == pytest.approx(len(joined) / len(gzip.compress(joined)))


def test_compression_ratio_tells_a_repetitive_set_and_reads_stretches_of_a_large_one() -> None:
    texts = made(60_000, shortest=40, longest=40)
    large = compression_ratio(texts)
    assert "20 stretches" in large.note
    assert large.low is not None
    assert value(large) == pytest.approx(value(compression_ratio(texts[:20_000])), rel=0.02)
    assert value(compression_ratio(["the same sentence again"] * 1000)) > 20
    assert compression_ratio(["", " "]) == Figure("compression_ratio", None, "times", note="no text")
    assert value(compression_ratio(["\ud800 broken"])) > 0


# self-BLEU


@pytest.mark.parametrize("seed", range(5))
def test_self_bleu_is_sacrebleus(seed: int) -> None:
    texts = made(25, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [
            sacrebleu.sentence_bleu(text, [*texts[:at], *texts[at + 1 :]], tokenize="none").score / 100
            for at, text in enumerate(texts)
        ]
    figure = self_bleu(texts)
    assert value(figure) == pytest.approx(sum(expected) / len(expected), abs=1e-9)
    assert (figure.low, figure.note) == (None, "all 25 texts as one group")


def test_self_bleu_does_not_grow_with_the_set() -> None:
    small, large = self_bleu(made(500, seed=1), group=100), self_bleu(made(4000, seed=2), group=100)
    assert value(small) == pytest.approx(value(large), abs=0.05)
    assert small.low is not None
    assert small.low < value(small)
    assert "5 groups of 100 texts" in small.note
    assert self_bleu(made(4000, seed=2), group=100) == large  # the same seed, the same draw


def test_self_bleu_at_its_ends() -> None:
    assert value(self_bleu(["the mill turns the wheel"] * 3)) == pytest.approx(1.0)
    assert value(self_bleu(["one two three", "four five six"])) == 0.0
    assert self_bleu(["one"]).value is None
    assert "no other" in self_bleu(["one", ""]).note
    assert self_bleu([]).note == "no text with a word"
    with pytest.raises(ConfigError, match="at least 2 texts"):
        self_bleu(["a", "b"], group=1)


# ROUGE-L


class BySpaces(Tokenizer):  # type: ignore[misc]
    def tokenize(self, text: str) -> list[str]:
        return text.split()


@pytest.mark.parametrize("seed", range(3))
def test_rouge_l_is_that_of_rouge_score(seed: int) -> None:
    texts = made(30, seed=seed)
    scorer = RougeScorer(["rougeL"], tokenizer=BySpaces())
    best = [
        max(scorer.score(one, text)["rougeL"].fmeasure for at, one in enumerate(texts) if at != place)
        for place, text in enumerate(texts)
    ]
    mean, novel = rouge_l_nearest(texts, novel=0.5)
    assert value(mean) == pytest.approx(sum(best) / len(best), abs=1e-6)
    assert value(novel) == pytest.approx(sum(one < 0.5 for one in best) / len(best))
    assert (mean.low, novel.low) == (None, None)


def test_rouge_l_by_hand_and_against_another_set() -> None:
    # the common subsequence of "the mill turns" and "the old mill turns slowly" has 3 words: 6 / 8
    mean, novel = rouge_l_nearest(["the mill turns"], ["nothing here", "the old mill turns slowly"])
    assert value(mean) == pytest.approx(0.75)
    assert value(novel) == 0.0
    assert value(rouge_l_nearest(["the mill turns"], ["nothing here"])[1]) == 1.0


def test_rouge_l_of_a_sample_covers_the_whole() -> None:
    texts = made(2500, shortest=10)
    whole = rouge_l_nearest(texts, sample=len(texts), novel=0.6)
    drawn = rouge_l_nearest(texts, sample=300, novel=0.6)
    for one, all_of_them in zip(drawn, whole, strict=True):
        assert one.low is not None
        assert one.high is not None
        assert one.low - 0.02 < value(all_of_them) < one.high + 0.02
        assert "300 of 2,500" in one.note
    assert drawn == rouge_l_nearest(texts, sample=300, novel=0.6)


def test_rouge_l_at_its_ends() -> None:
    twins = rouge_l_nearest(["The same text.", "the same text"])
    assert [value(one) for one in twins] == [1.0, 0.0]
    assert [one.value for one in rouge_l_nearest(["alone"])] == [None, None]
    assert "no other" in rouge_l_nearest(["alone"])[0].note
    assert "nothing to compare with" in rouge_l_nearest(["alone"], [""])[0].note
    assert "1 texts cut" in rouge_l_nearest(["word " * (LONGEST + 1), "word"])[0].note
    with pytest.raises(ConfigError, match="threshold 0"):
        rouge_l_nearest(["a", "b"], novel=0)


def test_rouge_l_steps_over_the_surrogates() -> None:
    """More than 55,000 different words: their numbers pass the code points that are no characters."""
    words = [f"w{number}" for number in range(60_000)]
    texts = [" ".join(words[at : at + 600]) for at in range(0, 60_000, 600)]
    assert value(rouge_l_nearest(texts)[0]) == 0.0


def test_rouge_l_of_long_texts_draws_fewer_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.evals.diversity.overlap.WORK", 2e6)
    texts = made(600, shortest=70, longest=90)
    for against in (None, made(600, seed=1, shortest=70, longest=90)):
        mean, _ = rouge_l_nearest(texts, against)
        assert mean.of == 100
        assert "100 of 600 texts drawn; the nearest of" in mean.note
        assert 0 < value(mean) < 1  # never its own nearest
        assert mean.low is not None


# all at once


def test_measure_gives_every_figure_a_value_or_a_reason() -> None:
    names = ["distinct_1", "distinct_2", "distinct_3", "mtld", "compression_ratio", "self_bleu", "rouge_l_nearest",
             "rouge_l_novel"]  # fmt: skip
    for texts in ([], [""], ["one"], ["same text here"] * 5, ["\x00", "<b>", "日本語のテキスト"], made(50)):
        figures = measure(texts)
        assert [one.name for one in figures] == names
        for one in figures:
            assert (one.value is not None and math.isfinite(one.value)) or one.note
    added = [one.name for one in measure(made(20), against=made(5, seed=9))][len(names) :]
    assert added == ["rouge_l_nearest_against", "rouge_l_novel_against"]


@pytest.mark.parametrize("figure", [measure, compression_ratio, self_bleu, rouge_l_nearest, mtld_of, distinct_n])
def test_what_are_no_texts_is_refused(figure: Callable[[Any], Any]) -> None:
    with pytest.raises(ConfigError, match="texts is one text"):
        figure("one text")
    with pytest.raises(ConfigError, match=r"texts\[1\] is None; give texts"):
        figure(["one", None])


def test_texts_that_are_cut_once_measure_the_same() -> None:
    texts = made(80)
    wording = Wording.of(texts)
    assert distinct_n(wording) == distinct_n(texts)
    assert self_bleu(wording) == self_bleu(texts)


# intervals


def test_students_quantiles_are_scipys() -> None:
    from scipy import stats

    for freedom in (*range(1, 40), 100, 10_000):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = random.Random(5)
    covered = 0
    for _ in range(1000):
        figure = mean_figure("x", [rng.gauss(3, 2) for _ in range(8)])
        assert figure.low is not None
        assert figure.high is not None
        covered += figure.low <= 3 <= figure.high
    assert 925 <= covered <= 975
