"""Fleets before a model server that refuses, breaks off, garbles, hangs or dies: nothing is lost or paid for twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from harness import (
    CONCURRENCY,
    SQLITE,
    Stopwatch,
    Wire,
    accepting,
    assert_accounted,
    in_process,
    report_recovery,
    run_of,
    write_campaign,
)
from mock_faults import SHAPES, UNUSABLE, misshapen
from mock_server import MockServer
from processes import Start, until
from redis_server import RedisServer

from gristmill import Item, Status
from gristmill.storage.store import RunStore

ROW = re.compile(r"Row (\d+):")
SICK = 1.5  # seconds of every call failing: retries outlive it
DEAD = 60.0
NO_JSON = {"deep", "stray", "usage_nan", "surrogate"}  # what a strict parser refuses already
TIMEOUT = 3.0  # seconds for a call: what ends those that never would

# How each fault is met: what a row may fail for when it happens to its calls again and again, and over which queue.
FAULTS = {
    "http429": ((), "sqlite"),
    "http429_bare": ((), "redis"),
    "http500": ((), "sqlite"),
    "reset": ((), "redis"),
    "truncated": ((), "sqlite"),
    "html": (("bad_reply",), "redis"),
    "hang": (("deadline",), "sqlite"),
    "drip": (("deadline",), "redis"),
    "slow_headers": (("deadline",), "sqlite"),
}


def items_of(folder: Path, status: Status | None = None) -> list[Item]:
    store = RunStore.read(folder)
    try:
        return list(store.items(status))
    finally:
        store.close_reading()


def question(row: int) -> str:
    return f"What does row {row} say?"


def row_of(body: dict[str, Any]) -> int:
    """The row that a model call is about."""
    return int(ROW.findall("\n".join(message["content"] for message in body["messages"]))[0])


def asking(body: dict[str, Any]) -> str:
    """Asks about the row in the prompt, so that an answer that reached another row's task would show."""
    return accepting(body) or question(row_of(body))


def assert_right(folder: Path) -> None:
    """Every accepted row has the question that was asked about it, and no worker died on the way."""
    for item in items_of(folder, Status.ACCEPTED):
        row = int(ROW.findall(item.messages[-1].content)[0])
        assert item.messages[0].content == question(row)
    log = folder / "run.log"
    assert not log.exists() or "a worker process ended" not in log.read_text()


async def recovered(server: MockServer, fault: str) -> None:
    """Waits for the next good answer, and says how long that took."""
    watch, before = Stopwatch(), sum(entry.good for entry in server.log)
    await until(lambda: sum(entry.good for entry in server.log) > before)
    report_recovery(fault, watch.seconds)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_sick_server_costs_time_and_no_row(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer, fault: str
) -> None:
    reasons, queue = FAULTS[fault]
    wire = SQLITE if queue == "sqlite" else Wire(own_redis.url)
    async with MockServer(latency=0.05, answer=asking, faults={fault: 0.15}) as server:
        path = write_campaign(tmp_path, server, 60, model={"timeout": TIMEOUT, "retries": 8})
        command = await gristmill("run", path, *wire.options, "--workers", "2")
        await until(lambda: len(server.log) >= 30)
        server.faults = {fault: 1.0}
        before = sum(entry.fault == fault for entry in server.log)
        await until(lambda: sum(entry.fault == fault for entry in server.log) > before)
        await asyncio.sleep(SICK)
        server.faults = {}
        await recovered(server, f"model server: {fault}")
        code, _, err = await command.ended(120)
        assert code == 0, err
        books = assert_accounted(run_of(path), planned=60)
        assert_right(run_of(path))
        assert {item.reasons[0] for item in items_of(run_of(path), Status.FAILED)} <= set(reasons)
        assert books.rejected == 0
        assert reasons or books.accepted == 60
        assert server.repaid == 0


