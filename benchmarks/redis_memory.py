"""What a campaign of a million tasks keeps in Redis at any time.

    python benchmarks/redis_memory.py [--tasks 1000000] [--held 0] [--workers 2] [--redis redis://127.0.0.1:6379/0]

A coordinator (here) and worker processes use what a campaign over Redis uses: the queue with tasks that carry chunks of
2 to 8 KB, results of 2 to 4 KB, and around one model call a task the shared cache (each answer is new and stays until
the cache is full), the budget and the limiter; each accepted text is claimed in the shared pool and kept. Only the
model is left out (its answer is there at once) and so is the store, which is not in Redis. What is out at a time is
what a campaign has out: twice the tasks that run. With --held N the campaign goes on where N texts are accepted
already: they are restored as at a coordinator's start, and only the rest of --tasks runs, which takes minutes less.

`redis_mb` is the server's own `used_memory_peak` in megabytes (10^6 bytes), from its start to the last task: data,
buffers of clients, scripts and the server itself. With --redis it is the highest of what was seen every quarter of a
second, less what the server held before. The last line is one JSON object. A run with fewer tasks extrapolates
nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
from redis_server import RedisServer

from gristmill.evals.duplicates.shared import RedisPool
from gristmill.models.fleet.shared import SharedLayers
from gristmill.storage.queue import Lease, Result, Work, WorkerInfo
from gristmill.storage.records import Chunk, Draft, Item, Message, Status, Task, Usage
from gristmill.storage.redis_connection import RedisConnection
from gristmill.storage.redis_queue import RedisCoordinatorQueue, RedisWorkerQueue

SLOTS = 128  # tasks that a worker runs at a time
CHUNK, ANSWER = (2000, 8000), (1500, 3000)  # characters of a task's chunk, of a model's answer
TOKENS = 10**12  # a budget that is never spent, so that each call asks
LOOK, SHOW = 0.25, 10.0  # seconds between two looks at the server, between two lines
LETTERS = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz     ", k=100_000))


def text_of(number: int, sizes: tuple[int, int]) -> str:
    """Returns a text of its own for `number`, made in no time; its length is spread evenly over `sizes`."""
    low, high = sizes
    start = number * 7919 % (len(LETTERS) - high)
    return f"{number} {LETTERS[start : start + low + number * 104729 % (high - low)]}"


def works(count: int) -> Iterator[Work]:
    for number in range(count):
        text = text_of(number, CHUNK)
        chunk = Chunk.of(f"doc-{number // 10}", number, 0, len(text), text)
        yield Work(task=Task.of("memory", chunks=(chunk.id,), attributes={"number": number}), chunks=(chunk,))


def accepted(count: int) -> Iterator[tuple[bytes, str]]:
    """Yields hashes and their tasks, as the store has them of an earlier start."""
    return ((os.urandom(16), f"task-{os.urandom(12).hex()}") for _ in range(count))


def item_of(task: Task, answer: str) -> Item:
    """An accepted item: a question, the answer, and the draft that it came from."""
    messages = (Message(role="user", content=answer[:200]), Message(role="assistant", content=answer[200:1500]))
    draft = Draft(index=0, by="generator", messages=messages, model="mock", prompt="generate")
    return Item(
        id=f"item-{task.id}",
        task=task.id,
        kind="qa",
        status=Status.ACCEPTED,
        messages=messages,
        chunks=task.chunks,
        attributes=task.attributes,
        drafts=(draft,),
        usage=Usage(1, 0, 1500, 400),
    )


# a worker, a process of its own


async def work(redis: str, campaign: str, name: str) -> None:
    """Serves until it is told to drain."""
    connection = RedisConnection(redis)
    shared = SharedLayers(connection, campaign, tokens=TOKENS)
    limiter = shared.limiter("mock", 2 * SLOTS, 60.0)
    queue = RedisWorkerQueue(redis, campaign, name)
    held: dict[str, Lease] = {}
    running: set[asyncio.Task[None]] = set()
    order = "run"

    async def ask(number: int) -> str:
        """The layers around one call, each answer new."""
        key = f"{number:032x}"
        assert await shared.calls.get(key) is None
        reserved = await shared.budget.reserve(2500, 0.0)
        slot = await limiter.enter()
        answer = text_of(number, ANSWER)
        limiter.leave(monotonic(), slot, None)
        shared.budget.settle(reserved, 1900, 0.0)
        await shared.calls.put(key, orjson.dumps({"id": "mock", "choices": [{"message": {"content": answer}}]}))
        return answer

    async def run(lease: Lease) -> None:
        task = lease.work.task
        item = item_of(task, await ask(task.attributes["number"]))
        done = Result(task=task.id, epoch=lease.epoch, status=Status.ACCEPTED, items=(item,), worker=name)
        await queue.finish(lease, done)
        del held[task.id]

    async def beat() -> None:
        nonlocal order
        while True:
            order = await queue.beat(WorkerInfo(name=name, slots=SLOTS, running=len(running)), list(held.values()))
            await asyncio.sleep(0.5)

    beating = asyncio.create_task(beat())
    try:
        while order != "drain":
            if beating.done():
                beating.result()
            if len(running) >= SLOTS:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                continue
            for lease in await queue.lease(SLOTS - len(running)):
                held[lease.work.task.id] = lease
                started = asyncio.create_task(run(lease))
                running.add(started)
                started.add_done_callback(_ended(running))
    finally:
        beating.cancel()
        await queue.close()
        await shared.aclose()
        await connection.aclose()


def _ended(running: set[asyncio.Task[None]]) -> Any:
    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise SystemExit(1) from task.exception()

    return ended


# the coordinator and the watch


@dataclass
class Memory:
    """What the server said of its memory, in bytes."""

    connection: RedisConnection
    fresh: bool  # nobody else used the server
    before: int = 0
    used: int = 0
    most: int = 0
    most_resident: int = 0
    began: float = field(default_factory=monotonic)

    async def look(self) -> None:
        said: dict[str, Any] = await self.connection.client.info("memory")
        self.used = int(said["used_memory"]) - self.before
        self.most = max(self.most, self.used, int(said["used_memory_peak"]) if self.fresh else 0)
        self.most_resident = max(self.most_resident, int(said["used_memory_rss"]))

    async def parts(self, campaign: str) -> dict[str, float]:
        """Returns MB by what holds them, as `MEMORY USAGE` counts; the pool's buckets are sampled."""
        found: dict[str, list[bytes]] = {}
        async for key in self.connection.client.scan_iter(f"gristmill:{{{campaign}}}:*", count=5000):
            found.setdefault(key.decode().split(":")[2], []).append(key)
        sizes = {}
        for name, keys in found.items():
            some = random.Random(0).sample(keys, min(300, len(keys)))
            used = [await self.connection.call("MEMORY", "USAGE", key, "SAMPLES", 0) for key in some]
            sizes[name] = sum(size or 0 for size in used) / len(some) * len(keys) / 1e6
        return dict(sorted(sizes.items(), key=lambda pair: -pair[1]))


