"""What an accepted item costs by each recipe, on the small campaigns of the tests, with a model that answers at once.

    python benchmarks/recipes.py [NAME ...] [--repeat 3] [--write]

The model is scripted: it plays the roles of the paper well (tests/shared), so calls and tokens are what a
recipe itself takes, without drafts that a real model would lose. Tokens are counted as four characters. Calls that
build a knowledge graph are left out. One task at a time; a planner that waits for accepted items draws the same then.

Overhead is gristmill's own time an accepted item, between the first task and the last, less what the script
took: layers, flow, checks, store, books. Small campaigns carry their fixed costs on few items, so it is an upper
bound. The best of `--repeat` runs counts.

`--write` keeps the calls in graphs/recipes/measured.toml, where pages and help read them; with names, of those alone.
The last line is one JSON object: `recipes` (how many), `median_lines` and `max_lines` of their files, medians of the
other columns.
"""

from __future__ import annotations

import argparse
import inspect
import json
import statistics
import sys
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "shared"))

from recipe_families import CASES  # noqa: E402
from seed_recipes import Ran, Script  # noqa: E402

from gristmill import Request  # noqa: E402
from gristmill.campaigns.outcome import Outcome  # noqa: E402
from gristmill.campaigns.progress import Progress  # noqa: E402
from gristmill.graphs.recipes import catalogue  # noqa: E402
from gristmill.graphs.recipes.documented import MEASURED  # noqa: E402

KEPT = Path(catalogue.__file__).parent / MEASURED
HEAD = "# Model calls for an accepted item, counted on scripted campaigns: written by `make recipes-page`.\n"


@dataclass(frozen=True)
class Cost:
    """One recipe's run, and gristmill's own seconds in it."""

    lines: int
    ran: Ran
    wall: float
    cpu: float

    def row(self) -> tuple[Any, ...]:
        """Lines, calls, tokens in and out, ms of wall and of CPU, all but the first an accepted item."""
        count, used = len(self.ran.accepted), [item.usage for item in self.ran.items]
        tokens = (sum(one.input_tokens for one in used) / count, sum(one.output_tokens for one in used) / count)
        times = (round(1000 * self.wall / count, 1), round(1000 * self.cpu / count, 1))
        return (self.lines, self.ran.calls_an_item, *map(round, tokens), *times)


class _Clock(Progress):
    """Notes when tasks begin to run, and when the last one has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.last = (0.0, 0.0)

    def phase(self, name: str, total: int | None = None) -> None:
        super().phase(name, total)
        if name == "running tasks":
            self.first = (perf_counter(), process_time())

    def outcome(self, outcome: Outcome) -> None:
        super().outcome(outcome)
        self.last = (perf_counter(), process_time())


class _Timed:
    """A script that knows how long it took."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.wall = self.cpu = 0.0

    def __call__(self, request: Request) -> Any:
        wall, cpu = perf_counter(), thread_time()
        try:
            return self._script(request)
        finally:
            self.wall += perf_counter() - wall
            self.cpu += thread_time() - cpu


def measure(name: str) -> Cost:
    """Runs the case of a recipe to its end, one task at a time."""
    script, clock = _Timed(CASES[name].script), _Clock()
    with tempfile.TemporaryDirectory(prefix="recipes-") as folder:
        ran = replace(CASES[name], script=script).run(Path(folder), clock, concurrency=1)
    wall, cpu = clock.last[0] - clock.first[0], clock.last[1] - clock.first[1]
    if not ran.report.books.balanced or not ran.accepted:
        raise SystemExit(f"{name} ended as {ran.report.books}, {ran.report.reasons}: its case does not show its cost")
    return Cost(_lines(name), ran, wall - script.wall, cpu - script.cpu)


def _lines(name: str) -> int:
    source = inspect.getsourcefile(catalogue.recipe(name).options)
    assert source is not None
    return len(Path(source).read_text(encoding="utf-8").splitlines())


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="What an accepted item costs by each recipe.")
    parser.add_argument("names", nargs="*", help="recipes; all of them when none is named")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"keep the calls in {KEPT.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    names = options.names or list(catalogue.recipes())
    if missing := [name for name in names if name not in CASES]:
        parser.error(f"no case for {', '.join(missing)}: enter it in tests/shared/recipe_families.py")
    print(f"{'recipe':<20}{'lines':>6}{'calls':>7}{'tokens in':>11}{'out':>7}{'wall ms':>9}{'cpu ms':>8}")
    costs: dict[str, Cost] = {}
    for name in names:
        measure(name)  # imports, and what is made once
        costs[name] = min((measure(name) for _ in range(options.repeat)), key=lambda cost: cost.cpu)
        lines, calls, *tokens, wall, cpu = costs[name].row()
        print(f"{name:<20}{lines:>6}{calls:>7}{tokens[0]:>11,}{tokens[1]:>7,}{wall:>9}{cpu:>8}", flush=True)
    if options.write:
        before = tomllib.loads(KEPT.read_text()) if options.names else {}
        kept = before | {name: cost.ran.calls_an_item for name, cost in costs.items() if catalogue.recipe(name).flow}
        KEPT.write_text(HEAD + "".join(f"{name} = {kept[name]}\n" for name in catalogue.recipes() if name in kept))
    lines, calls, tokens_in, tokens_out, wall, cpu = zip(*(cost.row() for cost in costs.values()), strict=True)
    print(
        json.dumps(
            {
                "recipes": len(costs),
                "median_lines": statistics.median(lines),
                "max_lines": max(lines),
                "median_calls": statistics.median(calls),
                "median_tokens_in": statistics.median(tokens_in),
                "median_tokens_out": statistics.median(tokens_out),
                "median_overhead_wall_ms": statistics.median(wall),
                "median_overhead_cpu_ms": statistics.median(cpu),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
