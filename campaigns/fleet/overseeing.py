"""`gristmill fleet`: looks at a fleet beside it, gives orders, brings back tasks that were set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...errors import ConfigError
from ...storage.leases import QUEUE_FILE, SqliteCoordinatorQueue
from ...storage.queue import CoordinatorQueue, Dead, EndpointInfo, QueueState
from ...storage.records import Record, Status
from ...storage.redis_queue import RedisCoordinatorQueue
from ...storage.store import RunStore
from .endpoints import together
from .poison import POISON, dead_of


class Sight(Record):
    """What a fleet looks like from outside."""

    queue: QueueState
    endpoints: tuple[EndpointInfo, ...] = ()
    dead: tuple[Dead, ...] = ()


@asynccontextmanager
async def queue_of(folder: Path, redis: str) -> AsyncIterator[CoordinatorQueue]:
    """Opens the queue of the run in `folder` to look at it or to give orders.

    Raises:
        ConfigError: no fleet has worked on it here, and no Redis is given.
    """
    queue: CoordinatorQueue
    if redis:
        queue = RedisCoordinatorQueue(redis, folder.name, patience=10.0)
    elif (folder / QUEUE_FILE).is_file():
        queue = SqliteCoordinatorQueue(folder)
    else:
        raise ConfigError(
            f"no fleet has worked on {folder} over SQLite; start one with `gristmill run CAMPAIGN --workers 2`, or "
            f"give --redis URL for one over Redis"
        )
    try:
        yield queue
    finally:
        await queue.close()


async def look(folder: Path, redis: str, url: str = "") -> Sight:
    """Returns what the queue of the run in `folder` holds, what its workers see of their model servers, and all tasks
    that were set aside: the queue may be gone."""
    async with queue_of(folder, redis) as queue:
        state, dead = await queue.state(), await queue.dead()
    store = RunStore.read(folder, url)
    try:
        some = (Status.FAILED.value, POISON) in store.reasons()
        stored = [dead_of(item) for item in store.items(Status.FAILED) if POISON in item.reasons] if some else []
    finally:
        store.close_reading()
    known = {one.task for one in dead}
    all_dead = (*dead, *(one for one in stored if one.task not in known))
    state = state.model_copy(update={"dead": len(all_dead)})
    return Sight(queue=state, endpoints=together(state.workers), dead=all_dead)


async def give_order(folder: Path, redis: str, order: str) -> None:
    """Tells the workers of the run in `folder` to `run`, `pause` or `drain`."""
    async with queue_of(folder, redis) as queue:
        await queue.order(order)


async def requeue(folder: Path, redis: str, tasks: Sequence[str], store: str = "") -> int:
    """Makes poison tasks pending again, in the queue and in the store; all of them, or those named.

    Those whose items people decided stay as they are.
    """
    opened = RunStore.open(folder, store)
    try:
        async with queue_of(folder, redis) as queue:
            count = await opened.retry_failed(reason=POISON, tasks=tasks)
            dead = [one.task for one in await queue.dead() if not tasks or one.task in tasks]
            if again := [task for task in dead if not opened.is_planned(task) or opened.status(task) is Status.PENDING]:
                await queue.requeue(again)
            return count
    finally:
        await opened.close()


def print_fleet(console: Console, sight: Sight) -> None:
    """Prints a line for the queue, one for each worker, each model server, each task set aside."""
    queue = sight.queue
    console.print(
        Text(
            f"{queue.order}: {queue.ready} ready ({queue.suspect} suspects), {queue.leased} leased, "
            f"{queue.results} results to commit, {queue.dead} set aside; the queue takes {queue.bytes / 2**20:.1f} MiB"
        )
    )
    table = _table("worker", "host", "pid>", "running>", "slots>", "done>", "tasks/min>", "seen", "problem")
    for one in queue.workers:
        numbers = (str(one.pid), str(one.running), str(one.slots), str(one.done), f"{one.tasks_per_minute:,.0f}")
        table.add_row(Text(one.name), Text(one.host), *numbers, f"{one.age:.0f} s ago", Text(one.problem, style="red"))
    if queue.workers:
        console.print(table)
    else:
        console.print("no worker is there")
    if sight.endpoints:
        console.print()
        console.print(_endpoints(sight.endpoints))
    for dead in sight.dead:
        console.print(
            Text(f"set aside {dead.task} after {dead.strikes} strikes: {'; '.join(dead.history)}", style="red")
        )


def _endpoints(endpoints: Sequence[EndpointInfo]) -> Table:
    table = _table("server", "model", "in flight>", "calls/min>", "tokens/min>", "429>", "errors>", "latency>", "state")
    for one in endpoints:
        table.add_row(
            Text(one.server or "this process"),
            Text(one.model),
            f"{one.in_flight} of {one.window}",
            _of(one.requests_per_minute, one.requests_limit),
            _of(one.tokens_per_minute, one.tokens_limit),
            f"{one.refused:.1%}",
            f"{one.failed:.1%}",
            f"{one.seconds:.2f} s",
            Text(one.state, style="" if one.state == "ok" else "yellow"),
        )
    return table


def _of(rate: float, limit: float) -> str:
    return f"{rate:,.0f} of {limit:,.0f}" if limit else f"{rate:,.0f}"


def _table(*columns: str) -> Table:
    """Returns an empty table; columns that end in `>` are numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column.removesuffix(">"), justify="right" if column.endswith(">") else "left")
    return table
