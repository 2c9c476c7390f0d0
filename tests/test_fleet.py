"""Fleets on real processes, over SQLite and a real Redis: kills, freezes, poison, drains. Nothing lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from harness import LEASE, SQLITE, Wire, accepting, assert_accounted, write_campaign
from mock_server import MockServer
from processes import Start, gone, until
from redis_server import RedisServer

from gristmill import Status
from gristmill.storage.store import RunStore


async def test_two_workers_share_the_tasks(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 240)
        command = await gristmill("run", path, *wire.options, "--workers", "2")
        await wire.pids(tmp_path / "runs/faults", 2)
        seen: set[str] = set()
        while command.process.returncode is None and len(seen) < 2:
            seen |= {worker.name for worker in (await wire.look(tmp_path / "runs/faults")).workers if worker.done}
            await asyncio.sleep(0.05)
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 240 = accepted 240" in out
        assert len(seen) == 2
        assert server.repeated == {}
        assert_accounted(tmp_path / "runs/faults", planned=240)


async def test_workers_killed_at_random_lose_and_double_nothing(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    chance = random.Random(5)
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 150)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)
        kills = 0
        for seen in (30, 90, 160):
            await until(lambda seen=seen: len(server.log) >= seen)
            os.kill(chance.choice(await wire.pids(folder, 1)), signal.SIGKILL)
            kills += 1
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 150 = accepted 150" in out
        assert_accounted(folder, planned=150)
        assert sum(server.repeated.values()) - len(server.repeated) <= kills * 8  # calls in flight at a kill
        assert len({entry.key for entry in server.log}) == 300


async def test_a_killed_coordinator_leaves_no_orphans_and_goes_on(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 100)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)
        workers = await wire.pids(folder, 2)
        await until(lambda: len(server.log) >= 40)
        command.process.kill()
        await command.ended()
        await until(lambda: all(gone(pid) for pid in workers), patience=15)
        books = RunStore.read(folder).books()
        assert books.balanced
        code, out, err = await (await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)).ended()
        assert code == 0, err
        assert "planned 100 = accepted 100" in out
        assert_accounted(folder, planned=100)
        assert len(server.repeated) <= 8


async def test_a_poison_task_is_set_aside_alone_and_can_be_requeued(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    async with MockServer(latency=0.02, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60, flow="poisoned:flow")
        folder = tmp_path / "runs/faults"
        code, out, err = await (
            await gristmill(
                "run", path, *wire.options, "--workers", "2", "--lease", LEASE, GRISTMILL_TEST_POISON="Row 13:"
            )
        ).ended(90)
        assert code == 0, err
        assert "planned 60 = accepted 59 + rejected 0 + failed 1 + pending 0" in out
        (dead,) = RunStore.read(folder).items(Status.FAILED)
        assert dead.reasons == ("poison",)
        assert "ended its worker 3 times" in dead.error
        shown = await (await gristmill("fleet", folder, *wire.options)).ended()
        assert f"set aside {dead.task} after 3 strikes" in shown[1]
        again = await (await gristmill("fleet", folder, "requeue", *wire.options)).ended()
        assert "1 tasks are pending again" in again[1]
        code, out, err = await (await gristmill("run", path, *wire.options, "--workers", "1", "--lease", LEASE)).ended()
        assert "planned 60 = accepted 60" in out, err
        assert_accounted(folder, planned=60)


async def test_a_frozen_worker_is_fenced_off(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 120)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)
        frozen = (await wire.pids(folder, 2))[0]
        await until(lambda: len(server.log) >= 30)
        os.kill(frozen, signal.SIGSTOP)
        await asyncio.sleep(3 * LEASE)
        os.kill(frozen, signal.SIGCONT)
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 120 = accepted 120" in out
        assert_accounted(folder, planned=120)


async def test_sigterm_drains_a_worker_and_ctrl_c_the_fleet(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 120)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, "--workers", "2")
        first, second = await SQLITE.pids(folder, 2)
        await until(lambda: len(server.log) >= 8)
        os.kill(first, signal.SIGTERM)
        await until(lambda: gone(first), patience=10)
        await until(lambda: len(server.log) >= 40)
        command.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        code, _, err = await command.ended()
        assert code == 130, err
        assert time.monotonic() - began < 20
        assert gone(second)
        books = RunStore.read(folder).books()
        assert books.balanced
        assert books.pending > 0
        code, _, err = await (await gristmill("run", path)).ended()  # one process goes on where the fleet stopped
        assert code == 0, err
        assert_accounted(folder, planned=120)
        assert server.repeated == {}


async def test_pause_and_resume(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 600)
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, "--workers", "2")
        await until(lambda: len(server.log) >= 20)
        await (await gristmill("fleet", folder, "pause")).ended()
        await asyncio.sleep(1.5)
        quiet = len(server.log)
        await asyncio.sleep(1)
        assert len(server.log) == quiet < 1200
        shown = json.loads((await (await gristmill("fleet", folder, "--json")).ended())[1])
        assert shown["queue"]["order"] == "pause"
        assert len(shown["queue"]["workers"]) == 2
        await (await gristmill("fleet", folder, "resume")).ended()
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 600 = accepted 600" in out


async def test_a_worker_of_another_version_is_refused_with_what_differs(tmp_path: Path, gristmill: Start) -> None:
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    async with MockServer(latency=0.2, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        text = path.read_text()
        path.write_text(text.replace("prompts = [", f"prompts = [{json.dumps(str(prompts))}, "))
        folder = tmp_path / "runs/faults"
        command = await gristmill("run", path, "--workers", "1")
        await SQLITE.pids(folder, 1)
        (prompts / "row-judge.md").write_text(
            "---\ndescription: x\nschema: Judgement\n---\n## user\n{{ passage }} {{ question }}\n"
        )
        code, _, err = await (await gristmill("worker", folder, "--slots", "2")).ended()
        assert code == 1
        assert "prompts 'row-judge': the coordinator has" in err
        code, _, err = await command.ended()
        assert code == 0, err


async def test_a_budget_stops_the_fleet(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    async with MockServer(latency=0.02, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 300)
        path.write_text(path.read_text().replace("[models.default]", "[budget]\ntokens = 60000\n[models.default]"))
        code, out, err = await (await gristmill("run", path, *wire.options, "--workers", "2")).ended()
        assert code == 3, err
        assert "budget" in out
        store = RunStore.read(tmp_path / "runs/faults")
        assert store.books().balanced
        assert store.books().pending > 0
        assert 20_000 < store.mark("spent")["tokens"] <= 60_000


async def test_objects_cannot_be_sent_to_workers(tmp_path: Path) -> None:
    from write_and_judge import PROMPTS, flow, rows

    from gristmill import Campaign, Fleet, GristmillError, Scripted

    rows(tmp_path, 2)
    campaign = Campaign("x", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": Scripted(["a"])},
                        prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
    with pytest.raises(GristmillError, match="module:attribute"):
        await campaign.execute(fleet=Fleet(workers=1))


@pytest.mark.parametrize("keep", [True, False], ids=["append-only file", "no persistence"])
async def test_a_killed_redis_costs_reruns_and_nothing_else(tmp_path: Path, gristmill: Start, keep: bool) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "everysec") if keep else ("--save", "", "--appendonly", "no")
    (tmp_path / "redis").mkdir()
    redis = RedisServer(tmp_path / "redis", options)
    redis.start()
    try:
        wire = Wire(redis.url)
        async with MockServer(latency=0.05, answer=accepting) as server:
            path = write_campaign(tmp_path, server, 200)
            folder = tmp_path / "runs/faults"
            command = await gristmill("run", path, *wire.options, "--workers", "2", "--lease", LEASE)
            for seen in (60, 180):
                await until(lambda seen=seen: len(server.log) >= seen)
                await asyncio.to_thread(redis.kill)
                await asyncio.sleep(1)
                await asyncio.to_thread(redis.start)
            code, out, err = await command.ended(90)
            assert code == 0, err
            assert "planned 200 = accepted 200" in out
            assert_accounted(folder, planned=200)
    finally:
        redis.stop()


async def test_a_second_coordinator_is_refused_and_a_worker_joins_from_another_folder(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer
) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=0.2, answer=accepting) as server:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        first = write_campaign(tmp_path / "a", server, 500)
        second = write_campaign(tmp_path / "b", server, 500)
        command = await gristmill("run", first, *wire.options, "--workers", "1", "--lease", LEASE)
        folder = tmp_path / "a/runs/faults"
        await wire.pids(folder, 1)
        code, _, err = await (await gristmill("run", second, *wire.options, "--workers", "1", "--lease", LEASE)).ended()
        assert code == 1
        assert f"process {command.process.pid} on " in err
        worker = await gristmill("worker", second, *wire.options, "--slots", "8", "--lease", LEASE, "--name", "afar")
        async with asyncio.timeout(30):
            while not any(one.name == "afar" and one.done for one in (await wire.look(folder)).workers):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 500 = accepted 500" in out
        code, _, err = await worker.ended()
        assert code == 0, err
        assert server.repeated == {}
