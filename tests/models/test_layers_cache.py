"""The cache: what is in the key, what a hit costs, and one question in flight however often it is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pydantic import BaseModel

from gristmill.errors import Overloaded, RequestRefused, StoreFull, Truncated
from gristmill.models.contract import Request, Sampling
from gristmill.models.factory import wrap
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.cache import Cached, MemoryCalls, call_key
from gristmill.models.layers.meter import Meter
from gristmill.models.scripted import Scripted
from gristmill.storage.records import Message, Usage

ASKED = Request(messages=(Message(role="user", content="Hello?"),))


class First(BaseModel):
    word: str


class Second(BaseModel):
    number: int


def bare(answers: object, delay: float = 0.0) -> Scripted:
    return Scripted(answers, delay=delay, repairs=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, messages=(Message(role="system", content="Hello?"),)),
        replace(ASKED, messages=(*ASKED.messages, *ASKED.messages)),
        replace(ASKED, kind="completion", text="Hello?"),
        replace(ASKED, sample=1),
        replace(ASKED, schema=First),
        replace(ASKED, schema=Second),
        *(
            replace(ASKED, sampling=sampling)
            for sampling in (
                Sampling(temperature=0.5),
                Sampling(top_p=0.5),
                Sampling(max_tokens=5),
                Sampling(n=2),
                Sampling(seed=0),
                Sampling(stop=("a",)),
                Sampling(logprobs=0),
                Sampling(prompt_logprobs=0),
                Sampling(logit_bias={"1": 2}),
                Sampling(extra={"top_k": 1}),
            )
        ),
    ],
)
def test_whatever_changes_the_answer_changes_the_key(other: Request) -> None:
    assert call_key("m", other) != call_key("m", ASKED)
    assert call_key("m", other) == call_key("m", replace(other))


def test_the_books_and_the_template_do_not_change_the_key() -> None:
    other = replace(ASKED, task="t", role="critic", prompt="p", version="v", variables={"a": 1})
    assert call_key("m", other) == call_key("m", ASKED)
    assert call_key("other", ASKED) != call_key("m", ASKED)


def test_a_model_that_answers_by_variables_is_keyed_by_them() -> None:
    variables = {"message": Message(role="user", content="a"), "set": ("x",)}
    keys = {
        call_key("offline", replace(ASKED, prompt=prompt, variables=found), by_variables=True)
        for prompt in ("p", "q")
        for found in ({}, variables)
    }
    assert len(keys) == 4


def test_the_order_of_a_mappings_keys_does_not_matter() -> None:
    one = replace(ASKED, sampling=Sampling(extra={"a": 1, "b": 2}))
    two = replace(ASKED, sampling=Sampling(extra={"b": 2, "a": 1}))
    assert call_key("m", one) == call_key("m", two)


async def test_a_hit_costs_nothing_and_is_decoded_again() -> None:
    script = bare(["Hi."])
    calls = MemoryCalls()
    first = await Cached(script, calls).complete(ASKED)
    again = await Cached(script, calls).complete(replace(ASKED, task="another"))
    assert (first.cached, again.cached) == (False, True)
    assert again.choices == first.choices
    assert again.usage == Usage(cached_calls=1)
    assert len(script.requests) == 1


async def test_identical_questions_in_flight_are_asked_once() -> None:
    script = bare(["Hi."], delay=0.02)
    model = Cached(script, MemoryCalls())
    replies = await asyncio.gather(*(model.complete(ASKED) for _ in range(5)))
    assert [reply.text for reply in replies] == ["Hi."] * 5
    assert sum(reply.usage.calls for reply in replies) == 1
    assert sum(reply.usage.cached_calls for reply in replies) == 4
    assert len(script.requests) == 1


async def test_those_who_wait_get_the_error_of_the_one_that_asked() -> None:
    script = bare([Overloaded("busy"), "Hi."], delay=0.02)
    model = Cached(script, MemoryCalls())
    outcomes = await asyncio.gather(*(model.complete(ASKED) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Overloaded] * 3
    assert len(script.requests) == 1
    assert (await model.complete(ASKED)).text == "Hi."  # a failure is not kept


async def test_when_the_one_that_asked_is_cancelled_another_asks() -> None:
    script = bare(lambda _: "Hi.", delay=0.05)
    model = Cached(script, MemoryCalls())
    leader, *others = [asyncio.create_task(model.complete(ASKED)) for _ in range(4)]
    await asyncio.sleep(0.01)
    leader.cancel()
    replies = await asyncio.gather(*others)
    assert leader.cancelled()
    assert [reply.text for reply in replies] == ["Hi."] * 3
    assert len(script.requests) == 2
    assert sum(reply.usage.calls for reply in replies) == 1


async def test_one_who_waits_can_be_cancelled_alone() -> None:
    script = bare(lambda _: "Hi.", delay=0.05)
    model = Cached(script, MemoryCalls())
    leader, waiting = (asyncio.create_task(model.complete(ASKED)) for _ in range(2))
    await asyncio.sleep(0.01)
    waiting.cancel()
    assert (await leader).text == "Hi."
    assert waiting.cancelled()
    assert len(script.requests) == 1


async def test_everyone_cancelled_leaves_nothing_behind() -> None:
    model = Cached(bare(lambda _: "Hi.", delay=0.05), MemoryCalls())
    tasks = [asyncio.create_task(model.complete(ASKED)) for _ in range(4)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert (await model.complete(ASKED)).text == "Hi."


async def test_a_body_that_cannot_be_read_any_more_is_asked_for_again() -> None:
    calls = MemoryCalls()
    key = call_key("scripted", ASKED)
    await calls.put(key, b"<html>")
    reply = await Cached(bare(["Hi."]), calls).complete(ASKED)
    assert (reply.text, reply.cached) == ("Hi.", False)
    assert calls.bodies[key] == reply.raw


async def test_a_reply_is_given_out_only_when_it_is_kept() -> None:
    class Full(MemoryCalls):
        async def put(self, key: str, raw: bytes) -> None:
            raise StoreFull("the disk is full")

    with pytest.raises(StoreFull):
        await Cached(bare(["Hi."]), Full()).complete(ASKED)


async def test_the_body_is_kept_as_received() -> None:
    raw = b'{"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}],  "service_tier": "x"}'
    calls = MemoryCalls()
    await Cached(bare([raw]), calls).complete(ASKED)
    assert list(calls.bodies.values()) == [raw]


def test_a_large_seed_has_a_key_and_broken_text_is_refused() -> None:
    assert call_key("m", replace(ASKED, sampling=Sampling(seed=2**200))) != call_key("m", ASKED)
    with pytest.raises(RequestRefused, match="encoding"):
        call_key("m", Request(kind="completion", text="lone \udce4 surrogate"))


async def test_a_failure_that_many_waited_for_is_billed_once() -> None:
    error = Truncated("cut")
    error.tokens = (70, 30)

    async def fail(request: Request) -> str:
        await asyncio.sleep(0.02)
        raise error

    meter = Meter()
    model = wrap(Scripted(fail, repairs=None), calls=MemoryCalls(), budget=Budget(), meter=meter)
    asked = Request(messages=(Message(role="user", content="x"),), role="critic", task="t")
    ended = await asyncio.gather(*(model.complete(asked) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in ended] == [Truncated] * 5
    assert (meter.total.input_tokens, meter.total.output_tokens) == (70, 30)
