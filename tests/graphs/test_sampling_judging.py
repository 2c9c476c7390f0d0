"""What a model does not know: the judge reads the statements, yes and no are normalised, nothing is infinite."""

from __future__ import annotations

import random
from math import exp, isfinite, log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_graphs import graph_of

from gristmill.agents.state import FlowContext
from gristmill.errors import AccessDenied, ConfigError, StoreError, Unreachable
from gristmill.graphs.sampling.catalogue import sampler
from gristmill.graphs.sampling.judging import (
    FLOOR,
    FactScore,
    NoAnswer,
    answer_logprobs,
    cross_entropy,
    describe_fact,
    read_scores,
    score_facts,
    write_scores,
)
from gristmill.models.contract import Choice, Reply, Request, TokenLogprob
from gristmill.models.scripted import Scripted

GRAPH = graph_of([(0, 1), (1, 2), (2, 3)])
FACTS = list(GRAPH.relation_ids)
WORDS = {"r0000": "n0 is t of n1.", "r0001": "n1 is t of n2.", "r0002": "n2 is t of n3."}


def listed(**top: float) -> Reply:
    """An answer whose first token has these log-probabilities; the first named is the token itself."""
    first = next(iter(top))
    return Reply(choices=(Choice(first, "length", (TokenLogprob(first, top[first], top),)),))


def write(request: Request) -> dict[str, list[str]]:
    """Writes statements that name the fact they are of."""
    fact = next(one for one in FACTS if describe_fact(GRAPH, one) in str(request.variables["fact"]))
    return {"true": [WORDS[fact]], "false": [f"No way: {WORDS[fact]}"]}


def models(judge) -> FlowContext:
    return FlowContext(models={"generator": Scripted(write), "student": Scripted(judge)})


def belief(yes: float, no: float) -> Reply:
    return listed(Yes=log(yes), No=log(no), Perhaps=log(0.001))


async def test_the_judge_reads_the_statements_that_it_judges() -> None:
    """GraphGen's judge was given descriptions, so that all that was written for it was paid for and never read."""
    context = models(lambda request: belief(0.5, 0.5))
    await score_facts(GRAPH, context)
    asked = [message.content for request in context.model("student").requests for message in request.messages]  # type: ignore[attr-defined]
    for text in WORDS.values():
        assert sum(text in one and "No way" not in one for one in asked) == 1
        assert sum(f"No way: {text}" in one for one in asked) == 1
    sampling = context.model("student").requests[0].sampling  # type: ignore[attr-defined]
    assert (sampling.logprobs, sampling.max_tokens, sampling.temperature) == (20, 1, 0.0)


async def test_what_is_known_scores_low_and_what_is_held_wrong_scores_highest() -> None:
    """GraphGen's logarithm of zero became 2.3, below what p = 0.05 gives: the most wrong facts ranked as known."""

    def judge(request: Request) -> Reply:
        text = str(request.variables["statement"])
        holds = "No way" not in text
        if WORDS["r0000"] in text:  # known
            return belief(0.9, 0.01) if holds else belief(0.01, 0.9)
        if WORDS["r0001"] in text:  # guessed
            return belief(0.4, 0.4)
        return listed(No=0.0, Yes=-9999.0) if holds else listed(Yes=0.0, No=-9999.0)  # the opposite is held

    scores, books = await score_facts(GRAPH, models(judge))
    assert [one.fact for one in scores] == FACTS
    known, guessed, wrong = (one.score for one in scores)
    assert known == pytest.approx(-log(0.9 / 0.91))
    assert guessed == pytest.approx(log(2))
    assert wrong > 20
    assert isfinite(wrong)
    assert (books.facts, books.scored, books.balanced, dict(books.failed)) == (3, 3, True, {})
    assert books.usage.output_tokens > 0
    by_fact = {one.fact: one.score for one in scores}
    first = next(sampler("uncertainty").draws(GRAPH, random.Random(1), scores=by_fact))
    assert first.relations == ("r0002",)


async def test_a_judge_that_always_says_yes_knows_nothing() -> None:
    scores, _ = await score_facts(GRAPH, models(lambda request: belief(0.99, 0.01)))
    assert all(one.score > log(2) for one in scores)


def test_probabilities_are_normalised_over_yes_and_no_alone() -> None:
    """A model that spreads itself over other words is no less sure between the two for that."""
    for share in (1.0, 0.1, 0.001):
        assert cross_entropy(belief(0.8 * share, 0.2 * share), True) == pytest.approx(-log(0.8))


