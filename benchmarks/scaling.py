"""What a second worker brings on a second core: calls a second of one and of two workers that have all they can do.

    python benchmarks/scaling.py [--rows 5000] [--repeat 3]

A campaign (`row_flow.py`: two model calls a task, the least that a flow which judges has) runs over SQLite on two
cores with more tasks in flight than they can serve, so that the CPU is the limit. Three ways, by turns, pinned:

    one core     the coordinator and one worker on the first core
    one worker   the coordinator and one worker on both cores
    two workers  the coordinator and two workers on both cores

What stands for a model server is no part of a fleet: the mock server (this process) runs on the second core, and the
CPU that it takes from the cores of a fleet is taken off the clock, and so is that of the machine's other processes:

    rate = calls / ((seconds that the coordinator and the workers ran + seconds that the cores were idle) / cores)

by /proc/stat, and no less than the longest that one of its processes ran. Idle time counts: a fleet that waits for
locks or for its coordinator does not scale. (On a busy machine others fill what would have been idle, so take the
figures of a quiet one.) What is counted lies between the first and
the last quarter of the calls: no start, no end.

`scaling_2` is two workers against one core: the speedup from one processor to two, coordinator included in both. The
coordinator is one process for all workers, so `scaling_2_workers`, two workers against one worker with both cores, is
lower by arithmetic: one worker leaves its coordinator a core that two have no longer; with w ms of worker and c ms of
coordinator a call it is 2 w / (w + c) at best. `scaling_2_raw` is that by the clock, nothing taken off. All are
medians. The last line is one JSON object; `worker_ms`, `coordinator_ms` are CPU a call with two workers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path
from time import monotonic, process_time

from fleet_campaign import TICKS, FleetCampaign, cpu_seconds
from mock_server import MockServer

LATENCY, SLOTS = 0.02, 512  # seconds of the server, tasks in flight: 12,800 calls/s, more than two cores can make
TICK = 0.02
DEADLINE = 300.0  # seconds for one campaign
WAYS = {"one core": (1, 1), "one worker": (1, 2), "two workers": (2, 2)}  # workers, cores


@dataclass(frozen=True)
class Look:
    """Totals at a moment: calls, and seconds: of the clock, idle on the cores, of CPU by whom."""

    seconds: float
    idle: float
    calls: int
    server: float
    coordinator: float
    workers: float

    def since(self, other: Look) -> Look:
        return Look(*(after - before for after, before in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Measured:
    """What lay between two looks, on so many cores."""

    between: Look
    cores: int
    processes: int  # workers

    @property
    def ran(self) -> float:
        """CPU seconds of the fleet."""
        return self.between.coordinator + self.between.workers

    @property
    def raw(self) -> float:
        """Calls a second by the clock."""
        return self.between.calls / self.between.seconds

    @property
    def rate(self) -> float:
        """Calls a second of the time that the cores were the fleet's or idle; a worker runs on one core at a time."""
        one = self.between
        return one.calls / max((self.ran + one.idle) / self.cores, one.workers / self.processes, one.coordinator)

    def share(self, seconds: float) -> float:
        """Part of what the cores had."""
        return seconds / self.cores / self.between.seconds

    def ms(self, spent: float) -> float:
        """CPU milliseconds a call."""
        return 1000 * spent / self.between.calls


def idle_seconds(cores: list[int]) -> float:
    """Returns how long `cores` have been idle since the machine started, added up."""
    names = {f"cpu{core}" for core in cores}
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    return sum(int(row[4]) + int(row[5]) for row in rows if row[0] in names) / TICKS


async def measure(workers: int, cores: list[int], rows: int) -> Measured:
    """One campaign, pinned to `cores`; the server is where this process is."""
    with tempfile.TemporaryDirectory(prefix="gristmill-scaling-") as name:
        async with (
            asyncio.timeout(DEADLINE),
            MockServer(latency=LATENCY) as server,
            FleetCampaign(Path(name), server.url, rows=rows, workers=workers, concurrency=SLOTS, cores=cores) as fleet,
        ):

            async def look_at(calls: int) -> Look:
                while len(server.log) < calls:
                    fleet.require_running()
                    await asyncio.sleep(TICK)
                pids = [worker.pid for worker in await fleet.workers()]
                spent = (process_time(), cpu_seconds(fleet.pid), sum(map(cpu_seconds, pids)))
                return Look(monotonic(), idle_seconds(cores), len(server.log), *spent)

            before = await look_at(rows // 2)
            between = (await look_at(rows * 3 // 2)).since(before)
            code = await fleet.end()
            books, _ = fleet.outcome()
        if code != 0 or books.accepted != rows:
            raise SystemExit(f"the campaign ended with exit code {code}; {books}")
    return Measured(between, len(cores), workers)


async def main(rows: int, repeat: int) -> None:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("this needs two cores; the process may use one")
    os.sched_setaffinity(0, {cores[1]})
    found: dict[str, list[Measured]] = {way: [] for way in WAYS}
    print(f"{rows:,} tasks, {2 * rows:,} calls, {SLOTS} tasks in flight, over SQLite")
    print(
        f"{'':12}{'calls/s':>9}{'by clock':>10}{'fleet':>7}{'idle':>6}{'worker':>11}{'coordinator':>13}{'server':>11}"
    )
    for _ in range(repeat):
        for way, (workers, many) in WAYS.items():
            one = await measure(workers, cores[:many], rows)
            found[way].append(one)
            cells = (one.between.workers, one.between.coordinator, one.between.server)
            spent = "".join(f"{one.ms(cell):{width}.3f} ms" for cell, width in zip(cells, (8, 10, 8), strict=True))
            shares = f"{one.share(one.ran):7.0%}{one.share(one.between.idle):6.0%}"
            print(f"{way:12}{one.rate:9,.0f}{one.raw:10,.0f}{shares}{spent}", flush=True)
    report(found)


def report(found: dict[str, list[Measured]]) -> None:
    """Prints the last line: ratios of the medians."""
    rate = {way: statistics.median(one.rate for one in runs) for way, runs in found.items()}
    raw = {way: statistics.median(one.raw for one in runs) for way, runs in found.items()}
    two = found["two workers"]
    figures = {
        "scaling_2": round(rate["two workers"] / rate["one core"], 2),
        "scaling_2_workers": round(rate["two workers"] / rate["one worker"], 2),
        "scaling_2_raw": round(raw["two workers"] / raw["one worker"], 2),
        "calls_per_s_1": round(rate["one core"]),
        "calls_per_s_2": round(rate["two workers"]),
        "worker_ms": round(statistics.median(one.ms(one.between.workers) for one in two), 3),
        "coordinator_ms": round(statistics.median(one.ms(one.between.coordinator) for one in two), 3),
        "server_ms": round(statistics.median(one.ms(one.between.server) for one in two), 3),
    }
    others = statistics.median(1 - one.share(one.ran + one.between.idle + one.between.server) for one in two)
    if others > 0.1:
        print(f"other processes took {others:.0%} of the two cores: read the ratios with care")
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(main(options.rows, options.repeat))
