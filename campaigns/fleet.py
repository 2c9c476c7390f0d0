"""A fleet: this process coordinates, worker processes run the flow, a queue stands between them.

Over SQLite in the run's folder the workers are processes of this machine; over Redis they may be anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..evals.shared_pool import RedisPool
from ..models.fleet.shared import SharedLayers
from ..models.layers.budget import Budget
from ..models.layers.meter import Meter
from ..storage.leases import SqliteCoordinatorQueue
from ..storage.queue import CoordinatorQueue
from ..storage.redis_connection import RedisConnection
from ..storage.redis_queue import RedisCoordinatorQueue
from ..storage.store import RunStore
from .admission import Admission, work_of
from .dispatch import Dispatcher, end_fleet
from .leader import Leader
from .manifest import manifest_of
from .prepare import Prepared
from .spec import CampaignSpec
from .spending import spent_before

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ..graphs.knowledge.graph import KnowledgeGraph

LOG = logging.getLogger(__name__)
Opened = tuple[CoordinatorQueue, Admission, asyncio.Event, Callable[[], Awaitable[None]]]
REDIS_VARIABLE = "GRISTMILL_REDIS"
RESTARTS = 3  # a worker that dies is started again this often for each one that was asked for, a poison task's toll


@dataclass(frozen=True)
class Fleet:
    """How a campaign is spread.

    workers: processes to start on this machine; with `redis` others may join, from 0 on.
    redis:   URL of the Redis that carries the queue; empty for SQLite in the run's folder.
    lease:   seconds after which the tasks of a worker that fell silent come back.
    strikes: how often a task may end its worker, running alone, before it is set aside.
    grace:   seconds that workers get to finish when the campaign ends.
    """

    workers: int = 2
    redis: str = ""
    lease: float = 30.0
    strikes: int = 3
    grace: float = 30.0

    @property
    def described(self) -> str:
        """One line for a person."""
        where = "over Redis" if self.redis else "over SQLite"
        return f"{self.workers} worker processes here, {where}, lease {self.lease:g} s"

    def window(self, concurrency: int) -> int:
        """Tasks that are out at most: what runs, and as many ready so that no worker waits."""
        return 2 * concurrency

    @asynccontextmanager
    async def coordinating(
        self,
        spec: CampaignSpec,
        prepared: Prepared,
        store: RunStore,
        graph: KnowledgeGraph | None,
        admission: Admission,
        meter: Meter,
        budget: Budget,
    ) -> AsyncIterator[Dispatcher]:
        """Opens the queue, starts the workers, and ends both when the block ends.

        Raises:
            RunLocked: another coordinator leads this campaign on the same Redis.
            RedisUnavailable: Redis was not there for longer than its patience.
        """
        async with self._opened(spec, store, admission) as (queue, ours, lost, restore):
            await queue.begin(manifest_of(spec, prepared))
            records = partial(work_of, store=store, graph=graph)
            dispatcher = Dispatcher(
                queue, ours, meter, budget, lost=lost, restore=restore, work_of=records, lease=self.lease
            )
            crew = Crew(self, store.folder, spec)
            async with dispatcher.serving():
                watching = asyncio.create_task(crew.keep())
                try:
                    yield dispatcher
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
                    await end_fleet(queue, patience=self.grace)
                    await crew.dismiss()

    @asynccontextmanager
    async def _opened(self, spec: CampaignSpec, store: RunStore, admission: Admission) -> AsyncIterator[Opened]:
        """Opens the queue, and says who admits, whether the lead is lost, and how to tell a queue what it forgot."""
        lost = asyncio.Event()
        if not self.redis:
            here = SqliteCoordinatorQueue(store.folder, lease=self.lease, strikes=self.strikes)
            try:
                yield here, admission, lost, _nothing
            finally:
                await here.close()
            return
        connection = RedisConnection(self.redis)
        leader = Leader(connection, spec.name, self.lease, lost)
        pool = RedisPool(connection, spec.name)
        shared = SharedLayers(connection, spec.name)

        async def restore() -> None:
            """What every worker must find: what the run has spent before, and the texts that it holds."""
            await shared.budget.restore(spent_before(store))
            await pool.restore(store.claims())

        try:
            await leader.take()
            try:
                await restore()
                queue = RedisCoordinatorQueue(self.redis, spec.name, lease=self.lease, strikes=self.strikes)
                try:
                    yield queue, Admission(store, pool, admission.kind), lost, restore
                finally:
                    await queue.close()
                    await shared.aclose()
            finally:
                await leader.leave()
        finally:
            await connection.aclose()


async def _nothing() -> None:
    """What there is to restore where nothing can be lost."""


class Crew:
    """The worker processes that this coordinator started. One that dies is started again, a few times."""

    def __init__(self, fleet: Fleet, folder: Path, spec: CampaignSpec) -> None:
        self._fleet = fleet
        self._folder = folder
        self._slots = max(1, math.ceil(spec.concurrency / max(1, fleet.workers)))
        self._processes: list[asyncio.subprocess.Process] = []
        self._left = RESTARTS * fleet.workers

    async def keep(self) -> None:
        """Starts the workers and watches over them."""
        for _ in range(self._fleet.workers):
            self._processes.append(await self._start())
        while True:
            await asyncio.sleep(0.2)
            for place, process in enumerate(self._processes):
                if process.returncode is not None and process.returncode != 0 and self._left > 0:
                    self._left -= 1
                    LOG.warning("worker process %d ended with %d; another starts", process.pid, process.returncode)
                    self._processes[place] = await self._start()

    async def _start(self) -> asyncio.subprocess.Process:
        name = f"local-{uuid.uuid4().hex[:8]}"
        arguments = [
            str(self._folder),
            "--name",
            name,
            "--slots",
            str(self._slots),
            "--share",
            str(self._fleet.workers),
        ]
        arguments += [
            "--lease",
            str(self._fleet.lease),
            "--grace",
            str(self._fleet.grace),
            "--parent",
            str(os.getpid()),
        ]
        # The URL may hold a password, and the list of processes is public: it goes by the environment.
        env = {**os.environ, REDIS_VARIABLE: self._fleet.redis} if self._fleet.redis else None
        # A session of its own: Ctrl-C in the terminal goes to the coordinator, which drains its workers.
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gristmill.cli", "worker", *arguments, start_new_session=True, env=env
        )

    async def dismiss(self) -> None:
        """Waits for the workers to leave, then ends those that have not."""
        for process in self._processes:
            if process.returncode is None:
                try:
                    async with asyncio.timeout(5):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
