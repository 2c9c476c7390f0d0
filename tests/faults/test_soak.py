"""`make soak` in small: the program itself must not rot, and its accounts must hold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from places import TESTS
from processes import until

SOAK = TESTS / "soak" / "soak.py"


SHORT = ("--tasks", 400, "--every", 1, "--faults", 8, "--overlap", 1, "--seed", 5)
PATIENCE = 900.0  # seconds: it is slow where the machine is, but every fault waits for a row, so that it ends


@asynccontextmanager
async def soak(folder: Path, *options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Starts the program, which prints to `folder`/said; at the end it is gone, with all that it started."""
    command = (sys.executable, "-W", "error", str(SOAK), *map(str, options), "--keep", str(folder / "soak"))
    with (folder / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=asyncio.subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # it ends its processes, and says what they said
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 60)
        if process.returncode is None:
            process.kill()
        print((folder / "said").read_text())  # pytest shows it of a test that fails, also for its patience


async def test_a_short_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with soak(tmp_path, *SHORT) as process:
        code = await asyncio.wait_for(process.wait(), PATIENCE)
    figures = json.loads((tmp_path / "said").read_text().splitlines()[-1])
    assert code == 0, figures
    assert figures["tasks"] == figures["planned"] == figures["accepted_in_the_end"] == 400
    assert figures["lost"] == figures["doubled"] == figures["wrong"] == figures["unbalanced"] == 0
    assert figures["repeated_calls"] <= figures["in_flight_at_faults"]
    assert 2 <= figures["faults"] <= 8


async def test_a_soak_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    async with soak(tmp_path, *SHORT) as process:
        await until(lambda: "accepted" in (tmp_path / "said").read_text() and bool(running(tmp_path)))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) != 0
    assert running(tmp_path) == []


def running(folder: Path) -> list[str]:
    """The command lines of processes that name `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in line and "soak.py" not in line:
            found.append(line)
    return found
