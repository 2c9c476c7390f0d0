"""The disk fails under a run: full for all, for one process, for the log; read-only; or the folder is gone.

A file-size limit stands in for the full disk: it needs no mount and no rights, meets a process in mid-run, and is
lifted again in mid-run. SQLite answers to both with the same errors.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from harness import SQLITE, Stopwatch, Wire, accepting, assert_accounted, ended, report_recovery, run_of, write_campaign
from mock_server import MockServer
from processes import Command, Start, gone, until

from gristmill.storage.leases import QUEUE_FILE
from gristmill.storage.sqlite import FILE
from gristmill.storage.store import RunStore

ROWS = 60
SMALL = ("bash", "-c", 'ulimit -S -f 1024; exec "$@"', "limited")  # a file may grow to 1 MiB, then writes fail
# Root may write everywhere, so that a folder without write permission says nothing; this one may not.
HUMBLE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
MEND = "free some space and start the same command again"


def long_winded(body: dict[str, Any]) -> str:
    """Answers of 30 KB, so that a megabyte is soon full."""
    return accepting(body) or "An instruction. " * 2000


def limit(pid: int, size: int = resource.RLIM_INFINITY) -> None:
    """Lets no file of a process grow beyond `size` bytes from now on; by default frees it."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def used(folder: Path) -> int:
    """Bytes of the largest file of the run's databases: a limit there fails the next write that needs room."""
    return max(path.stat().st_size for path in folder.iterdir() if "sqlite3" in path.name)


def hurry(server: MockServer) -> None:
    """From here on the server answers quickly: until then it was slow, so that nothing ended too early."""
    server.latency = 0.02


async def stopped_cleanly(command: Command, *files: Path) -> None:
    """The command has ended with one message that names one of `files` and the mend."""
    code, out, err = await command.ended()
    assert code == 1, out
    assert "Traceback" not in err
    said = err.strip().splitlines()[-1]
    assert MEND in said
    assert any(str(file) in said for file in files), said


def accepted_before(folder: Path) -> dict[str, Any]:
    store = RunStore.read(folder)
    try:
        assert store.books().balanced
        assert store.books().pending > 0
        return {item.id: item for item in store.items()}
    finally:
        store.close_reading()


async def healed(gristmill: Start, path: Path, *options: str, before: dict[str, Any], fault: str) -> None:
    """The same command goes on and ends; what was committed before stands as it was."""
    watch = Stopwatch()
    again = await gristmill("run", path, *options)
    count = len(before)
    await until(lambda: ended(run_of(path)) > count)
    report_recovery(fault, watch.seconds)
    code, _, err = await again.ended(120)
    assert code == 0, err
    assert assert_accounted(run_of(path), planned=ROWS).accepted == ROWS
    store = RunStore.read(run_of(path))
    after = {item.id: item for item in store.items()}
    store.close_reading()
    assert before.items() <= after.items()


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_full_disk_stops_all_cleanly_and_space_heals_it(tmp_path: Path, gristmill: Start, workers: int) -> None:
    spread = ("--workers", str(workers)) if workers else ()
    async with MockServer(latency=0.02, answer=long_winded) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await gristmill("run", path, *spread, prefix=SMALL)
        await stopped_cleanly(command, folder / FILE, folder / QUEUE_FILE)
        before = accepted_before(folder)
        await healed(gristmill, path, *spread, before=before, fault=f"full disk, {workers} workers")


