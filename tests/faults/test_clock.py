"""Workers whose clocks are an hour off, ahead and behind: no lease is stolen, none ends early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import libfaketime
import pytest
from harness import (
    FAST,
    LONG_LEASE,
    ROWS,
    SLOW,
    Wire,
    accepting,
    assert_accounted,
    completed,
    coordinator,
    log_of,
    run_of,
    worker,
    write_campaign,
)
from mock_server import MockServer
from processes import Start

HOUR = 3600
LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


def off_by(hours: int) -> dict[str, str]:
    """The environment of a process whose wall clock is off; its monotonic clock is not, as on a real host."""
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{hours:+d}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def maps_of(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("hours", [1, -1])
def test_the_clock_is_really_off(hours: int) -> None:
    script = "import json, time; print(json.dumps([time.time(), time.monotonic(), time.clock_gettime(7)]))"
    said = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **off_by(hours)}, check=True, capture_output=True, text=True
    )
    wall, monotonic, boot = json.loads(said.stdout)
    assert abs(wall - time.time() - hours * HOUR) < 600, said.stderr
    assert abs(monotonic - time.monotonic()) < 600
    assert abs(boot - time.clock_gettime(time.CLOCK_BOOTTIME)) < 600


async def test_clocks_an_hour_off_steal_no_lease_and_lose_none(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=SLOW, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire, 1, lease=LONG_LEASE)
        await wire.workers(folder, 1)
        crew = [
            await worker(gristmill, path, wire, name, **off_by(hours)) for name, hours in (("ahead", 1), ("behind", -1))
        ]
        for name in ("ahead", "behind"):
            info = await wire.worker(folder, name, done=4)
            assert info.age >= 0
            assert LIBRARY.name in maps_of(info.pid)
        state = await wire.look(folder)
        assert (state.suspect, state.dead) == (0, 0)
        server.latency = FAST
        assert f"planned {ROWS} = accepted {ROWS}" in await completed(command)
        for one in crew:
            await completed(one)
        said = log_of(folder, command, *crew)
        assert "of lost workers are ready again" not in said
        assert "was lost before its result was handed in" not in said
        assert_accounted(folder, server, planned=ROWS)
