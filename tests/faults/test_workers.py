"""Workers under faults, over SQLite and Redis: kill -9 at random moments, a freeze, SIGTERM, another version."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from harness import (
    CONCURRENCY,
    FAST,
    LEASE,
    LONG_LEASE,
    ROWS,
    SLOW,
    SQLITE,
    Stopwatch,
    Wire,
    accepting,
    all_ended,
    assert_accounted,
    completed,
    coordinator,
    counted,
    log_of,
    report_recovery,
    run_of,
    seeded,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, gone, until
from write_and_judge import PROMPTS

from gristmill.storage.leases import QUEUE_FILE
from gristmill.storage.sqlite import FILE

SLOTS = CONCURRENCY // 2  # of each of two workers


async def test_workers_killed_at_random_lose_and_double_nothing(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    chance, kills, slowest = seeded(5), 4, 0.0
    async with MockServer(latency=SLOW / 2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        for _ in range(kills):
            victim = chance.choice(await wire.workers(folder, 1))
            await asyncio.sleep(chance.uniform(0.1, 0.8))
            held = await wire.held(folder, victim.name)
            os.kill(victim.pid, signal.SIGKILL)
            watch = Stopwatch()
            await all_ended(folder, held)
            slowest = max(slowest, watch.seconds)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        assert_accounted(folder, server, planned=ROWS, in_flight=kills * SLOTS)
        report_recovery(f"worker killed -9 at random, the slowest of {kills} ({wire.name})", slowest)


async def test_a_worker_that_is_nobodys_child_is_killed(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1)
        await wire.workers(folder, 1)
        other = await worker(gristmill, path, wire, "other")
        await wire.worker(folder, "other", done=1)
        held = await wire.held(folder, "other")
        await other.killed()
        watch = Stopwatch()
        await all_ended(folder, held)
        report_recovery(f"worker of another host killed -9, lease {LEASE:g} s ({wire.name})", watch.seconds)
        server.latency = FAST
        await completed(command)
        assert_accounted(folder, server, planned=ROWS, in_flight=SLOTS)


async def test_a_frozen_worker_is_fenced_off(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        frozen = (await wire.workers(folder, 2))[0]
        await wire.worker(folder, frozen.name, done=1)
        await wire.freeze(folder, frozen.pid)
        watch = Stopwatch()
        held = await wire.held(folder, frozen.name)
        await all_ended(folder, held)
        report_recovery(f"worker frozen, lease {LEASE:g} s ({wire.name})", watch.seconds)
        os.kill(frozen.pid, signal.SIGCONT)
        await wire.worker(folder, frozen.name, done=frozen.done + SLOTS + 1)  # it goes on with other tasks
        assert not held or "was lost before its result was handed in" in log_of(folder, command)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        assert_accounted(folder, server, planned=ROWS, in_flight=SLOTS)


@pytest.mark.parametrize("file", [QUEUE_FILE, FILE])
async def test_a_worker_that_is_frozen_while_it_writes_is_replaced(tmp_path: Path, gristmill: Start, file: str) -> None:
    """It holds a lock that every other process needs, and no lease helps: its coordinator ends it."""
    async with MockServer(latency=FAST, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS, flow="poisoned:flow")
        folder = run_of(path)
        locked = folder / file
        command = await coordinator(gristmill, path, SQLITE, GRISTMILL_TEST_LOCK=str(locked))
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        log = log_of(folder, command)
        assert f"holds {locked} and is ended, for all wait for it" in log
        assert "a worker process ended with -9; another starts" in log
        assert_accounted(folder, server, planned=ROWS, in_flight=CONCURRENCY)


async def test_sigterm_drains_a_worker_in_mid_flight_and_ctrl_c_the_fleet(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, lease=LONG_LEASE)
        first, second = await wire.workers(folder, 2)
        await wire.worker(folder, first.name, done=1)
        os.kill(first.pid, signal.SIGTERM)
        watch = Stopwatch()
        await until(lambda: gone(first.pid))
        report_recovery(f"SIGTERM in mid-flight, until the worker had left ({wire.name})", watch.seconds)
        await wire.worker(folder, second.name, done=8)
        command.process.send_signal(signal.SIGINT)
        code, out, err = await command.ended()
        assert code == 130, err
        assert gone(second.pid)
        planned, pending = counted(out)
        assert pending > 0
        assert_accounted(folder, server, planned=planned, pending=pending)
        server.latency = FAST
        await completed(await gristmill("run", path))  # one process goes on where the fleet stopped
        assert_accounted(folder, server, planned=ROWS)


async def test_a_worker_out_of_grace_gives_its_tasks_back(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1, lease=LONG_LEASE)
        await wire.workers(folder, 1)
        other = await worker(gristmill, path, wire, "hasty", "--grace", 0)
        await wire.worker(folder, "hasty", done=1)
        server.latency = 3
        await asyncio.sleep(1)  # what was asked before is answered; what is in flight takes two seconds more
        held = await wire.held(folder, "hasty")
        other.process.terminate()
        watch = Stopwatch()
        server.latency = FAST
        code, _, err = await other.ended()
        assert code == 0, err
        assert "tasks were given back unfinished" in log_of(folder, other)
        await all_ended(folder, held)
        report_recovery(f"SIGTERM without grace, until its tasks had ended elsewhere ({wire.name})", watch.seconds)
        await completed(command)
        assert_accounted(folder, server, planned=ROWS, in_flight=SLOTS)


async def test_a_worker_of_another_version_is_refused_with_what_differs(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS, prompts=[str(prompts), str(PROMPTS)])
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1, lease=LONG_LEASE)
        await wire.workers(folder, 1)
        judge = (PROMPTS / "row-judge.md").read_text()
        (prompts / "row-judge.md").write_text(judge + "\nBe strict.\n")
        code, _, err = await (await worker(gristmill, path, wire, "newer")).ended()
        assert code == 1
        assert "prompts 'row-judge': the coordinator has" in err
        (prompts / "row-judge.md").unlink()
        other_flow = path.read_text().replace("write_and_judge:flow", "poisoned:flow")
        if wire.redis:  # over SQLite a worker takes the campaign from the run itself
            other = tmp_path / "other.toml"
            other.write_text(other_flow)
            code, _, err = await (await worker(gristmill, other, wire, "other-flow")).ended()
            assert code == 1
            assert "nodes 'trap': the coordinator has None" in err
        state = json.loads(await completed(await gristmill("fleet", folder, *wire.options, "--json")))
        assert len(state["queue"]["workers"]) == 1, "a refused worker never joined"
        server.latency = FAST
        await completed(command)
        assert_accounted(folder, server, planned=ROWS)
