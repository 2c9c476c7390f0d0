"""Where a fleet saturates: a simulation of up to 3,000 workers and 100 model servers, from figures measured here.

    python benchmarks/simulate.py [--workers 1000] [--endpoints 100] [--plot docs/images/scaling.png] [--quick]

`fleet_model.py` is the model and lists its assumptions; `calibration.toml`, written by `calibrate.py`, has the costs.
First the model is held against the real fleets of the calibration. Then follow tables: fleets of growing size; what
each remedy brings; the campaign in shards, each with a coordinator and a Redis of its own and its part of workers and
servers. The last line is one JSON object, of the fleet that --workers and --endpoints name.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet_model import Costs, Outcome, Shape, simulate
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
WORKERS, ENDPOINTS = (1, 10, 100, 300, 1000, 3000), (1, 10, 100)
SHARDS = (1, 2, 4, 8)


def load(path: Path) -> tuple[dict[str, Any], Costs]:
    """The calibration, and the costs in it."""
    found = tomllib.loads(path.read_text())
    task = found["task"]
    names = ("coordinator_ms", "worker_ms", "coordinator_ms_per_kb", "redis_ms_per_kb")
    return found, Costs(**{name: task[name] for name in names}, redis=found["redis"])


def validation(found: dict[str, Any], costs: Costs) -> Iterator[tuple[str, float, float]]:
    """Real fleets beside the model's: name, real tasks a second, simulated. The mock server takes any number at once,
    and all its answers take the same time. Where processes share few cores each step takes its CPU and its wait for a
    core, both as measured in that run; the simulated fleets have a core for each process.
    """
    for name, real in found.items():
        if not name.startswith("real_"):
            continue
        shape = Shape(real["workers"], 1, slots=real["slots"], endpoint_slots=4096, mean=real["answered"])
        shape = replace(shape, spread=0.0, failures=0.0, calls=found["task"]["calls"], rtt=0.0002)
        stretch = (real["redis_ms"] + real["redis_wait_ms"]) / real["redis_ms"]
        here = replace(
            costs,
            coordinator_ms=real["coordinator_ms"] + real["coordinator_wait_ms"],
            worker_ms=real["worker_ms"] + real["worker_wait_ms"],
            redis={step: ms * stretch for step, ms in costs.redis.items()},
        )
        shown = f"{real['workers']} x {real['slots']}, {real['latency'] * 1000:.0f} ms"
        yield shown, real["tasks_per_s"], simulate(shape, here).tasks_per_s


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right")
    return made


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def cells(shape: Shape, outcome: Outcome) -> list[str]:
    return [
        f"{outcome.tasks_per_s:,.0f}",
        f"{outcome.tasks_per_s * shape.calls:,.0f}",
        percent(outcome.redis),
        percent(outcome.coordinator),
        percent(outcome.endpoints),
        f"{outcome.redis_wait_ms:,.1f}",
        outcome.saturates,
    ]


COLUMNS = ("tasks/s", "calls/s", "Redis", "coordinator", "endpoints", "wait for Redis, ms", "saturates")


def what_ifs(shape: Shape, costs: Costs) -> Iterator[tuple[str, Shape, Costs]]:
    """One change at a time, then those that pay together."""
    yield "as it is", shape, costs
    yield "limiter in each worker", replace(shape, limiter=False), costs
    yield "no call cache", replace(shape, cache=False), costs
    yield "no budget", replace(shape, budget=False), costs
    yield "heartbeat every 10 s", replace(shape, beat=10.0), costs
    yield "look at the workers every 5 s", replace(shape, watch=5.0), costs
    yield "both of these", replace(shape, beat=10.0, watch=5.0), costs
    yield "workers wait for tasks unwoken", replace(shape, herd=False), costs
    yield "results of 20 KB", replace(shape, larger_kb=18.0), costs


def shard(shape: Shape, count: int) -> Shape:
    return replace(shape, workers=max(1, shape.workers // count), endpoints=max(1, shape.endpoints // count))


def print_validation(console: Console, found: dict[str, Any], costs: Costs) -> float:
    made = table(
        "The model beside real fleets of this machine", "workers x slots, latency", "real", "simulated", "error"
    )
    worst = 0.0
    for name, real, simulated in validation(found, costs):
        error = simulated / real - 1
        worst = max(worst, abs(error))
        made.add_row(name, f"{real:.1f} tasks/s", f"{simulated:.1f} tasks/s", f"{100 * error:+.0f}%")
    console.print(made)
    return worst


def sweep(console: Console, costs: Costs, base: Shape, quick: bool) -> dict[tuple[int, int], Outcome]:
    """The table of fleets by size."""
    made = table("Fleets by size", "workers x endpoints", *COLUMNS)
    outcomes = {}
    for endpoints in ENDPOINTS:
        for workers in WORKERS:
            if quick and workers * endpoints > 10_000:
                continue
            shape = replace(base, workers=workers, endpoints=endpoints)
            outcomes[workers, endpoints] = simulate(shape, costs)
            made.add_row(f"{workers} x {endpoints}", *cells(shape, outcomes[workers, endpoints]))
    console.print(made)
    return outcomes


def print_remedies(console: Console, costs: Costs, shape: Shape) -> None:
    made = table(f"{shape.workers} workers, {shape.endpoints} endpoints: one change at a time", "", *COLUMNS)
    for name, changed, priced in what_ifs(shape, costs):
        made.add_row(name, *cells(changed, simulate(changed, priced)))
    console.print(made)


def print_shards(console: Console, costs: Costs, shape: Shape) -> dict[int, Outcome]:
    made = table(f"{shape.workers} workers, {shape.endpoints} endpoints, in shards (all together)", "shards", *COLUMNS)
    found = {}
    for count in SHARDS:
        part = shard(shape, count)
        outcome = found[count] = simulate(part, costs)
        whole = replace(outcome, tasks_per_s=outcome.tasks_per_s * count)
        made.add_row(str(count), *cells(shape, whole))
    console.print(made)
    return found


def print_parts(console: Console, outcome: Outcome) -> None:
    made = table("What Redis is busy with", "", "share of its time")
    for part, share in sorted(outcome.redis_parts.items(), key=lambda pair: -pair[1]):
        made.add_row(part, percent(share))
    console.print(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--mean", type=float, default=2.0, help="seconds of a model call")
    parser.add_argument("--calibration", type=Path, default=HERE / "calibration.toml")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--quick", action="store_true", help="leave out the fleets that take longest")
    given = parser.parse_args()
    console = Console(width=120)
    found, costs = load(given.calibration)
    about = found["machine"]
    console.print(f"measured {about['date']} on {about['cpu']}, {about['cores']} cores, load {about['load']}")
    worst = print_validation(console, found, costs)
    base = Shape(workers=given.workers, endpoints=given.endpoints, mean=given.mean)
    outcome = simulate(base, costs)
    print_parts(console, outcome)
    print_remedies(console, costs, base)
    shards = print_shards(console, costs, base)
    outcomes = sweep(console, costs, base, given.quick)
    if given.plot:
        from scaling_plot import plot  # a second to import, for who asks for a picture

        plot(given.plot, outcomes, shards, base, costs)
    figures = {
        "workers": base.workers,
        "endpoints": base.endpoints,
        "tasks_per_s": round(outcome.tasks_per_s, 1),
        "redis_busy": round(outcome.redis, 3),
        "coordinator_busy": round(outcome.coordinator, 3),
        "saturates": outcome.saturates,
        "worst_error": round(worst, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
