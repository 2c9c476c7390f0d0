"""Counts what calls cost: by role for the progress and the report, by task for the item that a task becomes.

The meter stands outside the cache, so that it sees hits too, and inside the repair, so that each question asked again
is counted as the call that it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from ...errors import BudgetExceeded, ModelError
from ...storage.records import Call, Usage
from ..context import ROLE
from ..contract import Model, Reply, Request
from .base import Layer
from .latency import Latencies


@dataclass(slots=True)
class Tally:
    """Running counts. Mutable on purpose: adding to it costs a call next to nothing."""

    calls: int = 0
    cached_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def add(self, usage: Usage) -> None:
        self.calls += usage.calls
        self.cached_calls += usage.cached_calls
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.usd += usage.usd
        self.seconds += usage.seconds

    def usage(self) -> Usage:
        return Usage(self.calls, self.cached_calls, self.input_tokens, self.output_tokens, self.usd, self.seconds)


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a task was made with: model name by role, version by prompt name, and every call in the order of its end."""

    models: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """One role's account.

    `errors` counts, by reason, calls that failed for good; `repeats` counts, by reason, attempts that failed and were
    tried again; `waited` is the wall time in seconds that callers spent in `complete`, queueing included.
    """

    tally: Tally = field(default_factory=Tally)
    errors: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)
    waited: float = 0.0


class Meter:
    """The books of a run, shared by all its models. `latencies` is None where nobody asks for them."""

    def __init__(self) -> None:
        self.roles: dict[str, Books] = {}
        self.latencies: Latencies | None = None
        self._tasks: dict[str, Tally] = {}
        self._lineages: dict[str, Lineage] = {}

    def books(self, role: str) -> Books:
        """Returns the account of `role`, opened empty when there was none."""
        found = self.roles.get(role)
        if found is None:
            found = self.roles[role] = Books()
        return found

    def add(self, role: str, task: str, usage: Usage) -> None:
        """Books `usage` on `role` and, when given, on `task`."""
        self.books(role).tally.add(usage)
        if task:
            tally = self._tasks.get(task)
            if tally is None:
                tally = self._tasks[task] = Tally()
            tally.add(usage)

    def repeat(self, request: Request, error: ModelError) -> None:
        """Counts an attempt that failed and is tried again."""
        self.books(request.role).repeats[error.reason] += 1

    def trace(self, request: Request, model: str) -> Lineage:
        """Notes which model and prompt a task asks, so that its item can name them all; returns the task's lineage."""
        lineage = self._lineages.get(request.task)
        if lineage is None:
            lineage = self._lineages[request.task] = Lineage()
        lineage.models[request.role] = model
        if request.prompt:
            lineage.prompts[request.prompt] = request.version
        return lineage

    def take(self, task: str) -> tuple[Usage, Lineage]:
        """Returns what `task` cost and asked since the last take, and forgets it. Call it once a task, when it ends."""
        tally = self._tasks.pop(task, None)
        return (Usage() if tally is None else tally.usage()), self._lineages.pop(task, None) or Lineage()

    @property
    def total(self) -> Usage:
        """What everything cost so far."""
        whole = Tally()
        for books in self.roles.values():
            whole.add(books.tally.usage())
        return whole.usage()

    def report(self) -> dict[str, dict[str, Any]]:
        """Returns the books by role as JSON values."""
        return {
            role: {
                "calls": books.tally.calls,
                "cached_calls": books.tally.cached_calls,
                "input_tokens": books.tally.input_tokens,
                "output_tokens": books.tally.output_tokens,
                "usd": books.tally.usd,
                "seconds": books.tally.seconds,
                "waited": books.waited,
                "errors": dict(books.errors),
                "repeats": dict(books.repeats),
            }
            for role, books in sorted(self.roles.items())
        }


class Metered(Layer):
    """Books every reply and every failure of `inner` in `meter`."""

    def __init__(self, inner: Model, meter: Meter) -> None:
        super().__init__(inner)
        self.meter = meter

    async def complete(self, request: Request) -> Reply:
        started = perf_counter()
        asking = ROLE.set(request.role)
        books = self.meter.books(request.role)
        lineage = self.meter.trace(request, self.name) if request.task else None
        try:
            reply = await self.inner.complete(request)
        except ModelError as error:
            books.errors[error.reason] += 1
            if error.tokens != (0, 0):
                self.meter.add(request.role, request.task, Usage(1, 0, error.tokens[0], error.tokens[1], error.usd))
            if lineage is not None:
                lineage.calls.append(
                    Call("", request.role, request.prompt, *error.tokens, error.usd, error=error.reason)
                )
            raise
        except BudgetExceeded as error:
            books.errors[f"budget_{error.kind}"] += 1
            raise
        finally:
            ROLE.reset(asking)
            books.waited += perf_counter() - started
        if self.meter.latencies is not None and not reply.cached:
            self.meter.latencies.add(request.role, reply.usage.seconds)
        self.meter.add(request.role, request.task, reply.usage)
        if lineage is None:
            return reply
        call = _call_of(request, reply)
        lineage.calls.append(call)
        return replace(reply, calls=(call,))


def _call_of(request: Request, reply: Reply) -> Call:
    used = reply.usage
    return Call(
        reply.key,
        request.role,
        request.prompt,
        used.input_tokens,
        used.output_tokens,
        used.usd,
        round(used.seconds, 3),
        reply.cached,
    )
