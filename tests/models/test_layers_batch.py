"""Texts of several askers in one embedding request: parts in order, faults and cancellations that hurt nobody else."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
import pytest
from mock_server import MockServer
from processes import until

from gristmill.errors import AccessDenied, BadReply, BudgetExceeded, ModelError, RequestRefused, ServerLost
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.vectors.served import ServedEmbedder
from gristmill.models.contract import Message, Model, Reply, Request, Sampling
from gristmill.models.factory import build
from gristmill.models.layers.batch import MOST, Batched
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.cache import Cached, MemoryCalls, call_key
from gristmill.models.layers.meter import Meter, Metered
from gristmill.models.spec import ModelSpec
from gristmill.models.wire import decode
from gristmill.storage.records import Usage


def vector(text: str) -> tuple[float, ...]:
    drawn = random.Random(text)
    return tuple(drawn.uniform(-1, 1) for _ in range(4))


class Server:
    """Answers by each text, notes what each request had, and refuses, breaks or waits as it is told."""

    name = "test"

    def __init__(self, *, most: int = 1000, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.most, self.error = most, error
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0

    async def complete(self, request: Request) -> Reply:
        self.asked.append(request.inputs)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        if len(request.inputs) > self.most:
            raise RequestRefused(f"more than {self.most} texts", status=413)
        if "poison" in request.inputs:
            refused = RequestRefused("a text that no model takes", status=400)
            refused.tokens = (7, 0)
            raise refused
        if request.kind != "embedding":
            return Reply(raw=b"{}")
        rows = tuple(map(vector, request.inputs))
        if "short" in request.inputs and len(request.inputs) > 1:
            rows = rows[1:]
        tokens = sum(map(len, request.inputs))
        return Reply(embeddings=rows, usage=Usage(1, 0, tokens, 0, tokens / 1e3, 0.5), model="test")

    async def aclose(self) -> None:
        pass


def wants(*texts: str, **given: Any) -> Request:
    return Request(kind="embedding", inputs=texts, role="embedder", **given)


async def asked(model: Model, *texts: str) -> list[Reply | BaseException]:
    return await asyncio.gather(*(model.complete(wants(text)) for text in texts), return_exceptions=True)


async def test_each_asker_gets_its_own_vectors_in_order_whatever_it_went_with() -> None:
    server = Server()
    model = Batched(server)
    requests = [wants(*(f"{at}-{part}" for part in range(1 + at % 3))) for at in range(50)]
    replies = await asyncio.gather(*(model.complete(request) for request in requests))
    for request, reply in zip(requests, replies, strict=True):
        assert reply.embeddings == tuple(map(vector, request.inputs))
        assert decode(request, reply.raw).embeddings == reply.embeddings
    assert [text for inputs in server.asked for text in inputs] == [text for one in requests for text in one.inputs]
    assert all(len(inputs) <= MOST for inputs in server.asked)
    assert len(server.asked) == 4  # 99 texts


async def test_what_is_full_or_no_embedding_or_differs_goes_by_itself() -> None:
    server = Server()
    model = Batched(server)
    many = tuple(f"m{at}" for at in range(MOST))
    await asyncio.gather(
        model.complete(wants("a")),
        model.complete(wants(*many)),
        model.complete(wants("b", sampling=Sampling(extra={"dimensions": 8}))),
        model.complete(Request(messages=(Message(role="user", content="Hello."),))),
        model.complete(wants("c", sample=1)),
        model.complete(wants("x" * 60_000)),
        model.complete(wants("y" * 60_000)),
    )
    assert sorted(server.asked, key=len)[:1] == [()]
    assert {inputs for inputs in server.asked if inputs} == {
        ("a",), many, ("b",), ("c",), ("x" * 60_000,), ("y" * 60_000,)
    }  # fmt: skip


async def test_one_text_that_is_refused_costs_no_other() -> None:
    server = Server()
    replies = await asked(Batched(server), "one", "poison", "three", "four")
    assert [isinstance(reply, RequestRefused) for reply in replies] == [False, True, False, False]
    assert [reply.embeddings[0] for reply in replies if isinstance(reply, Reply)] == [
        vector("one"), vector("three"), vector("four")
    ]  # fmt: skip
    assert len(server.asked) == 5
    first = replies[0]
    assert isinstance(first, Reply)
    assert first.usage.input_tokens == 7 + len("one")  # what the refused batch was billed is booked once


@pytest.mark.parametrize(
    "server", [Server(most=1), Server(error=BadReply("the embedding has a NaN"))], ids=("one", "nan")
)
async def test_a_server_that_takes_one_text_at_a_time_is_asked_so(server: Server) -> None:
    server.gate = asyncio.Event()
    server.gate.set()
    replies = await asked(Batched(server), "a", "b", "c")
    assert server.asked == [("a", "b", "c"), ("a",), ("b",), ("c",)]
    if server.error is None:
        assert [reply.embeddings[0] for reply in replies if isinstance(reply, Reply)] == list(map(vector, "abc"))
    else:
        assert all(isinstance(reply, BadReply) for reply in replies)


async def test_too_few_vectors_never_reach_a_wrong_text() -> None:
    replies = await asked(Batched(Server()), "short", "b", "c")
    assert [reply.embeddings[0] for reply in replies if isinstance(reply, Reply)] == [
        vector("short"), vector("b"), vector("c")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "error", [ServerLost("gone for 300 s"), AccessDenied("no such key"), BudgetExceeded("tokens", "spent")], ids=str
)
async def test_a_server_that_is_gone_is_the_error_of_all_and_is_asked_once(error: Exception) -> None:
    server = Server(error=error)
    if isinstance(error, ModelError):
        error.tokens = (5, 0)
    replies = await asked(Batched(server), "a", "b", "c")
    assert [type(reply) for reply in replies] == [type(error)] * 3
    assert len(server.asked) == 1
    if isinstance(error, ModelError):
        assert [reply.tokens for reply in replies if isinstance(reply, ModelError)] == [(5, 0), (0, 0), (0, 0)]
        assert len({id(reply) for reply in replies}) == 3  # whoever adds to a message adds to its own


async def test_who_is_cancelled_hurts_nobody_and_a_batch_that_nobody_awaits_ends() -> None:
    server = Server()
    model = Batched(server)
    waiting = [asyncio.create_task(model.complete(wants(text))) for text in "abc"]
    await asyncio.sleep(0)
    waiting[1].cancel()  # before it was sent
    server.gate.clear()
    await until(lambda: bool(server.asked))
    assert server.asked == [("a", "c")]
    waiting[0].cancel()  # while it is asked
    await asyncio.sleep(0.01)
    server.gate.set()
    assert (await waiting[2]).embeddings == (vector("c"),)
    assert [one.cancelled() for one in waiting[:2]] == [True, True]
    assert server.cancelled == 0

    server.gate.clear()
    waiting = [asyncio.create_task(model.complete(wants(text))) for text in "de"]
    await until(lambda: len(server.asked) == 2)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await until(lambda: server.cancelled > 0)
    waiting = [asyncio.create_task(model.complete(wants(text))) for text in "fg"]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    server.gate.set()
    assert (await model.complete(wants("h"))).embeddings == (vector("h"),)
    assert server.asked[2:] == [("h",)]  # what was cancelled before it was sent is never asked


async def test_usage_is_divided_and_sums_up() -> None:
    meter, calls = Meter(), MemoryCalls()
    model = Metered(Cached(Batched(Server()), calls), meter)
    texts = ["a" * (1 + 7 * at) for at in range(20)]
    await asyncio.gather(*(model.complete(wants(text, task=text)) for text in texts))
    total = meter.total
    assert (total.calls, total.input_tokens) == (20, sum(map(len, texts)))
    assert total.usd == pytest.approx(sum(map(len, texts)) / 1e3)
    for text in texts:
        assert meter.take(text)[0].input_tokens == pytest.approx(len(text), abs=1)


async def test_a_text_is_kept_under_its_own_key_and_found_again_in_any_company() -> None:
    server, calls = Server(), MemoryCalls()
    model = Cached(Batched(server), calls)
    await asked(model, "a", "b", "c")
    assert set(calls.bodies) == {call_key("test", wants(text)) for text in "abc"}
    again = await asked(model, "c", "x", "a")
    assert server.asked == [("a", "b", "c"), ("x",)]
    assert [reply.embeddings[0] for reply in again if isinstance(reply, Reply)] == list(map(vector, "cxa"))
    assert orjson.loads(calls.bodies[call_key("test", wants("a"))])["data"][0]["index"] == 0


async def test_the_whole_stack_asks_a_real_server_few_times_and_tells_equal_texts_apart() -> None:
    async with MockServer(latency=0.02) as server:
        spec = ModelSpec(model="openai_api/bge", base_url=server.url)
        batched = build(spec, calls=MemoryCalls(), budget=Budget(), meter=Meter())
        alone = build(spec, calls=None, budget=Budget(), meter=Meter())
        pool = GatePool(Likeness(semantic=0.999), ServedEmbedder(batched))
        try:
            texts = [f"What is number {at}?" for at in range(100)]
            owners = [f"task-{at}" for at in range(100)]
            claims = await asyncio.gather(*(pool.claim(text, owner) for text, owner in zip(texts, owners, strict=True)))
            assert [claim.twin for claim in claims] == [None] * 100
            few = len(server.log)
            assert few <= 10
            plain = await ServedEmbedder(alone).embed(texts)
            assert await ServedEmbedder(batched, batch=1).embed(texts) == pytest.approx(plain, abs=1e-6)
            assert len(server.log) - few == 2  # those of the plain one: the others were kept, text by text
        finally:
            await batched.aclose()
            await alone.aclose()


async def test_a_server_that_dies_under_a_batch_ends_all_claims_and_takes_nothing() -> None:
    async with MockServer() as server:
        spec = ModelSpec(model="openai_api/bge", base_url=server.url, retries=1, patience=0.5)
        model = build(spec, calls=None, budget=Budget(), meter=Meter())
        pool = GatePool(Likeness(semantic=0.99), ServedEmbedder(model))
        assert (await pool.claim("The first.", "task-0")).twin is None
        await server.__aexit__()
        claims = await asyncio.gather(
            *(pool.claim(f"Number {at}.", f"task-{at}") for at in range(1, 9)), return_exceptions=True
        )
        assert all(isinstance(claim, ModelError) for claim in claims)
        assert len(pool) == 1
        await model.aclose()
