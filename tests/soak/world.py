"""The soak's world: a model server, a Redis and a proxy before it, a coordinator and workers: all real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from dropping_proxy import DroppingProxy
from mock_server import MockServer
from places import HELPERS
from processes import MARK, Command, marked
from redis_server import RedisServer
from write_and_judge import PROMPTS, judged, rows

from gristmill.errors import StoreError
from gristmill.storage.sqlite import FILE
from gristmill.storage.store import Books, RunStore

KEPT = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
ROW = re.compile(r"Row (\d+):")
TIMEOUT = 8.0  # seconds for a model call: what ends the ones that hang
LAST_WORDS = 8  # lines of what a process said, where all of them are shown


@dataclass(frozen=True)
class Plan:
    """How large the soak is. `every` is the seconds between two faults, `latency` those of a model call.

    `overlap` is how many faults fall at most before another row must have ended, `faults` how many in all, 0 for any
    number: a machine that is slow gets as many for its rows as one that is fast, and comes to an end.
    """

    tasks: int = 20_000
    workers: int = 4
    every: float = 2.0
    overlap: int = 4
    faults: int = 0
    seed: int = 1
    lease: float = 2.0
    latency: float = 0.2
    slots: int = 16
    sqlite: bool = False

    @property
    def local(self) -> int:
        """Workers that the coordinator starts. Over Redis the others join from outside, through the proxy."""
        return self.workers if self.sqlite else self.workers - self.workers // 2

    @property
    def concurrency(self) -> int:
        return self.slots * self.workers

    @property
    def most(self) -> int:
        """Tasks that one worker holds at most, and so its calls in flight: the flow makes one after the other."""
        return -(-self.concurrency // self.local)


def question(row: str) -> str:
    return f"What does row {row} say of its valve?"


def answer(body: dict[str, Any]) -> str:
    """Asks about the row in the prompt; judges a question worth keeping when it is about the row that stands there."""
    prompt = "\n".join(message["content"] for message in body["messages"])
    row = ROW.findall(prompt)[-1]
    if not body.get("response_format"):
        return question(row)
    return json.dumps(judged() if question(row) in prompt else judged("reject", "mixed_up"))


@dataclass
class World:
    """All processes. `harmed` is what faults are at work on now, `in_flight` the calls in flight at all faults."""

    plan: Plan
    folder: Path
    server: MockServer
    redis: RedisServer
    proxy: DroppingProxy
    coordinator: Command | None = None
    harmed: set[object] = field(default_factory=set)
    in_flight: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # how processes ended that nobody had harmed
    stuck: bool = False
    ended: int = 0  # rows that have ended, as `look` saw them last
    began: float = field(default_factory=monotonic)
    _mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    _settled: bool = False  # whether the coordinator has started its workers: before that none is missed
    _all: list[Command] = field(default_factory=list)
    _outside: list[Command] = field(default_factory=list)

    @property
    def campaign(self) -> Path:
        return self.folder / "soak.toml"

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "soak"

    @property
    def everyone(self) -> int:
        """Calls that all workers together may have in flight."""
        return self.plan.local * self.plan.most + self.plan.slots * len(self.outside())

    def say(self, text: str) -> None:
        print(f"{monotonic() - self.began:7.1f} s  {text}", flush=True)

    async def lead(self, *options: str) -> None:
        """Starts the coordinator."""
        wire = () if self.plan.sqlite else ("--redis", self.redis.url)
        arguments = ("run", self.campaign, *wire, "--workers", self.plan.local, "--lease", self.plan.lease, *options)
        self.coordinator = await self._launch(*arguments)
        self._settled = False

    async def join(self) -> None:
        """Starts a worker of our own."""
        where: tuple[object, ...] = (self.run,) if self.plan.sqlite else (self.campaign, "--redis", self.proxy.url)
        place = ("--slots", self.plan.slots, "--share", self.plan.workers, "--lease", self.plan.lease)
        self._outside.append(await self._launch("worker", *where, *place))

    def workers(self) -> list[int]:
        """The pids of all worker processes that live, the frozen ones too."""
        found = []
        for pid in marked(self._mark):
            with contextlib.suppress(OSError):
                if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return sorted(found)

    def local(self) -> list[int]:
        """The pids of those that the coordinator has started and that live."""
        mine = self.coordinator.pid if self.coordinator else 0
        return [pid for pid in self.workers() if parent(pid) == mine]

    def outside(self) -> list[int]:
        """The pids of those that we started and that live."""
        return [one.pid for one in self._outside if one.process.returncode is None]

    async def keep_up(self) -> None:
        """Replaces workers that have left, and ends one too many."""
        for one in list(self._outside):
            code = one.process.returncode
            if code is not None:
                self._outside.remove(one)
                if code not in (0, -signal.SIGKILL, -signal.SIGTERM):
                    last = one.err.read_text().strip().splitlines()[-1:]
                    self.ends[f"a worker left with {code}"] += 1
                    self.say(f"a worker left with exit code {code}: {' '.join(last)}")
        if "coordinator" in self.harmed or self.ended == self.plan.tasks or not (self.run / FILE).exists():
            return  # to join at the end would only hold it up: it waits until all workers have left
        self._settled = self._settled or len(self.local()) >= self.plan.local
        if not self._settled:
            return
        count = len(self.workers())
        if count < self.plan.workers:
            await self.join()
        elif count > self.plan.workers and (ours := [pid for pid in self.outside() if pid not in self.harmed]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(ours[-1], signal.SIGTERM)

    def look(self) -> Books:
        """Returns the books; keeps how many rows have ended."""
        books = self.books()
        self.ended = books.planned - books.pending
        return books

    def books(self) -> Books:
        """What the store counts now; nothing before there is one."""
        try:
            store = RunStore.read(self.run)
        except StoreError:  # it is not there yet, or is being made
            return Books()
        try:
            return store.books()
        finally:
            store.close_reading()

    async def forget_redis(self) -> None:
        """Removes what a killed Redis has on disk."""
        await asyncio.to_thread(shutil.rmtree, self.redis.folder / "appendonlydir", ignore_errors=True)

    async def _launch(self, *arguments: object) -> Command:
        path = (str(HELPERS), os.environ.get("PYTHONPATH"))
        out, err = (self.folder / "said" / f"{len(self._all)}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gristmill.cli"),
                *map(str, arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), MARK: self._mark},
            )
        self._all.append(Command(process, out, err))
        return self._all[-1]

    def show(self) -> None:
        """Prints the last words of every process that lives, and of the run's log."""
        for one in self._all:
            if one.process.returncode is None:
                self.say(f"pid {one.pid} said last:\n{_last_words(one.err)}")
        self.say(f"the run's log:\n{_last_words(self.run / 'run.log')}")

    async def end(self) -> None:
        """Leaves no process behind."""
        while left := marked(self._mark):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.05)
        for one in self._all:
            await one.process.wait()


