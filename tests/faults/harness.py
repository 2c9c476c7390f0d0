"""What the fault tests share: a campaign to disturb, a view into its queue, the accounting after it, recovery times.

A test starts `gristmill` with the fixture `gristmill` (`processes.py`), waits on `MockServer.log`, does harm, and calls
`assert_accounted`. Nothing here measures speed: `report_recovery` prints what was seen, no test depends on it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from mock_server import MockServer
from processes import PATIENCE, Command, Start, gone, until
from redis.asyncio import Redis
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, CampaignReport, ModelSpec, Status
from gristmill.errors import StoreError
from gristmill.storage.leases import QUEUE_FILE, SqliteCoordinatorQueue
from gristmill.storage.queue import QueueState, WorkerInfo
from gristmill.storage.redis_queue import RedisCoordinatorQueue
from gristmill.storage.sqlite import FILE
from gristmill.storage.store import Books, RunStore
from gristmill.storage.write_lock import holder_of

LEASE = 2.0  # seconds; short, so that a lost worker's tasks come back soon
LONG_LEASE = 10.0  # where no lease is to end, also not because a busy machine stood still for a moment
CALLS = 2  # of the write-and-judge flow, for each task
CONCURRENCY = 8  # tasks in flight in `write_campaign`'s campaigns, and so calls in flight
# A call takes long while a fault is prepared and little afterwards: no campaign may end before its fault, on a machine
# as busy as it may be, and none keeps the suite waiting.
SLOW, FAST, ROWS = 0.8, 0.01, 240
RECOVERIES: list[tuple[str, float]] = []


def accepting(body: dict[str, Any]) -> str | None:
    """A `MockServer.answer` that judges every row worth keeping; the usual text otherwise."""
    return json.dumps(judged()) if body.get("response_format") else None


def write_campaign(folder: Path, server: MockServer, count: int, **keys: Any) -> Path:
    """Writes a campaign of `count` rows and its documents; returns its file. Its run will be `folder/runs/faults`.

    `keys` are the campaign's own, `model={…}` those of its model.
    """
    rows(folder, count)
    top = {"concurrency": CONCURRENCY, "name": "faults", "flow": "write_and_judge:flow", **keys}
    top = {"documents": ["rows.jsonl"], "prompts": [str(PROMPTS)], **top}
    model = {"model": "openai_api/mock", "base_url": server.url, **top.pop("model", {})}
    lines = [*(_line(key, value) for key, value in top.items() if not isinstance(value, dict)), "[models.default]"]
    lines += [_line(key, value) for key, value in model.items()]
    for table, inner in top.items():
        if isinstance(inner, dict):
            lines += [f"[{table}]", *(_line(key, value) for key, value in inner.items())]
    path = folder / "faults.toml"
    path.write_text("\n".join(lines))
    return path


def _line(key: str, value: Any) -> str:
    return f"{key} = {json.dumps(value)}"


def run_of(campaign: Path) -> Path:
    """The run folder of a campaign that `write_campaign` wrote."""
    return campaign.parent / "runs" / "faults"


async def in_process(folder: Path, server: MockServer, count: int, **values: Any) -> CampaignReport:
    """Runs a campaign of `count` rows in this process, `values` being the campaign's own; returns its report."""
    rows(folder, count)
    spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_in_flight=32)
    campaign = Campaign("faults", [folder / "rows.jsonl"], flow=flow(), models={"default": spec},
                        prompts=[str(PROMPTS)], runs=str(folder / "runs"), **values)  # fmt: skip
    return await campaign.execute()


@dataclass
class Wire:
    """What carries a fleet's queue. `options` go to `gristmill run`, `look` sees what the queue holds."""

    redis: str = ""

    @property
    def name(self) -> str:
        return "Redis" if self.redis else "SQLite"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--redis", self.redis) if self.redis else ()

    async def look(self, folder: Path) -> QueueState:
        """Returns what the queue of the run in `folder` holds; nothing before there is one."""
        if not self.redis and not (folder / QUEUE_FILE).exists():
            return QueueState()
        queue = RedisCoordinatorQueue(self.redis, folder.name) if self.redis else SqliteCoordinatorQueue(folder)
        try:
            return await queue.state()
        finally:
            await queue.close()

    async def workers(self, folder: Path, count: int) -> list[WorkerInfo]:
        """Waits until `count` workers live and have spoken within a lease; returns them by name."""
        async with asyncio.timeout(PATIENCE):
            while True:
                state = await self.look(folder)
                found = [one for one in state.workers if one.age < LEASE and not gone(one.pid)]
                if len(found) >= count:
                    return sorted(found, key=lambda one: one.name)
                await asyncio.sleep(0.05)

    async def pids(self, folder: Path, count: int) -> list[int]:
        """As `workers`; returns their pids."""
        return [one.pid for one in await self.workers(folder, count)]

    async def worker(self, folder: Path, name: str, *, done: int = 0) -> WorkerInfo:
        """Waits until the worker `name` has spoken within a lease and has ended `done` tasks at least."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for one in (await self.look(folder)).workers:
                    if one.name == name and one.age < LEASE and one.done >= done:
                        return one
                await asyncio.sleep(0.05)

    async def freeze(self, folder: Path, pid: int) -> None:
        """Stops a worker between two transactions: one that is stopped in the middle of one is ended for its lock."""
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.01)  # it may be on a processor for a moment yet
            holders = [holder_of(folder / name) for name in (QUEUE_FILE, FILE)]
            if pid not in [holder.pid for holder in holders if holder is not None]:
                return
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.01)

    async def held(self, folder: Path, worker: str) -> list[str]:
        """The tasks that `worker` holds a lease of."""
        if not self.redis:
            connection = sqlite3.connect(f"{(folder / QUEUE_FILE).as_uri()}?mode=ro", uri=True)
            try:
                sql = "SELECT id FROM tasks WHERE state = 'leased' AND worker = ?"
                return [task for (task,) in connection.execute(sql, (worker,))]
            finally:
                connection.close()
        held = []
        async with Redis.from_url(self.redis, decode_responses=True) as client:
            for stream in (f"gristmill:{{{folder.name}}}:{name}" for name in ("ready", "suspects")):
                pending = await client.xpending_range(stream, "workers", "-", "+", 1000, consumername=worker)
                for one in pending:
                    held += [fields["t"] for _, fields in await client.xrange(stream, one["message_id"], count=1)]
        return held


SQLITE = Wire()


async def coordinator(
    start: Start, campaign: Path, wire: Wire, workers: int = 2, *, lease: float = LEASE, **env: str
) -> Command:
    """Starts a campaign's coordinator, with so many workers of its own."""
    return await start("run", campaign, *wire.options, "--workers", workers, "--lease", lease, **env)


