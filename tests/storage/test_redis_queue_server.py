"""A Redis that forgets, freezes, fills up or refuses, below a queue."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from queue_pair import QueuePair, result_of, some_work, take_all
from redis.asyncio import Redis
from redis_queues import key, pair_on, run_all
from redis_server import RedisServer

from gristmill.errors import ConfigError, StoreError, StoreFull
from gristmill.storage.queue import Result, WorkerInfo
from gristmill.storage.redis_queue import RedisCoordinatorQueue


@pytest.fixture
def lasting_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own that writes an append-only file."""
    server = RedisServer(tmp_path / "redis", options=("--save", "", "--appendonly", "yes"))
    server.start()
    yield server
    server.stop()


async def test_a_server_that_forgets_everything_is_noticed_and_filled_again(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, _):
        coordinator, worker = await pair.coordinator(), pair.worker("w1")
        work = some_work(20)
        await coordinator.feed(work)
        held = list(await worker.lease(6))
        first = (await coordinator.state()).generation
        await worker.finish(held[0], result_of(held[0]))
        (early,) = await coordinator.results()
        await coordinator.order("pause")

        own_redis.kill()
        asked = asyncio.create_task(worker.finish(held[1], result_of(held[1])))
        await asyncio.sleep(0.1)
        own_redis.start()
        assert await asked, "a result in flight outlives the queue's data"
        state = await coordinator.state()
        assert state.generation != first
        assert (await coordinator.state()).order == "pause", "the coordinator's word stands"
        assert await worker.manifest() == {"flow": "test"}
        await coordinator.order("run")

        await coordinator.feed([one for one in work if one.task.id != early.task])
        await coordinator.confirm([early])
        assert await worker.finish(held[2], result_of(held[2])), "nobody has started it anew"
        other = pair.worker("w2")
        taken = await other.lease(5)
        assert held[1].work not in [lease.work for lease in taken]
        assert held[2].work not in [lease.work for lease in taken]
        shared = {lease.work.task.id for lease in taken} & {lease.work.task.id for lease in held}
        for lease in held[3:]:
            assert await worker.finish(lease, result_of(lease)) == (lease.work.task.id not in shared)
        await asyncio.gather(*(other.finish(lease, result_of(lease)) for lease in taken))
        await run_all(other)
        store = {early.task: early}
        await take_all(coordinator, store)
        assert set(store) == {one.task.id for one in work}
        state = await coordinator.state()
        assert (state.ready, state.leased, state.results, state.suspect) == (0, 0, 0, 0)


async def test_a_server_that_keeps_its_file_loses_nothing(lasting_redis: RedisServer) -> None:
    async with pair_on(lasting_redis.url) as (pair, _):
        coordinator, worker = await pair.coordinator(lease=1.0), pair.worker("w1", lease=1.0)
        work = some_work(30)
        await coordinator.feed(work)
        held = list(await worker.lease(10))
        first = (await coordinator.state()).generation
        await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in held[:5]))
        lasting_redis.kill()
        await asyncio.sleep(1.2)  # longer than a lease: nobody could renew
        lasting_redis.start()
        assert await coordinator.reclaim() == 0, "all workers get a lease to come back"
        assert (await coordinator.state()).generation == first
        await worker.beat(WorkerInfo(name="w1"), held[5:])
        await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in held[5:]))
        assert await run_all(worker) == 20
        store: dict[str, Result] = {}
        await take_all(coordinator, store)
        assert set(store) == {one.task.id for one in work}
        assert {result.epoch for result in store.values()} == {1}


async def test_a_frozen_server_costs_time_only(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, _):
        coordinator, worker = await pair.coordinator(lease=1.5), pair.worker("w1", lease=1.5)
        work = some_work(30)
        await coordinator.feed(work)
        held = list(await worker.lease(5))
        stop = asyncio.Event()

        async def beat() -> None:
            while not stop.is_set():
                await worker.beat(WorkerInfo(name="w1"), held)
                await asyncio.sleep(0.3)

        async def ask() -> None:
            while not stop.is_set():
                held.extend(await worker.lease(5 - len(held)))
                await asyncio.sleep(0.1)

        async def watch() -> None:
            while not stop.is_set():
                reclaimed.append(await coordinator.reclaim())
                await asyncio.sleep(0.3)

        reclaimed: list[int] = []
        jobs = [asyncio.create_task(job()) for job in (beat, ask, watch)]
        await asyncio.sleep(0.5)
        held.pop()  # one slot is free: it is asked for while the server stands still
        os.kill(own_redis.pid, signal.SIGSTOP)
        await asyncio.sleep(5.5)  # longer than a lease, and than a request may take
        os.kill(own_redis.pid, signal.SIGCONT)
        await asyncio.sleep(1.5)
        stop.set()
        await asyncio.gather(*jobs)
        assert len(reclaimed) > 3
        assert set(reclaimed) == {0}, "nobody was declared dead"
        state = await coordinator.state()
        assert (state.suspect, len(held)) == (0, 5)
        assert state.leased == 6, "the five, and the one that was dropped; a request that was given up took nothing"
        assert all(await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in held)))


