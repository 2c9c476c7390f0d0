"""What a fleet shares in Redis: one cache, one budget, one window of requests, one pool, over a server that may go."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from time import monotonic

import pytest
from fleet_connections import connected
from redis_server import RedisServer

from gristmill.errors import (
    BudgetExceeded,
    ConfigError,
    ModelError,
    Overloaded,
    RedisUnavailable,
    RequestRefused,
    ServerLost,
    StoreFull,
    Unreachable,
)
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.models.contract import Choice, Reply, Request, Sampling
from gristmill.models.fleet.budget import RedisBudget
from gristmill.models.fleet.calls import RedisCalls
from gristmill.models.fleet.limiter import RedisLimiter
from gristmill.models.fleet.shared import SharedLayers
from gristmill.models.layers.budget import Budgeted, Spent
from gristmill.models.layers.cache import Cached
from gristmill.models.layers.limiter import Limited
from gristmill.models.layers.retry import Retry
from gristmill.storage.records import Message, Usage
from gristmill.storage.redis_connection import RedisConnection

BODY = (
    b'{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":6,"completion_tokens":4}}'
)
ASKED = Request(messages=(Message(role="user", content="Is it?"),))


class Served:
    """A model server in this process: answers after `delay`, or raises what `fault` gives for the calls in flight."""

    name = "served"

    def __init__(self, delay: float = 0.0, fault: Callable[[int], ModelError | None] | None = None) -> None:
        self.delay = delay
        self.fault = fault or (lambda flying: None)
        self.asked = self.flying = self.most = self.refused = 0
        self.order: list[str] = []

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        self.flying += 1
        self.most = max(self.most, self.flying)
        self.order.append(request.task)
        try:
            if (error := self.fault(self.flying)) is not None:
                self.refused += 1
                raise error
            await asyncio.sleep(self.delay)
            return Reply(choices=(Choice("yes"),), usage=Usage(1, 0, 6, 4), raw=BODY)
        finally:
            self.flying -= 1

    async def aclose(self) -> None:
        return None


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.01)


async def test_one_worker_with_few_rights_is_enough(own_redis: RedisServer, campaign: str) -> None:
    rights = (
        "+@read",
        "+@write",
        "+@scripting",
        "+@connection",
        "+time",
        "~gristmill:*",
        "-@dangerous",
        "resetchannels",
    )
    async with connected(own_redis.url) as owner:
        await owner.call("ACL", "SETUSER", "worker", "on", ">sesame", *rights)
    async with connected(own_redis.url.replace("//", "//worker:sesame@"), patience=1) as connection:
        shared = SharedLayers(connection, campaign, tokens=10_000)
        model = Cached(Budgeted(Limited(Served(), shared.limiter("here", 4, 5.0)), shared.budget), shared.calls)
        pool = RedisPool(connection, campaign)
        assert (await model.complete(ASKED)).text == "yes"
        assert (await pool.claim("What is a mill?", "task-1")).twin is None
        await pool.release("task-1")
        assert (await model.complete(ASKED)).cached
        assert (await pool.claim("What is flour?", "task-2")).twin is None
        await shared.aclose()
        other = RedisPool(connection, f"{campaign}-other")
        assert (await other.claim("What is flour?", "task-3")).twin is None
        assert await shared.forget() >= 6
        assert (await pool.claim("What is flour?", "task-4")).twin is None
        assert (await other.claim("What is flour?", "task-5")).twin == "task-3"
        with pytest.raises(ConfigError, match="ACL"):
            await connection.call("GET", "somebody-else")


# The call cache


async def test_an_answer_of_one_worker_is_a_hit_for_the_other(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    served = Served(0.4)
    ours = [RedisCalls(connection, campaign, claim=0.25) for connection in two]
    models = [Cached(served, calls) for calls in ours]
    replies = await asyncio.gather(*(model.complete(ASKED) for model in models))  # the claim is renewed meanwhile
    assert served.asked == 1
    assert sorted(reply.cached for reply in replies) == [False, True]
    assert {reply.text for reply in replies} == {"yes"}
    assert (await models[1].complete(ASKED)).cached
    for calls in ours:
        await calls.aclose()


async def test_who_waits_asks_when_the_other_gets_no_answer(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    served = Served(0.0, lambda flying: RequestRefused("no") if served.asked == 1 else None)
    models = [Cached(served, RedisCalls(connection, campaign)) for connection in two]
    began = monotonic()
    replies = await asyncio.gather(*(model.complete(ASKED) for model in models), return_exceptions=True)
    assert sorted(type(reply).__name__ for reply in replies) == ["Reply", "RequestRefused"]
    assert monotonic() - began < 9  # not the ten seconds of a claim


async def test_the_claim_of_a_dead_worker_lapses(two: tuple[RedisConnection, RedisConnection], campaign: str) -> None:
    dead, alive = (RedisCalls(connection, campaign) for connection in two)
    for calls in (dead, alive):
        calls.pace(0.6)  # half of the fleet's lease, so that its tasks, which come back then, need not wait
    assert dead.claim == 0.3
    assert await dead.get("k") is None
    assert dead._renewing is not None
    dead._renewing.cancel()  # as its end would
    began = monotonic()
    assert await alive.get("k") is None
    assert 0.1 < monotonic() - began < 9
    await alive.put("k", BODY)
    assert await dead.get("k") == BODY
    await alive.aclose()


async def test_what_a_worker_asks_and_holds_outlives_it_by_a_lease_at_most(
    own_redis: RedisServer, campaign: str
) -> None:
    async with connected(own_redis.url) as connection:
        shared = SharedLayers(connection, campaign, tokens=1000)
        shared.pace(1.0)
        limiter = shared.limiter("a server", 4, 10.0)
        assert await shared.calls.get("question") is None
        permit = await limiter.enter()
        reserved = await shared.budget.reserve(10, 0.0)
        asking = f"gristmill:{{{campaign}}}:asking:question"
        assert 0 < await connection.call("PTTL", asking) <= 1000
        for name, life in (("permits", 3000), ("expiry", 1000)):
            (found,) = [key async for key in connection.client.scan_iter(f"*:{name}")]
            (held,) = await connection.client.zrange(found, 0, -1, withscores=True)
            seconds, micros = await connection.client.time()
            assert held[1] - (seconds * 1000 + micros / 1000) <= life
        shared.budget.settle(reserved, 0, 0.0)
        limiter.leave(0.0, permit, None)
        await shared.aclose()


async def test_the_cache_keeps_its_size_and_what_was_used_last(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    calls = RedisCalls(two[0], campaign, max_bytes=100_000)
    for number in range(60):
        await calls.put(f"k{number}", bytes([number]) * 5_000)
        assert await calls.get("k0") is not None  # used again and again
        assert await calls.size() <= 100_000
    found = [number for number in range(60) if await two[1].call("HEXISTS", calls._bodies, f"k{number}")]
    assert found == [0, *range(60 - len(found) + 1, 60)]
    assert len(found) == 100_000 // 5_300
    await calls.put("k0", b"short")
    assert await calls.get("k0") == b"short"
    await calls.put("large", bytes(100_001))
    assert (await calls.get("large"), calls.not_kept) == (None, 1)
    assert await calls.size() == (len(found) - 1) * 5_300 + 305
    await calls.aclose()
    with pytest.raises(ConfigError, match="max_bytes 0"):
        RedisCalls(two[0], campaign, max_bytes=0)


async def test_a_paid_answer_survives_a_redis_that_is_full_or_gone(own_redis: RedisServer, campaign: str) -> None:
    async with connected(own_redis.url, patience=0.4) as one, connected(own_redis.url, patience=5) as other:
        calls = RedisCalls(one, campaign)
        assert await calls.get("full") is None
        used = int((await one.client.info("memory"))["used_memory"])
        await one.call("CONFIG", "SET", "maxmemory", used // 2)
        with pytest.raises(StoreFull, match="maxmemory"):
            await one.call("SET", "x", bytes(1_000_000))
        await calls.put("full", BODY)
        assert (await calls.get("full"), calls.not_kept) == (BODY, 1)
        await one.call("CONFIG", "SET", "maxmemory", 0)
        own_redis.kill()
        await calls.put("gone", BODY)
        assert calls.not_kept == 2
        own_redis.start()
        await calls.put("back", BODY)
        assert calls.not_kept == 0
        assert [await RedisCalls(other, campaign).get(key) for key in ("full", "gone", "back")] == [BODY] * 3
        await calls.aclose()


# The budget


async def test_a_fleet_never_passes_its_budget(two: tuple[RedisConnection, RedisConnection], campaign: str) -> None:
    """With 1,000 reserved for each call and 10 used, all of 60 fit in, two at a time."""
    served = Served(0.005)
    budgets = [RedisBudget(connection, campaign, tokens=2_500) for connection in two]
    models = [Budgeted(served, budget, price_in=1.0, price_out=1.0) for budget in budgets]
    asked = Request(messages=ASKED.messages, sampling=Sampling(max_tokens=988))
    replies = await asyncio.gather(*(models[number % 2].complete(asked) for number in range(60)))
    assert served.most == 2
    assert sum(reply.usage.usd for reply in replies) == pytest.approx(60 * 10e-6)
    for connection in two:
        await connection.flush()
    assert (await budgets[0].look()).tokens == 600
    assert (await budgets[1].look()).usd == pytest.approx(60 * 10e-6)
    for _ in range(150):
        budgets[0].settle(await budgets[0].reserve(10, 0.0), 10, 0.0)
    with pytest.raises(BudgetExceeded, match="the token budget of 2,500 is spent: 2,100 are used") as error:
        await models[1].complete(asked)
    assert error.value.kind == "tokens"
    for budget in budgets:
        await budget.aclose()


async def test_a_dead_workers_reservation_lapses_and_a_slow_ones_does_not(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    slow, other = (RedisBudget(connection, campaign, usd=1.0, life=0.3) for connection in two)
    held = await slow.reserve(10, 0.75)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await other.reserve(10, 0.5)
    assert slow._renewing is not None
    slow._renewing.cancel()  # as its end would
    async with asyncio.timeout(2):
        mine = await other.reserve(10, 0.5)
    slow.settle(held, 5, 0.25)  # it was not dead after all: what it paid counts
    other.settle(mine, 5, 0.5)
    await asyncio.gather(*(connection.flush() for connection in two))
    assert (await other.look()).usd == pytest.approx(0.75)
    with pytest.raises(BudgetExceeded, match="raise `usd`"):
        await other.reserve(1, 0.3)
    await other.aclose()


async def test_a_call_is_booked_once_even_by_a_frozen_server(own_redis: RedisServer, campaign: str) -> None:
    async with connected(own_redis.url, patience=10, timeout=0.3) as connection:
        budget = RedisBudget(connection, campaign, tokens=1_000)
        held = await budget.reserve(100, 0.0)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            budget.settle(held, 40, 0.0)  # sent again and again: nobody answers
            await asyncio.sleep(1.2)
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await connection.flush()
        assert (await budget.look()).tokens == 40
        assert await connection.call("HGET", budget._keys[0], "held_tokens") == b"0"
        await budget.aclose()


async def test_a_redis_without_memory_learns_from_its_workers_what_was_spent(
    own_redis: RedisServer, campaign: str
) -> None:
    async with connected(own_redis.url, patience=10) as connection:
        budget = RedisBudget(connection, campaign, tokens=1_000, seconds=60, life=0.3)
        await budget.restore(Spent(tokens=500, usd=0.5, seconds=20))
        flying = await budget.reserve(300, 0.0)
        own_redis.kill()
        own_redis.start()
        spent = await budget.look()
        assert (spent.tokens, spent.usd) == (500, 0.5)
        assert 20 <= spent.seconds < 30
        await asyncio.sleep(0.3)  # its reservation comes back when it is renewed
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await budget.reserve(300, 0.0)
        budget.settle(flying, 100, 0.0)
        await connection.flush()
        assert (await budget.look()).tokens == 600
        await budget.restore(Spent(tokens=10))  # an older mark takes nothing back
        assert (await budget.look()).tokens == 600
        await budget.restore(Spent(seconds=61))
        with pytest.raises(BudgetExceeded, match="time budget of 60 s"):
            await budget.reserve(1, 0.0)
        await budget.aclose()
    with pytest.raises(ConfigError, match="budget tokens is 0"):
        RedisBudget(connection, campaign, tokens=0)


# The limiter


async def test_one_window_for_all_finds_what_the_server_takes(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    served = Served(0.02, lambda flying: Overloaded("slow down", status=429) if flying > 12 else None)
    ours = [RedisLimiter(connection, campaign, "here", 64) for connection in two]
    models = [Retry(Limited(served, limiter), 50) for limiter in ours]
    await asyncio.gather(*(models[number % 2].complete(Request(task=str(number))) for number in range(600)))
    assert served.asked - served.refused == 600
    assert served.refused < 60
    assert served.most <= 24  # never twice what it takes
    assert 9 <= max(limiter.limit for limiter in ours) <= 16
    assert [limiter.in_flight for limiter in ours] == [0, 0]
    await asyncio.sleep(0.05)
    assert await two[0].call("ZCARD", ours[0]._keys[1]) == 0
    for limiter in ours:
        await limiter.aclose()


async def test_requests_of_all_workers_go_in_the_order_they_came(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    served = Served(0.02)
    ours = [RedisLimiter(connection, campaign, "here", 64) for connection in two]
    many, one = (Limited(served, limiter) for limiter in ours)
    crowd = [asyncio.create_task(many.complete(Request(task=f"many-{number}"))) for number in range(60)]
    await until(lambda: served.flying == 8)
    assert ours[0].is_full()
    await one.complete(Request(task="late"))
    assert served.order.index("late") >= 8
    await asyncio.gather(*crowd)
    crowd = [asyncio.create_task(many.complete(Request(task=f"again-{number}"))) for number in range(60)]
    await asyncio.sleep(0.01)
    await one.complete(Request(task="later"))
    await asyncio.gather(*crowd)
    assert served.order.index("later") < 121
    for limiter in ours:
        await limiter.aclose()


async def test_the_permits_of_a_dead_worker_come_back(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    dead, alive = (RedisLimiter(connection, campaign, "here", 64, life=0.4) for connection in two)
    for _ in range(8):
        await dead.enter()
    waiting = asyncio.create_task(dead.enter())
    await asyncio.sleep(0.05)
    for task in (dead._serving, dead._listening):
        assert task is not None
        task.cancel()  # as its end would
    began = monotonic()
    permits = [await alive.enter() for _ in range(8)]
    assert 0.1 < monotonic() - began < 30
    await asyncio.sleep(1.0)
    assert await two[0].call("ZCARD", alive._keys[1]) == 8  # renewed as long as they are held
    for permit in permits:
        alive.leave(0.0, permit, None)
    waiting.cancel()
    await alive.aclose()


async def test_retry_after_pauses_every_worker(two: tuple[RedisConnection, RedisConnection], campaign: str) -> None:
    first, second = (RedisLimiter(connection, campaign, "here", 64) for connection in two)
    permit = await first.enter()
    began = monotonic()
    first.leave(0.0, permit, Overloaded("later", status=429, retry_after=0.6))
    await two[0].flush()
    async with asyncio.timeout(20):
        second.leave(0.0, await second.enter(), None)
    assert monotonic() - began > 0.5
    for limiter in (first, second):
        await limiter.aclose()


async def test_a_server_that_is_gone_is_probed_by_one_and_lost_for_all_when_patience_ends(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    dead = True
    served = Served(0.01, lambda flying: Unreachable("refused") if dead else None)
    ours = [RedisLimiter(connection, campaign, "here", 64, 30.0) for connection in two]
    models = [Limited(served, limiter) for limiter in ours]
    asked = [asyncio.create_task(models[number % 2].complete(ASKED)) for number in range(20)]
    await until(lambda: all(limiter.open for limiter in ours))
    before, served.most = served.asked, 0
    await asyncio.sleep(0.6)
    assert served.asked - before <= 3
    assert served.most <= 1
    dead = False
    done = await asyncio.gather(*asked, return_exceptions=True)
    failed = [error for error in done if isinstance(error, BaseException)]
    assert all(type(error) is Unreachable for error in failed)  # those that were in flight before it opened
    assert len(failed) <= 8
    for limiter in ours:
        await limiter.aclose()
    dead = True
    ours = [RedisLimiter(connection, campaign, "there", 64, 1.2) for connection in two]
    models = [Limited(served, limiter) for limiter in ours]
    asked = [asyncio.create_task(models[number % 2].complete(ASKED)) for number in range(40)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    lost = [error for error in done if isinstance(error, ServerLost)]
    assert len(lost) >= 20
    assert "there has not answered for 1.2 s" in str(lost[0])
    assert "refused" in str(lost[0])
    for limiter in ours:
        await limiter.aclose()


async def test_a_cancelled_request_leaves_nothing_behind(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    limiter = RedisLimiter(two[0], campaign, "here", 64)
    permits = [await limiter.enter() for _ in range(8)]
    waiting = [asyncio.create_task(limiter.enter()) for _ in range(3)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for permit in permits:
        limiter.leave(0.0, permit, None, answered=False)
    await asyncio.sleep(0.1)
    assert [await two[0].call("ZCARD", key) for key in limiter._keys[1:3]] == [0, 0]
    assert limiter._serving is None
    await limiter.aclose()


async def test_the_limiter_goes_on_when_redis_comes_back_empty(own_redis: RedisServer, campaign: str) -> None:
    async with connected(own_redis.url, patience=10) as connection:
        served = Served(0.05)
        limiter = RedisLimiter(connection, campaign, "here", 64)
        asked = [asyncio.create_task(Limited(served, limiter).complete(ASKED)) for _ in range(60)]
        await until(lambda: served.asked > 10)
        own_redis.kill()
        await asyncio.sleep(0.2)
        own_redis.start()
        async with asyncio.timeout(10):
            await asyncio.gather(*asked)
        assert served.asked == 60
        await limiter.aclose()
    own_redis.kill()
    async with connected(own_redis.url, patience=0.3) as connection:
        limiter = RedisLimiter(connection, campaign, "here", 64)
        with pytest.raises(RedisUnavailable):
            await limiter.enter()
        await limiter.aclose()
