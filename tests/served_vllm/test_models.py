"""gristmill's own models against a real vLLM: every answer that the contract promises, through all layers."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pydantic import BaseModel

from gristmill.errors import RequestRefused, Truncated
from gristmill.models.contract import Model, Request, Sampling
from gristmill.models.factory import build
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Message

pytestmark = pytest.mark.vllm

MESSAGES = (Message(role="user", content="What does a mill do?"),)


class Ruling(BaseModel):
    """A schema that noise can fill in a few tokens."""

    verdict: Literal["accept", "reject"]
    score: Literal[1, 2, 3]


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
async def model(vllm_url: str, served_model: str, meter: Meter) -> AsyncIterator[Model]:
    spec = ModelSpec(model=f"openai_api/{served_model}", base_url=vllm_url, timeout=240, retries=1)
    built = build(spec, calls=None, budget=None, meter=meter)
    yield built
    await built.aclose()


async def test_chat(model: Model, meter: Meter) -> None:
    reply = await model.complete(
        Request(messages=MESSAGES, sampling=Sampling(n=2, seed=1, max_tokens=8, logprobs=2), role="generator")
    )
    assert len(reply.choices) == 2
    for choice in reply.choices:
        assert 1 <= len(choice.logprobs) <= 8
        assert all(token.logprob <= 0 and token.top for token in choice.logprobs)
    assert reply.usage.input_tokens > 0
    assert 2 <= reply.usage.output_tokens <= 16
    assert meter.books("generator").tally.calls == 1
    assert meter.total.output_tokens == reply.usage.output_tokens


async def test_completion_with_prompt_logprobs(model: Model) -> None:
    """What perplexity needs: the log-probability of every token of a given text."""
    reply = await model.complete(
        Request(
            kind="completion",
            text="The river turns the wheel.",
            sampling=Sampling(max_tokens=1, prompt_logprobs=0, temperature=0.0),
        )
    )
    (choice,) = reply.choices
    assert len(choice.prompt_logprobs) == reply.usage.input_tokens
    assert choice.prompt_logprobs[0] is None
    known = [token.logprob for token in choice.prompt_logprobs if token is not None]
    assert "".join(token.token for token in choice.prompt_logprobs if token) in "The river turns the wheel."
    # Random weights over a few thousand tokens: a text is about as likely as chance, never certain.
    assert 2 < math.exp(-sum(known) / len(known)) < 1e6


async def test_schema(model: Model) -> None:
    for seed in range(3):
        reply = await model.complete(
            Request(messages=MESSAGES, schema=Ruling, sampling=Sampling(max_tokens=64, seed=seed))
        )
        assert isinstance(reply.parsed, Ruling)
        assert reply.finish_reason == "stop"


async def test_seed_and_logit_bias(model: Model) -> None:
    def drawn(seed: int, bias: dict[str, float] | None = None) -> Request:
        sampling = Sampling(max_tokens=12, temperature=1.0, seed=seed, logit_bias=bias)
        return Request(kind="completion", text="The wheel", sampling=sampling)

    first = await model.complete(drawn(7))
    assert (await model.complete(drawn(7))).text == first.text
    assert (await model.complete(drawn(8))).text != first.text
    # Token 64 is one of the 256 single bytes that every byte-level vocabulary begins with.
    pushed = await model.complete(drawn(7, {"64": 100.0}))
    assert len(set(pushed.text)) == 1


async def test_a_cut_schema_answer_is_truncated_not_empty(model: Model) -> None:
    with pytest.raises(Truncated) as caught:
        await model.complete(Request(messages=MESSAGES, schema=Ruling, sampling=Sampling(max_tokens=2)))
    assert caught.value.raw


async def test_an_unknown_model_is_refused(vllm_url: str, meter: Meter) -> None:
    spec = ModelSpec(model="openai_api/no-such-model", base_url=vllm_url)
    wrong = build(spec, calls=None, budget=None, meter=meter)
    with pytest.raises(RequestRefused, match="no-such-model"):
        await wrong.complete(Request(messages=MESSAGES))
    await wrong.aclose()
