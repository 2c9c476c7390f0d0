"""The seam between a coordinator and its workers: tasks out under leases, results in, and word of who is alive.

Two implementations: `leases.py` (SQLite, one machine, no server) and `redis_queue.py` (Redis Streams, many machines).
The store is the record of truth: a queue that is lost is filled again from the tasks that are still pending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from .records import Chunk, Draft, Entity, Item, Record, Relation, Status, Task


class Refinement(Record):
    """What a task goes on from whose item a person sent back.

    `item` is that item's id, `draft` its last draft, None where it failed before there was one, `note` what the person
    asks for. `versions` are the ids of the tasks of all versions of the item, none of which is a duplicate of another.
    """

    item: str
    note: str
    draft: Draft | None = None
    versions: tuple[str, ...] = ()


class Work(Record):
    """A task with the records that its flow starts from, so that a worker needs no access to the store.

    `refinement` says what it goes on from when a person's note made it. `round` is the campaign's and `precedents` the
    version of the set that critics are shown in it, "" for none.
    `trace` is the W3C traceparent of the coordinator's span for it, where traces are kept.
    """

    task: Task
    chunks: tuple[Chunk, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    refinement: Refinement | None = None
    trace: str = ""
    round: int = 1
    precedents: str = ""


class Lease(Record):
    """A worker's hold on a task until it is finished, given back, or not renewed in time.

    `epoch` counts how often the task was leased: a commit with an older epoch is refused (fencing). `alone` says that
    a worker died with this task in flight: it runs with no other beside it but suspects, fewer after each death, so
    that only the guilty one is blamed.
    """

    work: Work
    epoch: int
    alone: bool = False
    token: str = ""


class Result(Record):
    """What a task ended with, as the store takes it."""

    task: str
    epoch: int
    status: Status
    items: tuple[Item, ...]
    worker: str = ""


class EndpointInfo(Record):
    """What a worker sees of one server and model, over about the last minute.

    `in_flight` and `waiting` are this worker's requests; `window` is how many may be in flight, of the whole fleet
    where `shared`, else of this worker. `requests_per_minute` and `tokens_per_minute` went; `requests_limit` and
    `tokens_limit` are the rates that are kept, 0 for none, of the whole fleet where `shared`. `refused` and `failed`
    are the shares of `calls` that ended with status 429 and with another error; `seconds` is what a call took.
    `state` is `ok`, `paused` (the server asked to wait) or `gone` (nobody answers).
    """

    server: str = ""
    model: str = ""
    state: Literal["ok", "paused", "gone"] = "ok"
    in_flight: int = 0
    waiting: int = 0
    window: int = 0
    shared: bool = False
    calls: int = 0
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    requests_limit: float = 0.0
    tokens_limit: float = 0.0
    refused: float = 0.0
    failed: float = 0.0
    seconds: float = 0.0


class WorkerInfo(Record):
    """What a worker says of itself at each heartbeat. `age` is in seconds since its last, by the queue's own clock.

    `tasks_per_minute` is over about the last minute. `problem` says why it can run no task: access denied, a spent
    budget, a flow that does not load. Its code is a stop's: `denied`, `tokens`, `usd`, `error`; or `differs` when it
    leaves because the coordinator runs something else.
    """

    name: str
    host: str = ""
    pid: int = 0
    slots: int = 0
    running: int = 0
    done: int = 0
    tasks_per_minute: float = 0.0
    endpoints: tuple[EndpointInfo, ...] = ()
    age: float = 0.0
    problem: str = ""
    problem_code: str = ""


class QueueState(Record):
    """What a queue holds. `order` is what workers are told: `run`, `pause`, `drain`. `ready` counts suspects too.

    `generation` names the queue's data: a new name says that they were lost and pending tasks must be fed again.
    """

    ready: int = 0
    leased: int = 0
    suspect: int = 0
    dead: int = 0
    results: int = 0
    order: str = "run"
    workers: tuple[WorkerInfo, ...] = ()
    bytes: int = 0
    generation: str = ""


class Dead(Record):
    """A task that was set aside: it killed its worker too often. `history` has a line a strike."""

    task: str
    strikes: int
    history: tuple[str, ...] = ()


class WorkerQueue(Protocol):
    """A worker's side. All clocks are the queue's own, never a worker's wall clock."""

    async def manifest(self) -> Mapping[str, Any] | None:
        """Returns what the coordinator runs (package, flow, prompts by version), or None before it has said so."""
        ...

    def pace(self, lease: float) -> None:
        """Takes over the fleet's lease, in seconds, which the coordinator says."""
        ...

    async def lease(self, count: int) -> Sequence[Lease]:
        """Takes up to `count` tasks, waiting a moment when there are none. Only what can start at once is asked for."""
        ...

    async def beat(self, info: WorkerInfo, held: Sequence[Lease]) -> str:
        """Renews the leases of `held` that are still this worker's and returns the order: `run`, `pause`, `drain`."""
        ...

    async def finish(self, lease: Lease, result: Result) -> bool:
        """Hands a result in; False when the lease had been lost (somebody else has the task, nothing is stored)."""
        ...

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """Returns tasks that were not finished: they are ready again at once."""
        ...

    async def close(self) -> None: ...


class CoordinatorQueue(Protocol):
    """The coordinator's side.

    `generation` names the data that the queue holds; when it changes they were lost, and tasks must be fed again.
    """

    @property
    def generation(self) -> str: ...

    async def begin(self, manifest: Mapping[str, Any]) -> None:
        """Opens the queue for this coordinator, takes over what an earlier one left, and says what is run."""
        ...

    async def feed(self, work: Sequence[Work]) -> None:
        """Makes tasks ready, in order; those that are in the queue already stay as they are."""
        ...

    async def withdraw(self, tasks: Sequence[str]) -> Sequence[str]:
        """Forgets those of `tasks` that no worker holds and that have no result; returns which.

        Unknown ones are among them. Against a concurrent lease it is one step: a task is leased or withdrawn. What
        stands against a suspect is kept for the next time that it is fed.
        """
        ...

    async def results(self, limit: int = 500) -> Sequence[Result]:
        """Returns results that are not confirmed yet, waiting a moment when there are none."""
        ...

    async def confirm(self, results: Sequence[Result]) -> None:
        """Says that the store has committed these: the queue forgets them and their tasks."""
        ...

    async def bury(self, worker: str) -> None:
        """Says that a worker's process has ended: the next `reclaim` need not wait for its leases."""
        ...

    async def reclaim(self) -> int:
        """Makes tasks of dead workers ready again, as suspects; sets aside those with too many strikes."""
        ...

    async def dead(self) -> Sequence[Dead]:
        """Returns the tasks that are set aside."""
        ...

    async def requeue(self, tasks: Sequence[str] = ()) -> int:
        """Makes dead tasks ready again, all or those named; returns how many."""
        ...

    async def order(self, order: str) -> None:
        """Tells all workers to `run`, `pause` or `drain`."""
        ...

    async def state(self) -> QueueState: ...

    async def close(self) -> None: ...
