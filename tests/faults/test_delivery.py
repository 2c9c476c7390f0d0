"""Duplicate delivery, forced by hand in a running fleet: results are stored once, the second is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

from harness import (
    CALLS,
    CONCURRENCY,
    FAST,
    LONG_LEASE,
    ROWS,
    SLOW,
    Wire,
    accepting,
    all_ended,
    assert_accounted,
    completed,
    coordinator,
    ended,
    log_of,
    run_of,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, until
from redis.asyncio import Redis
from redis_server import RedisServer

from gristmill.storage.leases import QUEUE_FILE


async def deliver_again(wire: Wire, folder: Path, tasks: list[str]) -> None:
    """Makes the queue hand out tasks that a live worker holds, as if it had been taken for dead."""
    if not wire.redis:
        connection = sqlite3.connect(folder / QUEUE_FILE, isolation_level=None, timeout=30)
        for task in tasks:
            connection.execute("UPDATE tasks SET state = 'ready' WHERE id = ? AND state = 'leased'", (task,))
        connection.close()
        return
    key = f"gristmill:{{{folder.name}}}:"
    async with Redis.from_url(wire.redis, decode_responses=True) as client:
        for task in tasks:
            place = await client.hget(key + "tasks", task)
            if place is not None:  # None: it has ended since it was looked at
                entry = await client.xadd(key + "ready", {"t": task})
                await client.hset(key + "tasks", task, f"{place.partition(' ')[0]} r:{entry}")


async def test_what_two_workers_hold_is_stored_once(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1, lease=LONG_LEASE)
        await wire.workers(folder, 1)
        other = await worker(gristmill, path, wire, "other")
        await wire.worker(folder, "other", done=1)
        doubled = 0
        for _ in range(3):
            held = await wire.held(folder, "other")
            await deliver_again(wire, folder, held)
            doubled += len(held)
            await all_ended(folder, held)
        assert doubled > 0
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        await completed(other)
        refused = log_of(folder, command, other).count("was lost before its result was handed in")
        assert 0 < refused <= doubled
        # Two workers run the same task side by side: each of its calls may be in flight at both.
        assert_accounted(folder, server, planned=ROWS, in_flight=doubled * CALLS)


async def test_copied_and_claimed_entries_change_nothing(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW / 2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        key = f"gristmill:{{{folder.name}}}:"
        command = await coordinator(gristmill, path, wire, lease=LONG_LEASE)
        one, two = await wire.workers(folder, 2)
        async with Redis.from_url(wire.redis, decode_responses=True) as client:
            for number in range(4):
                await until(lambda number=number: len(server.log) >= 20 * (number + 1))
                pending = await client.xpending_range(key + "ready", "workers", "-", "+", 100)
                for entry in pending:
                    for _, fields in await client.xrange(key + "ready", entry["message_id"], count=1):
                        await client.xadd(key + "ready", fields)  # the same task, as a second message
                    to = two.name if entry["consumer"] == one.name else one.name
                    await client.xclaim(key + "ready", "workers", to, 0, [entry["message_id"]])
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        assert_accounted(folder, server, planned=ROWS)


async def test_results_that_come_twice_are_stored_once(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 100)
        folder = run_of(path)
        key = f"gristmill:{{{folder.name}}}:results"
        command = await coordinator(gristmill, path, wire, lease=LONG_LEASE)
        await wire.workers(folder, 2)
        await until(lambda: ended(folder) >= CONCURRENCY)
        os.kill(command.pid, signal.SIGSTOP)  # results gather while nobody takes them
        async with Redis.from_url(wire.redis) as client:
            waiting: list[tuple[bytes, dict[bytes, bytes]]] = []
            while len(waiting) < 4:
                waiting = await client.xrange(key)
            for _, fields in waiting:
                await client.xadd(key, fields)
                await client.xadd(key, fields)
        os.kill(command.pid, signal.SIGCONT)
        server.latency = FAST
        assert "planned 100 = accepted 100" in await completed(command)
        assert_accounted(folder, server, planned=100)
