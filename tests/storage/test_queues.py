"""What both queues promise, in one body for each: SQLite on one machine, Redis Streams on many."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from queue_pair import QueuePair, result_of, serve, some_work, take_all

from gristmill.storage.queue import CoordinatorQueue, Result, WorkerInfo, WorkerQueue


@pytest.fixture(params=["redis", "sqlite"])
async def queue_pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[QueuePair]:
    """A queue of this test's own, with its workers and coordinators."""
    where = request.getfixturevalue("redis_url") if request.param == "redis" else str(tmp_path)
    pair = QueuePair(request.param, where, f"test-{uuid.uuid4().hex[:12]}")
    yield pair
    await pair.close()


async def test_tasks_go_out_in_order_and_results_come_back(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(), queue_pair.worker("w1")
    assert await worker.manifest() == {"flow": "test"}
    work = some_work(7)
    await coordinator.feed(work)
    first = await worker.lease(4)
    assert [lease.work for lease in first] == work[:4]
    assert [(lease.epoch, lease.alone) for lease in first] == [(1, False)] * 4
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results) == (3, 4, 0)
    assert await asyncio.gather(*(worker.finish(lease, result_of(lease, "w1")) for lease in first)) == [True] * 4
    assert [lease.work for lease in await worker.lease(4)] == work[4:]
    results = await coordinator.results()
    assert list(results) == [result_of(lease, "w1") for lease in first]
    assert await coordinator.results() == results, "what is not confirmed comes again"
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results) == (0, 3, 4)
    await coordinator.confirm(results)
    await coordinator.confirm(results)
    assert await coordinator.results() == []
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results, state.dead) == (0, 3, 0, 0)


async def test_another_coordinator_goes_on(queue_pair: QueuePair) -> None:
    first, worker = await queue_pair.coordinator(), queue_pair.worker("w1")
    await first.feed(some_work(3))
    one, two = await worker.lease(2)
    await worker.finish(one, result_of(one))
    await first.results()
    await queue_pair.end(first)
    second = await queue_pair.coordinator()
    assert [result.task for result in await second.results()] == [one.work.task.id]
    await second.confirm(await second.results())
    assert await worker.finish(two, result_of(two))
    assert [result.task for result in await second.results()] == [two.work.task.id]


async def test_what_is_fed_twice_is_there_once(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(), queue_pair.worker("w1")
    work = some_work(3)
    await coordinator.feed([*work, work[0]])
    (lease,) = await worker.lease(1)
    await coordinator.feed(work)
    assert (await coordinator.state()).ready == 2
    await worker.finish(lease, result_of(lease))
    await coordinator.feed(work)
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results) == (2, 0, 1)
    assert len(await worker.lease(10)) == 2


