"""A worker of a fleet: leases tasks, runs them through the flow, hands results in, until it is told to drain.

Leases are renewed by heartbeats. SIGTERM, a drain order, or the end of the process that started it: tasks in flight
finish within the grace time, what does not is given back, and the worker leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from ...agents.state import Pool
from ...errors import AccessDenied, BudgetExceeded, ConfigError, GristmillError
from ...storage.queue import EndpointInfo, Lease, Result, WorkerInfo, WorkerQueue
from ...storage.records import Status
from ...storage.stopping import stopped
from ..outcome import Outcome, unkept
from ..worker import Worker

LOG = logging.getLogger(__name__)
SPAN = 60.0  # seconds over which the pace is measured


@dataclass
class Member:
    """One worker process's part in a fleet.

    `slots` tasks run at a time; `lease` is the queue's, in seconds; `grace` bounds the drain; `parent` is the pid of
    the process that this one must not outlive, 0 for none. `pool` holds what the flow claims: one of this worker's own,
    or, with `pool_shared`, the fleet's, in which the coordinator ends the claims of tasks that ended. `agree` raises
    `ConfigError` when what the coordinator says it runs is not what this worker runs; `endpoints` says how its model
    servers do.
    """

    queue: WorkerQueue
    worker: Worker
    name: str
    slots: int
    pool: Pool
    pool_shared: bool = False
    agree: Callable[[Mapping[str, Any]], None] = lambda manifest: None
    lease: float = 30.0
    grace: float = 30.0
    parent: int = 0
    endpoints: Callable[[], tuple[EndpointInfo, ...]] = tuple
    done: int = 0
    late: int = 0
    _held: dict[str, Lease] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _problem: tuple[str, str] = ("", "")
    _paused: bool = False
    _pace: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def running(self) -> int:
        """Tasks that run now."""
        return len(self._running)

    def stop(self) -> None:
        """Asks for an orderly end."""
        if not self._stopping.is_set():
            LOG.info("told to end: %d tasks in flight finish first", len(self._running))
        self._stopping.set()

    async def serve(self) -> str:
        """Works until it is stopped; returns the problem that stopped it, or an empty string.

        Raises:
            StoreError: the queue refuses; what was in flight comes back to others when its leases end.
        """
        LOG.info("worker %s joins with %d slots, lease %g s", self.name, self.slots, self.lease)
        beating = asyncio.create_task(self._beat())
        try:
            while not self._stopping.is_set():
                if beating.done():
                    beating.result()
                free = self.slots - len(self._running)
                if free <= 0 or self._paused:
                    await self._something(beating)
                    continue
                for lease in await self.queue.lease(free):
                    self._start(lease)
            await self._drain()
        finally:
            await stopped(beating, *self._running.values())
        LOG.info("worker %s leaves, %d tasks done", self.name, self.done)
        return self._problem[1]

    async def _something(self, beating: asyncio.Task[None]) -> None:
        """Waits until a task ends, or a moment."""
        waiting = [*self._running.values(), beating]
        await asyncio.wait(waiting, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)

    def _start(self, lease: Lease) -> None:
        key = lease.work.task.id
        self._held[key] = lease
        self._running[key] = asyncio.create_task(self._run(lease))

    async def _run(self, lease: Lease) -> None:
        key = lease.work.task.id
        try:
            result = self._result(lease, await self.worker.outcome(lease.work))
            if await self.queue.finish(lease, result):
                self.done += 1
                await self._end_claims(key, result.status)
            else:
                self.late += 1
                LOG.warning("the lease of %s was lost before its result was handed in; another worker has it", key)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # it concerns the whole campaign: this task goes back, the worker says why
            self._fail(error)
            with contextlib.suppress(GristmillError):  # a queue that is gone takes it back by itself
                await self.pool.release(key)  # before another worker can have the task: claims go by its id
                await self.queue.give_back([lease])
        finally:
            self._held.pop(key, None)
            self._running.pop(key, None)

    def _result(self, lease: Lease, outcome: Outcome) -> Result:
        """What is handed in: a result that is read back as it was written, or a failure that says why it is not."""

        def of(ended: Outcome) -> Result:
            task = lease.work.task.id
            return Result(task=task, epoch=lease.epoch, status=ended.status, items=ended.items, worker=self.name)

        try:
            return Result.model_validate_json(of(outcome).model_dump_json())
        except Exception as error:  # the flow left values that JSON cannot carry: it costs this task and no other
            return of(unkept(lease.work.task, outcome, error))

    async def _end_claims(self, task: str, status: Status) -> None:
        if self.pool_shared:
            return
        if status is Status.ACCEPTED:
            await self.pool.keep(task)
        else:
            await self.pool.release(task)

    def _fail(self, error: Exception, code: str = "error") -> None:
        if not self._problem[1]:
            if isinstance(error, BudgetExceeded):
                code = error.kind
            elif isinstance(error, AccessDenied):
                code = "denied"
            self._problem = (code, str(error))
            LOG.error("this worker stops: %s", error)
        self._paused = True  # it stays to be heard; the coordinator ends it

    async def _beat(self) -> None:
        missed, heard = 0.0, "run"
        while True:
            try:
                order = await self.queue.beat(self._info(), list(self._held.values()))
                missed = 0.0
                if order != heard:
                    LOG.info("the order is '%s'", order)
                    heard = order
                if order == "run" and (said := await self.queue.manifest()) is not None:
                    self.agree(said)
            except ConfigError as error:  # a new coordinator runs something else: leave, so that no task ends by it
                self._fail(error, code="differs")
                self.stop()
                order = "pause"
            except GristmillError as error:
                missed += self.lease / 3
                LOG.warning("no heartbeat got through for %.0f s: %s", missed, error)
                if self._problem[1] and missed > self.lease:
                    self.stop()  # it may not go on, and nobody hears that: its exit code says so
                order = "pause"  # take nothing new; what runs goes on, and is fenced off should the lease be lost
            if order == "drain" or (self.parent and os.getppid() != self.parent):
                self.stop()
            self._paused = order == "pause" or bool(self._problem[1])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self.lease / 3, 1.0)):
                    await self._stopping.wait()
                    await asyncio.sleep(self.lease)  # stopping: the drain beats on at the timeout's pace

    def _info(self) -> WorkerInfo:
        code, problem = self._problem
        return WorkerInfo(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=self.slots,
            running=len(self._running),
            done=self.done,
            tasks_per_minute=self._tasks_per_minute(monotonic()),
            endpoints=self.endpoints(),
            problem=problem,
            problem_code=code,
        )

    def _tasks_per_minute(self, now: float) -> float:
        """Tasks that ended in about the last minute, since the start where that is less."""
        pace = self._pace
        while len(pace) > 1 and now - pace[1][0] >= SPAN:
            pace.popleft()
        pace.append((now, self.done))
        began, before = pace[0]
        return round((self.done - before) * 60 / max(1.0, now - began), 1)

    async def _drain(self) -> None:
        """Lets tasks in flight finish for `grace` seconds and gives the rest back."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self.grace)
        left = list(self._held.values())
        unfinished = list(self._running.values())
        await stopped(*unfinished)
        if left:
            with contextlib.suppress(TimeoutError, GristmillError):  # a queue that is gone takes them back by itself
                async with asyncio.timeout(self.lease):
                    for lease in left:
                        await self.pool.release(lease.work.task.id)
                    await self.queue.give_back(left)
            LOG.warning("%d tasks were given back unfinished", len(left))
