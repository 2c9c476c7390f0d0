"""One process under faults: kill -9, Ctrl-C once and twice, a second process on the same run."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from harness import (
    CALLS,
    CONCURRENCY,
    FAST,
    Stopwatch,
    accepting,
    assert_accounted,
    completed,
    counted,
    moves_on,
    report_recovery,
    run_of,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, until


async def test_kill_9_loses_nothing_and_repeats_only_calls_in_flight(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        kills = []
        for seen in (20, 50, 80):
            command = await gristmill("run", path)
            await until(lambda seen=seen: len(server.log) >= seen)
            await command.killed()
            kills.append(time.monotonic())
        watch = Stopwatch()
        command = await gristmill("run", path)
        await moves_on(run_of(path))
        report_recovery("kill -9 of the one process, started again", watch.seconds)
        assert "planned 60 = accepted 60" in await completed(command)
        assert_accounted(run_of(path), server, planned=60, in_flight=CONCURRENCY * len(kills))
        # A call that is made again must have been in flight when a kill came: answered, its commit not yet durable.
        for key in server.repeated:
            answered = [entry.ended for entry in server.log if entry.key == key]
            assert any(kill - 0.3 < answered[0] <= kill + 0.1 for kill in kills)
        assert len(server.asked) == 60 * CALLS


async def test_ctrl_c_drains_and_the_same_command_goes_on(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        command = await gristmill("run", path)
        await until(lambda: len(server.log) >= 20)
        command.process.send_signal(signal.SIGINT)
        code, out, err = await command.ended()
        assert code == 130
        assert "in flight" in err
        assert f"go on with: gristmill run {path}" in out
        planned, pending = counted(out)
        assert pending > 0
        books = assert_accounted(run_of(path), server, planned=planned, pending=pending)
        assert books.failed == books.rejected == 0
        await completed(await gristmill("run", path))
        assert_accounted(run_of(path), server, planned=60)


async def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=90, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 20)
        command = await gristmill("run", path)
        await until(lambda: server.in_flight >= 8)
        command.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        command.process.send_signal(signal.SIGINT)
        code, _, err = await command.ended(30)
        assert code == 130, err
        assert "Traceback" not in err
        assert_accounted(run_of(path), server, planned=20, pending=20)


async def test_ctrl_c_in_a_dry_run_ends_without_a_traceback(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=90, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 20)
        command = await gristmill("run", path, "--dry-run")
        await until(lambda: server.in_flight >= 5)
        command.process.send_signal(signal.SIGINT)
        code, _, err = await command.ended(30)
        assert code == 130, err
        assert "Traceback" not in err
        assert "interrupted" in err


async def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=3.0, answer=accepting) as server:  # so slow that both others look while it works
        path = write_campaign(tmp_path, server, 60)
        first = await gristmill("run", path)
        await until(lambda: server.in_flight >= 4)
        code, _, err = await (await gristmill("run", path)).ended()
        assert code == 1
        assert f"process {first.pid}" in err
        out = await completed(await gristmill("status", run_of(path)))
        assert f"running, process {first.pid}" in out
        server.latency = FAST
        await completed(first)
        assert_accounted(run_of(path), server, planned=60)
