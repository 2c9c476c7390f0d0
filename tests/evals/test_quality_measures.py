"""Lengths, steps, IFD, grounding and Bradley-Terry strengths: hand-worked values, references, bad input."""

from __future__ import annotations

import math
import random
from typing import Any

import choix
import numpy as np
import orjson
import pytest
from mock_server import MockServer

from gristmill.errors import ConfigError, Overloaded
from gristmill.evals.asking import Asker
from gristmill.evals.figure import Figure
from gristmill.evals.quality.grounded import grounding_rate
from gristmill.evals.quality.instruction import ifd, measure_ifd
from gristmill.evals.quality.pairs import plan_pairs
from gristmill.evals.quality.size import lengths, reasoning_steps, step_count
from gristmill.evals.quality.strength import Vote, strengths
from gristmill.models.contract import Choice, Reply, Request, TokenLogprob
from gristmill.models.openai_api import OpenAIApi
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Decision, Draft, Item, Message, Status, Verdict


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


# lengths and steps


def test_lengths_by_hand() -> None:
    found = {one.name: one for one in lengths(["", "one two", "one two three four"], tokens=len)}
    assert value(found["length_words"]) == 2
    assert value(found["length_words_median"]) == 2
    assert value(found["length_words_p5"]) == pytest.approx(0.2)
    assert value(found["length_words_p95"]) == pytest.approx(3.8)
    assert value(found["length_characters"]) == pytest.approx(25 / 3)
    assert found["length_tokens"].value == found["length_characters"].value
    assert found["length_words"].note == "1 of length 0"
    assert found["length_words"].low == 0.0  # a mean length is never negative
    assert {one.note for one in lengths([])} == {"no text"}
    assert [one.value for one in lengths(["word"]) if one.unit == "words"] == [1.0] * 4
    assert not [one for one in lengths(["a"]) if one.unit == "tokens"]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", 0),
        ("...", 0),
        ("It is 4.", 1),
        ("First add 2 and 2. That gives 4. So the answer is 4.", 3),
        ("1. Add 2 and 2.\n2. That is 4. Check it.\n3) Answer: 4", 3),
        ("Step 1: add. Then look.\nStep 2: halve.\n\nAnswer: 2", 2),
        ("**Step 1** add\n**Step 2** halve", 2),
        ("- one\n- two\n- three", 3),
        ("(a) this\n(b) that", 2),
        ("1. Only one mark. But two sentences.", 2),
        ("In 1742. the mill was built.\nIn 1743. it burnt.", 4),  # a year at a line's middle marks nothing
    ],
)
def test_steps_are_counted_as_they_are_said_to_be(text: str, steps: int) -> None:
    assert step_count(text) == steps


def test_reasoning_steps_have_figures() -> None:
    found = reasoning_steps(["One. Two.", "1. a\n2. b\n3. c\n4. d"])
    assert [one.name for one in found] == ["steps", "steps_median", "steps_p5", "steps_p95"]
    assert [value(one) for one in found[:2]] == [3.0, 3.0]


# IFD


def test_ifd_by_hand() -> None:
    found = ifd([-0.5, -1.5], [-1.0, -3.0])
    assert found is not None
    assert (found.conditioned, found.direct, found.tokens) == (1.0, 2.0, 2)
    assert found.ratio == 0.5
    assert found.perplexity_ratio == pytest.approx(math.exp(-1))
    assert ifd([], []) is None
    sure = ifd([0.0], [0.0])
    assert sure is not None
    assert sure.ratio is None
    with pytest.raises(ConfigError, match="2 tokens after its question and 1 alone"):
        ifd([-1, -1], [-1])
    with pytest.raises(ConfigError, match="token 1 is nan"):
        ifd([-1, math.nan], [-1, -1])


def priced(text: str) -> list[TokenLogprob | None]:
    """A toy model's prompt_logprobs: words that stood before cost 0.5 nats, new ones 2; the first has none."""
    words = [word for word in text.replace("\n\n", " \n\n ").split(" ") if word]
    return [
        None if place == 0 else TokenLogprob(word, -0.5 if word in words[:place] else -2.0)
        for place, word in enumerate(words)
    ]


PAIRS = [("which river turns mills", "the river turns mills"), ("why", "the wind turns mills"), ("what", " ")]