async def test_a_reply_of_any_wrong_shape_fails_its_row_alone_and_is_kept(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    names = list(SHAPES)
    deep = "[" * 10_000

    def answer(body: dict[str, Any]) -> str | bytes:
        row = row_of(body)
        if body.get("response_format"):
            return deep if row == len(names) else asking(body)
        if row >= len(names):
            return question(row)
        message = {"role": "assistant", "content": question(row)}
        usage = {"prompt_tokens": 10, "completion_tokens": 10}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return misshapen(names[row], orjson.dumps({"model": "mock", "choices": choices, "usage": usage}))

    count = len(names) + 20
    async with MockServer(latency=0.02, answer=answer) as server:
        path = write_campaign(tmp_path, server, count, budget={"tokens": 10_000_000})
        code, _, err = await (await gristmill("run", path, *wire.options, "--workers", "2")).ended(120)
        assert code == 0, err
        assert "Traceback" not in err
    assert_accounted(run_of(path), planned=count)
    assert_right(run_of(path))
    store = RunStore.read(run_of(path))
    found = {int(ROW.findall(store.chunk(item.chunks[0]).text)[0]): item for item in store.items()}
    spent = store.mark("spent")
    store.close_reading()
    for row, item in found.items():
        if row < len(names) and names[row] in UNUSABLE:
            assert (item.status, item.reasons) == (Status.FAILED, ("bad_reply",)), names[row]
            assert item.raw, names[row]
            assert item.error, names[row]
        elif row == len(names):
            assert (item.status, item.reasons) == (Status.FAILED, ("schema_mismatch",))
            assert item.raw.startswith("[[[[")
        else:
            assert item.status is Status.ACCEPTED, (names[row : row + 1], item.error)
    assert 0 < spent["tokens"] < 10_000_000


async def dead(server: MockServer, at: int, name: str) -> None:
    """Lets the server be gone for a minute, listener and connections, once it has answered `at` calls."""
    await until(lambda: len(server.log) >= at)
    await server.stop()
    quiet = len(server.log)
    await asyncio.sleep(DEAD)
    assert len(server.log) == quiet
    await server.listen()
    if name:
        await recovered(server, f"model server dead for {DEAD:g} s, {name}")


async def test_a_minute_without_a_server_fails_no_row(tmp_path: Path, gristmill: Start, own_redis: RedisServer) -> None:
    """One process, a fleet over SQLite, one over Redis, and one that has a second server, all in the same minute."""

    async def alone(folder: Path) -> None:
        async with MockServer(latency=0.1, answer=asking) as server:
            dying = asyncio.create_task(dead(server, 40, "one process"))
            report = await in_process(folder, server, 100, concurrency=CONCURRENCY)
            await dying
            assert report.books.accepted == 100
            assert server.repaid <= CONCURRENCY
            assert_accounted(report.folder, planned=100)

    async def fleet(folder: Path, wire: Wire) -> None:
        async with MockServer(latency=0.1, answer=asking) as server:
            path = write_campaign(folder, server, 100)
            command = await gristmill("run", path, *wire.options, "--workers", "2")
            dying = asyncio.create_task(dead(server, 40, f"a fleet over {'Redis' if wire.redis else 'SQLite'}"))
            await until(lambda: len(server.log) >= 40)
            workers = await wire.pids(run_of(path), 2)
            await dying
            assert await wire.pids(run_of(path), 2) == workers
            await _all_right(command.ended, path, server)

    async def two_servers(folder: Path) -> None:
        async with MockServer(latency=0.1, answer=asking) as server, MockServer(latency=0.1, answer=asking) as other:
            model = {"base_urls": [server.url, other.url]}
            path = write_campaign(folder, server, 100, model=model)
            text = path.read_text()
            path.write_text(text.replace(f'base_url = "{server.url}"\n', ""))
            command = await gristmill("run", path, "--workers", "2")
            dying = asyncio.create_task(dead(server, 10, ""))
            await _all_right(command.ended, path, server, other)
            assert server._server is None, "it ended while the first server was still dead"
            dying.cancel()

    folders = [tmp_path / name for name in ("one-process", "over-sqlite", "over-redis", "two-servers")]
    for folder in folders:
        folder.mkdir()
    await asyncio.gather(
        alone(folders[0]), fleet(folders[1], SQLITE), fleet(folders[2], Wire(own_redis.url)), two_servers(folders[3])
    )


async def _all_right(
    ended: Callable[[float], Awaitable[tuple[int, str, str]]], path: Path, *servers: MockServer
) -> None:
    code, _, err = await ended(120)
    assert code == 0, err
    assert assert_accounted(run_of(path), planned=100).accepted == 100
    assert_right(run_of(path))
    assert sum(server.repaid for server in servers) <= CONCURRENCY


def test_the_wrong_shapes_are_json_or_nearly() -> None:
    good = b'{"model":"mock","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{}}'
    for name in SHAPES:
        body = misshapen(name, good)
        assert body != good, name
        if name not in NO_JSON:
            orjson.loads(body)
