"""The plan: draws tasks in windows, so that a campaign of a million tasks never stands in memory.

Tasks of an earlier run that are still pending come first, in their order; then the planner is asked for new ones.
What people sent back stands in a line of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orjson import dumps, loads

from ...errors import ConfigError, GristmillError
from ...graphs.planners.base import WAIT, Handover, Planner, PlanView
from ...storage.records import Chunk, Item, Status, Task
from ...storage.returns import is_refine
from ...storage.schema import Statement
from ...storage.store import RunStore, mark_statement
from ...storage.versions import Heirs, stale_tasks
from ..steering.ends import mark_of, stop_of
from ..steering.outcomes import ended_tasks, novelty_of
from ..steering.steering import Counts, Steering
from ..stops import Stop
from ..training.handover import Trainer
from .accepted import AcceptedItems, EndedItems
from .coverage import Coverage
from .tries import Tries
from .yields import MARK, NOTES, DrawYields

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ...graphs.knowledge.graph import KnowledgeGraph

PAGE = 1000
ASKED_AGAIN = 3  # times that a planner is asked which gives nothing but what is planned


class Plan:
    """Hands out tasks one by one, `window` of them in memory at most (a resume adds one page).

    `coverage` counts accepted and pending tasks by chunk, entity and cell, live: planners weigh by its counts.
    `extent` is how many chunks and entities there are. `planned` counts what the planner drew, and not what people sent
    back. With `steering` it looks at more of what the planner draws than it plans.
    """

    def __init__(
        self,
        store: RunStore,
        planner: Planner,
        options: Any,
        *,
        chunks: Sequence[Chunk],
        graph: KnowledgeGraph | None,
        seed: int,
        window: int,
        max_tasks: int | None,
        steering: Steering | None = None,
        trainer: Trainer | None = None,
    ) -> None:
        self.coverage = Coverage()
        self.extent = (len(chunks), 0 if graph is None else len(graph.entities))
        self.planned = 0
        self._yields = DrawYields()
        stale = stale_tasks(store)
        self._heirs = Heirs(store)
        self._tries = Tries(store, self._heirs.today, stale)
        self._store = store
        self._planner = planner
        self._trainer = trainer
        self._options = options
        self._steering = steering
        self._window = window if steering is None else steering.spec.window
        self._max_tasks = None if max_tasks is None else max_tasks + len(stale)  # their places are made again
        self._rng = random.Random(seed)  # noqa: S311  # reproducible draws are the point, nothing secret hangs on it
        self._open = 0  # planned tasks that have not ended
        self._noted = dumps(store.mark(NOTES) or {})
        counts = self.coverage.counts
        self._view = PlanView(
            chunks=chunks,
            graph=graph,
            coverage=counts if steering is None else Counts(counts, steering.waiting),
            is_planned=self._is_taken,
            meta=self._meta,
            source=lambda chunk: self._store.document_name(chunk.document),
            accepted=AcceptedItems(store),
            tries=self._tries.of,
            pending=self._pending,
            notes=loads(self._noted),
            ended=EndedItems(store),
            trained=None if trainer is None else trainer.trained,
        )
        self._queue: deque[Task] = deque()
        self._sent_back: deque[Task] = deque()
        self._after = 0
        self._resuming = True
        self._exhausted = False
        self._drawn = False
        self._ends = 0
        self._ended: list[tuple[Task, Status, str]] | None = None
        for task, status in store.tasks():
            counts_now = status is not Status.ACCEPTED or task.id not in stale
            if not is_refine(task):
                self.planned += 1
                self._open += status is Status.PENDING
                self._yields.add(task, status)
                if steering is not None:
                    steering.recall(self._heirs.today(task), status, counts=counts_now)
            elif status is Status.PENDING:
                self._sent_back.append(task)
            if counts_now and status in (Status.PENDING, Status.ACCEPTED):
                self.coverage.add(self._heirs.today(task))
        if steering is not None and self.planned:
            for task, status, novelty in ended_tasks(store):
                steering.recall_end(self._heirs.today(task), status, novelty)
        self._resuming = self.planned > 0

    @property
    def draws(self) -> dict[str, dict[str, Any]]:
        """What each kind of draw yields; see `DrawYields.as_mark`."""
        return self._yields.as_mark(self._view.yields)

    @property
    def view(self) -> PlanView:
        """What the planner sees."""
        return self._view

    @property
    def stop(self) -> Stop:
        """Says why there are no more tasks."""
        if self._max_tasks is not None and self.planned >= self._max_tasks:
            return Stop("exhausted", f"all {self.planned} tasks are done that max_tasks allows; raise it to go on")
        if not self._exhausted:
            return Stop("exhausted", "the planner waits for a task to end, and none is left that could")
        every = Stop("exhausted", "every task that the recipe draws is done")
        return every if self._steering is None else stop_of(self._steering, every)

    @property
    def steering(self) -> dict[str, Any] | None:
        """What is known of cells, as a mark; None where nothing steers."""
        return None if self._steering is None else mark_of(self._steering)

    async def next(self) -> Task | None:
        """Returns the next task, or None when there will be no more."""
        await self._store.ready()  # here the loop can wait for a database that is away; reads cannot
        if not self._queue:
            await self._refill()
        return self._queue.popleft() if self._queue else None

    async def add_sent_back(self, tasks: Sequence[Task]) -> None:
        """Stores the tasks of what people sent back; `next_sent_back` hands them out."""
        new = [task for task in tasks if not self._store.is_planned(task.id)]
        if not new:
            return
        await self._store.plan(new)
        for task in new:
            self.coverage.add(task)
        self._sent_back.extend(new)

    @property
    def sent_back(self) -> int:
        """How many tasks of what people sent back wait to be handed out."""
        return len(self._sent_back)

    def next_sent_back(self) -> Task | None:
        """Returns the next task of what people sent back, or None when there is none now."""
        return self._sent_back.popleft() if self._sent_back else None

    def take_back(self, task: Task) -> None:
        """Puts a task that was not run back to the front."""
        (self._sent_back if is_refine(task) else self._queue).appendleft(task)

    def finished(self, task: Task, status: Status, items: Sequence[Item] = ()) -> None:
        """Tells the plan how a task ended, and with what: what was not accepted no longer counts as covered."""
        self._ends += 1
        if not is_refine(task):
            self._open -= 1
            self._yields.ended(task, status)
            if self._steering is not None:
                self._steering.ended(self._heirs.today(task), status, novelty_of(items))
        reason = items[0].reasons[0] if items and items[0].reasons else ""
        if self._ended is None:
            self._count_end(task, status, reason)
        else:  # a planner in another thread looks at the counts
            self._ended.append((task, status, reason))

    def _count_end(self, task: Task, status: Status, reason: str) -> None:
        if status is not Status.ACCEPTED:
            self.coverage.drop(self._heirs.today(task))
        self._tries.ended(task, status, reason)

    def _meta(self, chunk: Chunk) -> Mapping[str, Any]:
        return self._store.document(chunk.document).meta

    @property
    def walks(self) -> bool:
        """Whether the planner keeps iterators in its view, and begins anew when they are gone."""
        return bool(self._view.draws)

    def reopen(self) -> None:
        """Has a planner that `walks` begin anew."""
        self._view.draws.clear()
        self._drawn = False  # it walks past all that is planned

    async def candidates(self, count: int) -> Sequence[Task]:
        """Asks the planner for new tasks; none says that there are none left, `WAIT` that there will be.

        A planner that draws by chance and does not look at what is planned draws after a restart what it drew before:
        it is asked as often as it takes to get past that.
        """
        waited = False
        for _ in range(ASKED_AGAIN + self.planned // count):
            try:
                tasks = await self._ask(count)
                distinct = {task.id: task for task in tasks}
            except GristmillError:
                raise
            except Exception as error:  # a user's planner may raise anything
                name = getattr(self._planner, "__name__", repr(self._planner))
                raise ConfigError(f"planner '{name}' raised {type(error).__name__}: {error}; mend it") from error
            if isinstance(tasks, Handover):
                if self._trainer is None:
                    raise ConfigError(
                        "the planner hands a round over and the campaign has no trainer; name one: [train] hook = "
                        '"my_training:train", or have the planner look whether view.trained is None'
                    )
                if not await self._trainer.train(tasks.number):
                    return WAIT
                continue
            if tasks is WAIT:
                if waited or self._pending():
                    return WAIT
                waited = True  # what it waited for may have ended before it was asked
                continue
            if not distinct:
                break
            new = [task for task in distinct.values() if not self._is_planned(task)]
            if new:
                return new
            await asyncio.sleep(0)
        return []

    def _is_planned(self, task: Task) -> bool:
        """Whether a task was planned, also before its document changed around the passages that it is about, and before
        what it was drawn from was merged: work that is paid for is not done again under other ids.
        """
        return (
            self._is_taken(task.id)
            or self._heirs.has(task)
            or any(map(self._store.is_planned, self._heirs.former(task)))
        )

    def _is_taken(self, task: str) -> bool:
        return self._store.is_planned(task) or (self._steering is not None and self._steering.holds(task))

    def _pending(self) -> int:
        return self._open + (0 if self._steering is None else self._steering.buffered)

    async def _ask(self, count: int) -> Sequence[Task]:
        if self._drawn and self._open:
            return self._planner(self._view, count, self._rng, self._options)
        # The first draw walks past all that is planned, or finds communities, and one that follows when all has ended
        # may train a student: seconds for a large run. They happen in a thread, so that signals are heard. Others are
        # short, and run between tasks.
        self._ended, ends = [], self._ends
        try:
            tasks = await asyncio.to_thread(self._planner, self._view, count, self._rng, self._options)
        finally:
            self._drawn = True
            ended, self._ended = self._ended, None
            for end in ended:
                self._count_end(*end)
        if tasks is WAIT and self._ends > ends:  # what it waits for may have ended since it looked: nothing else may
            return await self._ask(count)
        return tasks

    def _notes(self) -> list[Statement]:
        """What writes down the planner's notes, where they have changed."""
        now = dumps(self._view.notes)
        if now == self._noted:
            return []
        self._noted = now
        return [mark_statement(NOTES, loads(now))]

    async def _refill(self) -> None:
        while self._resuming:
            page = self._store.pending(self._after, PAGE)
            if page:
                self._after = page[-1][0]
            self._queue.extend(task for _, task in page if not is_refine(task))
            if self._queue:
                return
            self._resuming = bool(page)
        room = self._window if self._max_tasks is None else min(self._window, self._max_tasks - self.planned)
        if room <= 0 or self._exhausted:
            return
        new = await (self.candidates(room) if self._steering is None else self._steering.draw(room, self))
        notes = self._notes()
        if not new:
            if notes:
                await self._store.write(*notes)
            self._exhausted = new is not WAIT
            return
        if self._max_tasks is not None:
            new = new[: self._max_tasks - self.planned]
        await self._store.plan(new, *notes)
        self.planned += len(new)
        self._open += len(new)
        for task in new:
            self.coverage.add(task)
            self._yields.add(task)
            self._tries.add(task)
        self._queue.extend(new)
        await self._store.set_mark(MARK, self.draws)