async def test_an_empty_queue_makes_wait_and_wakes(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(wait=20.0), queue_pair.worker("w1", wait=20.0)
    assert await worker.lease(0) == []
    before = time.monotonic()
    asked = asyncio.create_task(worker.lease(5))
    await asyncio.sleep(0.2)
    await coordinator.feed(some_work(1))
    (lease,) = await asked
    collected = asyncio.create_task(coordinator.results())
    await asyncio.sleep(0.2)
    await worker.finish(lease, result_of(lease))
    assert len(await collected) == 1
    assert 0.4 < time.monotonic() - before < 15


async def test_a_lease_that_is_renewed_stays(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=0.4)
    busy, idle = queue_pair.worker("busy", lease=0.4), queue_pair.worker("idle", lease=0.4, wait=0.0)
    await coordinator.feed(some_work(5))
    held = await busy.lease(5)
    for _ in range(10):
        await asyncio.sleep(0.1)
        assert await busy.beat(WorkerInfo(name="busy"), held) == "run"
        await idle.beat(WorkerInfo(name="idle"), [])
        assert await coordinator.reclaim() == 0
        assert await idle.lease(5) == []
    assert all([await busy.finish(lease, result_of(lease)) for lease in held])


async def test_a_silent_worker_loses_its_tasks_and_cannot_hand_them_in(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=0.4)
    lost, heir = queue_pair.worker("lost", lease=0.4), queue_pair.worker("heir", lease=0.4)
    await coordinator.feed(some_work(1))
    (old,) = await lost.lease(1)
    for _ in range(6):
        await asyncio.sleep(0.1)
        await heir.beat(WorkerInfo(name="heir"), [])
    assert await coordinator.reclaim() == 1
    (new,) = await heir.lease(5)
    assert (new.work, new.epoch, new.alone) == (old.work, old.epoch + 1, True)
    assert not await lost.finish(old, result_of(old, "lost")), "one epoch old"
    await lost.give_back([old])
    await lost.beat(WorkerInfo(name="lost"), [old])
    assert await coordinator.results() == []
    assert await heir.finish(new, result_of(new, "heir"))
    assert not await lost.finish(old, result_of(old, "lost")), "nor after the result is in"
    assert [result.worker for result in await coordinator.results()] == ["heir"]


async def test_what_is_given_back_is_ready_at_once_and_no_suspect(queue_pair: QueuePair) -> None:
    coordinator, worker, other = await queue_pair.coordinator(), queue_pair.worker("w1"), queue_pair.worker("w2")
    await coordinator.feed(some_work(3))
    held = await worker.lease(3)
    await worker.give_back(held[:2])
    assert (await coordinator.state()).ready == 2
    taken = await other.lease(5)
    assert {lease.work.task.id for lease in taken} == {lease.work.task.id for lease in held[:2]}
    assert [(lease.epoch, lease.alone) for lease in taken] == [(2, False)] * 2
    await worker.give_back(held)
    state = await coordinator.state()
    assert (state.ready, state.leased, state.suspect) == (1, 2, 0)


async def test_orders_reach_workers(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(), queue_pair.worker("w1")
    await coordinator.feed(some_work(3))
    info = WorkerInfo(name="w1", host="here", pid=7, slots=4, running=2, done=9)
    for order in ("pause", "drain"):
        await coordinator.order(order)
        assert await worker.beat(info, []) == order
        assert await worker.lease(3) == []
    await coordinator.order("run")
    assert await worker.beat(info, []) == "run"
    assert len(await worker.lease(3)) == 3
    state = await coordinator.state()
    assert state.order == "run"
    assert [one.model_copy(update={"age": 0.0}) for one in state.workers] == [info]
    assert state.workers[0].age < 2
    assert state.bytes > 100
    await queue_pair.end(worker)
    assert (await coordinator.state()).workers == ()


async def test_a_wrong_wall_clock_does_not_matter(queue_pair: QueuePair, monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = await queue_pair.coordinator()
    right, wrong = queue_pair.worker("right"), queue_pair.worker("wrong", wait=0.0)
    await coordinator.feed(some_work(4))
    held = await right.lease(4)
    real = time.time
    for hours in (1, -1):
        monkeypatch.setattr(time, "time", lambda hours=hours: real() + 3600 * hours)
        await wrong.beat(WorkerInfo(name="wrong"), [])
        assert await wrong.lease(4) == []
        other = await queue_pair.coordinator()
        assert await other.reclaim() == 0
        assert await wrong.lease(4) == []
        assert {worker.age < 3 for worker in (await other.state()).workers} == {True}
    assert all([await right.finish(lease, result_of(lease)) for lease in held])


async def test_suspects_run_in_halves_beside_others_and_only_the_guilty_one_dies(queue_pair: QueuePair) -> None:
    """One poison task among 64 in flight, two worker processes: that one is set aside, all others get done."""
    lease, strikes = 0.5, 3
    coordinator = await queue_pair.coordinator(lease=lease, strikes=strikes)
    work = some_work(200, seconds=0.005, poison=[40])
    poison = work[40].task.id
    await coordinator.feed(work[:64])
    processes = [queue_pair.process("p0", slots=64, lease=lease)]
    store: dict[str, Result] = {}
    deaths = 0
    until = time.monotonic() + 60
    while len(store) < 199 or not await coordinator.dead():
        assert time.monotonic() < until, (len(store), await coordinator.state())
        await take_all(coordinator, store)
        await coordinator.reclaim()
        for place, process in enumerate(processes):
            if process.poll() is not None:
                assert process.returncode == -signal.SIGKILL
                deaths += 1
                processes[place] = queue_pair.process(f"q{deaths}", slots=64, lease=lease)
        if deaths == 1 and len(processes) == 1:
            processes.append(queue_pair.process("p1", slots=64, lease=lease))
            await coordinator.feed(work[64:])
    (dead,) = await coordinator.dead()
    assert (dead.task, dead.strikes) == (poison, strikes)
    # Among the 64 first, then in groups of 32, 16, 8, 4 and 2 at most, then alone.
    assert strikes + 1 <= len(dead.history) <= strikes + 6
    assert "was lost" in dead.history[0]
    assert sum(" alone" in line for line in dead.history) == strikes
    assert set(store) == {one.task.id for one in work} - {poison}
    # It may also die on a lease that had lapsed meanwhile, of a process that the machine let wait: no strike for that.
    assert deaths >= len(dead.history)
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results, state.dead) == (0, 0, 0, 1)


async def lose(pair: QueuePair, coordinator: CoordinatorQueue, name: str, count: int) -> list[tuple[int, str]]:
    """A worker takes up to `count` tasks and is lost with them; returns their numbers and how they ran."""
    victim = pair.worker(name, lease=0.2, wait=0.0)
    await victim.beat(WorkerInfo(name=name), [])
    taken = await victim.lease(count)
    await coordinator.bury(name)
    assert await coordinator.reclaim() == len(taken)
    return [(lease.work.task.attributes["number"], "apart" if lease.alone else "") for lease in taken]


async def test_a_half_that_dies_is_halved_again(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=30)
    await coordinator.feed(some_work(12))
    assert [number for number, how in await lose(queue_pair, coordinator, "a", 12) if not how] == list(range(12))
    first = await lose(queue_pair, coordinator, "b", 64)
    assert first == [(number, "apart") for number in range(6)]
    assert await lose(queue_pair, coordinator, "c", 64) == [(number, "apart") for number in range(6, 12)]
    assert await lose(queue_pair, coordinator, "d", 64) == first[:3]
    healthy = queue_pair.worker("healthy", lease=30, wait=0.0)
    groups = []
    while taken := await healthy.lease(64):
        assert await healthy.lease(64) == [], "one group at a time"
        assert all([await healthy.finish(lease, result_of(lease)) for lease in taken])
        groups.append([lease.work.task.attributes["number"] for lease in taken])
    assert sorted(map(len, groups), reverse=True) == [3, 3, 3, 2, 1]
    assert sorted(number for group in groups for number in group) == list(range(12))
    assert await coordinator.dead() == []


async def test_workers_killed_again_and_again_at_random_blame_nobody(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=30, strikes=2)
    work = some_work(40)
    await coordinator.feed(work)
    for death in range(12):  # each time others are in flight: whoever is suspected comes through in between
        await lose(queue_pair, coordinator, f"w{death}", 8)
        healthy = queue_pair.worker(f"h{death}", lease=30, wait=0.0)
        for lease in await healthy.lease(8):
            assert await healthy.finish(lease, result_of(lease))
    assert await coordinator.dead() == []
    store: dict[str, Result] = {}
    last = queue_pair.worker("last", lease=30, wait=0.0)
    while taken := await last.lease(50):
        assert all([await last.finish(lease, result_of(lease)) for lease in taken])
    await take_all(coordinator, store)
    assert set(store) == {one.task.id for one in work}


async def test_what_nobody_holds_can_be_withdrawn(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(), queue_pair.worker("w1", wait=0.0)
    work = some_work(10)
    ids = [one.task.id for one in work]
    await coordinator.feed(work[:9])
    held = await worker.lease(4)
    assert await worker.finish(held[0], result_of(held[0]))
    await worker.give_back(held[1:2])
    gone = await coordinator.withdraw(ids)
    assert sorted(gone) == sorted([ids[1], *ids[4:]]), "given back, ready, and one that was never fed"
    assert await worker.lease(9) == []
    state = await coordinator.state()
    assert (state.ready, state.leased, state.results) == (0, 2, 1)
    assert all([await worker.finish(lease, result_of(lease)) for lease in held[2:]]), "what is leased finishes"
    assert len(await coordinator.results()) == 3
    assert sorted(await coordinator.withdraw(ids)) == sorted(gone)
    await coordinator.confirm(await coordinator.results())
    await coordinator.feed(work[4:6])
    assert [lease.work for lease in await worker.lease(9)] == work[4:6], "what is fed again is ready again"


async def test_a_task_is_leased_or_withdrawn_and_never_both(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator()
    work = some_work(300)
    await coordinator.feed(work)
    workers = [queue_pair.worker(f"w{number}", wait=0.0) for number in range(3)]
    taken: list[str] = []

    async def take(worker: WorkerQueue) -> None:
        while leases := await worker.lease(3):
            taken.extend(lease.work.task.id for lease in leases)

    async def withdraw() -> list[str]:
        gone: list[str] = []
        for start in range(280, -20, -20):
            gone += await coordinator.withdraw([one.task.id for one in work[start : start + 20]])
            await asyncio.sleep(0)
        return gone

    gone, *_ = await asyncio.gather(withdraw(), *(take(worker) for worker in workers))
    assert taken
    assert sorted([*taken, *gone]) == sorted(one.task.id for one in work)


async def test_a_withdrawn_suspect_keeps_its_strikes(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=30, strikes=2)
    work = some_work(1)
    await coordinator.feed(work)
    for name in ("a", "b"):  # the second time it is known to be a suspect: a strike
        await lose(queue_pair, coordinator, name, 1)
    ids = [work[0].task.id]
    assert await coordinator.withdraw(ids) == ids
    assert (await coordinator.state()).suspect == 0
    await coordinator.feed(work)
    state = await coordinator.state()
    assert (state.ready, state.suspect) == (1, 1)
    assert await lose(queue_pair, coordinator, "c", 1) == [(0, "apart")]
    (dead,) = await coordinator.dead()
    assert (dead.strikes, len(dead.history)) == (2, 3)
    assert await coordinator.withdraw(ids) == [], "what is set aside has come to an end"


async def test_dead_tasks_can_be_tried_again_alone(queue_pair: QueuePair) -> None:
    coordinator = await queue_pair.coordinator(lease=0.2, strikes=1)
    await coordinator.feed(some_work(2))
    for name in ("a", "b", "c"):  # both in flight; then each alone
        victim = queue_pair.worker(name, lease=0.2)
        await victim.beat(WorkerInfo(name=name), [])
        taken = await victim.lease(2)
        assert [lease.alone for lease in taken] == ([False] * 2 if name == "a" else [True])
        for _ in range(7):
            await asyncio.sleep(0.05)
            await coordinator.reclaim()
    assert len(await coordinator.dead()) == 2
    first, second = (dead.task for dead in await coordinator.dead())
    assert await coordinator.requeue([first, "task-unknown"]) == 1
    assert await coordinator.requeue() == 1
    assert await coordinator.requeue() == 0
    assert await coordinator.dead() == []
    heir = queue_pair.worker("heir", lease=5)
    (one,) = await heir.lease(5)
    assert one.alone
    assert await heir.lease(5) == [], "nothing beside a task that runs alone"
    await heir.finish(one, result_of(one))
    (two,) = await heir.lease(5)
    assert {one.work.task.id, two.work.task.id} == {first, second}
    await coordinator.feed(some_work(1, start=9))
    assert await heir.lease(5) == [], "nor when it is the last one"
    await heir.finish(two, result_of(two))
    assert [lease.alone for lease in await heir.lease(5)] == [False]


async def test_killed_worker_processes_lose_and_double_nothing(queue_pair: QueuePair) -> None:
    lease = 0.5
    coordinator = await queue_pair.coordinator(lease=lease)
    work = some_work(450, seconds=0.03)
    await coordinator.feed(work)
    processes = [queue_pair.process(f"p{number}", slots=10, lease=lease) for number in range(2)]
    store: dict[str, Result] = {}
    kills = 0
    until = time.monotonic() + 20
    while len(store) < len(work):
        assert time.monotonic() < until, (len(store), await coordinator.state())
        found = await coordinator.results(100)
        assert not {result.task for result in found} & set(store)
        store |= {result.task: result for result in found}
        await coordinator.confirm(found)
        await coordinator.reclaim()
        if len(store) > 100 * (kills + 1) and kills < 2:
            os.kill(processes[kills].pid, signal.SIGKILL)
            kills += 1
            processes.append(queue_pair.process(f"r{kills}", slots=10, lease=lease))
    assert kills == 2
    assert set(store) == {one.task.id for one in work}
    assert await coordinator.dead() == []
    assert (await coordinator.state()).leased == 0


async def test_a_worker_ends_when_told_to_drain(queue_pair: QueuePair) -> None:
    coordinator, worker = await queue_pair.coordinator(), queue_pair.worker("w1")
    await coordinator.feed(some_work(20, seconds=0.01))
    serving = asyncio.create_task(serve(worker, "w1", 4, 0.5))
    store: dict[str, Result] = {}
    while len(store) < 20:
        await take_all(coordinator, store)
    await coordinator.order("drain")
    await asyncio.wait_for(serving, 3)
    queue_pair.opened.remove(worker)
    assert (await coordinator.state()).workers == ()