def held(figures: list[Figure], found: list[Any]) -> None:
    """What PAIRS must give: the first word of an answer is left out, for alone it has nothing before it."""
    assert [one is None for one in found] == [False, False, True]
    assert (found[0].conditioned, found[0].direct, found[0].tokens) == (0.5, 2.0, 3)
    assert (found[1].ratio, found[1].tokens) == (1.0, 3)
    ratio, _, misleading = figures
    assert (ratio.name, ratio.value) == ("ifd", pytest.approx((0.25 + 1) / 2))
    assert "1 answers without a token" in ratio.note
    assert (misleading.name, misleading.value) == ("ifd_misleading", 0.0)


async def test_ifd_from_a_model() -> None:
    def answer(request: Request) -> Reply:
        assert (request.kind, request.sampling.prompt_logprobs, request.sampling.max_tokens) == ("completion", 0, 1)
        return Reply(choices=(Choice("x", prompt_logprobs=tuple(priced(request.text))),))

    model = Scripted(answer)
    held(*await measure_ifd(PAIRS, Asker(model)))
    assert len(model.requests) == 4


async def test_ifd_from_a_server_over_a_socket() -> None:
    def answer(body: dict[str, Any]) -> bytes:
        listed = [
            None if one is None else {"7": {"logprob": one.logprob, "decoded_token": one.token}}
            for one in priced(body["prompt"])
        ]
        choice = {"index": 0, "text": "x", "finish_reason": "length", "prompt_logprobs": listed}
        return orjson.dumps({"model": "toy", "choices": [choice], "usage": {"prompt_tokens": 3}})

    async with MockServer(answer=answer) as server:
        model = OpenAIApi("toy", server.url, timeout=10)
        try:
            held(*await measure_ifd(PAIRS, Asker(model)))
        finally:
            await model.aclose()
        assert {entry.path for entry in server.log} == {"/v1/completions"}


async def test_ifd_without_logprobs_says_what_to_do() -> None:
    model = Scripted(lambda request: "text")
    with pytest.raises(ConfigError, match=r"gave no prompt_logprobs.*docs/vllm\.md"):
        await measure_ifd(PAIRS, Asker(model))
    with pytest.raises(ConfigError, match=r"has no \{question\}"):
        await measure_ifd(PAIRS, Asker(model), template="Q: ")


async def test_ifd_counts_calls_that_failed() -> None:
    def answer(request: Request) -> Reply | Exception:
        if "wind" in request.text:
            return Overloaded("busy")
        return Reply(choices=(Choice("x", prompt_logprobs=tuple(priced(request.text))),))

    figures, found = await measure_ifd(PAIRS, Asker(Scripted(answer)))
    assert [one is None for one in found] == [False, True, True]
    assert figures[0].value == 0.25
    assert "1 of 3 calls failed (overloaded: 1)" in figures[0].note


# grounding


def item(*verdicts: Verdict, drafts: int = 1) -> Item:
    said = (Message(role="user", content="?"),)
    made = tuple(Draft(index=number, by="generator", messages=said) for number in range(drafts))
    return Item(id="i", task="t", kind="qa", status=Status.ACCEPTED, drafts=made, verdicts=verdicts)


def test_grounding_rate_by_hand() -> None:
    good = Verdict(by="critic", draft=0, decision=Decision.ACCEPT, scores={"grounded": 0.9})
    bad = Verdict(by="critic", draft=0, decision=Decision.REJECT, reasons=("ungrounded",), scores={"grounded": 0.1})
    other = Verdict(by="critic", draft=0, decision=Decision.REJECT, reasons=("trivial",), scores={"grounded": 0.8})
    mute = Verdict(by="style", draft=0, decision=Decision.ACCEPT)
    mended = Verdict(by="critic", draft=1, decision=Decision.ACCEPT, scores={"grounded": 1.0})
    rate, score = grounding_rate(
        [item(good), item(bad), item(other), item(mute), item(), item(bad, mended, drafts=2), item(good, bad)]
    )
    assert (rate.value, rate.of) == (pytest.approx(3 / 5), 5)
    assert "2 items that nobody judged" in rate.note
    assert score.value == pytest.approx((0.9 + 0.1 + 0.8 + 1.0 + 0.1) / 5)
    assert grounding_rate([])[0].value is None


# Bradley-Terry


def voted(truth: list[float], pairs: list[tuple[int, int]], votes: int, seed: int = 0) -> list[Vote]:
    rng = random.Random(seed)
    return [
        Vote(i, j, sum(rng.random() < 1 / (1 + math.exp(truth[j] - truth[i])) for _ in range(votes)) / votes)
        for i, j in pairs
    ]


