"""The network between a fleet and its Redis: cut in silence for longer than a lease, slow, reset again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cable import Cable
from cable import available as cable_available
from dropping_proxy import DroppingProxy
from harness import (
    CONCURRENCY,
    FAST,
    LEASE,
    ROWS,
    SLOW,
    Stopwatch,
    Wire,
    accepting,
    all_ended,
    assert_accounted,
    completed,
    coordinator,
    ended,
    log_of,
    moves_on,
    report_recovery,
    run_of,
    seeded,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start, until
from redis_server import RedisServer

from gristmill.storage.store import RunStore

SLOTS = CONCURRENCY // 2


@dataclass
class Link:
    """A worker's way to Redis: where it leads, how it is cut and healed, and how a process is started at its end."""

    redis: str
    model: str
    cut: Callable[[], Awaitable[None]]
    heal: Callable[[], Awaitable[None]]
    prefix: tuple[str, ...] = ()


@asynccontextmanager
async def link_of(kind: str, folder: Path, redis: str, model: str) -> AsyncIterator[Link]:
    """Opens a link: a cable, or a proxy that lets what was sent in the dark arrive `late`, or has it `lost`."""
    if kind == "cable":
        async with Cable(folder, redis, model) as cable:
            yield Link(cable.url, cable.model, cable.cut, cable.heal, cable.prefix)
        return
    async with DroppingProxy(redis) as proxy:

        async def cut() -> None:
            proxy.cut()

        async def heal() -> None:
            proxy.heal(lost=kind == "lost")

        yield Link(proxy.url, model, cut, heal)


# A container may lack the right to lay cables; the proxies' cut is as silent.
@pytest.mark.parametrize("kind", ["late", "lost", *(["cable"] if cable_available() else [])])
async def test_a_worker_is_cut_off_for_longer_than_a_lease(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer, kind: str
) -> None:
    wire = Wire(own_redis.url)
    async with (
        MockServer(latency=SLOW / 2, answer=accepting) as server,
        link_of(kind, tmp_path, own_redis.url, server.url) as link,
    ):
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        there = tmp_path / "there.toml"
        there.write_text(path.read_text().replace(server.url, link.model))
        command = await coordinator(gristmill, path, wire, 0)
        near = await worker(gristmill, path, wire, "near")
        far = await worker(gristmill, there, Wire(link.redis), "far", prefix=link.prefix)
        await wire.worker(folder, "near", done=1)
        before = await wire.worker(folder, "far", done=1)
        await link.cut()
        watch = Stopwatch()
        held = await wire.held(folder, "far")
        assert held
        await all_ended(folder, held)
        report_recovery(f"worker cut off ({kind}), lease {LEASE:g} s, until its tasks ended elsewhere", watch.seconds)
        await asyncio.sleep(max(0.0, 4 * LEASE - watch.seconds))  # its client has given connections up meanwhile
        await link.heal()
        watch = Stopwatch()
        await wire.worker(folder, "far", done=before.done + 2 * SLOTS)
        report_recovery(f"worker cut off ({kind}), until it ended tasks again after the cut", watch.seconds)
        assert "was lost before its result was handed in" in log_of(folder, far)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        for one in (near, far):
            await completed(one)
        assert_accounted(folder, server, planned=ROWS, in_flight=SLOTS)


async def test_a_coordinator_is_cut_off_and_leads_again(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW / 2, answer=accepting) as server, DroppingProxy(own_redis.url) as proxy:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, Wire(proxy.url), 0)
        crew = [await worker(gristmill, path, wire, name) for name in ("one", "two")]
        await until(lambda: ended(folder) >= 10)
        proxy.cut()
        await asyncio.sleep(4 * LEASE)
        proxy.heal()
        watch = Stopwatch()
        await moves_on(folder)
        report_recovery("coordinator cut off for four leases, nobody else there", watch.seconds)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        for one in crew:
            await completed(one)
        assert_accounted(folder, server, planned=ROWS)


async def test_a_coordinator_is_cut_off_and_another_takes_over(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=SLOW / 2, answer=accepting) as server, DroppingProxy(own_redis.url) as proxy:
        paths = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            paths.append(write_campaign(tmp_path / name, server, ROWS))
        rows = tmp_path / "b" / "rows.jsonl"
        rows.write_text(rows.read_text().replace("Row", "Other row"))
        first = await coordinator(gristmill, paths[0], Wire(proxy.url), 0)
        old = await worker(gristmill, paths[0], wire, "old")
        await until(lambda: ended(run_of(paths[0])) >= 10)
        proxy.cut()
        watch = Stopwatch()
        second = await coordinator(gristmill, paths[1], wire, 0)
        await old.ended()  # the second works on another run
        crew = await worker(gristmill, paths[1], wire, "new")
        await moves_on(run_of(paths[1]))
        report_recovery("coordinator cut off, another one took over", watch.seconds)
        proxy.heal()  # and what the first one sent in the dark arrives
        code, _, err = await first.ended()
        assert code == 1
        assert "another coordinator leads this campaign now" in err
        store = RunStore.read(run_of(paths[0]))
        books = store.books()
        store.close_reading()
        assert_accounted(run_of(paths[0]), planned=books.planned, pending=books.pending)
        await moves_on(run_of(paths[1]))
        assert crew.process.returncode is None, "the one that stepped down sent the other's worker away"
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(second)
        await completed(crew)
        assert_accounted(run_of(paths[1]), planned=ROWS)
        assert_accounted(run_of(paths[1]), server, planned=ROWS, in_flight=CONCURRENCY)


async def test_a_slow_link_that_breaks_again_and_again_doubles_nothing(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    chance = seeded(23)
    async with (
        MockServer(latency=0.05, answer=accepting) as server,
        DroppingProxy(own_redis.url, delay=0.02) as proxy,  # so that answers are under way when it breaks
    ):
        wire = Wire(proxy.url)
        path = write_campaign(tmp_path, server, 80)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, lease=2 * LEASE)
        breaks = 0
        while command.process.returncode is None:
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            proxy.reset()
            breaks += 1
            if ended(folder) > 60:
                break
        assert breaks > 10
        assert "planned 80 = accepted 80" in await completed(command)
        assert_accounted(folder, server, planned=80)
