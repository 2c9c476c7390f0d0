"""The Redis under a fleet: killed with its file and without one, frozen for longer than any lease and timeout."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import (
    CALLS,
    CONCURRENCY,
    FAST,
    LEASE,
    ROWS,
    SLOW,
    Stopwatch,
    Wire,
    accepting,
    assert_accounted,
    completed,
    coordinator,
    ended,
    moves_on,
    report_recovery,
    run_of,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, until
from redis_server import RedisServer

FROZEN = 20.0  # seconds: longer than a lease, than a client's timeout, and than a leader's lease


@pytest.fixture(params=[True, False], ids=["append-only file", "no persistence"])
def killed_redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RedisServer, bool]]:
    """A Redis to kill, and whether it keeps its data."""
    keeps: bool = request.param
    options = ("--appendonly", "yes", "--appendfsync", "everysec") if keeps else ("--appendonly", "no")
    server = RedisServer(tmp_path / "redis", ("--save", "", *options))
    server.start()
    yield server, keeps
    server.stop()


async def test_a_killed_redis_costs_reruns_and_nothing_else(
    tmp_path: Path, gristmill: Start, killed_redis: tuple[RedisServer, bool]
) -> None:
    redis, keeps = killed_redis
    wire = Wire(redis.url)
    slowest, kills = 0.0, 2
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 300)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        for number in range(kills):
            await wire.workers(folder, 2)
            await until(lambda number=number: len(server.log) >= 60 + 120 * number)
            await asyncio.to_thread(redis.kill)
            committed = ended(folder)
            await asyncio.sleep(1)
            await asyncio.to_thread(redis.start)
            watch = Stopwatch()
            await moves_on(folder)
            assert ended(folder) > committed
            slowest = max(slowest, watch.seconds)
        server.latency = FAST
        assert "planned 300 = accepted 300" in await completed(command)
        # Without persistence the shared answers are lost too: a task that is planned again asks for all its calls.
        in_flight = CONCURRENCY if keeps else 2 * CONCURRENCY * CALLS  # twice: a window of tasks is out
        assert_accounted(folder, server, planned=300, in_flight=kills * in_flight)
        kind = "with its append-only file" if keeps else "without persistence"
        report_recovery(f"Redis killed -9 and back {kind}, the slowest of {kills}", slowest)


async def test_a_redis_that_is_frozen_costs_time_only(tmp_path: Path, gristmill: Start, own_redis: RedisServer) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW / 2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1)
        other = await worker(gristmill, path, wire, "other")
        await wire.worker(folder, "other", done=2)
        assert LEASE < FROZEN
        os.kill(own_redis.pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN)
        asked = sum(server.asked.values())
        await asyncio.sleep(1)
        assert sum(server.asked.values()) == asked, "nobody asks for more than it can account for"
        os.kill(own_redis.pid, signal.SIGCONT)
        watch = Stopwatch()
        await moves_on(folder)
        report_recovery(f"Redis frozen for {FROZEN:g} s", watch.seconds)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        await completed(other)
        assert_accounted(folder, server, planned=ROWS, in_flight=CONCURRENCY)