async def test_a_group_that_is_gone_is_made_again(queue: tuple[QueuePair, Any]) -> None:
    pair, client = queue
    coordinator, worker = await pair.coordinator(), pair.worker("w1")
    work = some_work(5)
    await coordinator.feed(work)
    (lease,) = await worker.lease(1)
    await worker.finish(lease, result_of(lease))
    first = (await coordinator.state()).generation
    await client.xgroup_destroy(key(pair, "ready"), "workers")
    assert await worker.lease(5) == []
    assert (await coordinator.state()).generation != first
    store: dict[str, Result] = {}
    await take_all(coordinator, store)
    assert set(store) == {lease.work.task.id}, "results that were handed in are still there"
    await coordinator.feed(work[1:])
    assert await run_all(worker) == 4
    await client.delete(key(pair, "suspects"))
    await coordinator.reclaim()
    await coordinator.feed(some_work(2, start=50))
    assert await run_all(worker) == 2


async def test_what_cannot_be_read_is_set_aside_and_said(queue: tuple[QueuePair, Any]) -> None:
    pair, client = queue
    coordinator, worker = await pair.coordinator(), pair.worker("w1")
    work = some_work(6)
    ids = [one.task.id for one in work]
    await coordinator.feed(work)
    await client.hset(key(pair, "work"), ids[0], b"\xff not json")
    await client.hset(key(pair, "work"), ids[1], work[2].model_dump_json())
    leases = await worker.lease(6)
    assert [lease.work.task.id for lease in leases] == ids[2:]
    await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in leases))
    entries = await client.xrange(key(pair, "results"))
    for (entry, _), body in zip(entries[:2], (b'{"task": 1}', result_of(leases[0]).model_dump_json()), strict=True):
        task = next(fields for at, fields in entries if at == entry)[b"t"]
        await client.xdel(key(pair, "results"), entry)
        forged = await client.xadd(key(pair, "results"), {"t": ids[5] if task == ids[2].encode() else task, "r": body})
        assert forged
    found = await coordinator.results()
    assert {result.task for result in found} <= set(ids[3:])
    dead = {one.task: one.history[-1] for one in await coordinator.dead()}
    assert "cannot be read" in dead[ids[0]]
    assert "its body is that of" in dead[ids[1]]
    assert any("its result cannot be read" in line for line in dead.values())
    assert not any("not json" in line for line in dead.values()), "foreign text is not repeated"

    await client.hset(key(pair, "workers"), "w1", '{"name": "w1", "slots": "many"}')
    await client.hset(key(pair, "marks"), ids[0], "[")
    await client.set(key(pair, "manifest"), "[1]")
    (info,) = (await coordinator.state()).workers
    assert "cannot be read" in info.problem
    assert {one.task: one.history for one in await coordinator.dead()}[ids[0]][0].startswith("its history")
    with pytest.raises(StoreError, match="manifest"):
        await worker.manifest()
    await coordinator.begin({"flow": "test"})
    assert await worker.manifest() == {"flow": "test"}


async def test_a_full_server_refuses_tasks_and_takes_them_when_there_is_room(own_redis: RedisServer) -> None:
    async with pair_on(own_redis.url) as (pair, client):
        coordinator, worker = await pair.coordinator(), pair.worker("w1")
        work = some_work(3000)
        await coordinator.feed(work[:500])
        held = await worker.lease(100)
        used = (await client.info("memory"))["used_memory"]
        await client.config_set("maxmemory", used + 20_000)
        with pytest.raises(StoreFull, match="maxmemory"):
            await coordinator.feed(work)
        kept = (await coordinator.state()).ready + 100
        await client.config_set("maxmemory", 0)
        assert all(await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in held)))
        await coordinator.feed(work)
        assert 500 <= kept < (await coordinator.state()).ready + 100 == 3000


async def test_an_acl_user_with_few_rights_is_enough(own_redis: RedisServer) -> None:
    allowed = (
        "+@scripting -script|flush +@stream +@hash +@set +@sortedset +@string +exists +del +pexpire +time +memory|usage"
    )
    async with Redis.from_url(own_redis.url) as client:
        await client.execute_command("ACL", "SETUSER", "mill", "on", ">s3cret", "~gristmill:*", *allowed.split())
    url = own_redis.url.replace("redis://", "redis://mill:s3cret@")
    async with pair_on(url) as (pair, _):
        coordinator, worker = await pair.coordinator(), pair.worker("w1")
        await coordinator.feed(some_work(5))
        held = await worker.lease(2)
        assert await worker.beat(WorkerInfo(name="w1"), held) == "run"
        await worker.give_back(held)
        assert await run_all(worker) == 5
        await coordinator.reclaim()
        await take_all(coordinator, {})
        assert (await coordinator.state()).bytes > 0
        assert await coordinator.requeue() == 0
    wrong = RedisCoordinatorQueue(url.replace("s3cret", "canary"), "test")
    with pytest.raises(ConfigError, match="password") as refused:
        await wrong.begin({})
    assert "canary" not in str(refused.value)
    await wrong.close()
