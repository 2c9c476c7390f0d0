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
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...errors import ConfigError, WorkersLost, require_kind
from ...evals.duplicates.gate import GatePool
from ...evals.duplicates.shared import RedisPool
from ...evals.vectors.embedding import Embedder
from ...models.fleet.shared import SharedLayers
from ...models.layers.budget import Budget, Spent
from ...models.layers.meter import Meter
from ...models.tracing import Tracer
from ...storage.leases import SqliteCoordinatorQueue
from ...storage.precedents import Round
from ...storage.queue import CoordinatorQueue, QueueState
from ...storage.redis_connection import RedisConnection
from ...storage.redis_queue import RedisCoordinatorQueue
from ...storage.stopping import stopped
from ...storage.store import RunStore
from ..admission import Admission, work_of
from ..gating.gate import against
from ..prepare import Prepared
from ..spec import CampaignSpec
from ..spending import spent_before
from ..telemetry.exposition import Exposition
from ..telemetry.metrics import fleet_source
from ..telemetry.tasks import with_trace
from ..telemetry.telemetry import Telemetry
from .allowances import Allowances
from .dispatch import Dispatcher
from .keys import Keys
from .leader import Leader
from .manifest import manifest_of, told
from .precedents import RedisPrecedents
from .replies import Replies

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ...graphs.knowledge.graph import KnowledgeGraph

LOG = logging.getLogger(__name__)
RUN_MARK = "run"
REDIS_VARIABLE = "GRISTMILL_REDIS"
RESTARTS = 9  # deaths for each worker that was asked for, without a task ending in between, until none starts again
REFUSED, REFUSAL = 1, 3  # exit code of a worker that said why it cannot work, and for how many deaths that counts
AT_ONCE = 2.0  # seconds that workers elsewhere get when a person has asked twice


@dataclass(frozen=True)
class Opened:
    """A queue that is open, who admits its results, whether the lead is lost, how to tell a queue what it forgot.

    `keys` is what there is to clear at the end, and `replies` what brings raw replies into the store: None where the
    queue is a file of the run, whose workers keep their replies there themselves.
    """

    queue: CoordinatorQueue
    admission: Admission
    lost: asyncio.Event
    restore: Callable[[], Awaitable[None]]
    keys: Keys | None = None
    replies: Replies | None = None


