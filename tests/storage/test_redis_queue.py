"""What only the queue over Redis must survive: the server's loss, freeze, restart, foreign content, full memory."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest
from queue_pair import QueuePair, result_of, some_work, take_all
from redis_queues import key, pair_on, run_all
from redis_server import RedisServer, free_port

from gristmill.errors import ConfigError, RedisUnavailable, RunLocked, StoreError
from gristmill.storage.queue import Lease, Result, WorkerInfo
from gristmill.storage.redis_connection import LIFE_MS
from gristmill.storage.redis_queue import RedisCoordinatorQueue, RedisWorkerQueue


async def test_keys_have_one_prefix_and_memory_is_given_back(queue: tuple[QueuePair, Any]) -> None:
    pair, client = queue
    before = {name async for name in client.scan_iter("*")}
    coordinator, worker = await pair.coordinator(), pair.worker("w1")
    empty = (await coordinator.state()).bytes
    await coordinator.feed(some_work(500))
    (lost,) = await worker.lease(1)
    await worker.beat(WorkerInfo(name="w1"), [lost])
    full = (await coordinator.state()).bytes
    assert full > empty + 500 * 300
    await worker.give_back([lost])
    store: dict[str, Result] = {}
    assert await run_all(worker) == 500
    names = {name async for name in client.scan_iter("*")} - before
    assert {name for name in names if not name.startswith(key(pair, "").encode())} == set()
    await take_all(coordinator, store)
    assert len(store) == 500
    for name in ("ready", "suspects", "results"):
        assert await client.xlen(key(pair, name)) == 0
    assert not await client.exists(key(pair, "work"), key(pair, "tasks"), key(pair, "marks"))
    assert (await coordinator.state()).bytes < empty + 10_000
    await pair.end(worker)
    assert isinstance(coordinator, RedisCoordinatorQueue)
    await coordinator.remove()
    assert {name async for name in client.scan_iter("*")} - before == set()


async def test_every_key_has_an_expiry_that_a_coordinator_renews(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, client):

        async def require(least_ms: int) -> None:
            left = {name: await client.pttl(name) async for name in client.scan_iter("*")}
            assert len(left) > 3
            assert {name: ms for name, ms in left.items() if not least_ms <= ms <= LIFE_MS} == {}

        coordinator, worker = await pair.coordinator(lease=0.2), pair.worker("w1", lease=0.2)
        await coordinator.feed(some_work(8))
        await require(LIFE_MS - 60_000)
        held = list(await worker.lease(4))
        await worker.beat(WorkerInfo(name="w1"), held)
        await worker.finish(held[0], result_of(held[0]))
        await worker.give_back(held[1:2])
        await coordinator.bury("w1")
        assert await coordinator.reclaim() == 2
        other = pair.worker("w2", lease=0.2)
        await other.beat(WorkerInfo(name="w2"), [])
        await other.lease(1)
        await coordinator.order("pause")
        await coordinator.requeue()
        await coordinator.state()
        await require(LIFE_MS - 60_000)
        async for name in client.scan_iter("*"):
            await client.pexpire(name, 60_000)
        await coordinator.reclaim()
        await require(LIFE_MS - 60_000)


async def test_who_only_looks_leaves_nothing(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, client):
        looking = RedisCoordinatorQueue(own_redis.url, pair.campaign)
        state = await looking.state()
        assert (state.ready, state.leased, state.order, state.workers) == (0, 0, "run", ())
        assert await looking.dead() == []
        assert await looking.requeue() == 0
        assert await pair.worker("early").manifest() is None
        await looking.close()
        assert [name async for name in client.scan_iter("*")] == []


async def test_a_cleared_campaign_is_not_opened_again_by_a_worker_that_comes_late(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, client):
        coordinator, late = await pair.coordinator(), pair.worker("late")
        assert isinstance(coordinator, RedisCoordinatorQueue)
        work = some_work(5)
        await coordinator.feed(work)
        held = list(await late.lease(2))
        await late.beat(WorkerInfo(name="late"), held)
        await coordinator.clear(workers_left=False)
        assert [name async for name in client.scan_iter("*")] == [key(pair, "order").encode()]
        assert await late.beat(WorkerInfo(name="late"), held) == "drain"
        assert await late.lease(3) == []
        assert await late.finish(held[0], result_of(held[0])), "it was paid for: the next coordinator takes it"
        await pair.end(late)
        left = {name.decode().rpartition(":")[2]: await client.pttl(name) async for name in client.scan_iter("*")}
        assert set(left) == {"order", "results", "tasks"}
        assert all(0 < ms <= LIFE_MS for ms in left.values())
        again = await pair.coordinator()
        assert [result.task for result in await again.results()] == [held[0].work.task.id]
        await again.confirm(await again.results())
        await again.feed(work[1:])
        assert await run_all(pair.worker("next")) == 4
        await take_all(again, {})
        assert isinstance(again, RedisCoordinatorQueue)
        await again.clear()
        assert [name async for name in client.scan_iter("*")] == []


async def test_what_stands_against_pending_suspects_outlives_a_clearing(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, client):
        coordinator = await pair.coordinator(strikes=2)
        assert isinstance(coordinator, RedisCoordinatorQueue)
        work = some_work(2)
        await coordinator.feed(work)
        for name, count in (("a", 2), ("b", 1), ("c", 1), ("d", 1)):  # both; each alone; the first one again: dead
            await pair.worker(name, wait=0.0).lease(count)
            await coordinator.bury(name)
            await coordinator.reclaim()
        (dead,) = await coordinator.dead()
        await coordinator.withdraw([one.task.id for one in work])
        await coordinator.clear()
        assert [name async for name in client.scan_iter("*")] == [key(pair, "marks").encode()]
        assert [name.decode() for name in await client.hkeys(key(pair, "marks"))] == [
            one.task.id for one in work if one.task.id != dead.task
        ]
        again = await pair.coordinator(strikes=2)
        await again.feed(work)
        assert (await again.state()).suspect == 1


async def test_the_window_bounds_what_is_held(redis_url: str) -> None:
    campaign = f"test-{uuid.uuid4().hex[:12]}"
    coordinator = RedisCoordinatorQueue(redis_url, campaign, window=250)
    worker = RedisWorkerQueue(redis_url, campaign, "w1", wait=0.0)
    try:
        work = some_work(400)
        await coordinator.feed(work[:250])
        await coordinator.feed(work[:250])
        with pytest.raises(StoreError, match=r"no room for 1 more tasks.*window 250"):
            await coordinator.feed(work[250:251])
        await run_all(worker)
        await take_all(coordinator, {})
        await coordinator.feed(work[250:])
        assert (await coordinator.state()).ready == 150
    finally:
        await worker.close()
        await coordinator.close()


async def test_a_message_that_is_delivered_twice_counts_once(queue: tuple[QueuePair, Any]) -> None:
    pair, client = queue
    coordinator = await pair.coordinator()
    one, two = pair.worker("one"), pair.worker("two")
    work = some_work(60)
    await coordinator.feed(work)
    held = list(await one.lease(20))
    for task in work:
        await client.xadd(key(pair, "ready"), {"t": task.task.id})
    held += await two.lease(100)
    assert sorted(lease.work.task.id for lease in held) == sorted(one.task.id for one in work)
    assert {lease.epoch for lease in held} == {1}
    kept = await asyncio.gather(*((one if i < 20 else two).finish(x, result_of(x)) for i, x in enumerate(held)))
    assert all(kept)
    for task in work:
        await client.xadd(key(pair, "ready"), {"t": task.task.id})
    assert await two.lease(100) == []
    # The same result twice: the answer to the first was lost on its way.
    assert await one.finish(held[0], result_of(held[0]))
    store: dict[str, Result] = {}
    await take_all(coordinator, store)
    assert set(store) == {one.task.id for one in work}
    for task in work:
        await client.xadd(key(pair, "ready"), {"t": task.task.id})
    assert await two.lease(100) == []
    assert not await one.finish(held[0], result_of(held[0]))
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results) == (0, 0, 0)


async def test_a_lost_answer_costs_a_lease_and_blames_nobody(queue: tuple[QueuePair, Any]) -> None:
    pair, _ = queue
    coordinator = await pair.coordinator(lease=0.4)
    worker, double = pair.worker("w1", lease=0.4), pair.worker("w1", lease=0.4)
    await coordinator.feed(some_work(3))
    assert len(await double.lease(3)) == 3  # taken under w1's name, and w1 does not know
    for _ in range(6):
        await asyncio.sleep(0.1)
        await worker.beat(WorkerInfo(name="w1"), [])
        await coordinator.reclaim()
    again = await worker.lease(3)
    assert [(lease.epoch, lease.alone) for lease in again] == [(2, False)] * 3


async def test_half_of_the_fleet_at_most_is_emptied_for_suspects(queue: tuple[QueuePair, Any]) -> None:
    pair, client = queue
    coordinator = await pair.coordinator()
    workers = [pair.worker(f"w{number}") for number in range(4)]
    await coordinator.feed(some_work(30))
    held = [list(await worker.lease(2)) for worker in workers]
    for task in (lease.work.task.id for lease in await pair.worker("lost").lease(10)):
        await client.hset(key(pair, "tasks"), task, "1 d:")
        await client.sadd(key(pair, "dead"), task)
    await coordinator.requeue()
    await pair.end(pair.opened[-1])
    more = [len(await worker.lease(1)) for worker in workers]
    assert more == [0, 0, 1, 1]
    for worker, leases in zip(workers[:2], held[:2], strict=True):
        await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in leases))
    alone = [await worker.lease(5) for worker in workers[:2]]
    assert [[lease.alone for lease in leases] for leases in alone] == [[True], [True]]


async def test_a_result_that_was_on_its_way_is_sent_though_nobody_waits(queue: tuple[QueuePair, Any]) -> None:
    pair, _ = queue
    coordinator, worker = await pair.coordinator(), pair.worker("w1")
    await coordinator.feed(some_work(1))
    (lease,) = await worker.lease(1)
    asked = asyncio.create_task(worker.finish(lease, result_of(lease)))
    await asyncio.sleep(0)
    asked.cancel()
    await pair.end(worker)
    assert [result.task for result in await coordinator.results()] == [lease.work.task.id]


async def test_a_result_of_another_task_is_refused(queue: tuple[QueuePair, Any]) -> None:
    pair, _ = queue
    coordinator, worker = await pair.coordinator(), pair.worker("w1")
    await coordinator.feed(some_work(2))
    one, two = await worker.lease(2)
    with pytest.raises(ValueError, match=two.work.task.id):
        await worker.finish(one, result_of(two))
    with pytest.raises(ValueError, match="lease 2"):
        await worker.finish(one, result_of(Lease(work=one.work, epoch=2)))


async def test_without_a_server_a_worker_stays_responsive_and_says_so_in_the_end() -> None:
    url = f"redis://user:canary@127.0.0.1:{free_port()}/0"
    worker = RedisWorkerQueue(url, "test", "w1", lease=0.6, patience=0.4)
    before = time.monotonic()
    assert await worker.lease(5) == []
    with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1") as failed:
        await worker.beat(WorkerInfo(name="w1"), [])
    assert "canary" not in str(failed.value)

    async def until_it_gives_up() -> None:
        while time.monotonic() - before < 60:
            assert await worker.lease(5) == []

    with pytest.raises(RedisUnavailable):
        await until_it_gives_up()
    assert time.monotonic() - before < 30
    await worker.close()


@pytest.mark.parametrize("name", ["", "a b", "x}y", "ü", "-a", "n" * 101])
def test_names_that_cannot_be_keys_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="campaign name"):
        RedisCoordinatorQueue("redis://127.0.0.1/0", name)
    with pytest.raises(ConfigError, match="worker name"):
        RedisWorkerQueue("redis://127.0.0.1/0", "campaign", name)


async def test_an_unknown_order_is_refused(queue: tuple[QueuePair, Any]) -> None:
    pair, _ = queue
    coordinator = await pair.coordinator()
    with pytest.raises(ConfigError, match=r"'stop'.*run, pause, drain"):
        await coordinator.order("stop")
    assert (await coordinator.state()).order == "run"


async def test_nothing_is_taken_of_a_coordinator_that_was_replaced(redis_url: str) -> None:
    """However late it arrives: the fence is inside the scripts, in the same step as what they do."""
    async with pair_on(redis_url) as (pair, client):
        old = RedisCoordinatorQueue(redis_url, pair.campaign, leader="the first")
        new = RedisCoordinatorQueue(redis_url, pair.campaign, leader="the second")
        try:
            await client.set(key(pair, "leader"), "the first")
            await old.begin({"flow": "f"})
            await old.feed(some_work(4))
            worker = pair.worker("one")
            first, second = await worker.lease(2)
            assert await worker.finish(first, result_of(first))
            results = await old.results()
            await client.set(key(pair, "leader"), "the second")
            before = await new.state()
            for attempt in (
                old.feed(some_work(6)),
                old.confirm(results),
                old.reclaim(),
                old.order("drain"),
                old.begin({"flow": "g"}),
                old.withdraw([one.task.id for one in some_work(4)]),
                old.requeue(),
                old.clear(),
                old.bury("one"),
            ):
                with pytest.raises(RunLocked, match="another coordinator leads"):
                    await attempt
            after = await new.state()
            assert (after.ready, after.leased, after.results, after.order) == (2, 1, 1, "run")
            assert (before.ready, before.leased, before.results) == (2, 1, 1)
            assert await worker.manifest() == {"flow": "f"}
            assert await worker.finish(second, result_of(second))  # workers are nobody's
            await client.delete(key(pair, "leader"))  # a Redis that lost its memory: whoever lives goes on
            await old.order("pause")
        finally:
            await old.close()
            await new.close()
