"""What the run store commits and reads: SQLite in a folder, and PostgreSQL on this machine, side by side.

    python benchmarks/store.py [--results 20000] [--store postgresql://user@host/database]

Results of 2 KB are committed as a campaign does it, 256 tasks in flight, group commit, durable when `finish` returns.
Without --store a PostgreSQL server is started here. The last line is one JSON object: `*_results_per_s`,
`*_read_us` (one read by key, as tasks do it on the event loop), `*_look_up_us` (one look into the call cache).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import uuid
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "shared"))

from postgres_server import PostgresServer

from gristmill.storage.records import Item, Message, Status, Task
from gristmill.storage.store import RunStore

IN_FLIGHT = 256
READS = 5000


def result(task: Task) -> Item:
    """An item of about 2 KB."""
    messages = (Message(role="user", content="q" * 900), Message(role="assistant", content="a" * 900))
    return Item(id=f"item-{task.id}", task=task.id, kind="qa", status=Status.ACCEPTED, messages=messages)


async def measure(url: str, count: int) -> dict[str, float]:
    """Commits and reads `count` results in a new run."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(Path(folder) / f"store-{uuid.uuid4().hex[:8]}", url)
        try:
            tasks = [Task.of("chunk", attributes={"n": n}) for n in range(count)]
            items = [result(task) for task in tasks]
            for start in range(0, count, 1000):
                await store.plan(tasks[start : start + 1000])
            places = asyncio.Semaphore(IN_FLIGHT)

            async def finish(task: Task, item: Item) -> None:
                async with places:
                    await store.finish(task.id, Status.ACCEPTED, [item], claims=[item.id.encode()])

            began = perf_counter()
            await asyncio.gather(*map(finish, tasks, items))
            committed = perf_counter() - began
            began = perf_counter()
            for task in tasks[:READS]:
                store.status(task.id)
            read = perf_counter() - began
            began = perf_counter()
            for task in tasks[:READS]:
                await store.get(task.id)
            looked = perf_counter() - began
            assert store.books().accepted == count
        finally:
            await store.close()
    few = min(READS, count)
    return {"results_per_s": count / committed, "read_us": read / few * 1e6, "look_up_us": looked / few * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--store", default="")
    given = parser.parse_args()
    best: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        url = given.store
        if not url:
            server = PostgresServer()
            server.start()
            stack.callback(server.stop)
            url = server.url
        for turn in range(given.repeat):
            for name, where in (("sqlite", ""), ("postgres", url)):
                found = asyncio.run(measure(where, given.results))
                print(f"{turn + 1}  {name:9}" + "".join(f"  {key} {value:,.0f}" for key, value in found.items()))
                for key, value in found.items():
                    better = max if key.endswith("per_s") else min
                    best[f"{name}_{key}"] = better(best.get(f"{name}_{key}", value), value)
    print(json.dumps({key: round(value, 1) for key, value in best.items()}))


if __name__ == "__main__":
    main()
