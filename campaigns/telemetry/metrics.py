"""The metrics: what each is called and means, and where its value stands in the books. Read when somebody asks.

Names and units follow Prometheus. Label values are roles, models, servers, states and reason codes: few, and none of
them a text that a model or a document wrote.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal, TypeVar

from ...models.contract import Model
from ...models.layers.budget import Budget
from ...models.layers.latency import BOUNDS, Latencies
from ...models.layers.limiter import AnyLimiter
from ...models.layers.meter import Meter
from ...storage.queue import QueueState
from ...storage.records import Status
from ...storage.store import Books, RunStore
from ..outcome import code_of

if TYPE_CHECKING:  # types only: those files import this one
    from ..fleet.dispatch import Dispatcher
    from ..fleet.member import Member
    from ..progress import Progress
    from ..spec import BudgetSpec

Value = TypeVar("Value")
DISTINCT = 50  # label values of one kind; further ones are `other`, so that nothing can make series without end
REST = 20.0  # times as long as it took are the books not counted again: large runs take a moment


@dataclass(frozen=True, slots=True)
class Metric:
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str


METRICS: Mapping[str, Metric] = {
    "gristmill_build_info": Metric("gauge", ("version", "python"), "Always 1; the versions that run."),
    "gristmill_run_info": Metric("gauge", ("run", "process"), "Always 1; the run, and what this process is to it."),
    "gristmill_phase_steps": Metric("gauge", ("phase",), "Steps of the current phase that are done."),
    "gristmill_tasks": Metric("gauge", ("status",), "Tasks of the run by status, from the store."),
    "gristmill_tasks_planned": Metric("gauge", (), "Tasks of the run; the sum of all statuses."),
    "gristmill_target_items": Metric("gauge", (), "Accepted items at which the campaign stops."),
    "gristmill_tasks_ended_total": Metric(
        "counter", ("status", "reason"), "Tasks that ended since the process started, by their first reason code."
    ),
    "gristmill_budget_limit": Metric("gauge", ("kind",), "The budget: tokens, usd, seconds. Absent without a limit."),
    "gristmill_budget_spent": Metric("gauge", ("kind",), "What the run has spent, all starts and workers together."),
    "gristmill_queue_tasks": Metric(
        "gauge", ("state",), "Tasks in the fleet's queue: ready, suspect (ready, to run apart), leased, results, dead."
    ),
    "gristmill_queue_bytes": Metric("gauge", (), "What the queue takes, in the file or in Redis."),
    "gristmill_workers": Metric("gauge", ("state",), "Workers: working, troubled (says why it cannot), silent."),
    "gristmill_fleet_slots": Metric("gauge", (), "Tasks that all workers together can run at a time."),
    "gristmill_fleet_tasks_running": Metric("gauge", (), "Tasks that all workers together run now."),
    "gristmill_leases_lost_total": Metric("counter", (), "Tasks of lost workers that were made ready again."),
    "gristmill_worker_slots": Metric("gauge", (), "Tasks that this worker can run at a time."),
    "gristmill_worker_tasks_running": Metric("gauge", (), "Tasks that this worker runs now."),
    "gristmill_worker_tasks_done_total": Metric("counter", (), "Results that this worker has handed in."),
    "gristmill_worker_results_late_total": Metric(
        "counter", (), "Results that this worker could not hand in: their lease was lost."
    ),
    "gristmill_model_calls_total": Metric(
        "counter", ("role", "model", "cached"), "Calls of this process that were answered."
    ),
    "gristmill_model_tokens_total": Metric("counter", ("role", "direction"), "Tokens, input and output, of its calls."),
    "gristmill_model_cost_usd_total": Metric("counter", ("role",), "US dollars that its calls cost, by given prices."),
    "gristmill_model_errors_total": Metric("counter", ("role", "reason"), "Calls that failed for good."),
    "gristmill_model_retries_total": Metric("counter", ("role", "reason"), "Attempts that failed and were repeated."),
    "gristmill_model_wait_seconds_total": Metric(
        "counter", ("role",), "Time that callers spent waiting for answers, queueing and retries included."
    ),
    "gristmill_model_call_seconds": Metric("histogram", ("role",), "Time that answered calls took at the server."),
    "gristmill_limiter_window": Metric(
        "gauge", ("server", "model"), "Requests in flight that the server is taken to bear; of the fleet over Redis."
    ),
    "gristmill_limiter_in_flight": Metric("gauge", ("server", "model"), "Requests of this process in flight."),
    "gristmill_limiter_open": Metric("gauge", ("server", "model"), "1 while the server is taken to be gone, else 0."),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; of a histogram its buckets (upper bound, count up to it) and, as `value`, the sum."""

    name: str
    value: float
    labels: tuple[str, ...] = ()
    buckets: tuple[tuple[str, float], ...] = ()


Source = Callable[[], Iterable[Sample]]


def process_source(run: str, process: str) -> Source:
    """Who is scraped: `process` is `coordinator` or `worker`."""
    version, python = metadata.version("gristmill"), platform.python_version()
    return lambda: (
        Sample("gristmill_build_info", 1, (version, python)),
        Sample("gristmill_run_info", 1, (run, process)),
    )