async def coordinate(url: str, campaign: str, count: int, workers: int, memory: Memory) -> None:
    """Feeds, collects, claims, keeps and confirms until `count` tasks are done."""
    queue = RedisCoordinatorQueue(url, campaign)
    pool = RedisPool(memory.connection, campaign)
    made, room = works(count), asyncio.Event()
    out = done = 0

    async def feed() -> None:
        nonlocal out
        ended = False
        while not ended:
            batch = list(islice(made, 2 * SLOTS * workers - out))
            ended = out + len(batch) + done >= count
            out += len(batch)
            await queue.feed(batch)
            room.clear()
            await room.wait()

    async def keep(result: Result) -> None:
        text = "\n".join(message.content for item in result.items for message in item.messages)
        twin = (await pool.claim(text, result.task)).twin
        assert twin is None, f"{result.task} is taken for a copy of {twin}"
        assert len(await pool.held(result.task)) == 1
        await pool.keep(result.task)

    async def watch() -> None:
        shown = memory.began
        while True:
            await queue.reclaim()
            await memory.look()
            if monotonic() - shown > SHOW:
                shown = monotonic()
                print(_line(done, memory), flush=True)
            await asyncio.sleep(LOOK)

    await queue.begin({})
    jobs = [asyncio.create_task(feed()), asyncio.create_task(watch())]
    try:
        while done < count:
            for job in jobs:
                if job.done():
                    job.result()
            results = await queue.results()
            await asyncio.gather(*map(keep, results))
            await queue.confirm(results)
            done, out = done + len(results), out - len(results)
            room.set()
        await memory.look()
        print(_line(done, memory), flush=True)
        await queue.order("drain")
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await queue.close()


def _line(done: int, memory: Memory) -> str:
    rate = done / (monotonic() - memory.began)
    return f"{done:12,} tasks {rate:8,.0f}/s {memory.used / 1e6:8.1f} MB, most {memory.most / 1e6:6.1f} MB"


@contextlib.asynccontextmanager
async def crew(url: str, campaign: str, count: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Worker processes, ended by their pids when the block ends."""
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--work", url, campaign, f"memory-{number}", start_new_session=True
        )
        for number in range(count)
    ]
    try:
        yield started
        async with asyncio.timeout(20):
            await asyncio.gather(*(process.wait() for process in started))
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def main(given: str, count: int, held: int, workers: int) -> None:
    campaign = f"memory-{uuid.uuid4().hex[:8]}"
    with contextlib.ExitStack() as stack:
        url = given
        if not url:
            server = RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            stack.callback(server.stop)
            url = server.url
        connection = RedisConnection(url)
        memory = Memory(connection, fresh=not given)
        if given:
            await memory.look()
            memory.before = memory.used
        print(f"{count:,} tasks, {held:,} of them accepted before, {workers} workers of {SLOTS} slots", flush=True)
        await RedisPool(connection, campaign).restore(accepted(held))
        memory.began = monotonic()
        async with crew(url, campaign, workers) as started:
            ending = [asyncio.create_task(process.wait()) for process in started]
            running = asyncio.create_task(coordinate(url, campaign, count - held, workers, memory))
            await asyncio.wait([running, *ending], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                raise SystemExit("a worker ended before the tasks did; what it said stands above")
            running.result()
        parts = await memory.parts(campaign)
        print("held at the end: " + ", ".join(f"{name} {size:.1f} MB" for name, size in parts.items() if size > 0.01))
        async for key in connection.client.scan_iter(f"gristmill:{{{campaign}}}:*", count=5000):
            await connection.call("UNLINK", key)
        await connection.aclose()
    figures = {"redis_mb": round(memory.most / 1e6, 1), "redis_rss_mb": round(memory.most_resident / 1e6, 1)}
    print(orjson.dumps({**figures, "tasks": count, "held_before": held}).decode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--held", type=int, default=0, help="of these so many were accepted before")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--redis", default="")
    parser.add_argument("--work", nargs=3, metavar=("URL", "CAMPAIGN", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(*options.work))
    else:
        asyncio.run(main(options.redis, options.tasks, options.held, options.workers))
