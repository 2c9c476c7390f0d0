"""Coordinators under faults: kill -9 again and again, two at once, one that comes back with another prompt."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness import (
    CONCURRENCY,
    FAST,
    LONG_LEASE,
    ROWS,
    SLOW,
    SQLITE,
    Stopwatch,
    Wire,
    accepting,
    assert_accounted,
    completed,
    coordinator,
    log_of,
    moves_on,
    report_recovery,
    run_of,
    seeded,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, gone, until
from redis_server import RedisServer
from write_and_judge import PROMPTS


async def test_a_killed_coordinator_leaves_no_orphans_and_goes_on(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 100)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        workers = await wire.pids(folder, 2)
        await until(lambda: len(server.log) >= 40)
        await command.killed()
        await until(lambda: all(gone(pid) for pid in workers))
        watch = Stopwatch()
        command = await coordinator(gristmill, path, wire)
        await moves_on(folder)
        report_recovery(f"coordinator killed -9 with its workers, started again ({wire.name})", watch.seconds)
        assert "planned 100 = accepted 100" in await completed(command)
        assert_accounted(folder, server, planned=100)  # its workers had handed in what they held


async def test_coordinators_are_killed_at_random_and_workers_go_on(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    chance, kills, slowest = seeded(11), 5, 0.0
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW / 2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 0)
        crew = [await worker(gristmill, path, wire, name) for name in ("one", "two")]
        await wire.workers(folder, 2)
        for _ in range(kills):
            await moves_on(folder)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await command.killed()
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            watch = Stopwatch()
            command = await coordinator(gristmill, path, wire, 0)
            await moves_on(folder)
            slowest = max(slowest, watch.seconds)
        assert all(one.process.returncode is None for one in crew), "a worker left with its coordinator"
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        for one in crew:
            await completed(one)  # told to drain at the end
        assert_accounted(folder, server, planned=ROWS)  # the workers lived, so no call was made again
        report_recovery(f"coordinator killed -9 at random, workers live on, the slowest of {kills} (Redis)", slowest)


async def test_two_coordinators_at_once_and_one_leads(tmp_path: Path, gristmill: Start, own_redis: RedisServer) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW, answer=accepting) as server:
        paths = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            paths.append(write_campaign(tmp_path / name, server, ROWS))
        both = [await coordinator(gristmill, path, wire, 1) for path in paths]
        await until(lambda: any(one.process.returncode is not None for one in both))
        (refused,) = (one for one in both if one.process.returncode is not None)
        (leading,) = (one for one in both if one.process.returncode is None)
        code, _, err = await refused.ended()
        assert code == 1
        assert f"process {leading.pid} on " in err
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(leading)
        assert_accounted(run_of(paths[both.index(leading)]), server, planned=ROWS)


async def test_a_second_coordinator_on_the_same_run_is_refused(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        first = await coordinator(gristmill, path, SQLITE, 1, lease=LONG_LEASE)
        await SQLITE.workers(run_of(path), 1)
        code, _, err = await (await coordinator(gristmill, path, SQLITE, 1, lease=LONG_LEASE)).ended()
        assert code == 1
        assert f"process {first.pid}" in err
        server.latency = FAST
        await completed(first)
        assert_accounted(run_of(path), server, planned=ROWS)


async def test_an_upgraded_coordinator_parts_from_old_workers_and_goes_on_with_new_ones(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS, prompts=[str(prompts), str(PROMPTS)])
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 0)
        old = await worker(gristmill, path, wire, "old")
        await wire.worker(folder, "old", done=4)
        await command.killed()
        judge = (PROMPTS / "row-judge.md").read_text()
        (prompts / "row-judge.md").write_text(judge + "\nBe strict.\n")
        command = await coordinator(gristmill, path, wire, 0)
        watch = Stopwatch()
        assert (await old.ended())[0] == 1
        assert "prompts 'row-judge': the coordinator has" in log_of(folder, old)
        new = await worker(gristmill, path, wire, "new")
        await wire.worker(folder, "new", done=1)
        report_recovery("coordinator came back with another prompt, until a new worker had ended a task", watch.seconds)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        await completed(new)
        assert_accounted(folder, server, planned=ROWS, in_flight=CONCURRENCY // 2)
