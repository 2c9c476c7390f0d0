"""What gristmill itself costs: 3,000 rows, two model calls each (generate, judge), against a server of 20 ms.

    python benchmarks/overhead.py [--rows 3000] [--concurrency 128] [--latency 0.02] [--repeat 3]

The server runs in this process, on another core where there are two; each measured client is a process of its own on
the first core. The campaign is the real one: documents read and cut, the flow, all layers, the store, the books; once
with the flow on LangGraph's runtime and once with it run directly (`runtime = "auto"`; the flow is a plain one). A bare
aiohttp client that posts the same bodies is the ceiling. Afterwards each campaign runs once under a sampling profiler.

The last line is one JSON object. Its figures are those of LangGraph's runtime, the `direct_` ones of the direct run:
calls a second between the first request and the last answer, CPU ms a call of the run phase, peak resident MB, seconds
from the start of the process to the first request.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
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
from typing import Any, Literal

HERE = Path(__file__).parent
CAMPAIGNS: dict[str, Literal["auto", "langgraph"]] = {"langgraph": "langgraph", "direct": "auto"}  # runtime by role
ROLES = {"langgraph": "campaign on LangGraph", "direct": "campaign, direct", "aiohttp": "bare aiohttp"}
WORDS = tuple(f"word{number:02}" for number in range(40))


# clients, each a process of its own


def campaign_client(
    url: str, folder: str, concurrency: int, runtime: Literal["auto", "langgraph"], sample: bool
) -> None:
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
        runtime=runtime,
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


def compile_package() -> None:
    """Compiles the checkout's modules, as an install does; else each start would, where Python may not write."""
    for folder in HERE.parent.resolve().iterdir():
        if (folder / "__init__.py").is_file():
            compileall.compile_dir(folder, quiet=1)


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
    compile_package()
    results: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}
    for _ in range(args.repeat):
        for role, runs in results.items():
            with tempfile.TemporaryDirectory() as folder:
                write_rows(folder, args.rows)
                runs.append(await measure(role, args, folder))
    profiles = {}
    for role in CAMPAIGNS:
        with tempfile.TemporaryDirectory() as folder:
            write_rows(folder, args.rows)
            profiles[role] = dict((await measure(role, args, folder, ("--sample",)))["profile"])
    imported = await import_seconds(args.repeat)
    for result in (result for role in CAMPAIGNS for result in results[role]):
        if not (result["accepted"] == result["planned"] == args.rows and result["balanced"]):
            raise SystemExit(f"the books are wrong: {result}")
    report(args, {role: medians(runs) for role, runs in results.items()}, profiles, imported)


def medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    """The median of each figure; CPU is that of one call, in ms: of the run phase, and of the whole process."""
    for run in runs:
        run["cpu_ms"] = 1000 * run["cpu_s"] / run["calls"]
        run["whole_ms"] = 1000 * run.get("whole_cpu_s", run["cpu_s"]) / run["calls"]
    keys = ("calls_per_s", "cpu_ms", "whole_ms", "rss_mb", "first_request_s")
    return {key: statistics.median(run[key] for run in runs) for key in keys}


def report(
    args: argparse.Namespace, rows: dict[str, dict[str, float]], profiles: dict[str, dict[str, int]], imported: float
) -> None:
    print(
        f"{args.rows} rows, {2 * args.rows} calls, {args.latency * 1000:.0f} ms, {args.concurrency} in flight, one core"
    )
    print(f"{'':24}{'calls/s':>10}{'CPU ms/call':>14}{'whole process':>16}{'peak RSS MB':>14}{'first request':>16}")
    for role, row in rows.items():
        print(
            f"{ROLES[role]:24}{row['calls_per_s']:>10.0f}{row['cpu_ms']:>14.3f}{row['whole_ms']:>16.3f}"
            f"{row['rss_mb']:>14.0f}{row['first_request_s']:>14.2f} s"
        )
    print(f"import gristmill: {imported * 1000:.0f} ms; median of {args.repeat}")
    print("where the CPU goes (share of the samples of the whole process, imports included):")
    totals = {role: sum(profile.values()) for role, profile in profiles.items()}
    packages = Counter(
        {name: sum(profile.get(name, 0) for profile in profiles.values()) for name in profiles["langgraph"]}
    )
    print(f"  {'':24}" + "".join(f"{role:>12}" for role in profiles))
    for name, _ in packages.most_common(14):
        shares = "".join(f"{profile.get(name, 0) / totals[role]:>12.1%}" for role, profile in profiles.items())
        print(f"  {name:24}{shares}")
    ours, direct = rows["langgraph"], rows["direct"]
    print(
        json.dumps(
            {
                "calls_per_s": round(ours["calls_per_s"]),
                "cpu_ms_per_call": round(ours["cpu_ms"], 3),
                "peak_rss_mb": round(ours["rss_mb"], 1),
                "first_request_s": round(ours["first_request_s"], 2),
                "aiohttp_calls_per_s": round(rows["aiohttp"]["calls_per_s"]),
                "import_s": round(imported, 3),
                "direct_calls_per_s": round(direct["calls_per_s"]),
                "direct_cpu_ms_per_call": round(direct["cpu_ms"], 3),
                "direct_peak_rss_mb": round(direct["rss_mb"], 1),
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--client", choices=list(ROLES), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--sample", action="store_true", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if core := os.environ.get("GRISTMILL_BENCH_CORE"):
        os.sched_setaffinity(0, {int(core)})
    if parsed.client in CAMPAIGNS:
        campaign_client(parsed.url, parsed.folder, parsed.concurrency, CAMPAIGNS[parsed.client], parsed.sample)
    elif parsed.client == "aiohttp":
        aiohttp_client(parsed.url, parsed.folder, parsed.concurrency)
    else:
        asyncio.run(main(parsed))
