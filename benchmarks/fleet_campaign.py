"""A real campaign of a fleet as a process of its own, for the benchmarks that watch one from outside.

The flow is `row_flow.py` (generate, judge: two model calls a row) on the mock server's rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

from overhead import write_rows

from gristmill.campaigns.fleet.overseeing import queue_of
from gristmill.errors import GristmillError
from gristmill.storage.queue import WorkerInfo
from gristmill.storage.store import Books, RunStore

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
GRACE = 10.0  # seconds that a campaign gets to drain when a benchmark ends before it
CAMPAIGN = """name = "{name}"
documents = ["rows.jsonl"]
flow = "row_flow:flow"
prompts = [{prompts}]
concurrency = {concurrency}
[models.default]
model = "openai_api/mock"
base_url = "{url}"
max_in_flight = {in_flight}
[export]
formats = ["jsonl"]
"""


class FleetCampaign:
    """Rows, a campaign file and `gristmill run` on them. `async with` starts it; leaving ends it and its workers.

    With `cores` all of its processes stay on those.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        rows: int,
        workers: int,
        concurrency: int = 64,
        lease: float = 30.0,
        redis: str = "",
        cores: list[int] | None = None,
    ) -> None:
        name = "fleet"
        self.folder = folder / "runs" / name
        self.rows = rows
        self.redis = redis
        write_rows(str(folder), rows)
        self._file = folder / f"{name}.toml"
        self._file.write_text(
            CAMPAIGN.format(
                name=name,
                prompts=json.dumps(str(HERE / "prompts")),
                url=url,
                concurrency=concurrency,
                in_flight=4 * concurrency,
            )
        )
        self._log = folder / "campaign.log"
        self._options = ["--workers", str(workers), "--lease", str(lease)]
        self._process: asyncio.subprocess.Process | None = None
        self._cores = cores
        self._seen: set[int] = set()  # pids of workers

    @property
    def pid(self) -> int:
        """The coordinator's."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> FleetCampaign:
        env = {**os.environ, "PYTHONPATH": str(HERE)}
        if self.redis:
            env["GRISTMILL_REDIS"] = self.redis
            self._options += ["--redis", self.redis]
        here = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores or here)  # a child starts where its parent is, and its children with it
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gristmill.cli", "run", str(self._file), *self._options),
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C comes to the benchmark, which ends the campaign itself
            )
        os.sched_setaffinity(0, here)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        for pid in self._seen:
            if _is_worker(pid):
                os.kill(pid, signal.SIGKILL)

    async def workers(self) -> list[WorkerInfo]:
        """Returns the workers that have said that they live; [] before the queue is there."""
        with contextlib.suppress(GristmillError):
            async with queue_of(self.folder, self.redis) as queue:
                found = list((await queue.state()).workers)
            self._seen.update(worker.pid for worker in found)
            return found
        return []

    async def end(self) -> int:
        """Waits for the campaign's end; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    def require_running(self) -> None:
        """Raises `SystemExit`, with the end of its log, when the campaign has ended with an error."""
        assert self._process is not None
        if self._process.returncode:
            said = self._log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"the campaign ended with exit code {self._process.returncode}:\n{said}")

    def outcome(self) -> tuple[Books, int]:
        """Returns the books and how many tasks have more than one item."""
        store = RunStore.read(self.folder)
        try:
            seen: set[str] = set()
            doubled: set[str] = set()
            for item in store.items():
                (doubled if item.task in seen else seen).add(item.task)
            return store.books(), len(doubled)
        finally:
            store.close_reading()


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time that a process has used, its threads included, in seconds; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def _is_worker(pid: int) -> bool:
    try:
        return b"gristmill.cli\0worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
