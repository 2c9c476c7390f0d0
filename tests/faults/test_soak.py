"""`make soak` in small: the program itself must not rot, and its accounts must hold."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from processes import TESTS, until

SOAK = TESTS / "soak" / "soak.py"


async def start(*options: object) -> asyncio.subprocess.Process:
    command = (sys.executable, "-W", "error", str(SOAK), *map(str, options))
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)


async def test_a_short_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    process = await start("--tasks", 600, "--seed", 5, "--keep", tmp_path / "soak")
    out, err = await asyncio.wait_for(process.communicate(), 400)
    print(out.decode())
    assert process.returncode == 0, err.decode()
    figures = json.loads(out.decode().splitlines()[-1])
    assert figures["tasks"] == figures["planned"] == figures["accepted_in_the_end"] == 600
    assert figures["lost"] == figures["doubled"] == figures["wrong"] == figures["unbalanced"] == 0
    assert figures["repeated_calls"] <= figures["in_flight_at_faults"]
    assert figures["faults"] >= 2


async def test_a_soak_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    process = await start("--tasks", 600, "--keep", tmp_path / "soak")
    assert process.stdout is not None
    assert b"accepted" in await asyncio.wait_for(process.stdout.readline(), 60)
    await until(lambda: bool(running(tmp_path)))
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode != 0
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