@dataclass(frozen=True)
class Fleet:
    """How a campaign is spread.

    workers: processes to start on this machine; with `redis` others may join, from 0 on.
    redis:   URL of the Redis that carries the queue; empty for SQLite in the run's folder.
    lease:   seconds after which the tasks of a worker that fell silent come back.
    strikes: how often a task may end its worker, running alone, before it is set aside.
    grace:   seconds that workers get to finish when the campaign ends.

    Raises:
        ConfigError: one of them cannot work.
    """

    workers: int = 2
    redis: str = ""
    lease: float = 30.0
    strikes: int = 3
    grace: float = 30.0

    def __post_init__(self) -> None:
        require_kind("a fleet's redis", self.redis, str, "give the URL of a Redis, or leave it out")
        for name, whole in (("workers", self.workers), ("strikes", self.strikes)):
            require_kind(f"a fleet's {name}", whole, int, "give a whole number")
        for name, seconds in (("lease", self.lease), ("grace", self.grace)):
            require_kind(f"a fleet's {name}", seconds, (int, float), "give seconds")
        if self.workers < (0 if self.redis else 1):
            raise ConfigError(
                f"a fleet with workers {self.workers}: give 1 or more, or with a Redis 0 or more, so that others join"
            )
        for name, value, least in (("lease", self.lease, 1), ("strikes", self.strikes, 1), ("grace", self.grace, 0)):
            if not least <= value < math.inf:
                raise ConfigError(f"a fleet with {name} {value}: give {least} or more")

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
        round_: Round,
        admission: Admission,
        meter: Meter,
        budget: Budget,
        say: Callable[[str], None],
        *,
        telemetry: Telemetry,
        exposition: Exposition | None,
        tracer: Tracer | None,
        embedder: Embedder | None = None,
    ) -> AsyncIterator[Dispatcher]:
        """Opens the queue, starts the workers, and ends both when the block ends. `embedder` is that of the gate.

        Raises:
            RunLocked: another coordinator leads this campaign on the same Redis.
            RedisUnavailable: Redis was not there for longer than its patience.
        """
        async with self._opened(spec, store, admission, embedder) as opened:
            await opened.queue.begin(told(manifest_of(spec, prepared), lease=self.lease, run=await _run_id(store)))
            records = with_trace(partial(work_of, store=store, graph=graph, round_=round_), tracer)
            dispatcher = Dispatcher(
                opened.queue,
                opened.admission,
                meter,
                budget,
                lost=opened.lost,
                restore=opened.restore,
                work_of=records,
                lease=self.lease,
                say=say,
                admitted=None if opened.replies is None else opened.replies.want,
            )
            if exposition is not None:
                exposition.add(fleet_source(dispatcher, self.lease))
            crew = Crew(self, spec, opened.queue, dispatcher, Allowances(store, budget), telemetry)
            last: QueueState | None = None
            try:
                async with dispatcher.serving():
                    watching = asyncio.create_task(crew.keep())
                    dispatcher.depend_on(watching)
                    patience = self.grace
                    try:
                        yield dispatcher
                    except asyncio.CancelledError:  # a person asked twice: what is in flight stays pending
                        patience = AT_ONCE
                        crew.kill()
                        raise
                    finally:
                        await stopped(watching)
                        await crew.bury()
                        last = await dispatcher.end(patience)
                        await crew.dismiss()
            finally:
                if opened.replies is not None:
                    await opened.replies.finish()
                if opened.keys is not None:
                    await opened.keys.clear(last, complete=store.books().pending == 0)

    @asynccontextmanager
    async def _opened(
        self, spec: CampaignSpec, store: RunStore, admission: Admission, embedder: Embedder | None
    ) -> AsyncIterator[Opened]:
        """Opens the queue, and over Redis takes the lead and keeps what the campaign has there."""
        lost = asyncio.Event()
        if not self.redis:
            here = SqliteCoordinatorQueue(store.folder, lease=self.lease, strikes=self.strikes)
            try:
                yield Opened(here, admission, lost, _nothing)
            finally:
                await here.close()
            return
        connection = RedisConnection(self.redis)
        leader = Leader(connection, spec.name, self.lease, lost)
        pool = RedisPool(connection, spec.name, spec.novelty.likeness, embedder, asks_first=True)
        shared = SharedLayers(connection, spec.name)
        precedents = RedisPrecedents(connection, spec.name)

        async def restore() -> None:
            """What every worker must find: what the run has spent, the texts that it holds, what critics are shown."""
            await shared.budget.restore(spent_before(store))
            await pool.restore(store.claims())
            async for marks in against(spec.novelty, GatePool(spec.novelty.likeness, embedder), admission.gated):
                await pool.restore(marks)
            await precedents.tell(store)

        try:
            await leader.take()
            try:
                queue = RedisCoordinatorQueue(
                    self.redis, spec.name, lease=self.lease, strikes=self.strikes, leader=leader.name
                )
                keys = Keys(connection, queue, shared, precedents, store, await _run_id(store))
                replies = Replies(shared.calls, store)
                keeping = asyncio.create_task(keys.keep()), asyncio.create_task(replies.keep())
                try:
                    await keys.make_ours()
                    await restore()
                    yield Opened(
                        queue, Admission(store, pool, admission.kind, admission.gated), lost, restore, keys, replies
                    )
                finally:
                    await stopped(*keeping)
                    await queue.close()
                    await shared.aclose()
            finally:
                await leader.leave()
        finally:
            await connection.aclose()


async def _run_id(store: RunStore) -> str:
    """The name of this run, the same at every start and different for a run that was deleted and made anew."""
    run = store.mark(RUN_MARK)
    if run is None:
        run = uuid.uuid4().hex
        await store.set_mark(RUN_MARK, run)
    return str(run)


