"""What the queue costs a task: no-op tasks through one worker process at concurrency 100, over Redis and over SQLite.

    python benchmarks/task_queue.py [--tasks 20000] [--repeat 3] [--redis redis://127.0.0.1:6379/0]

The coordinator runs here: it feeds a window, collects and confirms results, reclaims, as in a campaign, and nothing is
called but the queue. The worker is a process of its own that runs each task as an asyncio task and hands a result in.
Where taskiq-redis is installed (`pip install taskiq-redis`) its stream broker runs as many no-op tasks beside them; its
tasks are queued before the clock starts and have no result, so it does less. Without --redis it starts a Redis of its
own. Figures are those of the median round; CPU is that of the worker process, of the coordinator's, and of the
Redis server, a task. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from redis_server import RedisServer

from gristmill.storage.leases import SqliteCoordinatorQueue, SqliteWorkerQueue
from gristmill.storage.queue import CoordinatorQueue, Lease, Result, Work, WorkerInfo, WorkerQueue
from gristmill.storage.records import Chunk, Status, Task
from gristmill.storage.redis_connection import RedisConnection
from gristmill.storage.redis_queue import RedisCoordinatorQueue, RedisWorkerQueue

if extra := os.environ.get("GRISTMILL_BENCH_EXTRA"):  # where `fleet.py --taskiq` has put taskiq
    sys.path.append(extra)

SLOTS, WINDOW, TEXT = 100, 2000, 200  # tasks at a time; tasks out at a time; characters of a task's chunk


@dataclass(frozen=True)
class Round:
    """One run. `cpu_ms` are milliseconds of CPU a task, of the worker, of the coordinator and of Redis."""

    rate: float
    cpu_ms: float
    coordinator_ms: float = 0.0
    server_ms: float = 0.0
    peak_bytes: int = 0


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tasks(count: int) -> Iterable[Work]:
    for number in range(count):
        chunk = Chunk.of("doc", number, 0, TEXT, "x" * TEXT)
        yield Work(task=Task.of("noop", chunks=(chunk.id,), attributes={"number": number}), chunks=(chunk,))


def worker_queue(kind: str, where: str, campaign: str) -> WorkerQueue:
    if kind == "redis":
        return RedisWorkerQueue(where, campaign, "bench")
    return SqliteWorkerQueue(Path(where), "bench")


def coordinator_queue(kind: str, where: str, campaign: str) -> CoordinatorQueue:
    if kind == "redis":
        return RedisCoordinatorQueue(where, campaign, window=2 * WINDOW)
    return SqliteCoordinatorQueue(Path(where))


async def work(kind: str, where: str, campaign: str) -> None:
    """The worker process: serves until it is told to drain, then prints its CPU seconds."""
    queue = worker_queue(kind, where, campaign)
    held: dict[str, Lease] = {}
    running: set[asyncio.Task[None]] = set()
    order = "run"

    async def noop(lease: Lease) -> None:
        task = lease.work.task.id
        await queue.finish(lease, Result(task=task, epoch=lease.epoch, status=Status.ACCEPTED, items=()))
        del held[task]

    async def beat() -> None:
        nonlocal order
        while True:
            order = await queue.beat(WorkerInfo(name="bench", slots=SLOTS), list(held.values()))
            await asyncio.sleep(0.5)

    beating = asyncio.create_task(beat())
    print("ready", flush=True)
    began = cpu_seconds()
    while order != "drain":
        if len(running) >= SLOTS:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            continue
        for lease in await queue.lease(SLOTS - len(running)):
            held[lease.work.task.id] = lease
            started = asyncio.create_task(noop(lease))
            running.add(started)
            started.add_done_callback(running.discard)
    print(cpu_seconds() - began, flush=True)
    beating.cancel()
    await queue.close()


async def measure(kind: str, where: str, count: int) -> Round:
    """One coordinator here and one worker process."""
    campaign = f"bench-{uuid.uuid4().hex[:8]}"
    queue = coordinator_queue(kind, where, campaign)
    await queue.begin({})
    made = list(tasks(count))
    server = RedisConnection(where) if kind == "redis" else None
    fed, done, peak = 0, 0, 0

    async def feed() -> None:
        nonlocal fed
        while fed < count:
            room = min(WINDOW - (fed - done), 500)
            if room >= 200 or (fed + room >= count > fed and room > 0):
                await queue.feed(made[fed : fed + room])
                fed += room
            else:
                await asyncio.sleep(0.002)

    async def watch() -> None:
        nonlocal peak
        while True:
            await queue.reclaim()
            peak = max(peak, (await queue.state()).bytes)
            await asyncio.sleep(0.5)

    with spawned("--work", kind, where, campaign) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        server_before, own_before = await server_cpu(server), cpu_seconds()
        began = time.perf_counter()
        jobs = [asyncio.create_task(feed()), asyncio.create_task(watch())]
        while done < count:
            results = await queue.results()
            await queue.confirm(results)
            done += len(results)
        seconds = time.perf_counter() - began
        assert done == count, "a result came twice"
        own_used = cpu_seconds() - own_before
        server_used = await server_cpu(server) - server_before
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await queue.order("drain")
        cpu = float(await asyncio.to_thread(process.stdout.readline))
        process.wait(10)
    await queue.close()
    if server is not None:
        await server.aclose()
    worker_ms, own_ms, server_ms = (spent * 1000 / count for spent in (cpu, own_used, server_used))
    return Round(count / seconds, worker_ms, own_ms, server_ms, peak)


async def taskiq_worker(url: str, count: int) -> None:
    """taskiq's receiver in this process: prints its seconds and its CPU seconds, then waits for its end."""
    broker, counted = taskiq_broker(url, count)[::2]
    receive = importlib.import_module("taskiq.api").run_receiver_task
    began, cpu = time.perf_counter(), cpu_seconds()
    receiving = asyncio.create_task(receive(broker, max_async_tasks=SLOTS, run_startup=True))
    await counted.wait()
    print(time.perf_counter() - began, cpu_seconds() - cpu, flush=True)
    await receiving