def test_strengths_are_the_maximum_of_the_likelihood() -> None:
    truth = [-1.0, -0.5, 0.0, 0.5, 1.0]
    pairs = [(i, j) for i in range(5) for j in range(i)] * 40
    votes = voted(truth, pairs, 1)
    data = [(v.first, v.second) if v.left == 1 else (v.second, v.first) for v in votes]
    expected = choix.opt_pairwise(5, data, alpha=1e-9)
    found = [value(one) for one in strengths(votes, 5, prior=1e-6)]
    assert found == pytest.approx(list(expected - expected.mean()), abs=1e-3)


def test_two_texts_by_hand() -> None:
    """Three of four votes: log-odds of 3.1 / 1.1 with a tenth of a vote added to either side."""
    left, right = strengths([Vote(0, 1, 1.0)] * 3 + [Vote(0, 1, 0.0)], 2)
    assert value(left) - value(right) == pytest.approx(math.log(3.1 / 1.1))
    assert (left.of, value(left)) == (4, pytest.approx(-value(right)))
    assert left.low is not None
    assert left.high is not None
    # the difference has the variance 1 / (n p q), and each text's distance from the mean is half of it
    p = 3.1 / 4.2
    assert left.high - value(left) == pytest.approx(1.959964 * math.sqrt(1 / (4.2 * p * (1 - p))) / 2, rel=1e-6)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = asked = 0
    for seed in range(60):
        truth = rng.normal(size=12)
        truth -= truth.mean()
        pairs = [(i, j) for i in range(12) for j in range(i)] * 4
        for figure, true in zip(strengths(voted(list(truth), pairs, 1, seed), 12), truth, strict=True):
            assert figure.low is not None
            assert figure.high is not None
            covered += figure.low <= true <= figure.high
            asked += 1
    assert 0.92 <= covered / asked <= 0.98


def test_a_text_that_wins_every_vote_has_a_finite_strength_and_a_wide_interval() -> None:
    votes = [Vote(0, other, 1.0) for other in range(1, 6)] + [Vote(i, i + 1, 0.5) for i in range(1, 5)]
    best, *others = strengths(votes, 6)
    assert value(best) > 2
    assert best.high is not None
    assert others[0].high is not None
    assert best.high - value(best) > others[0].high - value(others[0])


def test_parts_that_were_never_compared_are_told() -> None:
    found = strengths([Vote(0, 1, 1.0), Vote(2, 3, 1.0), Vote(3, 4, 1.0)], 6)
    assert all("never compared" in one.note for one in found[:5])
    assert value(found[0]) + value(found[1]) == pytest.approx(0)
    assert sum(value(one) for one in found[2:5]) == pytest.approx(0)
    assert found[5] == Figure("strength", None, "log-odds", note="no vote on it")
    assert not strengths([Vote(0, 1, 1.0)], 3)[0].note  # one part and a text nobody compared: nothing to confuse
    assert strengths([], 0) == []


def test_a_long_chain_of_clear_votes_is_ranked() -> None:
    found = strengths([Vote(i, i + 1, 0.0) for i in range(49)], 50)
    values = [value(one) for one in found]
    assert values == sorted(values)


def test_votes_that_do_not_settle_give_no_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.evals.quality.strength.STEPS", 2)
    for one in strengths([Vote(i, i + 1, 0.0) for i in range(49)], 50):
        assert one.value is None
        assert "do not settle" in one.note


def test_votes_that_cannot_be_are_refused() -> None:
    for vote, said in ((Vote(0, 5, 1.0), "0 and 5 of 3"), (Vote(1, 1, 1.0), "1 and 1"), (Vote(0, 1, math.nan), "nan")):
        with pytest.raises(ConfigError, match=said):
            strengths([vote], 3)
    with pytest.raises(ConfigError, match="prior of strengths is 0"):
        strengths([], 2, prior=0)
    with pytest.raises(ConfigError, match="3,001 texts are too many"):
        strengths([], 3001)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 50])
def test_planned_pairs_join_all_texts(count: int) -> None:
    pairs = plan_pairs(count, rounds=3, seed=1)
    assert len(set(pairs)) == len(pairs) <= 3 * count
    assert all(0 <= left < right < count for left, right in pairs)
    assert pairs == plan_pairs(count, rounds=3, seed=1)
    joined = {0}
    for _ in range(count):
        joined |= {one for pair in pairs if joined & set(pair) for one in pair}
    assert joined == set(range(max(1, count)))
    with pytest.raises(ConfigError, match="in 0 rounds"):
        plan_pairs(count, rounds=0)
