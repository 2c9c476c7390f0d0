"""One start of a campaign: the phases in their order, over an open store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from ..agents.state import FlowContext
from ..errors import BudgetExceeded
from ..evals.duplicates import ExactPool
from ..models.layers.meter import Meter
from ..storage.store import Books, RunStore
from .collector import calm_collector
from .ingest import Ingested, ingest
from .knowledge import build_graph
from .loop import Loop
from .planning import Plan
from .prepare import Prepared
from .progress import Progress
from .signals import drained_by_signals
from .spec import CampaignSpec
from .stops import Stop, Stops
from .worker import Worker

INTERRUPTED = Stop("interrupted", "it was interrupted; the same command goes on where it stopped")


@dataclass
class Run:
    """Everything that one start of a campaign has open, and its phases."""

    spec: CampaignSpec
    prepared: Prepared
    store: RunStore
    meter: Meter
    context: FlowContext
    seconds_before: float
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: Loop | None = None
    ingested: Ingested = field(default_factory=Ingested)

    async def go(self, progress: Progress) -> tuple[Stop, Ingested]:
        """Runs all phases; returns why it ended."""
        books = self.store.books()
        progress.start(self.meter, target=self.spec.target, accepted=books.accepted)
        with drained_by_signals(lambda: self._drain(progress)):
            await self.store.set_mark("stop", None)  # an earlier start's; should this one be killed, it has none
            stop = await self._phases(progress, books)
            await self.store.set_mark("stop", {"code": stop.code, "text": stop.text})
            return stop, self.ingested
        return INTERRUPTED, self.ingested

    def _drain(self, progress: Progress) -> None:
        self.stopping.set()
        flying = f"{self.loop.in_flight} tasks" if self.loop else "the calls"
        progress.say(f"finishing {flying} in flight; once more ends at once")
        if self.loop is not None:
            self.loop.drain(INTERRUPTED)

    async def _phases(self, progress: Progress, books: Books) -> Stop:
        progress.phase("reading documents")
        self.ingested = await ingest(self.spec, self.store, progress.step)
        chunks = self.store.chunks()
        graph = None
        if self.prepared.needs_graph and not self.stopping.is_set():
            progress.phase("building the knowledge graph", len(chunks))
            try:
                graph = await build_graph(
                    self.spec.graph,
                    self.store,
                    chunks,
                    self.context,
                    concurrency=self.spec.concurrency,
                    stopping=self.stopping,
                    on_chunk=progress.step,
                )
            except BudgetExceeded as error:
                return Stop(error.kind, str(error))
        if self.stopping.is_set():
            return INTERRUPTED
        pool = ExactPool()
        await pool.restore(self.store.claims())
        plan = Plan(
            self.store,
            self.prepared.planner,
            self.prepared.options,
            chunks=chunks,
            graph=graph,
            seed=self.spec.seed,
            window=max(64, 2 * self.spec.concurrency),
            max_tasks=self.spec.max_tasks,
        )
        worker = Worker(
            self.store,
            self.prepared.flow.compile(),
            replace(self.context, pool=pool),
            graph=graph,
            pool=pool,
            meter=self.meter,
            kind=self.prepared.kind,
        )
        stops = Stops(
            target=self.spec.target,
            rules=self.spec.stop,
            budget=self.spec.budget,
            accepted=books.accepted,
            finished=books.planned - books.pending,
            seconds=self.seconds_before,
        )
        progress.phase("running tasks", self.spec.max_tasks)
        self.loop = Loop(
            plan,
            worker,
            stops,
            concurrency=self.spec.concurrency,
            on_outcome=lambda _, outcome: progress.outcome(outcome),
        )
        with calm_collector():
            return await self.loop.run()
