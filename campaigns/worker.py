"""Runs one task through the flow and turns what happens into an outcome. Every task fails alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langgraph.errors import GraphRecursionError

from ..agents.state import FlowContext, FlowState
from ..errors import AccessDenied, BudgetExceeded, ConfigError, NotStored, ServerLost, StoreError
from ..evals.duplicates import ExactPool
from ..graphs.flows.runner import STEP_LIMIT, Runner
from ..models.layers.meter import Lineage, Meter
from ..storage.records import Status, Task
from ..storage.store import RunStore
from .outcome import Outcome, duplicate, failure, failure_of, outcome_of

if TYPE_CHECKING:  # types only: a campaign without a graph does not load networkx
    from ..graphs.knowledge.graph import KnowledgeGraph

# What concerns the whole campaign and no single task: the task stays pending, the campaign stops.
FATAL = (BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError)


class Worker:
    """Runs tasks. `flow` runs one of them to its last state, `meter` counts its models' calls."""

    def __init__(
        self,
        store: RunStore,
        flow: Runner,
        context: FlowContext,
        *,
        graph: KnowledgeGraph | None,
        pool: ExactPool,
        meter: Meter,
        kind: str,
    ) -> None:
        self._store = store
        self._flow = flow
        self._context = context
        self._graph = graph
        self._pool = pool
        self._meter = meter
        self._kind = kind

    async def run(self, task: Task) -> Outcome:
        """Runs `task`, commits its outcome, and returns it.

        Raises:
            BudgetExceeded, AccessDenied, ServerLost, ConfigError, StoreError: the campaign must stop; the task stays
                pending.
        """
        outcome = await self._outcome(task)
        if outcome.status is Status.ACCEPTED:
            twin = self._pool.claim(_text_of(outcome), task.id)
            if twin is not None:
                outcome = duplicate(outcome, twin)
        if outcome.status is not Status.ACCEPTED:
            self._pool.release(task.id)
        try:
            await self._store.finish(task.id, outcome.status, outcome.items, claims=self._pool.held(task.id))
        except FATAL:
            raise
        except Exception as error:  # the flow left values that JSON cannot carry
            self._pool.release(task.id)
            (item,) = outcome.items
            outcome = failure_of(task, self._kind, error, item.usage, Lineage(item.models, item.prompts))
            await self._store.finish(task.id, outcome.status, outcome.items)
        self._pool.keep(task.id)
        return outcome

    async def _outcome(self, task: Task) -> Outcome:
        failed: Exception | None = None
        state: FlowState = {}
        try:
            state = await self._flow(self._start(task), self._context)
        except NotStored as error:  # a planner named a record that is not there
            failed = error
        except FATAL:
            self._pool.release(task.id)
            self._meter.take(task.id)
            raise
        except Exception as error:  # a user's flow may raise anything; it costs this task and no other
            failed = error
        usage, lineage = self._meter.take(task.id)
        if failed is None:
            try:
                return outcome_of(task, state, self._kind, usage, lineage)
            except Exception as error:  # the flow left something that is no draft, no verdict, no decision
                failed = error
        if isinstance(failed, GraphRecursionError):
            message = f"the flow took more than {STEP_LIMIT} steps without an end; give its loop a limit"
            return failure(task, self._kind, "endless_loop", message, usage=usage, lineage=lineage)
        return failure_of(task, self._kind, failed, usage, lineage)

    def _start(self, task: Task) -> FlowState:
        state: FlowState = {"task": task, "chunks": [self._store.chunk(key) for key in task.chunks]}
        if self._graph is not None:
            state["entities"] = [self._graph.entities[key] for key in task.entities]
            state["relations"] = [self._graph.relations[key] for key in task.relations]
        return state


def _text_of(outcome: Outcome) -> str:
    return "\n".join(message.content for item in outcome.items for message in item.messages)