async def test_a_full_disk_under_the_coordinator_dismisses_the_workers(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    spread = (*wire.options, "--workers", "2", "--lease", "1")
    async with MockServer(latency=0.4, answer=long_winded) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await gristmill("run", path, *spread)
        workers = await wire.pids(folder, 2)
        await until(lambda: ended(folder) >= 5)
        limit(command.pid, used(folder))
        hurry(server)
        await stopped_cleanly(command, folder / FILE, folder / QUEUE_FILE)
        await until(lambda: all(map(gone, workers)))
        before = accepted_before(folder)
        fault = f"full disk under the coordinator over {'Redis' if wire.redis else 'SQLite'}"
        await healed(gristmill, path, *spread, before=before, fault=fault)


@pytest.mark.parametrize("poor", [1, 2])
async def test_workers_with_a_full_disk_leave_their_tasks_to_others(
    tmp_path: Path, gristmill: Start, poor: int
) -> None:
    async with MockServer(latency=0.4, answer=long_winded) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await gristmill("run", path, "--workers", "2", "--lease", "1")
        workers = (await SQLITE.pids(folder, 2))[:poor]
        await until(lambda: ended(folder) >= 5)
        for pid in workers:
            limit(pid, 4096)
        hurry(server)
        watch, count = Stopwatch(), ended(folder)
        await until(lambda: ended(folder) > count + 16)  # more than both held
        report_recovery(f"full disk under {poor} of 2 workers", watch.seconds)
        code, _, err = await command.ended(120)
        assert code == 0, err
        assert "Traceback" not in err
        assert assert_accounted(folder, planned=ROWS).accepted == ROWS
        assert "is full or failing" in (folder / "run.log").read_text()
        await until(lambda: all(map(gone, workers)))


async def test_a_full_disk_under_the_log_costs_lines_and_no_row(tmp_path: Path, gristmill: Start) -> None:
    size = 256 << 20
    async with MockServer(latency=0.4, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        folder.mkdir(parents=True)
        with (folder / "run.log").open("wb") as log:
            log.truncate(size)  # sparse: only what is appended meets the limit
        command = await gristmill("run", path, "--workers", "2", "--lease", "1")
        limit(command.pid, size)
        workers = await SQLITE.workers(folder, 2)
        await until(lambda: ended(folder) >= 5)
        limit(workers[0].pid, 4096)  # so that there is something to warn of
        await asyncio.sleep(1)
        limit(workers[0].pid, size)
        hurry(server)
        code, _, err = await command.ended(120)
        assert code == 0, err
        assert "Traceback" not in err
        assert f"{folder / 'run.log'} cannot be written" in err
        assert (folder / "run.log").stat().st_size == size
        assert assert_accounted(folder, planned=ROWS).accepted == ROWS


async def test_a_folder_that_may_not_be_written_is_refused_before_spending(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.4, answer=accepting) as server:
        path = write_campaign(tmp_path, server, ROWS)
        folder = run_of(path)
        command = await gristmill("run", path)
        await until(lambda: ended(folder) >= 5)
        hurry(server)
        await command.killed()
        before, calls = accepted_before(folder), len(server.log)
        for closed in (folder, *folder.iterdir()):
            closed.chmod(0o555 if closed.is_dir() else 0o444)
        for spread in ((), ("--workers", "2")):
            code, out, err = await (await gristmill("run", path, *spread, prefix=HUMBLE)).ended()
            assert code == 1, out
            assert "Traceback" not in err
            assert "mend its rights" in err
            assert str(folder) in err
        assert len(server.log) == calls
        for opened in (folder, *folder.iterdir()):
            opened.chmod(0o755 if opened.is_dir() else 0o644)
        await healed(gristmill, path, "--workers", "2", before=before, fault="read-only folder")


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_folder_that_is_removed_stops_the_campaign_before_more_is_spent(
    tmp_path: Path, gristmill: Start, workers: int
) -> None:
    spread = ("--workers", str(workers), "--lease", "1") if workers else ()
    async with MockServer(latency=0.4, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 2000)
        folder = run_of(path)
        command = await gristmill("run", path, *spread)
        await until(lambda: ended(folder) >= 5)
        pids = await SQLITE.pids(folder, workers) if workers else []
        hurry(server)
        shutil.rmtree(folder)
        calls = len(server.log)
        code, out, err = await command.ended()
        assert code == 1, out
        assert "Traceback" not in err
        assert "was removed or replaced" in err
        assert str(folder) in err
        assert len(server.log) < calls + 400  # of 4,000
        await until(lambda: all(map(gone, pids)))
        write_campaign(tmp_path, server, ROWS)
        await healed(gristmill, path, *spread, before={}, fault=f"folder removed, {workers} workers")
