"""Fleets on real processes, over SQLite and a real Redis, with nothing wrong. With faults: tests/faults."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from harness import LEASE, Wire, accepting, assert_accounted, write_campaign
from mock_server import MockServer
from processes import Start, until
from redis_server import RedisServer

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


async def test_a_worker_joins_from_another_folder(tmp_path: Path, gristmill: Start, own_redis: RedisServer) -> None:
    wire = Wire(own_redis.url)
    async with MockServer(latency=0.2, answer=accepting) as server:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        first = write_campaign(tmp_path / "a", server, 300)
        second = write_campaign(tmp_path / "b", server, 300)
        command = await gristmill("run", first, *wire.options, "--workers", "1", "--lease", LEASE)
        folder = tmp_path / "a/runs/faults"
        await wire.pids(folder, 1)
        worker = await gristmill("worker", second, *wire.options, "--slots", "8", "--lease", LEASE, "--name", "afar")
        await wire.worker(folder, "afar", done=1)
        server.latency = 0.02
        code, out, err = await command.ended()
        assert code == 0, err
        assert "planned 300 = accepted 300" in out
        code, _, err = await worker.ended()
        assert code == 0, err
        assert server.repeated == {}
