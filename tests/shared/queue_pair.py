"""Both queues behind one face, so that one test body holds for each; and a worker process to kill.

As a program: `python queue_pair.py KIND WHERE CAMPAIGN NAME SLOTS LEASE` works until it is told to drain. A task whose
attributes say `poison` ends the process as SIGKILL would; `seconds` is how long a task takes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gristmill.storage.leases import SqliteCoordinatorQueue, SqliteWorkerQueue
from gristmill.storage.queue import CoordinatorQueue, Lease, Result, Work, WorkerInfo, WorkerQueue
from gristmill.storage.records import Chunk, Item, Message, Status, Task
from gristmill.storage.redis_queue import RedisCoordinatorQueue, RedisWorkerQueue


class QueuePair:
    """Makes workers and coordinators of one queue. `kind` is `redis` or `sqlite`, `where` its URL or folder."""

    def __init__(self, kind: str, where: str, campaign: str) -> None:
        self.kind = kind
        self.where = where
        self.campaign = campaign
        self.opened: list[WorkerQueue | CoordinatorQueue] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def worker(self, name: str, *, lease: float = 5.0, wait: float = 0.1) -> WorkerQueue:
        queue: WorkerQueue
        if self.kind == "redis":
            queue = RedisWorkerQueue(self.where, self.campaign, name, lease=lease, wait=wait)
        else:
            queue = SqliteWorkerQueue(Path(self.where), name, lease=lease, wait=wait)
        self.opened.append(queue)
        return queue

    async def coordinator(self, *, lease: float = 5.0, strikes: int = 3, wait: float = 0.1) -> CoordinatorQueue:
        queue: CoordinatorQueue
        if self.kind == "redis":
            queue = RedisCoordinatorQueue(self.where, self.campaign, lease=lease, strikes=strikes, wait=wait)
        else:
            queue = SqliteCoordinatorQueue(Path(self.where), lease=lease, strikes=strikes, wait=wait)
        self.opened.append(queue)
        await queue.begin({"flow": "test"})
        return queue

    def process(self, name: str, *, slots: int = 50, lease: float = 1.0) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        arguments = [self.kind, self.where, self.campaign, name, str(slots), str(lease)]
        started = subprocess.Popen([sys.executable, __file__, *arguments])
        self._processes.append(started)
        return started

    async def end(self, queue: WorkerQueue | CoordinatorQueue) -> None:
        """Closes one of them now."""
        self.opened.remove(queue)
        await queue.close()

    async def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for queue in self.opened:
            await queue.close()


def some_work(count: int, *, seconds: float = 0.0, poison: Sequence[int] = (), start: int = 0) -> list[Work]:
    """Distinct tasks, each with its chunk."""
    made = []
    for number in range(start, start + count):
        chunk = Chunk.of("doc-1", number, 0, 5, f"text “{number}” ünïcode")
        attributes = {"number": number, "seconds": seconds, "poison": number in poison}
        made.append(Work(task=Task.of("test", chunks=(chunk.id,), attributes=attributes), chunks=(chunk,)))
    return made


def result_of(lease: Lease, by: str = "") -> Result:
    """An accepted result with one item."""
    task = lease.work.task.id
    item = Item(
        id=f"item-{task}",
        task=task,
        kind="qa",
        status=Status.ACCEPTED,
        messages=(Message(role="assistant", content=lease.work.chunks[0].text),),
    )
    return Result(task=task, epoch=lease.epoch, status=Status.ACCEPTED, items=(item,), worker=by)


async def take_all(queue: CoordinatorQueue, store: dict[str, Result], *, seconds: float = 0.0) -> None:
    """Collects and confirms what is there, until nothing comes and `seconds` have passed. No result may come twice."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        found = await queue.results()
        for result in found:
            assert result.task not in store, "a result was committed twice"
            store[result.task] = result
        await queue.confirm(found)
        if not found and asyncio.get_running_loop().time() >= until:
            return


async def serve(queue: WorkerQueue, name: str, slots: int, lease: float) -> None:
    """A plain worker: as many tasks as it has slots, a heartbeat every fifth of a lease."""
    held: dict[str, Lease] = {}
    running: set[asyncio.Task[None]] = set()
    order = "run"

    async def work(one: Lease) -> None:
        attributes = one.work.task.attributes
        await asyncio.sleep(attributes["seconds"])
        if attributes["poison"]:
            os.kill(os.getpid(), signal.SIGKILL)
        await queue.finish(one, result_of(one, name))
        del held[one.work.task.id]

    async def beat() -> None:
        nonlocal order
        while True:
            order = await queue.beat(WorkerInfo(name=name, pid=os.getpid(), slots=slots), list(held.values()))
            await asyncio.sleep(lease / 5)

    beating = asyncio.create_task(beat())
    while order != "drain":
        free = slots - len(running)
        if not free:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            continue
        for one in await queue.lease(free):
            held[one.work.task.id] = one
            started = asyncio.create_task(work(one))
            running.add(started)
            started.add_done_callback(running.discard)
    beating.cancel()
    await asyncio.gather(*running)
    await queue.close()


async def main(arguments: Sequence[str]) -> None:
    kind, where, campaign, name, slots, lease = arguments
    queue = QueuePair(kind, where, campaign).worker(name, lease=float(lease))
    await serve(queue, name, int(slots), float(lease))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
