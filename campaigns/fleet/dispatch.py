"""A fleet's coordinator, seen from the loop: it runs a task by handing it to a queue and waiting for its result.

The loop, the plan and the stops are those of a single process; only who runs the flow differs. A result is committed
to the store, then confirmed to the queue, then counted. A queue that is lost costs re-runs and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from ...errors import AccessDenied, BudgetExceeded, ConfigError, GristmillError, NotStored, RunLocked, WorkersLost
from ...models.layers.budget import Budget, Spent
from ...models.layers.meter import Lineage, Meter
from ...storage.queue import CoordinatorQueue, QueueState, Result, Work, WorkerInfo
from ...storage.records import Item, Status, Task, Usage
from ...storage.stopping import stopped
from ..admission import Admission
from ..outcome import Outcome, failure, failure_of, in_round
from .poison import POISON, message_of

LOG = logging.getLogger(__name__)
FEED_AGAIN = 60.0  # seconds after which all is offered once more: a power cut may cost a queue its last second
WATCH = 0.5  # seconds between two looks at the workers, at most; a sixth of a lease where that is less
LONELY = 5.0  # seconds without a worker after which a person is told: one that starts needs a second or two


class Dispatcher:
    """Hands tasks out and takes results in. `run` has the face of `Worker.run`."""

    def __init__(
        self,
        queue: CoordinatorQueue,
        admission: Admission,
        meter: Meter,
        budget: Budget,
        *,
        lost: asyncio.Event,
        restore: Callable[[], Awaitable[None]],
        work_of: Callable[[Task], Work],
        lease: float,
        say: Callable[[str], None],
        admitted: Callable[[Sequence[Item]], None] | None = None,
    ) -> None:
        self._queue = queue
        self._admission = admission
        self._store = admission.store
        self._meter = meter
        self._budget = budget
        self._lost = lost
        self._restore = restore
        self._work_of = work_of
        self._lease = lease
        self._say = say
        self._admitted = admitted
        self._broken: BaseException | None = None
        self._seen_workers = asyncio.get_running_loop().time()
        self._lonely = False
        self.ended = 0  # tasks that came to an end
        self.spent_by: dict[str, Spent] = {}  # worker → what its results have cost
        self._spent: BudgetExceeded | None = None
        self._withdrawing = False
        self._waiting: dict[str, tuple[Work, asyncio.Future[Outcome | None]]] = {}
        self.reclaimed = 0  # tasks of lost workers that were made ready again
        self.state = QueueState()  # as it was seen last
        self._known: dict[str, bool] = {}  # workers by name, and whether they were heard of late
        self._new: list[Work] = []
        self._changed = asyncio.Event()
        self._feeding = asyncio.Lock()
        self._due = asyncio.Event()

    async def run(self, task: Task) -> Outcome | None:
        """Has `task` run by some worker; returns its outcome once it is committed, or None when it was withdrawn.

        Raises:
            AccessDenied, BudgetExceeded, WorkersLost, ConfigError, StoreError: the campaign must stop.
        """
        if (over := self._broken or self._spent) is not None:
            raise over
        status = self._status(task.id)
        if status is not None and status is not Status.PENDING:  # a result that an earlier coordinator had not taken
            item = self._store.item(task.id)
            return Outcome(status, (item,), _reason((item,)))
        try:
            work = self._work_of(task)
        except NotStored as error:  # a planner named a record that is not there
            outcome = failure_of(task, self._admission.kind, error, Usage(), Lineage())
            return await self._admission.admit(task, outcome)
        done: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._waiting[task.id] = (work, done)
        self._new.append(work)
        self._changed.set()
        try:
            return await done
        finally:
            self._waiting.pop(task.id, None)

    def withdraw(self) -> None:
        """From now on tasks that no worker has begun are taken back; those that are leased go on to their ends."""
        self._withdrawing = True
        self.look()

    def look(self) -> None:
        """Has the workers looked after now: something is known to have changed."""
        self._due.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Feeds, collects and watches while the block runs."""
        await self._retry_dead()
        jobs = [asyncio.create_task(job()) for job in (self._feed, self._collect, self._watch, self._step_down)]
        for job in jobs:
            self.depend_on(job)
        try:
            yield
        finally:
            await stopped(*jobs)

    def depend_on(self, job: asyncio.Task[None]) -> None:
        """Should `job` fail, every task that waits fails with it, and every later one; all stay pending."""
        job.add_done_callback(self._fail_all)

    def _fail_all(self, job: asyncio.Task[None]) -> None:
        if job.cancelled() or (error := job.exception()) is None:
            return
        self._broken = self._broken or error
        self._raise_in_all(error)

    async def _retry_dead(self) -> None:
        """Tasks that were set aside and are pending again in the store (`--retry-failed`) get another chance."""
        again = [dead.task for dead in await self._queue.dead() if self._status(dead.task) is Status.PENDING]
        if again:
            await self._queue.requeue(again)

    def _status(self, task: str) -> Status | None:
        try:
            return self._store.status(task)
        except NotStored:
            return None

    async def end(self, patience: float) -> QueueState | None:
        """Tells workers to drain, waits `patience` seconds at most until they have gone, and takes their last results.

        Not after the lead was lost: then they are another coordinator's. Returns the queue's last state, None when it
        is not known.
        """
        state: QueueState | None = None
        if self._lost.is_set():
            return None
        with contextlib.suppress(TimeoutError, GristmillError):  # a queue that is gone has no workers to wait for
            async with asyncio.timeout(patience):
                await self._queue.order("drain")
                while True:
                    state = await self._queue.state()
                    if not self._alive(state) and (not state.results or self._broken is not None):
                        break
                    await asyncio.sleep(0.05)
        return None if self._lost.is_set() else state

    def _alive(self, state: QueueState) -> list[WorkerInfo]:
        return [worker for worker in state.workers if worker.age <= self._lease]

    def _raise_in_all(self, error: BaseException) -> None:
        for _, done in list(self._waiting.values()):
            if not done.done():
                done.set_exception(error)

    async def _feed(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            async with self._feeding:
                new, self._new = self._new, []
                if not self._withdrawing:
                    await self._queue.feed(new)

    async def _collect(self) -> None:
        while True:
            results = await self._queue.results()
            first: dict[str, Result] = {}
            for result in results:
                first.setdefault(result.task, result)
            # Together, so that they share a commit: one after the other each would wait for the disk by itself.
            taken = await asyncio.gather(*map(self._take, first.values()), return_exceptions=True)
            for failed in taken:
                if isinstance(failed, BaseException):
                    raise failed
            for result in results:
                if first[result.task] is not result:  # a task's second one, after the queue lost its data
                    await self._take(result)
            await self._queue.confirm(results)

    async def _take(self, result: Result) -> None:
        waiting = self._waiting.get(result.task)
        if waiting is None and self._status(result.task) is not Status.PENDING:
            return  # it comes a second time, after a crash between commit and confirm, or is no task of this run
        task = waiting[0].task if waiting is not None else self._store.task(result.task)
        outcome = await self._admission.admit(task, Outcome(result.status, result.items, _reason(result.items)))
        if self._admitted is not None:
            self._admitted(outcome.items)
        for item in result.items:
            before = self.spent_by.get(result.worker, Spent())
            tokens = before.tokens + item.usage.input_tokens + item.usage.output_tokens
            self.spent_by[result.worker] = Spent(tokens, before.usd + item.usage.usd)
            self._meter.add("fleet", "", item.usage)
            self._budget.book(item.usage.input_tokens + item.usage.output_tokens, item.usage.usd)
        self.ended += 1
        waiting = self._waiting.get(result.task)  # it may have been asked for meanwhile
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(outcome)
        try:
            self._budget.check()
        except BudgetExceeded as error:
            self._over(error)

    def _over(self, error: BudgetExceeded) -> None:
        """The budget is spent: what runs may end on what it has reserved, all else is withdrawn for this reason."""
        self._spent = self._spent or error
        self.withdraw()

    async def _take_back(self) -> None:
        """Ends the tasks that no worker has begun, without an outcome."""
        async with self._feeding:  # what is on its way there arrives first
            asked = [task for task, (_, done) in self._waiting.items() if not done.done()]
            gone = await self._queue.withdraw(asked) if asked else []
        for task in gone:
            if (waiting := self._waiting.get(task)) is None or waiting[1].done():
                continue
            if self._spent is None:
                waiting[1].set_result(None)
            else:
                waiting[1].set_exception(self._spent)

    async def _watch(self) -> None:
        """Again and again: brings back what dead workers held, ends poison tasks, hears workers' problems."""
        generation = self._queue.generation
        fed = asyncio.get_running_loop().time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._lease / 6, WATCH)):
                    await self._due.wait()
            self._due.clear()
            if self._withdrawing:
                await self._take_back()
            if lost := await self._queue.reclaim():
                self.reclaimed += lost
                LOG.warning("%d tasks of lost workers are ready again", lost)
            for dead in await self._queue.dead():
                waiting = self._waiting.get(dead.task)
                if waiting is None or waiting[1].done():
                    continue
                LOG.warning("%s: %s", dead.task, message_of(dead))
                outcome = failure(waiting[0].task, self._admission.kind, POISON, message_of(dead))
                outcome = in_round(outcome, waiting[0].round)
                outcome = await self._admission.admit(waiting[0].task, outcome)
                self.ended += 1
                if not waiting[1].done():
                    waiting[1].set_result(outcome)
            await self._hear()
            moment = asyncio.get_running_loop().time()
            lost_data = self._queue.generation != generation
            if lost_data:
                LOG.warning("the queue lost its data; what is pending is fed again")
                generation = self._queue.generation
                await self._restore()
            if (lost_data or moment - fed > FEED_AGAIN) and not self._withdrawing:
                fed = moment
                await self._queue.feed([work for work, done in self._waiting.values() if not done.done()])

    async def _step_down(self) -> None:
        await self._lost.wait()
        raise RunLocked("another coordinator leads this campaign now; this one has stopped, nothing is lost")

    async def _hear(self) -> None:
        self.state = state = await self._queue.state()
        workers = self._alive(state)
        self._notice(len(workers))
        self._greet(state.workers)
        if state.order == "drain" and not workers:
            self._raise_in_all(WorkersLost("its workers were told to drain and have left; the same command goes on"))
        workers = [worker for worker in workers if worker.problem_code != "differs"]  # it leaves; others may join
        troubled = [worker for worker in workers if worker.problem]
        if not troubled or len(troubled) < len(workers):
            return  # the others can go on
        first = troubled[0]
        said = f"worker {first.name}: {first.problem}"
        if first.problem_code in {"tokens", "usd", "time"}:
            self._over(BudgetExceeded(first.problem_code, said))
        else:
            self._raise_in_all(AccessDenied(said) if first.problem_code == "denied" else ConfigError(said))

    def _greet(self, workers: Sequence[WorkerInfo]) -> None:
        """Logs who has come, fallen silent, spoken again, or left."""
        for worker in workers:
            heard = worker.age <= self._lease
            before = self._known.get(worker.name)
            if before is None and heard:
                LOG.info("worker %s is there: %s, pid %d, %d slots", worker.name, worker.host, worker.pid, worker.slots)
            elif before and not heard:
                LOG.warning("worker %s has not been heard for %.0f s; its tasks come back", worker.name, worker.age)
            elif before is False and heard:
                LOG.info("worker %s is heard again", worker.name)
            if heard or before is not None:
                self._known[worker.name] = heard
        for name in self._known.keys() - {worker.name for worker in workers}:
            LOG.info("worker %s has left", name)
            del self._known[name]

    def _notice(self, workers: int) -> None:
        """Tells a person when nobody is there to run a task, once, and when somebody has come."""
        moment = asyncio.get_running_loop().time()
        if workers:
            self._seen_workers = moment
            if self._lonely:
                self._say(f"{workers} workers are there")
            self._lonely = False
        elif not self._lonely and moment - self._seen_workers > LONELY:
            self._lonely = True
            self._say("no worker is there: the tasks wait until one joins (`gristmill worker --help`)")


def _reason(items: tuple[Item, ...]) -> str:
    return next((item.reasons[0] for item in items if item.reasons), "")
