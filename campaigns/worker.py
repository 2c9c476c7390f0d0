"""Runs one task through the flow and turns what happens into an outcome. Every task fails alone."""

from __future__ import annotations

from dataclasses import replace

from langgraph.errors import GraphRecursionError

from ..agents.state import FlowContext, FlowState
from ..errors import AccessDenied, BudgetExceeded, ConfigError, ServerLost, StoreError
from ..graphs.flows.runner import STEP_LIMIT, Runner
from ..models.context import TASK
from ..models.layers.meter import Meter
from ..models.tracing import Tracer
from ..storage.queue import Work
from .gating.guards import judged
from .outcome import Outcome, code_of, failure, failure_of, in_round, outcome_of
from .refining import VersionsPool, first_state
from .rounds import Contexts
from .training.serving import Serving

# What concerns the whole campaign and no single task: the task stays pending, the campaign stops.
FATAL = (BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError)


class Worker:
    """Runs tasks through a flow. It knows no store: a task comes with its records, its outcome is for others to keep.

    `flow` runs one task to its last state, in the one of `contexts` that its round has, `refine` the same flow from
    its refine node on, None where it has none; `meter` counts its models' calls, `kind` is what its items train. With a
    `tracer` each run of a task is a span.
    """

    def __init__(
        self,
        flow: Runner,
        contexts: Contexts,
        *,
        meter: Meter,
        kind: str,
        refine: Runner | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._flow = flow
        self._refine = refine
        self._contexts = contexts
        self._meter = meter
        self._kind = kind
        self._tracer = tracer

    async def outcome(self, work: Work) -> Outcome:
        """Runs a task's flow and says what came of it.

        Raises:
            BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError: the campaign must stop; the task stays
                pending.
        """
        if self._tracer is None:
            return in_round(await self._outcome(work), work.round)
        with self._tracer.span(
            "gristmill.run",
            "consumer" if work.trace else "internal",
            {"gristmill.task": work.task.id},
            parent=work.trace,
        ) as span:
            outcome = in_round(await self._outcome(work), work.round)
            span.set_attributes({"gristmill.status": outcome.status.value, "gristmill.reason": code_of(outcome.reason)})
            return outcome

    async def _outcome(self, work: Work) -> Outcome:
        task = work.task
        context = await self._contexts.of(work.precedents)
        if isinstance(context.models, Serving) and (models := context.models.of(task)) is not context.models:
            context = replace(context, models=models)
        failed: Exception | None = None
        state: FlowState = {}
        TASK.set(task.id)  # not reset: what follows in this asyncio task is about the same one
        try:
            state = await self._run(work, context)
        except FATAL:
            self._meter.take(task.id)
            raise
        except Exception as error:  # a user's flow may raise anything; it costs this task and no other
            failed = error
        usage, lineage = self._meter.take(task.id)
        if failed is None:
            try:
                return await judged(outcome_of(task, state, self._kind, usage, lineage), context.guards)
            except FATAL:  # a guard's embedder is gone: the task stays pending
                raise
            except Exception as error:  # the flow left something that is no draft, no verdict, no decision
                failed = error
        if isinstance(failed, GraphRecursionError):
            message = f"the flow took more than {STEP_LIMIT} steps without an end; give its loop a limit"
            return failure(task, self._kind, "endless_loop", message, usage=usage, lineage=lineage)
        return failure_of(task, self._kind, failed, usage, lineage)

    async def _run(self, work: Work, context: FlowContext) -> FlowState:
        found = work.refinement
        if found is None:
            return await self._flow(first_state(work, at_refine=False), context)
        if context.pool is not None:
            context = replace(context, pool=VersionsPool(context.pool, found.versions))
        if self._refine is None or found.draft is None:
            return await self._flow(first_state(work, at_refine=False), context)
        return await self._refine(first_state(work, at_refine=True), context)
