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
from ...storage.queue import CoordinatorQueue, Dead, QueueState
from ...storage.records import Record, Status
from ...storage.redis_queue import RedisCoordinatorQueue
from ...storage.store import RunStore
from .poison import POISON, dead_of


class Sight(Record):
    """What a fleet looks like from outside."""

    queue: QueueState
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
    """Returns what the queue of the run in `folder` holds, and all tasks that were set aside: the queue may be gone."""
    async with queue_of(folder, redis) as queue:
        state, dead = await queue.state(), await queue.dead()
    store = RunStore.read(folder, url)
    try:
        some = (Status.FAILED.value, POISON) in store.reasons()
        stored = [dead_of(item) for item in store.items(Status.FAILED) if POISON in item.reasons] if some else []
    finally:
        store.close_reading()
    known = {one.task for one in dead}
    together = (*dead, *(one for one in stored if one.task not in known))
    return Sight(queue=state.model_copy(update={"dead": len(together)}), dead=together)


async def give_order(folder: Path, redis: str, order: str) -> None:
    """Tells the workers of the run in `folder` to `run`, `pause` or `drain`."""
    async with queue_of(folder, redis) as queue:
        await queue.order(order)


async def requeue(folder: Path, redis: str, tasks: Sequence[str], store: str = "") -> int:
    """Makes poison tasks pending again, in the queue and in the store; all of them, or those named."""
    opened = RunStore.open(folder, store)
    try:
        async with queue_of(folder, redis) as queue:
            count = await opened.retry_failed(reason=POISON, tasks=tasks)
            await queue.requeue(tasks)
            return count
    finally:
        await opened.close()


def print_fleet(console: Console, sight: Sight) -> None:
    """Prints a line for the queue, one for each worker, one for each task set aside."""
    queue = sight.queue
    console.print(
        Text(
            f"{queue.order}: {queue.ready} ready ({queue.suspect} suspects), {queue.leased} leased, "
            f"{queue.results} results to commit, {queue.dead} set aside; the queue takes {queue.bytes / 2**20:.1f} MiB"
        )
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("worker", "host", "pid", "running", "slots", "done", "seen", "problem"):
        table.add_column(column, justify="right" if column in {"pid", "running", "slots", "done"} else "left")
    for one in queue.workers:
        numbers = (str(one.pid), str(one.running), str(one.slots), str(one.done))
        table.add_row(Text(one.name), Text(one.host), *numbers, f"{one.age:.0f} s ago", Text(one.problem, style="red"))
    if queue.workers:
        console.print(table)
    else:
        console.print("no worker is there")
    for dead in sight.dead:
        console.print(
            Text(f"set aside {dead.task} after {dead.strikes} strikes: {'; '.join(dead.history)}", style="red")
        )
