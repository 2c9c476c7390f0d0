"""What a killed worker costs: kill -9 half way through a campaign, and the time until its tasks have ended elsewhere.

    python benchmarks/fleet.py [--rows 2000] [--lease 2] [--redis redis://127.0.0.1:6379]

Two worker processes run the write-and-judge flow of `row_flow.py` against the mock server of 50 ms. When half of the
rows are done one worker is killed; the tasks that it held then are followed until each has ended. The last line is one
JSON object: `lost`, `doubled`, `recovery_s` (from the kill to the last of those tasks), `lease_s`, `repeated_calls`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from mock_server import MockServer  # noqa: E402
from overhead import write_rows  # noqa: E402

from gristmill.campaigns.fleet.overseeing import queue_of  # noqa: E402
from gristmill.storage.records import Status  # noqa: E402
from gristmill.storage.store import RunStore  # noqa: E402

TICK = 0.02  # seconds between two looks at what other processes do
CAMPAIGN = """name = "fleet"
documents = ["rows.jsonl"]
flow = "row_flow:flow"
prompts = [{prompts}]
concurrency = 64
[models.default]
model = "openai_api/mock"
base_url = "{url}"
max_in_flight = 64
[export]
formats = ["jsonl"]
"""


def done(folder: Path, tasks: list[str]) -> int:
    """How many of `tasks` have ended."""
    store = RunStore.read(folder)
    try:
        return sum(store.status(task) is not Status.PENDING for task in tasks)
    finally:
        store.close_reading()


def held_by(folder: Path, worker: str) -> list[str]:
    """The tasks that a worker holds, read from the queue's file (SQLite) before it is killed."""
    connection = sqlite3.connect(f"{(folder / 'queue.sqlite3').as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id FROM tasks WHERE state = 'leased' AND worker = ?", (worker,)).fetchall()
    finally:
        connection.close()
    return [task for (task,) in rows]


async def main(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        write_rows(name, args.rows)
        folder = here / "runs" / "fleet"
        async with MockServer(latency=0.05) as server:
            text = CAMPAIGN.format(prompts=json.dumps(str(HERE / "prompts")), url=server.url)
            (here / "fleet.toml").write_text(text)
            options = ["--workers", "2", "--lease", str(args.lease)]
            options += ["--redis", args.redis] if args.redis else []
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gristmill.cli", "run", str(here / "fleet.toml"), *options),
                env={**os.environ, "PYTHONPATH": str(HERE)},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            while len(server.log) < args.rows:  # noqa: ASYNC110  # half of the calls, made by other processes
                await asyncio.sleep(0.01)
            async with queue_of(folder, args.redis) as queue:
                victim = (await queue.state()).workers[0]
                held = [] if args.redis else held_by(folder, victim.name)
                os.kill(victim.pid, signal.SIGKILL)
                killed = monotonic()
                if args.redis:  # what a Redis queue has leased to whom is its own affair: wait until all is taken up
                    while (await queue.state()).suspect == 0 and monotonic() - killed < 4 * args.lease:  # noqa: ASYNC110
                        await asyncio.sleep(TICK)
                    while (await queue.state()).suspect > 0:  # noqa: ASYNC110
                        await asyncio.sleep(TICK)
                else:
                    while done(folder, held) < len(held):  # noqa: ASYNC110  # other processes end them
                        await asyncio.sleep(TICK)
            recovery = monotonic() - killed
            code = await process.wait()
            store = RunStore.read(folder)
            books, items = store.books(), Counter(item.task for item in store.items())
            store.close_reading()
            repeated = sum(count - 1 for count in server.repeated.values())
    lost = args.rows - books.accepted
    doubled = sum(count > 1 for count in items.values())
    print(f"{args.rows} rows, 2 workers {'over Redis' if args.redis else 'over SQLite'}, one killed half way")
    print(f"exit code {code}; {books}")
    print(f"lost {lost}, doubled {doubled}, {repeated} calls made again, {recovery:.1f} s, lease {args.lease:g} s")
    figures = {"lost": lost, "doubled": doubled, "recovery_s": round(recovery, 2), "lease_s": args.lease}
    print(json.dumps({**figures, "repeated_calls": repeated}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--redis", default="")
    asyncio.run(main(parser.parse_args()))
