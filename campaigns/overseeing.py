"""`gristmill fleet`: looks at a fleet beside it, gives orders, brings back tasks that were set aside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..storage.leases import SqliteCoordinatorQueue
from ..storage.queue import Dead, QueueState
from ..storage.records import Record
from ..storage.store import RunStore


class Sight(Record):
    """What a fleet looks like from outside."""

    queue: QueueState
    dead: tuple[Dead, ...] = ()


async def look(folder: Path) -> Sight:
    """Returns what the queue of the run in `folder` holds."""
    queue = SqliteCoordinatorQueue(folder)
    try:
        return Sight(queue=await queue.state(), dead=tuple(await queue.dead()))
    finally:
        await queue.close()


async def give_order(folder: Path, order: str) -> None:
    """Tells the workers of the run in `folder` to `run`, `pause` or `drain`."""
    queue = SqliteCoordinatorQueue(folder)
    try:
        await queue.order(order)
    finally:
        await queue.close()


async def requeue(folder: Path, tasks: Sequence[str]) -> int:
    """Makes poison tasks pending again, in the queue and in the store; all of them, or those named."""
    store = RunStore.open(folder)
    queue = SqliteCoordinatorQueue(folder)
    try:
        count = await store.retry_failed(reason="poison", tasks=tasks)
        await queue.requeue(tasks)
        return count
    finally:
        await queue.close()
        await store.close()


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
