"""Measures on this machine what the simulation of a fleet (`simulate.py`) takes for granted, and writes it down.

    python benchmarks/calibrate.py [--rows 2000] [--out benchmarks/calibration.toml]

A real fleet runs `row_flow.py` (two calls a task) over a real Redis against the mock server: one worker with a slow
server for what a task costs, again with texts of 20 KB for what a kilobyte costs, then one and two workers for the
simulation to be held against. Of each process the CPU seconds between a fifth and nine tenths of the tasks are counted.
What Redis does is measured step by step, each alone on its connection as in a large fleet, where no two commands of a
worker fall together: the server's own CPU time (INFO), so that reading and writing of its sockets is in the figures.
What grows with the fleet is measured twice: a heartbeat by the leases it renews, the look at the workers by their
number as is the search for lost leases, a permit by those that the same worker holds.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "shared")]

from mock_server import MockServer  # noqa: E402
from redis_server import RedisServer  # noqa: E402

from gristmill.evals.duplicates.shared import RedisPool  # noqa: E402
from gristmill.models.fleet.budget import RedisBudget  # noqa: E402
from gristmill.models.fleet.calls import RedisCalls  # noqa: E402
from gristmill.models.fleet.limiter import RedisLimiter  # noqa: E402
from gristmill.storage.queue import Lease, Result, Work, WorkerInfo  # noqa: E402
from gristmill.storage.records import Chunk, Item, Status, Task  # noqa: E402
from gristmill.storage.redis_connection import RedisConnection  # noqa: E402
from gristmill.storage.redis_queue import RedisCoordinatorQueue, RedisWorkerQueue  # noqa: E402
from gristmill.storage.store import RunStore  # noqa: E402

CALLS = 2  # of a task
CAMPAIGN = """name = "calibrate"
documents = ["rows.jsonl"]
flow = "row_flow:flow"
prompts = [{prompts}]
concurrency = {concurrency}
[chunks]
max_tokens = 20000
[models.default]
model = "openai_api/mock"
base_url = "{url}"
max_in_flight = {concurrency}
[budget]
tokens = 1000000000
[export]
formats = ["jsonl"]
"""


@dataclass
class Run:
    """What a real fleet showed between a fifth and nine tenths of its tasks. CPU in ms a task; `*_wait_ms` is how long
    the process stood ready and had no core; `answered` is the server's mean latency in seconds; bytes are those of a
    stored item, and of what Redis sent and received for a task.
    """

    workers: int
    slots: int
    latency: float
    tasks_per_s: float = 0.0
    coordinator_ms: float = 0.0
    worker_ms: float = 0.0
    redis_ms: float = 0.0
    coordinator_wait_ms: float = 0.0
    worker_wait_ms: float = 0.0
    redis_wait_ms: float = 0.0
    answered: float = 0.0
    item_bytes: float = 0.0
    wire_bytes: float = 0.0


def cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def waited(*pids: int) -> float:
    """Seconds that threads of these processes were ready to run and had no core (Linux: schedstat)."""
    files = (file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[1]) for file in files) / 1e9


async def fleet(url: str, rows: int, workers: int, slots: int, latency: float, text: int) -> Run:
    """Runs a campaign over the Redis at `url` and looks at it while it is under way."""
    run = Run(workers, slots, latency)
    redis = RedisConnection(url)
    await redis.call("FLUSHALL")
    redis_pid = int((await redis.call("INFO", "server"))["process_id"])
    with tempfile.TemporaryDirectory(prefix="gristmill-calibrate-") as name:
        here = Path(name)
        lines = (json.dumps({"text": f"Valve {n} opens. " + "It turns. " * (text // 10)}) for n in range(rows))
        (here / "rows.jsonl").write_text("\n".join(lines))
        async with MockServer(latency=latency) as server:
            (here / "calibrate.toml").write_text(
                CAMPAIGN.format(prompts=json.dumps(str(HERE / "prompts")), url=server.url, concurrency=workers * slots)
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gristmill.cli", "run", str(here / "calibrate.toml"), "--plain"),
                *("--workers", str(workers), "--redis", url),
                env={**os.environ, "PYTHONPATH": str(HERE)},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )

            async def reach(share: float) -> None:
                while len(server.log) < share * CALLS * rows:
                    if process.returncode is not None:
                        raise SystemExit(f"the campaign ended early, with exit code {process.returncode}")
                    await asyncio.sleep(0.005)

            await reach(0.2)
            coordinator = psutil.Process(process.pid)
            crew = coordinator.children()

            async def look() -> list[float]:
                server_cpu = await redis.call("INFO", "cpu")
                net = await redis.call("INFO", "stats")
                spent = server_cpu["used_cpu_user"] + server_cpu["used_cpu_sys"]
                wire = net["total_net_input_bytes"] + net["total_net_output_bytes"]
                queued = (waited(process.pid), waited(*(one.pid for one in crew)), waited(redis_pid))
                used = (cpu(coordinator), sum(map(cpu, crew)), spent)
                return [time.monotonic(), len(server.log) / CALLS, *used, *queued, wire]

            before = await look()
            await reach(0.9)
            after = await look()
            seconds, tasks, *spent, wire = (b - a for a, b in zip(before, after, strict=True))
            run.answered = statistics.mean(entry.ended - entry.began for entry in server.log)
            await process.wait()
        store = RunStore.read(here / "runs" / "calibrate")
        sizes = [len(item.model_dump_json(exclude_defaults=True)) for item in store.items()]
        store.close_reading()
    await redis.aclose()
    if len(sizes) != rows:
        raise SystemExit(f"{rows} rows gave {len(sizes)} items: the figures would be of something else")
    run.tasks_per_s = tasks / seconds
    run.coordinator_ms, run.worker_ms, run.redis_ms = (1000 * used / tasks for used in spent[:3])
    run.coordinator_wait_ms, run.worker_wait_ms, run.redis_wait_ms = (1000 * used / tasks for used in spent[3:])
    run.item_bytes, run.wire_bytes = statistics.mean(sizes), wire / tasks
    return run


def one_task(number: int) -> Work:
    chunk = Chunk.of("doc", number, 0, 500, "x" * 500)
    return Work(task=Task.of("noop", chunks=(chunk.id,), attributes={"number": number}), chunks=(chunk,))


class Meter:
    """Tells what CPU a Redis spends: milliseconds a step, the median of nine times `times` steps."""

    def __init__(self, redis: RedisConnection) -> None:
        self.redis = redis

    async def spent(self) -> float:
        found = await self.redis.call("INFO", "cpu")
        return 1000 * float(found["used_cpu_user"] + found["used_cpu_sys"])

    async def cost(self, step: Callable[[], Awaitable[Any]], times: int = 100) -> float:
        before = await self.spent()
        asking = await self.spent() - before
        figures = []
        for _ in range(9):
            before = await self.spent()
            for _ in range(times):
                await step()
            figures.append((await self.spent() - before - asking) / times)
        return max(0.0, statistics.median(figures))


async def of_a_call(redis: RedisConnection, meter: Meter) -> dict[str, float]:
    """Milliseconds of Redis for one model call: its look into the cache and what is kept, its budget, its permit."""
    numbers = itertools.count()
    calls, budget = RedisCalls(redis, "step"), RedisBudget(redis, "step", tokens=10**12)

    async def cached() -> None:
        key = f"{next(numbers):064x}"
        await calls.get(key)
        await calls.put(key, b"x" * 800)

    async def paid() -> None:
        reserved = await budget.reserve(500, 0.0)
        await redis.flush()
        budget.settle(reserved, 400, 0.0)
        await redis.flush()

    figures = {"cache_ms": await meter.cost(cached), "budget_ms": await meter.cost(paid)}
    points = []
    for held in (0, 64):
        limiter = RedisLimiter(redis, "step", f"server {held}", 100_000)
        await redis.call("HSET", limiter._keys[0], "window", 10_000, "ceiling", 10_000)
        permits = [await limiter.enter() for _ in range(held)]

        async def permitted(limiter: RedisLimiter = limiter) -> None:
            permit = await limiter.enter()
            await redis.flush()
            limiter.leave(0.0, permit, None)
            while limiter._back:  # noqa: ASYNC110  # the exchange that takes it is the limiter's own
                await asyncio.sleep(0)
            await redis.flush()

        points.append((held, await meter.cost(permitted)))
        for permit in permits:
            limiter.leave(0.0, permit, None)
        await limiter.aclose()
    await calls.aclose()
    await budget.aclose()
    return figures | line("limiter_ms", "limiter_ms_per_held", *points)


async def of_a_task(url: str, redis: RedisConnection, meter: Meter) -> dict[str, float]:
    """Milliseconds of Redis for one task: fed and confirmed with a hundred others, leased and handed in alone."""
    coordinator = RedisCoordinatorQueue(url, "steps", wait=0.0)
    worker = RedisWorkerQueue(url, "steps", "first", wait=0.0)
    await coordinator.begin({})
    pool, numbers = RedisPool(redis, "steps"), itertools.count()
    figures = {"lease_none_ms": await meter.cost(lambda: worker.lease(1))}
    feeding = [[one_task(next(numbers)) for _ in range(100)] for _ in range(90)]
    made = iter(feeding)
    figures["feed_ms"] = await meter.cost(lambda: coordinator.feed(next(made)), 10) / 100
    leases: list[Lease] = []

    async def lease() -> None:
        leases.extend(await worker.lease(1))

    async def finish() -> None:
        held = leases.pop()
        item = Item(
            id=f"item-{held.work.task.id}", task=held.work.task.id, kind="qa", status=Status.ACCEPTED, raw="x" * 1600
        )
        if not await worker.finish(held, Result(task=item.task, epoch=held.epoch, status=item.status, items=(item,))):
            raise SystemExit("a lease was lost while it was measured")

    async def claim() -> None:
        owner = f"task-{next(numbers):024x}"
        await pool.claim(owner, owner)
        await pool.held(owner)
        await pool.keep(owner)

    figures["lease_ms"] = await meter.cost(lease)
    figures["finish_ms"] = await meter.cost(finish)
    figures["pool_ms"] = await meter.cost(claim)
    results = list(await coordinator.results(500))
    figures["collect_ms"] = await meter.cost(lambda: coordinator.results(100), 5) / 100
    taken = iter([results[start : start + 50] for start in range(0, 450, 50)])
    figures["confirm_ms"] = await meter.cost(lambda: coordinator.confirm(next(taken)), 1) / 50
    await worker.close()
    await coordinator.close()
    return figures


async def grown(url: str, meter: Meter) -> dict[str, float]:
    """What grows with the fleet, in milliseconds of Redis: a fixed part, and one for each lease or worker."""
    coordinator = RedisCoordinatorQueue(url, "grown")
    worker = RedisWorkerQueue(url, "grown", "first", wait=0.0)
    await coordinator.begin({"package": "0", "nodes": {str(number): "0" * 12 for number in range(6)}})
    await coordinator.feed([one_task(number) for number in range(4000)])
    figures: dict[str, float] = {}
    held: list[Lease] = []
    points = []
    while len(held) < 4000:
        if len(held) in (0, 100):
            info, now = WorkerInfo(name="first", host="host", pid=1, slots=100, running=len(held)), tuple(held)

            async def beat(info: WorkerInfo = info, now: tuple[Lease, ...] = now) -> None:
                await worker.beat(info, now)
                await worker.manifest()

            points.append((len(held), await meter.cost(beat, 20)))
        held += await worker.lease(100)
    figures |= line("beat_ms", "beat_ms_per_lease", *points)
    first = (await meter.cost(coordinator.reclaim, 3), await meter.cost(coordinator.state, 5))
    await coordinator.feed([one_task(number) for number in range(4000, 5000)])
    for number in range(1000):
        other = RedisWorkerQueue(url, "grown", f"worker-{number}", wait=0.0)
        await other.beat(
            WorkerInfo(name=f"worker-{number}", host="a-host-name", pid=number, slots=32), await other.lease(1)
        )
        await other._campaign.connection.aclose()
    last = (await meter.cost(coordinator.reclaim, 3), await meter.cost(coordinator.state, 3))
    figures |= line("reclaim_ms", "reclaim_ms_per_worker", (1, first[0]), (1001, last[0]))
    figures |= line("state_ms", "state_ms_per_worker", (1, first[1]), (1001, last[1]))
    before = time.process_time()
    for _ in range(10):
        await coordinator.state()
    figures["state_own_ms_per_worker"] = (time.process_time() - before) * 1000 / 10 / 1001
    await worker.close()
    await coordinator.close()
    return figures


def line(fixed: str, slope: str, first: tuple[float, float], last: tuple[float, float]) -> dict[str, float]:
    rise = max(0.0, (last[1] - first[1]) / (last[0] - first[0]))
    return {fixed: max(0.0, first[1] - rise * first[0]), slope: rise}


async def steps(url: str) -> dict[str, float]:
    """All steps on a Redis that nobody else uses."""
    redis = RedisConnection(url)
    await redis.call("FLUSHALL")
    meter = Meter(redis)
    found = {**await of_a_call(redis, meter), **await of_a_task(url, redis, meter), **await grown(url, meter)}
    await redis.aclose()
    return found


def toml(tables: dict[str, dict[str, Any]]) -> str:
    """Flat tables of numbers and texts as TOML."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        for key, value in table.items():
            shown = json.dumps(value) if isinstance(value, str | int) else f"{value:.6g}"
            lines.append(f"{key if key.replace('_', '').isalnum() else json.dumps(key)} = {shown}")
        lines.append("")
    return "\n".join(lines)


