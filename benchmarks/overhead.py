"""What gristmill itself costs: 3,000 rows, two model calls each (generate, judge), against a server of 20 ms.

    python benchmarks/overhead.py [--rows 3000] [--concurrency 128] [--latency 0.02] [--repeat 3]

The server runs in this process, on another core where there are two; each measured client is a process of its own on
the first core. The campaign is the real one: documents read and cut, LangGraph, all layers, the store, the books. A
bare aiohttp client that posts the same bodies is the ceiling. Afterwards one campaign runs under a sampling profiler.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic, process_time
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
WORDS = tuple(f"word{number:02}" for number in range(40))


# clients, each a process of its own


def campaign_client(url: str, folder: str, concurrency: int, sample: bool) -> None:
    profile: Counter[str] = Counter()
    if sample:
        _sample(profile)
    from gristmill import Campaign, ModelSpec  # the import is part of what is measured

    sys.path.insert(0, str(HERE))
    from row_flow import flow

    started: list[float] = []

    from gristmill.campaigns.progress import Progress

    class Began(Progress):
        def phase(self, name: str, total: int | None = None) -> None:
            if name == "running tasks":
                started.append(process_time())

    campaign = Campaign(
        "overhead",
        [f"{folder}/rows.jsonl"],
        flow=flow(),
        models={"default": ModelSpec(model="openai_api/mock", base_url=url, max_in_flight=concurrency)},
        prompts=[str(HERE / "prompts")],
        concurrency=concurrency,
        runs=f"{folder}/runs",
    )
    report = campaign.run(Began())
    spent = process_time() - started[0]
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(
        json.dumps(
            {
                "cpu_s": spent,
                "whole_cpu_s": process_time(),
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "accepted": report.books.accepted,
                "planned": report.books.planned,
                "balanced": report.books.balanced,
                "profile": profile.most_common(),
            }
        )
    )


def aiohttp_client(url: str, folder: str, concurrency: int) -> None:
    import aiohttp
    import orjson

    rows = [json.loads(line)["text"] for line in Path(folder, "rows.jsonl").read_text().splitlines()]

    async def main() -> float:
        timeout = aiohttp.ClientTimeout(total=60)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            began = process_time()
            bodies = iter(
                orjson.dumps({"model": "mock", "messages": [{"role": "user", "content": f"{turn} {text}"}]})
                for text in rows
                for turn in ("write", "judge")
            )

            async def worker() -> None:
                for body in bodies:
                    headers = {"content-type": "application/json"}
                    async with session.post(f"{url}/chat/completions", data=body, headers=headers) as response:
                        orjson.loads(await response.read())

            await asyncio.gather(*[worker() for _ in range(concurrency)])
            return process_time() - began

    spent = asyncio.run(main())
    print(json.dumps({"cpu_s": spent, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _sample(profile: Counter[str]) -> None:
    """Counts which package the CPU is in, every 2 ms of CPU time: far lighter than a tracing profiler."""
    root = str(HERE.parent.resolve())

    def note(_: int, frame: FrameType | None) -> None:
        profile[_package(frame, root)] += 1

    signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)


def _package(frame: FrameType | None, root: str) -> str:
    while frame is not None:
        file = frame.f_code.co_filename
        if "site-packages" in file:
            return file.split("site-packages/")[1].split("/")[0]
        if file.startswith(root):
            return "gristmill/" + file.removeprefix(root + "/").removeprefix(".types/gristmill/").split("/")[0]
        if "importlib" in file:
            return "imports"
        if file.endswith(".py") and "/asyncio/" in file:
            return "asyncio"
        frame = frame.f_back
    return "python"


# the parent: server and table


async def measure(role: str, args: argparse.Namespace, folder: str, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """Runs one client against a fresh server; returns its figures with those that the server saw."""
    sys.path.insert(0, str(HERE))
    from mock_server import MockServer

    async with MockServer(latency=args.latency) as server:
        began = monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--client",
            role,
            "--url",
            server.url,
            "--folder",
            folder,
            "--concurrency",
            str(args.concurrency),
            *extra,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"the {role} client ended with {process.returncode}")
        figures: dict[str, Any] = json.loads(output.splitlines()[-1])
        log = server.log
        figures["calls"] = len(log)
        figures["first_request_s"] = min(entry.began for entry in log) - began
        seconds = max(entry.ended for entry in log) - min(entry.began for entry in log)
        figures["calls_per_s"] = len(log) / seconds
        return figures


async def import_seconds(repeat: int) -> float:
    code = "import time; t = time.perf_counter(); import gristmill; print(time.perf_counter() - t)"
    times = []
    for _ in range(repeat):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        times.append(float(output))
    return statistics.median(times)


def write_rows(folder: str, count: int) -> None:
    draw = random.Random(0)
    with Path(folder, "rows.jsonl").open("w") as file:
        for number in range(count):
            text = f"Row {number}. " + " ".join(draw.choice(WORDS) for _ in range(80)) + "."
            file.write(json.dumps({"text": text}) + "\n")


async def main(args: argparse.Namespace) -> None:
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[1]})
        os.environ["GRISTMILL_BENCH_CORE"] = str(cores[0])
    ours, bare = [], []
    for _ in range(args.repeat):
        for role, results in (("campaign", ours), ("aiohttp", bare)):
            with tempfile.TemporaryDirectory() as folder:
                write_rows(folder, args.rows)
                results.append(await measure(role, args, folder))
    with tempfile.TemporaryDirectory() as folder:
        write_rows(folder, args.rows)
        sampled = await measure("campaign", args, folder, ("--sample",))
    imported = await import_seconds(args.repeat)

    def median(results: list[dict[str, Any]], key: str) -> float:
        return statistics.median(result[key] for result in results)

    def per_call(results: list[dict[str, Any]], key: str) -> float:
        return statistics.median(1000 * result[key] / result["calls"] for result in results)

    calls = 2 * args.rows
    for result in ours:
        if not (result["accepted"] == result["planned"] == args.rows and result["balanced"]):
            raise SystemExit(f"the books are wrong: {result}")
    print(f"{args.rows} rows, {calls} calls, {args.latency * 1000:.0f} ms, {args.concurrency} in flight, one core")
    print(f"{'':24}{'calls/s':>10}{'CPU ms/call':>14}{'whole process':>16}{'peak RSS MB':>14}{'first request':>16}")
    for name, results, whole in (("gristmill campaign", ours, "whole_cpu_s"), ("bare aiohttp", bare, "cpu_s")):
        print(
            f"{name:24}{median(results, 'calls_per_s'):>10.0f}{per_call(results, 'cpu_s'):>14.3f}"
            f"{per_call(results, whole):>16.3f}{median(results, 'rss_mb'):>14.0f}"
            f"{median(results, 'first_request_s'):>14.2f} s"
        )
    print(f"import gristmill: {imported * 1000:.0f} ms; median of {args.repeat}")
    total = sum(count for _, count in sampled["profile"])
    print("where the CPU goes (samples of the whole process, imports included):")
    for package, count in sampled["profile"][:12]:
        print(f"  {count / total:6.1%}  {package}")
    print(
        json.dumps(
            {
                "calls_per_s": round(median(ours, "calls_per_s")),
                "cpu_ms_per_call": round(per_call(ours, "cpu_s"), 3),
                "peak_rss_mb": round(median(ours, "rss_mb"), 1),
                "first_request_s": round(median(ours, "first_request_s"), 2),
                "aiohttp_calls_per_s": round(median(bare, "calls_per_s")),
                "import_s": round(imported, 3),
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--client", choices=["campaign", "aiohttp"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--sample", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if core := os.environ.get("GRISTMILL_BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    if parsed.client == "campaign":
        campaign_client(parsed.url, parsed.folder, parsed.concurrency, parsed.sample)
    elif parsed.client == "aiohttp":
        aiohttp_client(parsed.url, parsed.folder, parsed.concurrency)
    else:
        asyncio.run(main(parsed))