def taskiq_broker(url: str, count: int) -> tuple[Any, Any, asyncio.Event]:
    """A stream broker with one no-op task, and an event for when it ran `count` times."""
    broker = importlib.import_module("taskiq_redis").RedisStreamBroker(
        url, queue_name="bench-taskiq", xread_count=SLOTS
    )
    ran = 0
    counted = asyncio.Event()

    @broker.task(task_name="noop")  # type: ignore[untyped-decorator]  # taskiq may not be installed
    async def noop(text: str) -> None:
        nonlocal ran
        ran += 1
        if ran == count:
            counted.set()

    return broker, noop, counted


async def measure_taskiq(url: str, count: int) -> Round:
    """Queues the tasks, then times one worker process."""
    broker, noop, _ = taskiq_broker(url, count)
    await broker.startup()
    for start in range(0, count, 100):
        await asyncio.gather(*(noop.kiq("x" * TEXT) for _ in range(min(100, count - start))))
    server = RedisConnection(url)
    before = await server_cpu(server)
    with spawned("--taskiq", url, str(count)) as process:  # killed: its receiver does not end soon when it is asked
        assert process.stdout is not None
        seconds, cpu = (float(part) for part in (await asyncio.to_thread(process.stdout.readline)).split())
        used = await server_cpu(server) - before
    await broker.shutdown()
    await server.call("DEL", "bench-taskiq")
    await server.aclose()
    return Round(count / seconds, cpu * 1000 / count, server_ms=used * 1000 / count)


async def server_cpu(server: RedisConnection | None) -> float:
    if server is None:
        return 0.0
    info = await server.call("INFO", "cpu")
    if isinstance(info, bytes):
        info = dict(line.split(":", 1) for line in info.decode().split("\r\n") if ":" in line)
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


@contextlib.contextmanager
def spawned(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """This program as a process of its own, which ends with the block."""
    command = [sys.executable, __file__, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def compare(redis: str, count: int, repeat: int) -> None:
    """All queues by turns, the median round of each."""
    rounds: dict[str, list[Round]] = {}
    for _ in range(repeat):
        rounds.setdefault("redis", []).append(await measure("redis", redis, count))
        with tempfile.TemporaryDirectory() as folder:
            rounds.setdefault("sqlite", []).append(await measure("sqlite", folder, count))
        if importlib.util.find_spec("taskiq_redis"):
            rounds.setdefault("taskiq", []).append(await measure_taskiq(redis, count))
    middle = {name: sorted(found, key=lambda one: one.rate)[(len(found) - 1) // 2] for name, found in rounds.items()}
    print(f"{count:,} no-op tasks, one worker process, {SLOTS} at a time, median of {repeat}")
    print(f"{'':10}{'tasks/s':>10}{'worker':>12}{'coordinator':>14}{'Redis':>12}{'in Redis':>12}")
    for name, one in middle.items():
        cells = [f"{one.rate:10,.0f}{one.cpu_ms:9.3f} ms"]
        cells += [
            f"{ms:{width}.3f} ms" if ms else " " * (width + 3)
            for ms, width in ((one.coordinator_ms, 11), (one.server_ms, 9))
        ]
        cells += [f"{one.peak_bytes / 2**20:9.1f} MB" if name == "redis" else ""]
        print(f"{name:10}{''.join(cells)}".rstrip())
    figures: dict[str, float] = {f"{name}_tasks_per_s": round(one.rate) for name, one in middle.items()}
    figures |= {f"{name}_cpu_ms": round(one.cpu_ms, 4) for name, one in middle.items()}
    print(orjson.dumps(figures).decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--redis", default="")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--taskiq", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        asyncio.run(work(*given.work))
        return
    if given.taskiq:
        asyncio.run(taskiq_worker(given.taskiq[0], int(given.taskiq[1])))
        return
    with contextlib.ExitStack() as stack:
        url = given.redis
        if not url:
            server = RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            stack.callback(server.stop)
            url = server.url
        asyncio.run(compare(url, given.tasks, given.repeat))


if __name__ == "__main__":
    main()
