"""Campaigns whose run is in PostgreSQL, on real processes: moved to another host, killed, led by one, nothing lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from harness import Wire, accepting, write_campaign
from in_process import typed
from isolation import CANARY
from mock_server import MockServer
from postgres_server import PASSWORD, PostgresServer
from processes import Start, until
from redis_server import RedisServer

from gristmill import Status
from gristmill.storage.store import RunStore

HOST = os.uname().nodename


def host(tmp_path: Path, name: str, server: MockServer, count: int, **keys: Any) -> Path:
    """A folder as another host has it: the campaign file and the documents, nothing of the run."""
    folder = tmp_path / name
    folder.mkdir()
    return write_campaign(folder, server, count, **keys)


def run_of(url: str) -> RunStore:
    """The run as anybody sees it who has its store and its name."""
    return RunStore.read("faults", url)


async def accepted(url: str, count: int) -> None:
    """Waits until the run in the store has `count` accepted tasks."""
    async with asyncio.timeout(60):
        while True:
            try:
                store = run_of(url)
            except Exception:
                await asyncio.sleep(0.1)
                continue
            found = store.books().accepted
            store.close_reading()
            if found >= count:
                return
            await asyncio.sleep(0.02)


def assert_complete(url: str, planned: int) -> None:
    """Every row has ended exactly once, and the books say so."""
    store = run_of(url)
    books = store.books()
    items = list(store.items())
    claims = list(store.claims())
    store.close_reading()
    assert books.balanced
    assert (books.planned, books.accepted, books.pending) == (planned, planned, 0)
    assert len({item.task for item in items}) == len(items) == planned
    assert len(set(claims)) == len(claims)


async def test_a_coordinator_that_is_killed_goes_on_from_another_host(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        here, there = (host(tmp_path, name, server, 200) for name in ("here", "there"))
        first = await gristmill("run", here, "--store", own_postgres.url)
        await accepted(own_postgres.url, 40)
        first.process.kill()
        await first.process.wait()
        flying = 8
        shutil.rmtree(here.parent)  # the first host is gone for good
        code, out, err = await (await gristmill("run", there, GRISTMILL_STORE=own_postgres.url)).ended()
        assert code == 0, err
        assert "planned 200 = accepted 200" in out
        assert_complete(own_postgres.url, 200)
        assert sum(server.repeated.values()) <= 2 * flying  # calls that were in flight, and no other
        assert (there.parent / "runs/faults/export/jsonl/train.jsonl").read_text().count("\n") == 200


async def test_a_second_coordinator_is_refused_with_who_leads(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        here, there = (host(tmp_path, name, server, 5000) for name in ("here", "there"))
        first = await gristmill("run", here, "--store", own_postgres.url)
        await accepted(own_postgres.url, 1)
        code, _, err = await (await gristmill("run", there, "--store", own_postgres.url)).ended()
        assert code == 1
        assert f"is being worked on by process {first.process.pid} on {HOST}" in err
        done = typed("status", "faults", "--store", own_postgres.url, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"running, process {first.process.pid} on {HOST}" in done.stdout
        first.process.send_signal(signal.SIGINT)
        code, _, err = await first.ended()
        assert code == 130, err
        store = run_of(own_postgres.url)
        assert store.books().balanced
        await until(lambda: store.holder is None)  # the server notices a moment later
        store.close_reading()
        assert server.repeated == {}


@pytest.mark.parametrize("workers", [0, 2])
async def test_a_server_that_is_killed_and_frozen_in_mid_campaign_costs_nothing(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
    workers: int,
) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        here = host(tmp_path, "here", server, 300)
        spread = ("--workers", str(workers), "--lease", "2") if workers else ()
        command = await gristmill("run", here, "--store", own_postgres.url, *spread)
        for done in (30, 120):
            await accepted(own_postgres.url, done)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(own_postgres.start)
        await accepted(own_postgres.url, 200)
        own_postgres.freeze()
        await asyncio.sleep(4.0)  # longer than the lease
        own_postgres.thaw()
        code, out, err = await command.ended(180)
        assert code == 0, err
        assert "planned 300 = accepted 300" in out
        assert_complete(own_postgres.url, 300)


async def test_workers_over_redis_wait_for_the_coordinator_that_starts_on_another_host(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
    own_redis: RedisServer,
) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        here, there, outside = (host(tmp_path, name, server, 300) for name in ("here", "there", "outside"))
        options = ("--redis", own_redis.url, "--lease", "2")
        first = await gristmill("run", here, *options, "--store", own_postgres.url)
        worker = await gristmill("worker", outside, "--redis", own_redis.url, "--slots", "8", "--lease", "2")
        await accepted(own_postgres.url, 60)
        first.process.kill()
        await first.process.wait()
        await asyncio.sleep(1)
        assert worker.process.returncode is None
        second = await gristmill("run", there, *options, GRISTMILL_STORE=own_postgres.url)
        code, out, err = await second.ended(120)
        assert code == 0, err
        assert "planned 300 = accepted 300" in out
        code, _, err = await worker.ended()
        assert code == 0, err
        assert_complete(own_postgres.url, 300)
        assert (await Wire(own_redis.url).look(Path("faults"))).ready == 0


async def test_a_killed_local_worker_leaves_its_calls_in_the_store(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        here = host(tmp_path, "here", server, 200)
        command = await gristmill("run", here, "--store", own_postgres.url, "--workers", "2", "--lease", "2")
        pids = await Wire().pids(here.parent / "runs/faults", 2)
        await accepted(own_postgres.url, 40)
        os.kill(pids[0], 9)
        code, _, err = await command.ended(120)
        assert code == 0, err
        assert_complete(own_postgres.url, 200)
        store = run_of(own_postgres.url)
        assert store.count("calls") == 400
        store.close_reading()


async def test_every_command_finds_the_run_by_its_name_and_its_folder_and_no_password_is_kept(
    tmp_path: Path,
    gristmill: Start,
    own_postgres: PostgresServer,
) -> None:
    def answer(body: dict[str, Any]) -> str | None:
        judged = accepting(body)
        return judged if "Row 3:" not in str(body["messages"]) else ("no JSON at all" if judged else None)

    said = []

    async def told(*arguments: str | Path, **env: str) -> str:
        code, out, err = await (await gristmill(*arguments, **env)).ended()
        said.append(out + err)
        assert code == 0, err
        return str(out)

    def looked(*arguments: str | Path, code: int = 0, **env: str) -> str:
        done = typed(*arguments, cwd=tmp_path, **env)
        said.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    async with MockServer(answer=answer) as server:
        here = host(tmp_path, "here", server, 20)
        url = own_postgres.url
        await told("run", here, "--store", url, "--plain")
        await told("run", here, "--dry-run", GRISTMILL_STORE=url)
        store = run_of(url)
        item = next(store.items(Status.FAILED)).id
        assert store.books().planned == 20
        store.close_reading()
        folder = here.parent / "runs/faults"
        by_name, by_folder = ("faults", "--store", url), (folder,)
        assert "Row 3" in looked("show", item, "--run", *by_name)
        assert "jsonl" in looked("export", *by_name, "--out", tmp_path / "out")
        assert "Row 3" in looked("show", item, "--run", *by_folder, GRISTMILL_STORE=url)
        assert "accepted 19 + rejected 0 + failed 1" in looked("status", *by_folder, PGPASSWORD=PASSWORD)
        assert "accepted 19" in looked("status", here, "--store", url)
        assert "tasks are pending" not in await told("run", here, GRISTMILL_STORE=url)
        assert "PGPASSWORD" in looked("status", folder, code=1)
        assert "has no knowledge graph" in looked("graph", "faults", "--store", url, code=1)
        code, _, err = await (await gristmill("run", here, "--store", url.replace("canary", "wrong-canary"))).ended()
        said.append(err)
        assert code == 1
    assert CANARY not in "".join(said)
    for path in await asyncio.to_thread(lambda: list(tmp_path.rglob("*"))):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    with psycopg.connect(url) as connection:
        schema = connection.execute("SELECT query_to_xml('SELECT * FROM \"gristmill_faults\".marks', true, true, '')")
        assert CANARY not in str(schema.fetchall())
    named: Counter[str] = Counter(path.name for path in folder.iterdir())
    assert "run.sqlite3" not in named
    assert "store.json" in named
