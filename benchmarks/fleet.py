"""The figures of the fleet, all of them, side by side in one run.

    python benchmarks/fleet.py [--quick] [--only queue,limiter,scaling,kill,memory] [--redis redis://127.0.0.1:6379/0]

Each part is a program of its own beside this one, and runs as a process of its own, one after the other: its docstring
says what is measured and how.

    queue    task_queue.py    what the queue costs a task, over Redis and SQLite, beside taskiq
    limiter  limiter.py       three workers before a server that takes 16 requests, and one that counts tokens
    scaling  scaling.py       what a second worker brings on a second core
    kill     kill_worker.py   what a killed worker costs
    memory   redis_memory.py  what a campaign of a million tasks keeps in Redis

Without --redis each starts a Redis server of its own. taskiq-redis is asked for where it is installed; with --taskiq
it is installed for this run, into a folder that goes afterwards. --quick takes fewer tasks and rounds, and
extrapolates nothing; its campaign of a million tasks goes on where 970,000 are accepted. The table says what is
promised; the last line is one JSON object. Take the figures of a quiet machine: the load before each part is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

HERE = Path(__file__).parent
GRACE = 30.0  # seconds that a part gets to end what it started


@dataclass(frozen=True)
class Part:
    """One program: what it is given always, and when it is to be quick; whether it takes --redis."""

    program: str
    quick: tuple[str, ...]
    full: tuple[str, ...] = ()
    redis: bool = True


@dataclass(frozen=True)
class Promise:
    """What a figure is to be: at least or at most `bound`; or at most that of another figure and `bound` more."""

    figure: str
    meaning: str
    at_least: bool
    bound: float
    above: str = ""

    def kept(self, found: dict[str, Any]) -> bool:
        bound = self.bound + (found[self.above] if self.above else 0.0)
        value = float(found[self.figure])
        return value >= bound if self.at_least else value <= bound

    @property
    def said(self) -> str:
        named = f"{self.above} + {self.bound:g}" if self.above else f"{self.bound:,g}"
        return f"{'at least' if self.at_least else 'at most'} {named}"


PARTS = {
    "queue": Part("task_queue.py", ("--tasks", "5000", "--repeat", "1")),
    "limiter": Part("limiter.py", ("--rounds", "1", "--tokens-for", "12")),
    "scaling": Part("scaling.py", ("--rows", "1500", "--repeat", "1"), redis=False),
    "kill": Part("kill_worker.py", ("--rows", "600")),
    "memory": Part("redis_memory.py", ("--held", "970000")),
}
PROMISES = (
    Promise("redis_tasks_per_s", "no-op tasks a second over Redis, one worker", True, 8000),
    Promise("redis_cpu_ms", "ms of the worker's CPU a task", False, 0.15),
    Promise("sqlite_tasks_per_s", "no-op tasks a second over SQLite, one worker", True, 12000),
    Promise("sqlite_cpu_ms", "ms of the worker's CPU a task", False, 0.15),
    Promise("cap_used", "part of the 16 places that was used", True, 0.85),
    Promise("share_429", "part of the requests answered 429", False, 0.05),
    Promise("tokens_used", "part of the tokens a minute that was used", True, 0.85),
    Promise("tokens_share_429", "part of those requests answered 429", False, 0.05),
    Promise("scaling_2", "times the calls/s of one core, with two", True, 1.8),
    Promise("lost", "tasks lost after kill -9", False, 0),
    Promise("doubled", "tasks doubled", False, 0),
    Promise("recovery_s", "seconds until its tasks had ended elsewhere", False, 2, above="lease_s"),
    Promise("redis_mb", "MB in Redis at most", False, 64),
)


def run(part: Part, options: argparse.Namespace, env: dict[str, str]) -> dict[str, Any]:
    """Runs one program, shows what it prints, and returns its last line's object.

    Raises:
        SystemExit: it ended with an error.
    """
    command = [sys.executable, str(HERE / part.program), *(part.quick if options.quick else part.full)]
    if options.redis and part.redis:
        command += ["--redis", options.redis]
    # A session of its own: Ctrl-C comes here, and goes on to the program once.
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True)
    with ended(started) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            if last:
                print(f"  {last}", flush=True)
            last = line.rstrip()
        if process.wait():
            raise SystemExit(f"{part.program} ended with exit code {process.returncode}: {last}")
    found: dict[str, Any] = json.loads(last)
    return found


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Ends a program, which ends what it started, when the block is left before it is done."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def taskiq(wanted: bool) -> Iterator[dict[str, str]]:
    """Gives the environment of the parts, with taskiq-redis in it for as long as the block runs."""
    if not wanted or importlib.util.find_spec("taskiq_redis"):
        yield dict(os.environ)
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-taskiq-") as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-compile"]
        subprocess.run([*pip, "--target", folder, "taskiq-redis"], check=True)
        # Behind the environment's own packages: what both have (redis-py) is the environment's.
        yield {**os.environ, "GRISTMILL_BENCH_EXTRA": folder}


def report(found: dict[str, Any], quick: bool) -> None:
    """Prints the table, then all figures in one line."""
    print(f"\n{'figure':20}{'':46}{'found':>10}  promised")
    for one in PROMISES:
        if one.figure in found:
            mark = "" if one.kept(found) else "  MISSED"
            print(f"{one.figure:20}{one.meaning:46}{found[one.figure]:>10,}  {one.said}{mark}")
    if quick:
        print("quick: fewer tasks and rounds than the promises are about; no figure is extrapolated")
    print(json.dumps({**found, "load": round(os.getloadavg()[0], 1), "quick": quick}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="some of the parts")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--redis", default="", help="URL of a server to use, with nothing else on it")
    parser.add_argument("--taskiq", action="store_true", help="install taskiq-redis for this run")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"--only {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the same way as after Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell had it ignored, in the background
    found: dict[str, Any] = {}
    with taskiq(options.taskiq and "queue" in names) as env:
        for name in names:
            print(f"{name} ({PARTS[name].program}), load {os.getloadavg()[0]:.1f}", flush=True)
            began = monotonic()
            figures = run(PARTS[name], options, env)
            found |= {key: value for key, value in figures.items() if not isinstance(value, dict)}
            print(f"  {monotonic() - began:.0f} s", flush=True)
    report(found, options.quick)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
