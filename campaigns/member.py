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
from dataclasses import dataclass, field

from ..errors import AccessDenied, BudgetExceeded, GristmillError
from ..storage.queue import Lease, Result, WorkerInfo, WorkerQueue
from .worker import Worker

LOG = logging.getLogger(__name__)


@dataclass
class Member:
    """One worker process's part in a fleet.

    `slots` tasks run at a time; `lease` is the queue's, in seconds; `grace` bounds the drain; `parent` is the pid of
    the process that this one must not outlive, 0 for none.
    """

    queue: WorkerQueue
    worker: Worker
    name: str
    slots: int
    lease: float = 30.0
    grace: float = 30.0
    parent: int = 0
    done: int = 0
    _held: dict[str, Lease] = field(default_factory=dict)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _problem: tuple[str, str] = ("", "")
    _paused: bool = False

    def stop(self) -> None:
        """Asks for an orderly end."""
        self._stopping.set()

    async def serve(self) -> str:
        """Works until it is stopped; returns the problem that stopped it, or an empty string.

        Raises:
            StoreError: the queue refuses; what was in flight comes back to others when its leases end.
        """
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
            beating.cancel()
            for running in self._running.values():
                running.cancel()
            await asyncio.gather(beating, *self._running.values(), return_exceptions=True)
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
            outcome = await self.worker.outcome(lease.work)
            result = Result(task=key, epoch=lease.epoch, status=outcome.status, items=outcome.items, worker=self.name)
            if await self.queue.finish(lease, result):
                self.done += 1
            else:
                LOG.warning("the lease of %s was lost before its result was handed in; another worker has it", key)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # it concerns the whole campaign: this task goes back, the worker says why
            await self.queue.give_back([lease])
            self._fail(error)
        finally:
            self._held.pop(key, None)
            self._running.pop(key, None)

    def _fail(self, error: Exception) -> None:
        if not self._problem[1]:
            if isinstance(error, BudgetExceeded):
                code = error.kind
            else:
                code = "denied" if isinstance(error, AccessDenied) else "error"
            self._problem = (code, str(error))
            LOG.error("this worker stops: %s", error)
        self._paused = True  # it stays to be heard; the coordinator ends it

    async def _beat(self) -> None:
        missed = 0.0
        while True:
            code, problem = self._problem
            info = WorkerInfo(
                name=self.name,
                host=socket.gethostname(),
                pid=os.getpid(),
                slots=self.slots,
                running=len(self._running),
                done=self.done,
                problem=problem,
                problem_code=code,
            )
            try:
                order = await self.queue.beat(info, list(self._held.values()))
                missed = 0.0
            except GristmillError as error:
                missed += self.lease / 3
                LOG.warning("no heartbeat got through for %.0f s: %s", missed, error)
                order = "pause"  # take nothing new; what runs goes on, and is fenced off should the lease be lost
            if order == "drain" or (self.parent and os.getppid() != self.parent):
                self.stop()
            self._paused = order == "pause" or bool(problem)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self.lease / 3, 1.0)):
                    await self._stopping.wait()
                    await asyncio.sleep(self.lease)  # stopping: the drain beats on at the timeout's pace

    async def _drain(self) -> None:
        """Lets tasks in flight finish for `grace` seconds and gives the rest back."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self.grace)
        left = list(self._held.values())
        for running in self._running.values():
            running.cancel()
        if left:
            with contextlib.suppress(TimeoutError, GristmillError):  # a queue that is gone takes them back by itself
                async with asyncio.timeout(self.lease):
                    await self.queue.give_back(left)
            LOG.warning("%d tasks were given back unfinished", len(left))