def test_spellings_of_one_word_are_added_up() -> None:
    token = TokenLogprob("Yes", log(0.2), {"Yes": log(0.2), " yes": log(0.2), "YES.": log(0.1), "▁no": log(0.25)})
    yes, no = answer_logprobs(token)
    assert (exp(yes or 0.0), exp(no or 0.0)) == (pytest.approx(0.5), pytest.approx(0.25))


def test_a_word_that_is_not_listed_is_no_likelier_than_the_last_that_is() -> None:
    reply = listed(Yes=log(0.9), Maybe=log(0.02), Sure=log(0.01))
    assert cross_entropy(reply, True) == pytest.approx(-log(0.9 / 0.91))
    assert cross_entropy(reply, False) == pytest.approx(-log(0.01 / 0.91))


@given(yes=st.floats(-1e4, 5.0), no=st.floats(-1e4, 5.0), other=st.floats(-1e4, 5.0), holds=st.booleans())
def test_a_score_is_finite_and_not_negative(yes: float, no: float, other: float, holds: bool) -> None:
    for reply in (listed(Yes=yes, No=no, Well=other), listed(Yes=yes, Well=other), listed(No=no)):
        loss = cross_entropy(reply, holds)
        assert 0.0 <= loss <= -FLOOR + 1.0


async def test_what_cannot_be_judged_is_counted_and_has_no_score() -> None:
    def judge(request: Request) -> Reply | str:
        text = str(request.variables["statement"])
        if WORDS["r0000"] in text:
            return "Yes"  # a server without log-probabilities
        return listed(Well=-0.1) if WORDS["r0001"] in text else belief(0.9, 0.1)

    scores, books = await score_facts(GRAPH, models(judge))
    assert [one.fact for one in scores] == ["r0002"]
    assert books.balanced
    assert dict(books.failed) == {"no_answer": 2}
    with pytest.raises(NoAnswer):
        cross_entropy(Reply(), True)


async def test_statements_of_one_side_only_are_no_test() -> None:
    context = FlowContext(models={
        "generator": Scripted(lambda request: {"true": ["It is."], "false": [" "]}),
        "student": Scripted(lambda request: belief(0.9, 0.1)),
    })  # fmt: skip
    scores, books = await score_facts(GRAPH, context)
    assert scores == []
    assert books.failed.total() == 3
    assert books.balanced
    assert not context.model("student").requests  # type: ignore[attr-defined]


async def test_a_fact_that_fails_costs_itself_alone_and_a_refused_key_ends_all() -> None:
    answers = iter(range(1000))

    def judge(request: Request) -> Reply | Exception:
        return Unreachable("away") if next(answers) == 0 else belief(0.9, 0.1)

    scores, books = await score_facts(GRAPH, models(judge), concurrency=1)
    assert len(scores) == 2
    assert dict(books.failed) == {"unreachable": 1}
    with pytest.raises(AccessDenied):
        await score_facts(GRAPH, models(lambda request: AccessDenied("no such key")))


async def test_entities_are_facts_too_and_unknown_ones_are_named() -> None:
    writer = Scripted(lambda request: {"true": ["a", "b", "c"], "false": ["d", "e", "f"]})
    context = FlowContext(models={"generator": writer, "student": Scripted(lambda request: belief(0.5, 0.5))})
    (score,), _ = await score_facts(GRAPH, context, facts=["e001", "e001"], count=2)
    assert [text for text, _, _ in score.statements] == ["a", "b", "d", "e"]
    assert "n1 (thing)" in str(writer.requests[0].variables["fact"])
    with pytest.raises(ConfigError, match="'lost' is no relation"):
        await score_facts(GRAPH, context, facts=["lost"])


def test_scores_are_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    write_scores([FactScore("r0000", 0.5, (("Ist es so?", True, 0.5),)), FactScore("r0002", 2.5, ())], path)
    assert read_scores(path) == {"r0000": 0.5, "r0002": 2.5}
    draws = list(sampler("uncertainty", scores=path).draws(GRAPH, random.Random(1)))
    assert [draw.relations for draw in draws] == [("r0002",), ("r0000",)]
    assert [one.name for one in tmp_path.iterdir()] == ["scores.jsonl"]
    with pytest.raises(StoreError, match="cannot be written"):
        write_scores([], tmp_path / "nowhere" / "scores.jsonl")


@pytest.mark.parametrize("line", ["{", '{"fact": "r"}', '{"fact": 3, "score": 1}', '{"fact": "r", "score": NaN}', "[]"])
def test_a_broken_line_of_scores_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(f'{{"fact": "a", "score": 1}}\n\n{line}\n')
    with pytest.raises(ConfigError, match="line 3"):
        read_scores(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_scores(tmp_path / "none.jsonl")
