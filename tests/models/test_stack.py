"""The whole stack against a server that misbehaves: nothing lost, nothing silently empty, nothing paid twice."""

from __future__ import annotations

import asyncio
import io
import logging
from collections import Counter
from time import monotonic

import pytest
from mock_server import MockServer

from gristmill.errors import BudgetExceeded, GristmillError, SchemaMismatch, Truncated
from gristmill.models.contract import Model, Reply, Request
from gristmill.models.factory import build
from gristmill.models.layers import retry
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.cache import MemoryCalls
from gristmill.models.layers.meter import Meter
from gristmill.models.redact import RedactingFilter
from gristmill.models.spec import ModelSpec
from gristmill.prompts.schemas import QuestionAnswer
from gristmill.storage.records import Message

CANARY = "sk-canary-ee8812ab40c9"


def ask(number: int) -> Request:
    return Request(
        messages=(Message(role="user", content=f"Question {number}, please."),),
        schema=QuestionAnswer,
        role="generator",
        task=f"t{number}",
    )


async def gather(model: Model, count: int) -> Counter[str]:
    """Asks `count` questions and returns how they ended; a reply must be parsed and not empty."""

    async def one(number: int) -> str:
        try:
            reply: Reply = await model.complete(ask(number))
        except GristmillError as error:
            return getattr(error, "reason", type(error).__name__) if str(error) else "an error without a word"
        assert isinstance(reply.parsed, QuestionAnswer)
        assert reply.parsed.question
        return "ok"

    return Counter(await asyncio.gather(*(one(number) for number in range(count))))


async def test_every_fault_at_once_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST", 0.1)
    faults = {
        "malformed": 0.10,
        "http500": 0.05,
        "truncated": 0.05,
        "reset": 0.02,
        "html": 0.02,
        "null": 0.02,
        "empty": 0.02,
        "length": 0.02,
    }
    async with MockServer(latency=0.002, faults=faults, burst=(0.5, 0.05), retry_after=0.05, seed=4) as server:
        meter = Meter()
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_in_flight=64, timeout=5, retries=8)
        model = build(spec, calls=MemoryCalls(), budget=None, meter=meter)
        ended = await gather(model, 400)
        assert sum(ended.values()) == 400
        assert set(ended) <= {"ok", "truncated", "schema_mismatch"}
        assert ended["ok"] >= 380
        assert ended["truncated"] >= 1
        books = meter.books("generator")
        sent = Counter(entry.fault or "ok" for entry in server.log)
        # A malformed answer is a reply: it is paid for, kept, and answered with what was wrong.
        assert books.tally.calls == sent["ok"] + sent["malformed"] + sent["length"]
        assert books.repeats["schema_mismatch"] + ended["schema_mismatch"] == sent["malformed"]
        assert books.repeats["overloaded"] >= sent["http500"]
        assert books.repeats["bad_reply"] == sent["html"] + sent["null"] + sent["empty"]
        log_sum = sum(meter.take(f"t{number}")[0].calls for number in range(400))
        assert log_sum == books.tally.calls
        # Asked again, all that was answered is a hit.
        before = len(server.log)
        server.faults = {}
        server.burst = None
        again = await gather(model, 400)
        assert again["ok"] >= ended["ok"]
        assert len(server.log) == before
        await model.aclose()


async def test_a_server_that_dies_and_comes_back_fails_no_row() -> None:
    async with MockServer(latency=0.01) as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_in_flight=32, retries=2)
        model = build(spec, calls=MemoryCalls(), budget=None, meter=Meter())
        asked = asyncio.create_task(gather(model, 300))
        await asyncio.sleep(0.05)
        await server.die(1.5)
        began = monotonic()
        assert await asked == {"ok": 300}
        assert monotonic() - began > 1.2
        # Only what was in flight at the end was asked twice.
        assert len(server.log) <= 300 + 32
        await model.aclose()


async def test_a_server_that_stays_away_ends_every_row_with_the_mend() -> None:
    async with MockServer() as server:
        url = server.url
    spec = ModelSpec(model="openai_api/mock", base_url=url, patience=0.5, retries=6)
    model = build(spec, calls=None, budget=None, meter=(meter := Meter()))
    began = monotonic()
    assert await gather(model, 50) == {"server_lost": 50}
    assert monotonic() - began < 60
    assert meter.books("generator").errors == {"server_lost": 50}
    await model.aclose()


async def test_a_wrong_key_ends_every_row_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With debug logs of everything on, the key is in none of them."""
    monkeypatch.setenv("MY_KEY", CANARY)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        async with MockServer(key="right") as server:
            spec = ModelSpec(model="openai_api/mock", base_url=server.url, api_key_env="MY_KEY")
            model = build(spec, calls=MemoryCalls(), budget=None, meter=(meter := Meter()))
            assert await gather(model, 20) == {"access_denied": 20}
            assert len(server.log) == 20
            logging.getLogger("gristmill").error("%r %s", vars(model), meter.report())
            await model.aclose()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert CANARY not in stream.getvalue()


async def test_a_budget_stops_the_stack_before_it_is_passed() -> None:
    async with MockServer(latency=0.002) as server:
        budget = Budget(tokens=20_000)
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_tokens=64)
        model = build(spec, calls=MemoryCalls(), budget=budget, meter=(meter := Meter()))
        ended = await gather(model, 400)
        assert ended["BudgetExceeded"] > 0
        assert ended["ok"] == len(server.log) > 50
        assert budget.spent.tokens <= 20_000
        assert budget.spent.tokens == meter.total.input_tokens + meter.total.output_tokens
        # What is answered already stays free.
        assert (await model.complete(ask(0))).cached
        with pytest.raises(BudgetExceeded):
            await model.complete(ask(1000))
        await model.aclose()


async def test_a_row_that_never_fits_ends_with_its_text() -> None:
    async with MockServer(answer=lambda body: "I would rather not.") as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, repairs=1)
        model = build(spec, calls=None, budget=None, meter=Meter())
        with pytest.raises(SchemaMismatch) as caught:
            await model.complete(ask(0))
        assert caught.value.raw == "I would rather not."
        assert len(server.log) == 2
        await model.aclose()


async def test_a_cut_row_is_not_paid_for_again() -> None:
    async with MockServer(faults={"length": 1.0}) as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url)
        model = build(spec, calls=MemoryCalls(), budget=None, meter=Meter())
        for _ in range(2):
            with pytest.raises(Truncated):
                await model.complete(ask(0))
        assert len(server.log) == 1
        await model.aclose()


async def test_cancelled_rows_leave_the_stack_usable() -> None:
    async with MockServer(latency=0.05) as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_in_flight=4)
        model = build(spec, calls=MemoryCalls(), budget=Budget(tokens=10**6), meter=Meter())
        tasks = [asyncio.create_task(model.complete(ask(number))) for number in range(40)]
        await asyncio.sleep(0.08)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, Reply) for outcome in outcomes[1::2])
        assert (await asyncio.wait_for(gather(model, 40), 5))["ok"] == 40
        await model.aclose()
