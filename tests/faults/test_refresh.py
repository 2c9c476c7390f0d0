"""Documents that change while processes are killed: read anew or not at all, and nothing paid twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness import CALLS, CONCURRENCY, Wire, accepting, assert_accounted, completed, run_of, write_campaign
from mock_server import MockServer
from processes import Start, until

from gristmill.storage.store import RunStore
from gristmill.storage.versions import current_documents, stale_items

COUNT, CHANGED = 60, 24


def change_rows(folder: Path) -> None:
    """Writes the last rows of the table anew."""
    file = folder / "rows.jsonl"
    lines = file.read_text().splitlines()
    lines[-CHANGED:] = [line.replace("opens", "closes") for line in lines[-CHANGED:]]
    file.write_text("\n".join(lines) + "\n")


async def test_kill_9_in_a_refresh_leaves_the_old_documents_or_the_new_ones(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, COUNT)
        assert f"planned {COUNT} = accepted {COUNT}" in await completed(await gristmill("run", path))
        change_rows(tmp_path)
        kills = 0
        for delay in (0.0, 0.1, 0.2):  # before, in and behind the reading, as the machine's pace has it
            command = await gristmill("run", path, "--refresh")
            await until(lambda command=command: "reading documents" in command.err.read_text())
            await asyncio.sleep(delay)
            await command.killed()
            kills += 1
            store = RunStore.read(run_of(path))
            texts = {"closes" in chunk.text for chunk in store.chunks()}
            assert store.count("documents") == len(store.chunks()) == COUNT
            assert len(stale_items(store)) == (CHANGED if True in texts else 0)
            store.close_reading()
        command = await gristmill("run", path, "--refresh")
        await until(lambda: len(server.log) > COUNT * CALLS + CHANGED // 2)
        await command.killed()
        out = await completed(await gristmill("run", path))
        planned = COUNT + CHANGED
        assert f"planned {planned} = accepted {planned}" in out
        assert f"stale: {CHANGED} accepted items" in out
        assert_accounted(run_of(path), server, planned=planned, in_flight=CONCURRENCY * (kills + 1))
        assert len(server.asked) == planned * CALLS
        store = RunStore.read(run_of(path))
        assert len(current_documents(store)) == COUNT
        store.close_reading()


async def test_a_fleet_whose_coordinator_is_killed_in_a_refresh_makes_what_changed_and_no_more(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    fleet = (*wire.options, "--workers", "2", "--lease", "3")
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, COUNT)
        assert f"planned {COUNT} = accepted {COUNT}" in await completed(await gristmill("run", path, *fleet))
        asked = len(server.asked)
        change_rows(tmp_path)
        command = await gristmill("run", path, *fleet, "--refresh")
        await until(lambda: len(server.asked) > asked + CHANGED // 2)  # its workers are at what changed
        await command.killed()
        out = await completed(await gristmill("run", path, *fleet, "--refresh"))
        planned = COUNT + CHANGED
        assert f"planned {planned} = accepted {planned}" in out
        assert f"stale: {CHANGED} accepted items" in out
        assert len(server.asked) == planned * CALLS  # of each call one kind: nothing old was made again
        store = RunStore.read(run_of(path))
        assert {"closes" in chunk.text for chunk in store.chunks()[-CHANGED:]} == {True}
        assert len(current_documents(store)) == len(store.chunks()) == COUNT
        assert len(stale_items(store)) == CHANGED
        assert store.books().balanced
        store.close_reading()
