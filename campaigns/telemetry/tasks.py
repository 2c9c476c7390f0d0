"""Traces of tasks: a span from the moment a task is handed out until it is committed, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ...models.tracing import Tracer
from ...storage.queue import Work
from ...storage.records import Task
from ..loop import Runner
from ..outcome import Outcome, code_of


class TracedRunner:
    """A runner whose tasks are spans, each the root of a trace."""

    def __init__(self, runner: Runner, tracer: Tracer, run: str) -> None:
        self._runner = runner
        self._tracer = tracer
        self._run = run

    def withdraw(self) -> None:
        self._runner.withdraw()

    async def run(self, task: Task) -> Outcome | None:
        about = {"gristmill.run": self._run, "gristmill.task": task.id}
        with self._tracer.span("gristmill.task", "producer", about) as span:
            outcome = await self._runner.run(task)
            status = "withdrawn" if outcome is None else outcome.status.value
            reason = "" if outcome is None else code_of(outcome.reason)
            span.set_attributes({"gristmill.status": status, "gristmill.reason": reason})
            return outcome


def traced(runner: Runner, tracer: Tracer | None, run: str) -> Runner:
    """Returns `runner`, with a span around each task where there is a tracer."""
    return runner if tracer is None else TracedRunner(runner, tracer, run)


def with_trace(work_of: Callable[[Task], Work], tracer: Tracer | None) -> Callable[[Task], Work]:
    """Returns `work_of` so that what it makes carries the span that it is made in, to the worker that will run it."""
    if tracer is None:
        return work_of
    return lambda task: work_of(task).model_copy(update={"trace": tracer.traceparent()})


def node_spans(tracer: Tracer | None) -> Callable[[str], AbstractContextManager[object]] | None:
    """Returns what makes the span of a flow's node from its name, or None without a tracer."""
    return None if tracer is None else lambda name: tracer.span(f"node {name}")
