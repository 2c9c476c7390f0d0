"""Rates over real sockets and a real Redis: one account for all workers, before a server that counts."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from mock_server import MockServer, RateLimit

from gristmill.campaigns.fleet.endpoints import endpoints_of, together
from gristmill.models.contract import PerMinute, Request
from gristmill.models.factory import build
from gristmill.models.fleet.limiter import RedisLimiter
from gristmill.models.fleet.shared import SharedLayers
from gristmill.models.layers.limiter import AnyLimiter, Limiter
from gristmill.models.layers.meter import Meter
from gristmill.models.spec import ModelSpec
from gristmill.storage.queue import EndpointInfo, WorkerInfo
from gristmill.storage.records import Message
from gristmill.storage.redis_connection import RedisConnection


async def test_two_workers_keep_one_rate_in_the_order_they_came(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    ours = [RedisLimiter(one, campaign, "here", 64, rates=PerMinute(0, 60_000)) for one in two]
    order: list[int] = []

    async def one(number: int) -> None:
        limiter = ours[number % 2]
        permit = await limiter.enter(250)
        order.append(number)
        limiter.leave(monotonic(), permit, None, used=250)

    began = monotonic()
    tasks = []
    for number in range(12):
        tasks.append(asyncio.create_task(one(number)))
        await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)
    took = monotonic() - began
    assert took >= 2.4  # 3,000 tokens at 1,000 a second, less a burst of half a second
    for place in (0, 1):  # of one worker exactly; two may reach Redis in another order than they were asked
        assert [number for number in order if number % 2 == place] == list(range(place, 12, 2))
    assert max(abs(number - place) for place, number in enumerate(order)) <= 3
    assert [limiter.kept for limiter in ours] == [PerMinute(0, 60_000)] * 2
    for limiter in ours:
        await limiter.aclose()


async def test_a_dead_workers_charge_is_not_lost_for_ever_and_its_turn_passes_on(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    dead, alive = (RedisLimiter(one, campaign, "here", 64, rates=PerMinute(0, 60_000), life=0.4) for one in two)
    await dead.enter(1_500)
    waiting = asyncio.create_task(dead.enter(1_500))  # the first that waits; its worker never comes for it
    await asyncio.sleep(0.05)
    for task in (dead._serving, dead._listening):
        assert task is not None
        task.cancel()  # as its end would
    began = monotonic()
    async with asyncio.timeout(20):
        permit = await alive.enter(600)
    assert monotonic() - began > 0.8  # what went did go
    alive.leave(monotonic(), permit, None, used=600)
    waiting.cancel()
    await alive.aclose()


async def test_a_clock_that_was_set_back_stops_nobody(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    limiter = RedisLimiter(two[0], campaign, "here", 64, rates=PerMinute(0, 60_000))
    limiter.leave(monotonic(), await limiter.enter(100), None, used=100)
    await limiter.aclose()
    shift = """
    local r = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'rates'))
    r.at = r.at + 3600
    redis.call('HSET', KEYS[1], 'rates', cmsgpack.pack(r))
    """
    await two[0].call("EVAL", shift, 1, limiter._keys[0])
    again = RedisLimiter(two[1], campaign, "here", 64, rates=PerMinute(0, 60_000))
    async with asyncio.timeout(10):
        for _ in range(8):
            again.leave(monotonic(), await again.enter(200), None, used=200)
    await again.aclose()


async def test_a_campaign_that_goes_on_without_its_limit_is_not_held_to_it(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    first = RedisLimiter(two[0], campaign, "here", 64, rates=PerMinute(60, 60))
    first.leave(monotonic(), await first.enter(1), None, used=1)
    await first.aclose()
    later = RedisLimiter(two[1], campaign, "here", 64)
    async with asyncio.timeout(10):
        for _ in range(20):
            later.leave(monotonic(), await later.enter(1_000), None, used=1_000)
    assert later.kept == PerMinute()
    await later.aclose()


@pytest.fixture(params=["redis", "here"])
def make_limiters(
    request: pytest.FixtureRequest, two: tuple[RedisConnection, RedisConnection], campaign: str
) -> list[AnyLimiter]:
    """The limiters of two workers for one server, told nothing of its rates."""
    if request.param == "redis":
        return [SharedLayers(one, campaign).limiter("here", 32, 30.0) for one in two]
    return [Limiter("here", 32, patience=30.0) for _ in two]


async def run_for(
    seconds: float, server: MockServer, limiters: list[AnyLimiter], **rates: float
) -> tuple[float, float, list[EndpointInfo]]:
    """Asks as fast as two workers may; returns the share of the allowed tokens that were used in the second half, the
    share of requests that were refused in it, and what the limiters show."""
    assert server.limit is not None
    spec = ModelSpec.of({"model": "openai_api/m", "base_url": server.url, "max_in_flight": 32, "retries": 99, **rates})
    known = [{(spec.url, spec.model): limiter} for limiter in limiters]
    models = [build(spec, calls=None, budget=None, meter=Meter(), limiters=one) for one in known]

    async def slot(number: int) -> None:
        count = 0
        while True:
            count += 1
            text = f"{number} {count} " + "word " * (count * 7919 % 120)
            await models[number % 2].complete(Request(messages=(Message(role="user", content=text),)))

    tasks = [asyncio.create_task(slot(number)) for number in range(40)]
    await asyncio.sleep(seconds / 2)
    used, asked, began = server.limit.used, len(server.log), monotonic()
    await asyncio.sleep(seconds / 2)
    share = (server.limit.used - used) / (server.limit.tokens / 60 * (monotonic() - began))
    refused = [entry.status == 429 for entry in server.log[asked:]]
    shown = [endpoints_of(one)[0] for one in known]
    for task in tasks:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in done)  # nobody failed
    for model in models:
        await model.aclose()
    return share, sum(refused) / max(1, len(refused)), shown


async def test_a_rate_that_nobody_declared_is_found(make_limiters: list[AnyLimiter]) -> None:
    async with MockServer(latency=0.1, limit=RateLimit(tokens=240_000, named=True)) as server:
        share, refused, shown = await run_for(12, server, make_limiters)
    assert share > 0.6
    assert refused < 0.2
    assert all(one.tokens_limit > 0 for one in shown)
    for limiter in make_limiters:
        if isinstance(limiter, RedisLimiter):
            await limiter.aclose()


async def test_a_rate_that_the_server_announces_is_kept(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    ours: list[AnyLimiter] = [SharedLayers(one, campaign).limiter("here", 32, 30.0) for one in two]
    async with MockServer(latency=0.1, limit=RateLimit(tokens=240_000, announced=True)) as server:
        share, refused, shown = await run_for(8, server, ours)
    assert [one.tokens_limit for one in shown] == [240_000] * 2
    assert share > 0.6
    assert refused < 0.1
    together_now = together([WorkerInfo(name=str(number), endpoints=(one,)) for number, one in enumerate(shown)])
    assert len(together_now) == 1
    (whole,) = together_now
    assert whole.tokens_limit == 240_000  # one number for the fleet
    assert whole.tokens_per_minute == pytest.approx(sum(one.tokens_per_minute for one in shown))
    assert (whole.server, whole.model, whole.state) == (server.url, "openai_api/m", "ok")
    for limiter in ours:
        assert isinstance(limiter, RedisLimiter)
        await limiter.aclose()


async def test_another_client_on_the_same_key_costs_speed_and_no_call(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    rates = PerMinute(0, 240_000)
    ours: list[AnyLimiter] = [SharedLayers(one, campaign).limiter("here", 32, 30.0, rates) for one in two]
    async with MockServer(latency=0.05, limit=RateLimit(tokens=120_000)) as server:  # the half that the other leaves
        share, refused, shown = await run_for(12, server, ours, tokens_per_minute=240_000)
    assert shown[0].tokens_limit < 200_000
    assert share > 0.6
    assert refused < 0.25
    for limiter in ours:
        assert isinstance(limiter, RedisLimiter)
        await limiter.aclose()


async def test_a_rate_of_requests_is_kept_without_redis() -> None:
    limiter = Limiter("here", 32, rates=PerMinute(1_200, 0))
    began = monotonic()
    for _ in range(25):
        limiter.leave(monotonic(), await limiter.enter(10), None)
    assert monotonic() - began > 0.7  # 25 at 20 a second, less a burst of ten
    assert limiter.info().requests_limit == 1_200


def test_without_redis_windows_and_limits_add_up() -> None:
    seen = [
        EndpointInfo(server="s", model="m", window=8, tokens_limit=50, calls=10, refused=0.5, seconds=1.0),
        EndpointInfo(server="s", model="m", window=4, tokens_limit=50, calls=30, seconds=2.0, state="paused"),
        EndpointInfo(server="t", model="m", window=1, state="gone"),
    ]
    workers = [WorkerInfo(name="a", endpoints=(seen[0],)), WorkerInfo(name="b", endpoints=(seen[1], seen[2]))]
    first, second = together(workers)
    assert (first.window, first.tokens_limit, first.calls, first.state) == (12, 100, 40, "paused")
    assert (first.refused, first.seconds) == (0.125, 1.75)
    assert second.state == "gone"