async def _nothing() -> None:
    """What there is to restore where nothing can be lost."""


class Crew:
    """The worker processes that this coordinator started. One that dies is started again, as long as tasks end."""

    def __init__(
        self,
        fleet: Fleet,
        spec: CampaignSpec,
        queue: CoordinatorQueue,
        dispatcher: Dispatcher,
        allowances: Allowances,
        telemetry: Telemetry,
    ) -> None:
        self._fleet = fleet
        self._allowances = allowances
        self._queue = queue
        self._dispatcher = dispatcher
        self._telemetry = telemetry
        self._slots = max(1, math.ceil(spec.concurrency / max(1, fleet.workers)))
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._places: dict[str, int] = {}  # by name: one that replaces a dead one takes its place, and its port
        self._left = RESTARTS * fleet.workers
        self._last = 0  # exit code of the last that ended

    async def keep(self) -> None:
        """Starts the workers and watches over them.

        Raises:
            WorkersLost: none is left, and no other process works for this campaign.
        """
        for started in range(self._fleet.workers):
            await self._start(among=self._fleet.workers - started)
        ended = 0
        while True:
            await asyncio.sleep(0.2)
            if self._dispatcher.ended > ended:
                ended = self._dispatcher.ended
                self._left = RESTARTS * self._fleet.workers
            for code in await self.bury():
                self._last = code
                if code != 0 and self._left > 0:
                    self._left -= REFUSAL if code == REFUSED else 1
                    LOG.warning("a worker process ended with %d; another starts", code)
                    await self._start()
            if self._fleet.workers and not self._processes:
                await self._require_others()

    async def bury(self) -> list[int]:
        """Tells the queue which workers have ended, so that no lease is waited for; returns their exit codes."""
        codes = []
        for name, process in list(self._processes.items()):
            if process.returncode is not None:
                await self._queue.bury(name)
                self._dispatcher.look()  # what it held comes back now
                self._allowances.take_back(name, self._dispatcher.spent_by.get(name, Spent()))
                del self._processes[name], self._places[name]
                codes.append(process.returncode)
        return codes

    async def _require_others(self) -> None:
        """Raises `WorkersLost` when nobody is left. Workers that left in good order may have successors over Redis."""
        state = await self._queue.state()
        if state.order == "drain" or any(worker.age <= self._fleet.lease for worker in state.workers):
            return
        if self._last != 0 or not self._fleet.redis:
            raise WorkersLost(
                f"no worker process is left (the last ended with exit code {self._last}, and no task ended between "
                f"them): see what they said above and in the run's log, mend it, and run the same command to go on"
            )

    async def _start(self, among: int = 1) -> None:
        """Starts one, the first of `among` that start now."""
        name = f"local-{uuid.uuid4().hex[:8]}"
        if not self._fleet.redis:
            await self._allowances.deal(name, among)
        arguments = [
            str(self._allowances.store.folder),
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
        place = next(place for place in range(len(self._places) + 1) if place not in self._places.values())
        arguments += self._telemetry.of_worker(place)
        # The URLs may hold a password, and the list of processes is public: they go by the environment.
        env = {**os.environ, **self._allowances.store.environment}
        if self._fleet.redis:
            env[REDIS_VARIABLE] = self._fleet.redis
        # A session of its own: Ctrl-C in the terminal goes to the coordinator, which drains its workers.
        self._places[name] = place
        self._processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gristmill.cli", "worker", *arguments, start_new_session=True, env=env
        )
        LOG.info("worker process %s starts, pid %d", name, self._processes[name].pid)

    def kill(self) -> None:
        """Ends all of them now."""
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()

    async def dismiss(self) -> None:
        """Waits for the workers to leave, then ends those that have not."""
        waits = [asyncio.create_task(process.wait()) for process in self._processes.values()]
        if waits:
            for process in self._processes.values():
                with suppress(ProcessLookupError):
                    process.terminate()  # the queue may have failed to carry the order to drain
            await asyncio.wait(waits, timeout=5)
            self.kill()
            await asyncio.gather(*waits)
