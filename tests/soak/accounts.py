"""The soak's accounts: each row ended once and with its own answer, calls made again, memory, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from harness import made_again
from redis.asyncio import Redis
from world import ROW, World, question

from gristmill.storage.records import Status
from gristmill.storage.store import Books, RunStore

MIB = 2**20
NOT_STARTED = "a coordinator could not start beside a dead server"


@dataclass
class Memory:
    """The most that coordinators and Redis took, in bytes."""

    coordinator: int = 0
    redis: int = 0

    async def watch(self, here: World) -> None:
        """Looks every second, until cancelled."""
        async with Redis.from_url(here.redis.url, socket_timeout=0.5, socket_connect_timeout=0.5) as client:
            while True:
                await asyncio.sleep(1)
                if here.coordinator is not None:
                    self.coordinator = max(self.coordinator, peak(here.coordinator.pid))
                if not here.plan.sqlite:
                    with contextlib.suppress(Exception):  # it is being harmed
                        self.redis = max(self.redis, (await client.info("memory"))["used_memory_peak"])

    def line(self, books: Books) -> str:
        return (
            f"planned {books.planned:,} = accepted {books.accepted:,} + rejected {books.rejected:,} + failed "
            f"{books.failed:,} + pending {books.pending:,}; coordinator {self.coordinator / MIB:.0f} MiB, Redis "
            f"{self.redis / MIB:.1f} MiB"
        )


def peak(pid: int) -> int:
    """The most memory that a process took, in bytes; 0 when it has ended."""
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) * 1024
    return 0


@dataclass
class Account:
    """What is printed, what goes into the last line, and whether all is well."""

    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    clean: bool = False


def account(here: World, troubled: Books, memory: Memory, wall: float) -> Account:
    """Reads the store and the model server's log. `troubled` are the books after the last fault, `wall` seconds."""
    store = RunStore.read(here.run)
    try:
        books, items = store.books(), list(store.items())
    finally:
        store.close_reading()
    rows = Counter(ROW.findall(item.messages[-1].content)[0] for item in items if item.status is Status.ACCEPTED)
    wrong = sum(
        item.status is Status.ACCEPTED
        and item.messages[0].content != question(ROW.findall(item.messages[-1].content)[0])
        for item in items
    )
    repeated = made_again(here.server)
    reasons = Counter(f"{item.status.value}: {item.reasons[0]}" for item in items if item.reasons)
    figures: dict[str, Any] = {
        "tasks": here.plan.tasks,
        "planned": books.planned,
        **{name: getattr(troubled, name) for name in ("accepted", "rejected", "failed", "pending")},
        "accepted_in_the_end": books.accepted,
        "lost": here.plan.tasks - len(rows),
        "doubled": len(items) - len({item.task for item in items}) + sum(count - 1 for count in rows.values()),
        "wrong": wrong,
        "unbalanced": int(not books.balanced or not troubled.balanced),
        "repeated_calls": repeated,
        "in_flight_at_faults": here.in_flight,
        "faults": sum(here.faults.values()),
        "wall_s": round(wall, 1),
        "in_all_s": round(monotonic() - here.began, 1),
        "coordinator_mb": round(memory.coordinator / MIB, 1),
        "redis_mb": round(memory.redis / MIB, 1),
        "workers": here.plan.workers,
        "queue": "sqlite" if here.plan.sqlite else "redis",
        "seed": here.plan.seed,
    }
    unexpected = {end: count for end, count in here.ends.items() if end != NOT_STARTED}
    bad = [name for name in ("lost", "doubled", "wrong", "unbalanced") if figures[name]]
    if books.planned != here.plan.tasks or books.accepted != here.plan.tasks:
        bad.append("accepted_in_the_end")
    if not here.faults:
        bad.append("faults")
    if repeated > here.in_flight:
        bad.append("repeated_calls")
    lines = [
        "faults: " + ", ".join(f"{name} {count}" for name, count in here.faults.most_common()),
        "after the last fault: " + memory.line(troubled),
        "in the end: " + memory.line(books),
        *([f"not accepted: {dict(reasons)}"] if reasons else []),
        *(f"{end}: {count} times" for end, count in here.ends.items()),
        f"{repeated} calls were made again; {here.in_flight} may have been in flight at faults",
        "nothing lost, nothing doubled" if not bad and not unexpected else f"WRONG: {', '.join([*bad, *unexpected])}",
    ]
    return Account(lines, figures, not bad and not unexpected)