def calls_source(meter: Meter, models: Mapping[str, Model], limiters: Mapping[tuple[str, str], AnyLimiter]) -> Source:
    """The calls of this process, by role, and the limiters that they pass."""

    def source() -> Iterator[Sample]:
        for role, books in _first(meter.roles, {"fleet"}):  # `fleet` are workers' calls: they tell them themselves
            tally = books.tally
            model = models.get(role) or models.get("default")
            named = model.name if model is not None else ""
            yield Sample("gristmill_model_calls_total", tally.calls, (role, named, "false"))
            yield Sample("gristmill_model_calls_total", tally.cached_calls, (role, named, "true"))
            yield Sample("gristmill_model_tokens_total", tally.input_tokens, (role, "input"))
            yield Sample("gristmill_model_tokens_total", tally.output_tokens, (role, "output"))
            yield Sample("gristmill_model_cost_usd_total", tally.usd, (role,))
            yield Sample("gristmill_model_wait_seconds_total", books.waited, (role,))
            for reason, count in list(books.errors.items()):
                yield Sample("gristmill_model_errors_total", count, (role, reason))
            for reason, count in list(books.repeats.items()):
                yield Sample("gristmill_model_retries_total", count, (role, reason))
        if meter.latencies is not None:
            yield from _histograms(meter.latencies)
        for (server, model_name), limiter in list(limiters.items()):
            labels = (server, model_name)
            yield Sample("gristmill_limiter_window", float(getattr(limiter, "limit", 0.0)), labels)
            yield Sample("gristmill_limiter_in_flight", float(getattr(limiter, "in_flight", 0)), labels)
            yield Sample("gristmill_limiter_open", float(limiter.open), labels)

    return source


def _histograms(latencies: Latencies) -> Iterator[Sample]:
    for role, counts in _first(latencies.buckets):
        total, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), list(counts), strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield Sample("gristmill_model_call_seconds", latencies.sums[role], (role,), tuple(buckets))


def run_source(store: RunStore, budget: Budget, limit: BudgetSpec, progress: Progress) -> Source:
    """The run as its coordinator knows it: books, ends, budget, phase."""
    counted = _Counted(store)

    def source() -> Iterator[Sample]:
        books = counted.books()
        yield Sample("gristmill_tasks_planned", books.planned)
        for status in Status:
            yield Sample("gristmill_tasks", getattr(books, status.value), (status.value,))
        if progress.target is not None:
            yield Sample("gristmill_target_items", progress.target)
        if progress.phase_name:
            yield Sample("gristmill_phase_steps", progress.done, (progress.phase_name,))
        yield from ends(progress.ended)
        spent = budget.spent
        seconds = None if limit.minutes is None else limit.minutes * 60
        for kind, most, now in (
            ("tokens", limit.tokens, spent.tokens),
            ("usd", limit.usd, spent.usd),
            ("seconds", seconds, spent.seconds),
        ):
            yield Sample("gristmill_budget_spent", now, (kind,))
            if most is not None:
                yield Sample("gristmill_budget_limit", most, (kind,))

    return source


def ends(ended: Mapping[tuple[Status, str], int]) -> Iterator[Sample]:
    """Counts by status and code; those that came late are `other`, and stay it, so that no counter ever falls."""
    sums: dict[tuple[str, str], int] = {}
    codes = {"other"}
    for (status, reason), count in list(ended.items()):  # in the order in which they came first
        code = code_of(reason)
        if code not in codes and len(codes) > DISTINCT:
            code = "other"
        codes.add(code)
        sums[status.value, code] = sums.get((status.value, code), 0) + count
    for labels, total in sums.items():
        yield Sample("gristmill_tasks_ended_total", total, labels)


def fleet_source(dispatcher: Dispatcher, lease: float) -> Source:
    """The queue and the workers, as the coordinator saw them last, a second ago at most."""

    def source() -> Iterator[Sample]:
        state: QueueState = dispatcher.state
        for name, count in (
            ("ready", state.ready - state.suspect),
            ("suspect", state.suspect),
            ("leased", state.leased),
            ("results", state.results),
            ("dead", state.dead),
        ):
            yield Sample("gristmill_queue_tasks", count, (name,))
        yield Sample("gristmill_queue_bytes", state.bytes)
        heard = [worker for worker in state.workers if worker.age <= lease]
        troubled = sum(bool(worker.problem) for worker in heard)
        yield Sample("gristmill_workers", len(heard) - troubled, ("working",))
        yield Sample("gristmill_workers", troubled, ("troubled",))
        yield Sample("gristmill_workers", len(state.workers) - len(heard), ("silent",))
        yield Sample("gristmill_fleet_slots", sum(worker.slots for worker in heard))
        yield Sample("gristmill_fleet_tasks_running", sum(worker.running for worker in heard))
        yield Sample("gristmill_leases_lost_total", dispatcher.reclaimed)

    return source


def member_source(member: Member) -> Source:
    """A worker: its slots, what it runs, what it has done."""
    return lambda: (
        Sample("gristmill_worker_slots", member.slots),
        Sample("gristmill_worker_tasks_running", member.running),
        Sample("gristmill_worker_tasks_done_total", member.done),
        Sample("gristmill_worker_results_late_total", member.late),
    )


class _Counted:
    """The store's books, counted on a connection of the asking thread, and not again before a while has passed."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._books = Books()
        self._until = 0.0

    def books(self) -> Books:
        began = time.monotonic()
        if began >= self._until:
            store = self._store.reader()
            try:
                self._books = store.books()
            finally:
                store.close_reading()
            now = time.monotonic()
            self._until = now + REST * (now - began)
        return self._books


def _first(of: Mapping[str, Value], without: Iterable[str] = ()) -> list[tuple[str, Value]]:
    """The first entries, in a copy that does not change while it is read. A flow that makes up roles gets no more."""
    return [(name, value) for name, value in list(of.items()) if name not in without][:DISTINCT]