async def calibrate(rows: int, redis: RedisServer) -> dict[str, dict[str, Any]]:
    small = await fleet(redis.url, rows, 1, 32, 0.2, 500)
    large = await fleet(redis.url, rows // 2, 1, 32, 0.2, 20_000)
    print(f"a task: coordinator {small.coordinator_ms:.2f} ms, worker {small.worker_ms:.2f} ms, Redis "
          f"{small.redis_ms:.2f} ms; item {small.item_bytes:.0f} bytes", flush=True)  # fmt: skip
    extra = (large.item_bytes - small.item_bytes) / 1024
    slopes = {
        f"{name}_ms_per_kb": max(0.0, (getattr(large, f"{name}_ms") - getattr(small, f"{name}_ms")) / extra)
        for name in ("coordinator", "worker", "redis")
    }
    shapes = ((1, 16, 0.2), (2, 16, 0.2), (1, 8, 0.05), (2, 8, 0.05))
    # The faster of two: a machine that has something else to do is slower than itself, never faster.
    real = [
        max([await fleet(redis.url, rows // 2, *shape, 500) for _ in range(2)], key=lambda run: run.tasks_per_s)
        for shape in shapes
    ]
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "redis": await version(redis.url),
        "load": round(os.getloadavg()[0], 1),
    }
    tables: dict[str, dict[str, Any]] = {
        "machine": about,
        "task": {
            "calls": CALLS,
            "slots": small.slots,
            "coordinator_ms": small.coordinator_ms,
            "worker_ms": small.worker_ms,
            "redis_ms": small.redis_ms,
            "item_bytes": small.item_bytes,
            "wire_bytes": small.wire_bytes,
            **slopes,
        },
        "redis": await steps(redis.url),
    }
    for run in real:
        name = f"real_{run.workers}_workers_{run.latency * 1000:.0f}_ms"
        tables[name] = {key: value for key, value in asdict(run).items() if not key.endswith("bytes")}
    return tables


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


async def version(url: str) -> str:
    redis = RedisConnection(url)
    found = str((await redis.call("INFO", "server"))["redis_version"])
    await redis.aclose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=HERE / "calibration.toml")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gristmill-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            tables = asyncio.run(calibrate(given.rows, server))
        finally:
            server.stop()
    given.out.write_text("# Written by benchmarks/calibrate.py; read by benchmarks/simulate.py.\n" + toml(tables))
    print(given.out.read_text())


if __name__ == "__main__":
    main()
