"""The loop of a campaign: starts tasks while there is reason to, and drains when there is none.

There is no barrier between tasks: one starts whenever one ends. What a task costs or answers is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..errors import AccessDenied, BudgetExceeded, WorkersLost
from ..storage.records import Task
from ..storage.returns import is_refine
from .outcome import Outcome
from .planning.planning import Plan
from .stops import Stop, Stops


class Runner(Protocol):
    """Who runs a task and commits its outcome: `Local` in this process, `Dispatcher` by a fleet."""

    async def run(self, task: Task) -> Outcome | None:
        """Returns how `task` ended, or None when it was withdrawn before anybody had begun it: it stays pending."""
        ...

    def withdraw(self) -> None:
        """Says that no task is wanted which nobody has begun; those that run go on to their ends."""
        ...


class Returns(Protocol):
    """What people send back while a campaign runs. `waiting` says that `next` has a task to give."""

    @property
    def waiting(self) -> bool: ...

    async def look(self, *, now: bool = False) -> None:
        """Takes in what people decided since the last look; unless `now`, only when some time has passed since."""
        ...

    def next(self) -> Task | None:
        """Returns the next task that a person's note made, or None when there is none now."""
        ...

    def ended(self, task: Task) -> None:
        """Says that a task ended."""
        ...


class Nothing:
    """Returns of a campaign that nobody reviews."""

    waiting = False

    async def look(self, *, now: bool = False) -> None: ...

    def next(self) -> Task | None: ...

    def ended(self, task: Task) -> None: ...


class Loop:
    """Runs a plan's tasks through a worker, `concurrency` at a time, until a stop.

    What comes back from people runs first, and also when the target is reached or nothing else is left.

    `on_outcome` hears every committed outcome (progress). `drain()` asks for an orderly end: tasks in flight finish,
    the rest stay pending; `cancel()` ends at once: tasks in flight stay pending too, their finished calls are cached.
    """

    def __init__(
        self,
        plan: Plan,
        runner: Runner,
        stops: Stops,
        *,
        concurrency: int,
        on_outcome: Callable[[Task, Outcome], None],
        returns: Returns | None = None,
    ) -> None:
        self._plan = plan
        self._runner = runner
        self._stops = stops
        self._concurrency = concurrency
        self._on_outcome = on_outcome
        self._returns: Returns = returns or Nothing()
        self._running: set[asyncio.Task[None]] = set()
        self._refining: set[asyncio.Task[None]] = set()  # those of them that a person's note made
        self._changed = asyncio.Event()
        self._stop: Stop | None = None
        self._fatal: Exception | None = None

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def drain(self, stop: Stop) -> None:
        """Starts no more tasks, and has those withdrawn that nobody has begun."""
        self._stop = self._stop or stop
        self._runner.withdraw()
        self._changed.set()

    def cancel(self) -> None:
        """Ends the tasks in flight at once."""
        for running in self._running:
            running.cancel()

    async def run(self) -> Stop:
        """Runs to the end and says why it ended.

        Raises:
            AccessDenied, ServerLost, ConfigError, StoreError: what stopped every task; those in flight stay pending.
            Exception: what `on_outcome` raised; tasks in flight have ended, and no more were begun.
        """
        try:
            while self._stop is None:
                stop = await self._fill()
                self._stop = self._stop or stop  # a drain may have come while the plan was drawing
                if self._stop is None:
                    await self._wait()
            self._runner.withdraw()
            while self._running:
                await self._wait()
        finally:
            self.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        if self._fatal is not None:
            raise self._fatal
        # What was in flight may still have reached the target; nothing else that it did says why this ended.
        reached = self._stops.check()
        return reached if reached is not None and reached.code == "target" else self._stop

    async def _fill(self) -> Stop | None:
        """Starts tasks up to what is allowed and useful; says why to stop when no reason is left to go on."""
        await self._returns.look()
        self._start_returned()
        stop = self._stops.check() or await self._fill_by_plan()
        if stop is None or stop.code == "time" or self._stop is not None:
            return stop
        await self._returns.look(now=True)  # nobody looks again before the next start
        self._start_returned()
        return None if self._refining or self._returns.waiting else stop

    def _start_returned(self) -> None:
        """Starts what people sent back, as places are free; a drain may have come while it was looked for."""
        while (
            self._stop is None and len(self._running) < self._concurrency and (task := self._returns.next()) is not None
        ):
            running = self._start(task)
            self._refining.add(running)
            running.add_done_callback(self._refining.discard)

    async def _fill_by_plan(self) -> Stop | None:
        while self._stop is None and len(self._running) < min(self._concurrency, self._stops.useful()):
            task = await self._plan.next()
            if self._stop is not None:  # something asked for the end while the plan was drawing
                if task is not None:
                    self._plan.take_back(task)
                return self._stop
            if task is None:
                return None if self._running else self._plan.stop
            self._start(task)
        return None

    def _start(self, task: Task) -> asyncio.Task[None]:
        running = asyncio.create_task(self._run(task))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    async def _wait(self) -> None:
        self._changed.clear()
        # The time budget is a rule that no task's end announces.
        try:
            async with asyncio.timeout(1.0):
                await self._changed.wait()
        except TimeoutError:
            return

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        self._changed.set()

    async def _run(self, task: Task) -> None:
        try:
            outcome = await self._runner.run(task)
        except BudgetExceeded as error:
            self.drain(Stop(error.kind, str(error)))  # others may still finish on what they have reserved
        except WorkersLost as error:
            self.drain(Stop("workers", str(error)))
        except Exception as error:
            if self._fatal is None:
                self._fatal = error
            self.drain(Stop("denied" if isinstance(error, AccessDenied) else "error", str(error)))
            self.cancel()
        else:
            if outcome is None:
                self._plan.take_back(task)
                return
            try:
                self._hear(task, outcome)
            except Exception as error:  # the task itself is stored: those in flight may end too, and no more begin
                if self._fatal is None:
                    self._fatal = error
                self.drain(Stop("error", str(error)))

    def _hear(self, task: Task, outcome: Outcome) -> None:
        """Tells all who count how a task ended; an error of theirs would go down with the asyncio task, unheard."""
        self._plan.finished(task, outcome.status, outcome.items)
        self._stops.count(outcome.status, outcome.reason, refined=is_refine(task))
        self._returns.ended(task)
        self._on_outcome(task, outcome)
