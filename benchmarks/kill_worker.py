"""What a killed worker costs: kill -9 half way through a campaign, and the time until its tasks have ended elsewhere.

    python benchmarks/kill_worker.py [--rows 2000] [--lease 2] [--over sqlite,redis] [--redis redis://127.0.0.1:6379/0]

Two worker processes run the write-and-judge flow of `row_flow.py` against the mock server of 50 ms. When half of the
calls are made one worker is killed; the tasks that it held then, as the queue says, are followed in the store until
each has ended. Once over SQLite and once over Redis, its own where no --redis is given. `recovery_s` is from the kill
to the last of those tasks, `repeated_calls` what the mock server was asked more than once. The last line is one JSON
object with the worse of both; `over` has each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

from fleet_campaign import FleetCampaign
from mock_server import MockServer
from redis_server import RedisServer

from gristmill.storage.queue import WorkerInfo
from gristmill.storage.records import Status
from gristmill.storage.redis_campaign import CampaignKeys
from gristmill.storage.store import RunStore

TICK = 0.02  # seconds between two looks at what other processes do
LATENCY, WORKERS = 0.05, 2
HELD = """
local held = {}
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], 'workers', '-', '+', 10000, ARGV[1])) do
  local entry = redis.call('XRANGE', KEYS[1], pending[1], pending[1])[1]
  local place = entry and redis.call('HGET', KEYS[2], entry[2][2])
  if place and string.find(place, ' r:', 1, true) then table.insert(held, entry[2][2]) end
end
return held
"""
DEADLINE = 120.0  # seconds for a campaign, where one that hangs would never end


def done(folder: Path, tasks: list[str]) -> int:
    """How many of `tasks` have ended."""
    store = RunStore.read(folder)
    try:
        return sum(store.status(task) is not Status.PENDING for task in tasks)
    finally:
        store.close_reading()


def held_here(folder: Path, worker: str) -> list[str]:
    """The tasks that a worker holds, from the queue's file."""
    connection = sqlite3.connect(f"{(folder / 'queue.sqlite3').as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id FROM tasks WHERE state = 'leased' AND worker = ?", (worker,)).fetchall()
    finally:
        connection.close()
    return [task for (task,) in rows]


async def held_in_redis(url: str, campaign: str, worker: str) -> list[str]:
    """The tasks that a worker holds, from the pending list of its consumer; not those whose results it handed in."""
    keys = CampaignKeys(url, campaign, lease=30.0, patience=10.0)
    try:
        found = await keys.connection.call("EVAL", HELD, 2, keys.key["ready"], keys.key["tasks"], worker)
    finally:
        await keys.connection.aclose()
    return [task.decode() for task in found]


async def kill_one(fleet: FleetCampaign) -> tuple[WorkerInfo, list[str], float]:
    """Kills the worker that holds most; returns it, what it held, and when that was."""
    workers = await fleet.workers()
    holds = {}
    for worker in workers:
        holds[worker.name] = (
            await held_in_redis(fleet.redis, fleet.folder.name, worker.name)
            if fleet.redis
            else held_here(fleet.folder, worker.name)
        )
    victim = max(workers, key=lambda worker: len(holds[worker.name]))
    os.kill(victim.pid, signal.SIGKILL)
    killed = monotonic()
    again = held_here(fleet.folder, victim.name) if not fleet.redis else []  # as it stands, with the worker dead
    return victim, again or holds[victim.name], killed


async def measure(rows: int, lease: float, redis: str) -> dict[str, Any]:
    """One campaign with one kill."""
    with tempfile.TemporaryDirectory(prefix="gristmill-kill-") as name:
        async with (
            asyncio.timeout(DEADLINE),
            MockServer(latency=LATENCY) as server,
            FleetCampaign(Path(name), server.url, rows=rows, workers=WORKERS, lease=lease, redis=redis) as fleet,
        ):
            while len(server.log) < rows:  # half of the calls, made by other processes
                fleet.require_running()
                await asyncio.sleep(TICK)
            _, held, killed = await kill_one(fleet)
            while done(fleet.folder, held) < len(held):
                fleet.require_running()
                await asyncio.sleep(TICK)
            recovery = monotonic() - killed
            code = await fleet.end()
            books, doubled = fleet.outcome()
            repeated = sum(count - 1 for count in server.asked.values())
    if not held:
        raise SystemExit("the killed worker held nothing: the run was too short; give more --rows")
    if code != 0 or not books.balanced:
        raise SystemExit(f"the campaign ended with exit code {code}; {books}")
    return {
        "lost": rows - books.accepted,
        "doubled": doubled,
        "recovery_s": round(recovery, 2),
        "held": len(held),
        "repeated_calls": repeated,
    }


async def main(rows: int, lease: float, over: list[str], given: str) -> None:
    found: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        url = given
        if "redis" in over and not url:
            server = RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            stack.callback(server.stop)
            url = server.url
        print(f"{rows:,} rows, {WORKERS} workers, one killed half way, lease {lease:g} s")
        for kind in over:
            one = found[kind] = await measure(rows, lease, url if kind == "redis" else "")
            print(
                f"{kind:>7}: lost {one['lost']}, doubled {one['doubled']}, {one['repeated_calls']} calls made again, "
                f"its {one['held']} tasks had ended elsewhere after {one['recovery_s']:.1f} s",
                flush=True,
            )
    worst = {key: max(one[key] for one in found.values()) for key in next(iter(found.values()))}
    print(json.dumps({**worst, "lease_s": lease, "over": found}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--over", default="sqlite,redis", help="sqlite, redis, or both")
    parser.add_argument("--redis", default="")
    options = parser.parse_args()
    kinds = options.over.split(",")
    if set(kinds) - {"sqlite", "redis"}:
        sys.exit(f"--over {options.over}: give sqlite, redis or both")
    asyncio.run(main(options.rows, options.lease, kinds, options.redis))
