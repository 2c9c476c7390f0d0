"""gristmill's commands as processes of a test: real ones, each in a session of its own, ended by pid at the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from places import HELPERS

MARK = "GRISTMILL_TEST_MARK"  # an environment variable that children inherit: how orphans are found again
PATIENCE = 180.0  # seconds: a busy machine needs a minute to start a fleet, and no test is about speed


class Command:
    """A command that was started. What it says goes to files: nobody need read a pipe for it to go on."""

    def __init__(self, process: asyncio.subprocess.Process, out: Path, err: Path) -> None:
        self.process = process
        self.out = out
        self.err = err

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ended(self, patience: float = PATIENCE) -> tuple[int, str, str]:
        """Waits until it has ended; returns its exit code, its output and its errors. TimeoutError after `patience`."""
        try:
            async with asyncio.timeout(patience):
                code = await self.process.wait()
        except TimeoutError:
            raise TimeoutError(
                f"it goes on after {patience:g} s:\n{self.out.read_text()}{self.err.read_text()}"
            ) from None
        return code, self.out.read_text(), self.err.read_text()

    async def killed(self) -> None:
        """Kill -9, and waits until it is gone. The processes that it started live on."""
        self.process.kill()
        await self.process.wait()


Start = Callable[..., Awaitable[Command]]


@asynccontextmanager
async def starting(folder: Path) -> AsyncIterator[Start]:
    """Gives a function that starts `gristmill` with arguments; at the end nothing that it started is left."""
    mark = uuid.uuid4().hex
    started: list[Command] = []

    async def start(*arguments: object, prefix: tuple[str, ...] = (), **env: str) -> Command:
        out, err = (folder / f"{len(started)}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = await asyncio.create_subprocess_exec(
                *prefix,
                sys.executable,
                *("-W", "error", "-m", "gristmill.cli"),
                *map(str, arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(HELPERS), MARK: mark, **env},
            )
        started.append(Command(process, out, err))
        return started[-1]

    try:
        yield start
    finally:
        while left := marked(mark):  # again: one that is being killed may have started another
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.02)
        for number, command in enumerate(started):
            code = await command.process.wait()
            print(f"command {number} ended with {code}:\n{command.err.read_text()}")  # pytest shows it of failed tests


def marked(mark: str) -> list[int]:
    """Returns the pids of all live processes that carry `mark` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile, or is another user's
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return [pid for pid in found if not gone(pid)]


def gone(pid: int) -> bool:
    """Whether a process has ended. One that waits for whoever adopted it to notice counts as ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (ProcessLookupError, FileNotFoundError):
        return True


async def until(condition: Callable[[], bool | Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Waits until `condition` holds, which other processes bring about."""
    async with asyncio.timeout(patience):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.02)