def parent(pid: int) -> int:
    """The pid of a process's parent; 0 when it has ended."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    return 0


def _last_words(path: Path) -> str:
    lines = path.read_text().splitlines() if path.exists() else []
    return "\n".join(f"    {line}" for line in lines[-LAST_WORDS:])


@asynccontextmanager
async def world(plan: Plan, folder: Path) -> AsyncIterator[World]:
    """Makes the campaign's files and starts the servers; at the end nothing of it runs."""
    (folder / "said").mkdir(parents=True)
    rows(folder, plan.tasks)
    redis = RedisServer(folder / "redis", KEPT)
    if not plan.sqlite:
        await asyncio.to_thread(redis.start)
    try:
        async with (
            MockServer(latency=plan.latency, answer=answer, seed=plan.seed) as server,
            DroppingProxy(redis.url) as proxy,
        ):
            made = World(plan, folder, server, redis, proxy)
            made.campaign.write_text(_campaign(plan, server))
            try:
                yield made
            finally:
                await made.end()
    finally:
        await asyncio.to_thread(redis.kill)


def _campaign(plan: Plan, server: MockServer) -> str:
    """The campaign file. `concurrency` is divided among the coordinator's own workers: `slots` for each."""
    return f"""name = "soak"
documents = ["rows.jsonl"]
flow = "write_and_judge:flow"
prompts = [{json.dumps(str(PROMPTS))}]
concurrency = {plan.concurrency}
[models.default]
model = "openai_api/mock"
base_url = "{server.url}"
max_in_flight = {2 * plan.concurrency}
timeout = {TIMEOUT}
[export]
formats = ["jsonl"]
"""
