"""One start of a campaign: the phases in their order, over an open store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace

from ..agents.state import FlowContext
from ..errors import BudgetExceeded, StoreError
from ..evals.duplicates.gate import GatePool
from ..graphs.flows.runner import refine_runner_of, runner_of
from ..models.layers.budget import Budget
from ..models.layers.limiter import AnyLimiter
from ..models.layers.meter import Meter
from ..models.tracing import Tracer
from ..storage.records import Item, Verdict
from ..storage.store import Books, RunStore
from .admission import Admission, Local
from .checking.rows import MARK as COLUMNS
from .checking.rows import Columns
from .collector import calm_collector
from .fleet.dispatch import Dispatcher
from .fleet.fleet import Fleet
from .gating.gate import embedder_of, keep_marks, open_pool, rules_of, sees_wording_only
from .ingest import PLACES, Ingested, ingest, passed_over, places_of
from .knowledge.building import build_graph
from .knowledge.refresh import refresh
from .knowledge.staleness import withdraw_lost
from .loop import Loop, Runner
from .outcome import storable
from .planning.planning import Plan
from .planning.yields import MARK as DRAWS
from .prepare import Prepared, versions_of
from .progress import Progress
from .prompt_versions import note_versions, versions_in
from .returns import Returns
from .rounds import Contexts, open_round
from .signals import drained_by_signals
from .spec import CampaignSpec
from .steering.attributes import crossed, settle
from .steering.ends import MARK as STEERING
from .steering.opening import open_steering
from .stops import Stop, Stops
from .telemetry.exposition import Exposition
from .telemetry.tasks import node_spans, traced
from .telemetry.telemetry import Telemetry
from .training.handover import Trainer
from .worker import Worker

LOG = logging.getLogger(__name__)
INTERRUPTED = Stop("interrupted", "it was interrupted; the same command goes on where it stopped")


@dataclass
class Run:
    """Everything that one start of a campaign has open, and its phases."""

    spec: CampaignSpec
    prepared: Prepared
    store: RunStore
    meter: Meter
    budget: Budget
    context: FlowContext
    seconds_before: float
    refresh: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    limiters: dict[tuple[str, str], AnyLimiter] = field(default_factory=dict)
    tracer: Tracer | None = None
    fleet: Fleet | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    exposition: Exposition | None = None
    trainer: Trainer | None = None
    plan: Plan | None = None
    loop: Loop | None = None
    dispatcher: Dispatcher | None = None
    why: Stop = INTERRUPTED
    ingested: Ingested = field(default_factory=Ingested)

    async def go(self, progress: Progress) -> tuple[Stop, Ingested]:
        """Runs all phases; returns why it ended."""
        books = self.store.books()
        LOG.info("run %s %s", self.spec.name, "goes on" if books.planned else "starts", extra={"data": asdict(books)})
        progress.start(self.meter, target=self.spec.target, accepted=books.accepted)
        with drained_by_signals(lambda: self._drain(progress)):
            for line in await note_versions(self.store, versions_of(self.spec, self.prepared, versions_in(self.store))):
                progress.say(line)
            await self.store.set_mark("stop", None)  # an earlier start's; should this one be killed, it has none
            try:
                stop = await self._phases(progress, books)
            except Exception as error:
                with suppress(StoreError):  # the disk may be what failed
                    await self._mark(Stop("error", storable(str(error))))
                raise
            await self._mark(stop)
            return stop, self.ingested
        await self._mark(INTERRUPTED)
        return INTERRUPTED, self.ingested

    async def _mark(self, stop: Stop) -> None:
        if self.plan is not None:
            await self.store.set_mark(DRAWS, self.plan.draws)
            await self.store.set_mark(STEERING, self.plan.steering)
        await self.store.set_mark("stop", {"code": stop.code, "text": stop.text})

    def _drain(self, progress: Progress) -> None:
        self._end(INTERRUPTED)
        flying = "the calls in flight"
        if self.loop is not None:
            flying = "what workers have begun" if self.fleet else f"{self.loop.in_flight} tasks in flight"
        progress.say(f"finishing {flying}; once more ends at once")

    def _end(self, stop: Stop) -> None:
        """Asks every phase for an orderly end; the first to ask says why."""
        if not self.stopping.is_set():
            self.why = stop
            self.stopping.set()
        if self.loop is not None:
            self.loop.drain(stop)

    async def _phases(self, progress: Progress, books: Books) -> Stop:
        stops = Stops(
            target=self.spec.target,
            rules=self.spec.stop,
            budget=self.spec.budget,
            accepted=books.accepted,
            finished=books.planned - books.pending,
            seconds=self.seconds_before,
        )
        with self._ended_in_time(stops):
            progress.phase("reading documents")
            await self._refresh(progress)
            reads = self.refresh or self.store.mark("ingested") is None
            wanted = self.prepared.rows
            self.ingested = await ingest(self.spec, self.store, progress.step, stopping=self.stopping, wanted=wanted)
            if reads and (columns := self.store.mark(COLUMNS)) is not None:
                for line in wanted.passed_over(Columns.of_mark(columns)):
                    progress.say(line)
            if reads and not self.stopping.is_set():
                await self.store.set_mark(PLACES, places_of(self.spec))
            elif said := passed_over(self.spec, self.store):
                progress.say(said)
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
                if graph is not None and (lost := await withdraw_lost(self.store, graph)):
                    progress.say(f"{lost} tasks withdrawn: what they are about is no longer in the graph")
            if self.stopping.is_set():
                return self.why
            novelty, gated, pool = self.spec.novelty, self.prepared.gated, GatePool()
            if told := sees_wording_only(novelty, vectors=bool(self.spec.contamination.semantic)):
                progress.say(told)
            # All read as much as the run is large, so they do it in a thread, where signals do not wait for them.
            try:
                await keep_marks(novelty, self.store, gated, self.context.models)
                if self.fleet is None or not self.fleet.redis:  # over Redis the texts that are taken stand there
                    pool = await open_pool(novelty, self.store, gated, self.context.models)
                opened = await asyncio.to_thread(open_steering, self.spec.steer, self.store, graph, seed=self.spec.seed)
                traits = await settle(self.spec.attributes, self.store, self.context, chunks, self.spec.seed)
            except BudgetExceeded as error:  # vectors and attributes are paid for too
                return Stop(error.kind, str(error))
            self.plan = plan = await asyncio.to_thread(
                Plan,
                self.store,
                crossed(self.prepared.planner, traits, self.spec.attributes.class_of),
                self.prepared.options,
                chunks=chunks,
                graph=graph,
                seed=self.spec.seed,
                window=max(64, 2 * self.spec.concurrency),
                max_tasks=self.spec.max_tasks,
                steering=opened,
                trainer=self.trainer,
            )
            if self.stopping.is_set():
                return self.why
        round_, precedents = await open_round(self.spec, self.store, self.prepared.prompts)
        contexts = Contexts(replace(self.context, pool=pool, gate=rules_of(novelty)))
        contexts.add(precedents)
        if precedents is not None:
            progress.say(f"round {round_.number}: critics are shown what people decided ({round_.precedents} drafts)")
        around = node_spans(self.tracer)
        worker = Worker(
            runner_of(self.prepared.flow, runtime=self.spec.runtime, around=around),
            contexts,
            meter=self.meter,
            kind=self.prepared.kind,
            refine=refine_runner_of(self.prepared.flow, runtime=self.spec.runtime, around=around),
            tracer=self.tracer,
        )
        admission = Admission(self.store, pool, self.prepared.kind, gated, last_word=self._last_word(plan))
        progress.phase("running tasks", self.spec.max_tasks)
        if self.fleet is None:
            here = Local(worker, admission, graph, round_)
            return await self._loop(plan, here, stops, self.spec.concurrency, progress)
        try:
            async with self.fleet.coordinating(
                self.spec,
                self.prepared,
                self.store,
                graph,
                round_,
                admission,
                self.meter,
                self.budget,
                progress.say,
                telemetry=self.telemetry,
                exposition=self.exposition,
                tracer=self.tracer,
                embedder=embedder_of(novelty, self.context.models),
            ) as remote:
                progress.say(self.fleet.described)
                self.dispatcher = remote
                return await self._loop(plan, remote, stops, self.fleet.window(self.spec.concurrency), progress)
        finally:
            self.dispatcher = None

    def _last_word(self, plan: Plan) -> Callable[[Item], Verdict] | None:
        decides = self.prepared.last_word
        return None if decides is None else lambda item: decides(plan.view, item)

    async def _refresh(self, progress: Progress) -> None:
        """Reads documents again that were read by an earlier start, when this one was asked to."""
        if not self.refresh or self.store.mark("ingested") is None:
            return
        found = await refresh(self.spec, self.store, progress.step, stopping=self.stopping, wanted=self.prepared.rows)
        if found is not None:
            progress.say(found.described)

    async def _loop(self, plan: Plan, runner: Runner, stops: Stops, concurrency: int, progress: Progress) -> Stop:
        self.loop = Loop(
            plan,
            traced(runner, self.tracer, self.spec.name),
            stops,
            concurrency=concurrency,
            on_outcome=lambda _, outcome: progress.outcome(outcome),
            returns=Returns(self.store, plan, stops, progress.people),
        )
        # The loop looks at the time by itself, but not while a trainer is at work.
        with calm_collector(), self._ended_in_time(stops):
            return await self.loop.run()

    @contextmanager
    def _ended_in_time(self, stops: Stops) -> Iterator[None]:
        """Asks for an orderly end when the time budget is spent."""
        left = stops.seconds_left
        if left is None:
            yield
            return
        timer = asyncio.get_running_loop().call_later(max(left, 0.0), self._end, stops.out_of_time())
        try:
            yield
        finally:
            timer.cancel()