async def worker(start: Start, campaign: Path, wire: Wire, name: str, *options: object, **how: Any) -> Command:
    """Starts a worker that is nobody's child, with half of the campaign's slots; `how` is `Start`'s."""
    run = campaign if wire.redis else run_of(campaign)
    slots = ("--slots", CONCURRENCY // 2, "--share", 2, "--lease", LEASE)
    return await start("worker", run, *wire.options, "--name", name, *slots, *options, **how)


async def completed(command: Command, patience: float = 2 * PATIENCE) -> str:
    """Waits until a command has ended well; returns its output."""
    code, out, err = await command.ended(patience)
    assert code == 0, err
    return out


def log_of(folder: Path, *commands: Command) -> str:
    """What a run's log and `commands` have said so far."""
    log = folder / "run.log"
    return "\n".join([log.read_text() if log.exists() else "", *(command.err.read_text() for command in commands)])


def seeded(seed: int) -> random.Random:
    """A generator for a test's moments and victims; its seed is printed, so that a failure can be had again."""
    print(f"random seed {seed}")
    return random.Random(seed)


def ended(folder: Path) -> int:
    """How many tasks of the run in `folder` have ended; 0 before there is a run."""
    try:
        store = RunStore.read(folder)
    except StoreError:  # it is not there yet, or is being made
        return 0
    try:
        books = store.books()
    finally:
        store.close_reading()
    return books.planned - books.pending


async def all_ended(folder: Path, tasks: Sequence[str], patience: float = PATIENCE) -> None:
    """Waits until each of `tasks` has ended."""

    def settled() -> bool:
        store = RunStore.read(folder)
        try:
            return all(store.status(task) is not Status.PENDING for task in tasks)
        finally:
            store.close_reading()

    await until(settled, patience)


async def moves_on(folder: Path, patience: float = PATIENCE) -> None:
    """Waits until one more task ends than have ended now."""
    before = ended(folder)
    await until(lambda: ended(folder) > before, patience)


def made_again(server: MockServer) -> int:
    """How many model calls were asked again though they had been answered well, or might yet have been.

    An answer that the server spoiled or refused is no answer: its retry is not counted.
    """
    spoiled = Counter(entry.key for entry in server.log if entry.status != 200 or entry.fault)
    return sum(max(0, count - spoiled[key] - 1) for key, count in server.asked.items())


def assert_accounted(
    folder: Path, server: MockServer | None = None, *, planned: int, in_flight: int = 0, pending: int = 0
) -> Books:
    """Every task is accounted for once, the books balance, and only calls that were in flight were made again.

    `in_flight` bounds the calls that were in flight at all faults together; `pending` is what may be left over, 0 for
    a campaign that has ended. Without a `server` calls are not counted. Returns the books.
    """
    store = RunStore.read(folder)
    try:
        books, items, tasks = store.books(), list(store.items()), dict(_statuses(store))
    finally:
        store.close_reading()
    assert books.balanced
    assert (books.planned, books.pending) == (planned, pending)
    assert len(tasks) == planned
    assert len({item.id for item in items}) == len(items), "an item stands twice"
    assert Counter(item.task for item in items) == Counter(
        task for task, status in tasks.items() if status is not Status.PENDING
    ), "a task ended with no item, or with two"
    for item in items:
        assert item.status is tasks[item.task]
        if item.status is Status.ACCEPTED:
            assert all(message.content for message in item.messages)
        else:
            assert item.reasons
            assert item.reasons[0]
    if server is not None:
        again = made_again(server)
        assert again <= in_flight, f"{again} calls were made again, {in_flight} may have been in flight"
    return books


def _statuses(store: RunStore) -> list[tuple[str, Status]]:
    return [(task.id, status) for task, status in store.tasks()]


def counted(out: str) -> tuple[int, int]:
    """Planned and pending tasks, as a command that stopped early printed them."""
    found = re.search(r"planned (\d+) = .* pending (\d+)", out)
    assert found, out
    return int(found[1]), int(found[2])


def report_recovery(fault: str, seconds: float) -> None:
    """Prints how long it took until work went on; all of them stand in a table at the end of the test run."""
    print(f"{fault}: recovered after {seconds:.1f} s")
    RECOVERIES.append((fault, seconds))


class Stopwatch:
    """Seconds since it was made, for `report_recovery`."""

    def __init__(self) -> None:
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        return monotonic() - self._began
