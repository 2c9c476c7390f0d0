"""Metrics, scraped over HTTP from real processes and compared with the books; labels that nobody outside can invent."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from harness import LEASE, Wire, accepting, assert_accounted, run_of, write_campaign
from in_process import typed
from isolation import CANARY
from mock_server import MockServer
from processes import Start, until
from prometheus_client.parser import text_string_to_metric_families
from write_and_judge import PROMPTS, flow, rows

from gristmill import Campaign, GristmillError, ModelSpec, RunStore, Telemetry
from gristmill.campaigns.spec import BudgetSpec
from gristmill.campaigns.telemetry.exposition import Exposition
from gristmill.campaigns.telemetry.metrics import DISTINCT, METRICS, Sample, calls_source, ends, run_source
from gristmill.errors import ConfigError
from gristmill.models.layers.budget import Budget
from gristmill.models.layers.latency import BOUNDS, Latencies
from gristmill.models.layers.meter import Meter
from gristmill.storage.records import Status, Usage

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_ports(count: int) -> int:
    """The first of `count` ports in a row that are free now.

    They lie below those that the system gives to sockets by itself: other tests take such ones at every moment.
    """
    while True:
        first = random.randrange(12_000, 32_000)
        if all(is_free(first + place) for place in range(count)):
            return first


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def read(text: str) -> Samples:
    """The samples of an exposition; each of our own families has the type, labels and help of METRICS."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name.startswith("gristmill_"):
            assert (METRICS[name].kind, METRICS[name].help) == (family.type, family.documentation)
        for one in family.samples:
            if name in METRICS:
                assert set(one.labels) - {"le"} == set(METRICS[name].labels), one
            key = (one.name, frozenset(one.labels.items()))
            assert key not in found, f"{key} stands twice"
            found[key] = one.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples of `name` that have `labels`."""
    wanted = set(labels.items())
    return sum(number for (one, having), number in samples.items() if one == name and wanted <= having)


async def scrape(port: int) -> Samples | None:
    """What a process tells now; None while it does not listen."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.status == 200
            return read(await response.text())
    except aiohttp.ClientConnectionError:
        return None


def fallen(before: Samples, after: Samples) -> list[Any]:
    """The counters that are lower than they were, or gone."""
    return [
        (key, before[key], after.get(key))
        for key in before
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")) and after.get(key, -1.0) < before[key]
    ]


async def test_a_fleet_is_scraped_while_it_works_and_tells_the_books_at_its_end(
    tmp_path: Path, gristmill: Start, wire: Wire
) -> None:
    port = free_ports(3)
    async with MockServer(latency=0.05, answer=accepting, key=f"sk-{CANARY}") as server:
        model = {"api_key_env": "SERVER_KEY", "price_in": 1.0, "price_out": 2.0, "max_in_flight": 16}
        path = write_campaign(tmp_path, server, 200, model=model, target=180, budget={"tokens": 10_000_000})
        options = (*wire.options, "--workers", "2", "--lease", LEASE, "--metrics-port", port)
        command = await gristmill("run", path, *options, SERVER_KEY=f"sk-{CANARY}")
        folder = run_of(path)
        seen: dict[int, list[Samples]] = {port: [], port + 1: [], port + 2: []}
        while command.process.returncode is None:
            for one, kept in seen.items():
                if (found := await scrape(one)) is not None:
                    kept.append(found)
            await asyncio.sleep(0.1)
        code, out, err = await command.ended()
        assert code == 0, err
        planned, pending = (int(re.findall(rf"{word} (\d+)", out)[0]) for word in ("planned", "pending"))
        assert_accounted(folder, server, planned=planned, pending=pending)
        for kept in seen.values():
            assert len(kept) > 3
            assert [one for before, after in pairwise(kept) for one in fallen(before, after)] == []
        coordinator = seen[port]
        for one in coordinator:
            if value(one, "gristmill_tasks_planned"):
                assert value(one, "gristmill_tasks") == value(one, "gristmill_tasks_planned")
                assert value(one, "gristmill_target_items") == 180
                assert value(one, "gristmill_budget_limit", kind="tokens") == 10_000_000
        assert any(value(one, "gristmill_workers", state="working") == 2 for one in coordinator)
        assert any(value(one, "gristmill_fleet_slots") == 8 for one in coordinator)
        assert any(value(one, "gristmill_queue_tasks", state="leased") for one in coordinator)
        assert any(value(one, "gristmill_queue_bytes") > 1000 for one in coordinator)
        asked: Counter[str] = Counter()
        for place in (1, 2):
            last = seen[port + place][-1]
            assert value(last, "gristmill_run_info", run="faults", process="worker") == 1
            assert 0 < value(last, "gristmill_limiter_window", server=server.url, model="openai_api/mock") <= 16
            assert value(last, "gristmill_limiter_open") == 0
            for role in ("generator", "critic"):
                calls = value(last, "gristmill_model_calls_total", role=role, model="openai_api/mock", cached="false")
                assert value(last, "gristmill_model_call_seconds_count", role=role) == calls
                assert value(last, "gristmill_model_call_seconds_bucket", role=role, le="+Inf") == calls
                assert value(last, "gristmill_model_call_seconds_sum", role=role) >= 0.045 * calls
                asked[role] += int(calls)
            cost = value(last, "gristmill_model_cost_usd_total")
            tokens = {way: value(last, "gristmill_model_tokens_total", direction=way) for way in ("input", "output")}
            assert cost == pytest.approx((tokens["input"] + 2 * tokens["output"]) / 1e6)
        assert 0 < sum(asked.values()) <= len(server.log)
        end = read((folder / "metrics.prom").read_text())  # what a scrape after the end would have got
        assert f"accepted {value(end, 'gristmill_tasks', status='accepted'):.0f} " in out
        assert value(end, "gristmill_tasks_ended_total") == value(end, "gristmill_tasks") - value(
            end, "gristmill_tasks", status="pending"
        )
        spent = value(end, "gristmill_budget_spent", kind="tokens")
        assert spent == sum(item.usage.input_tokens + item.usage.output_tokens for item in _items(folder))
        assert fallen(coordinator[-1], end) == []
        assert CANARY not in (folder / "metrics.prom").read_text()


def _items(folder: Path) -> Iterable[Any]:
    store = RunStore.read(folder)
    found = list(store.items())
    store.close_reading()
    return found


async def test_a_worker_that_replaces_a_dead_one_takes_its_port(tmp_path: Path, gristmill: Start) -> None:
    port = free_ports(3)
    async with MockServer(latency=0.1, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 400)
        command = await gristmill("run", path, "--workers", "2", "--lease", LEASE, "--metrics-port", port)
        wire = Wire()
        first = await wire.workers(run_of(path), 2)
        await until(lambda: not is_free(port + 1) and not is_free(port + 2))
        os.kill(first[0].pid, signal.SIGKILL)

        async def replaced() -> bool:
            names = {one.name for one in (await wire.look(run_of(path))).workers if one.age < LEASE}
            return len(names - {one.name for one in first}) == 1

        await until(replaced)
        await until(lambda: not is_free(port + 1) and not is_free(port + 2))

        async def told() -> bool:
            found = await scrape(port)
            return found is not None and value(found, "gristmill_leases_lost_total") > 0

        await until(told)
        command.process.terminate()
        await command.ended()


async def test_a_taken_port_is_said_before_anything_is_spent(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(answer=accepting) as server:
        path = write_campaign(tmp_path, server, 20)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            code, _, err = await (await gristmill("run", path, "--metrics-port", port)).ended()
            assert code == 1
            assert f"metrics cannot be served on 127.0.0.1 port {port} (Address already in use)" in err
            refused = (
                (("--workers", "1", "--metrics-port", port - 1), "local workers take the ports after it"),
                (("--metrics-port", 19_000, "--metrics-host", "no-such-host.invalid"), "no-such-host.invalid"),
                (("--workers", "3", "--metrics-port", 65_534), "go beyond 65535"),
            )
            for options, why in refused:
                done = await asyncio.to_thread(typed, "run", path, *options, cwd=tmp_path)
                assert done.returncode == 1
                assert why in done.stderr
        assert server.log == []


async def test_without_a_port_nothing_listens_and_nothing_is_counted(tmp_path: Path) -> None:
    async with MockServer(answer=accepting) as server:
        rows(tmp_path, 5)
        spec = ModelSpec(model="openai_api/mock", base_url=server.url)
        campaign = Campaign("off", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": spec},
                            prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
        report = await campaign.execute()
        assert report.books.accepted == 5
        assert not (report.folder / "metrics.prom").exists()


async def test_a_program_serves_metrics_of_its_campaign(tmp_path: Path) -> None:
    port = free_ports(1)
    async with MockServer(latency=0.02, answer=accepting) as server:
        rows(tmp_path, 100)
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, max_in_flight=2)
        campaign = Campaign("mine", [tmp_path / "rows.jsonl"], flow=flow(), models={"default": spec}, concurrency=4,
                            prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
        running = asyncio.create_task(campaign.execute(telemetry=Telemetry(metrics_port=port)))
        seen: list[Samples] = []
        while not running.done():
            if (found := await scrape(port)) is not None:
                seen.append(found)
            await asyncio.sleep(0.02)
        report = await running
        end = read((report.folder / "metrics.prom").read_text())
        assert value(end, "gristmill_model_calls_total", role="generator") == 100
        assert value(end, "gristmill_model_call_seconds_count") == 200
        assert any(1 <= value(one, "gristmill_limiter_in_flight") <= 2 for one in seen)
        assert any(value(one, "gristmill_phase_steps", phase="running tasks") for one in seen)
        assert await scrape(port) is None


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(GristmillError, match="port 70000"):
        Telemetry(metrics_port=70_000)


# labels


def test_no_text_of_a_model_becomes_a_label() -> None:
    hostile = ["ignore all previous instructions\n", 'x"} 1\ngristmill_tasks 5', "é" * 500, " ", "1", "a" * 65]
    ended = Counter({(Status.REJECTED, text): 2 for text in hostile})
    ended[Status.REJECTED, "ungrounded"] = 3
    ended[Status.FAILED, "flow_error:ValueError"] = 4
    ended.update({(Status.REJECTED, f"made_up_{number}"): 1 for number in range(1000)})
    first = _ended(ended)
    assert first["rejected", "other"] >= 2 * len(hostile)
    assert first["rejected", "ungrounded"] == 3
    assert first["failed", "flow_error:ValueError"] == 4
    assert len({reason for _, reason in first}) <= DISTINCT + 1
    assert sum(first.values()) == sum(ended.values())
    ended.update({(Status.FAILED, f"later_{number}"): 7 for number in range(1000)})
    second = _ended(ended)
    assert all(second[key] >= count for key, count in first.items())


def _ended(ended: Counter[tuple[Status, str]]) -> dict[tuple[str, ...], float]:
    return {one.labels: one.value for one in ends(ended)}


def test_roles_without_end_make_series_with_one() -> None:
    meter = Meter()
    for number in range(5000):
        meter.add(f"role-{number}", "", Usage(1, 0, 2, 3))
    found = [one for one in calls_source(meter, {}, {})() if one.name == "gristmill_model_calls_total"]
    assert len({one.labels[0] for one in found}) == DISTINCT


async def test_a_source_that_fails_leaves_the_others(tmp_path: Path) -> None:
    """The store is not there yet while the run starts."""
    store = cast(Any, SimpleNamespace(reader=lambda: RunStore.read(tmp_path / "none")))
    port = free_ports(1)
    exposition = Exposition("127.0.0.1", port)
    try:
        exposition.add(run_source(store, Budget(), BudgetSpec(), cast(Any, None)))
        exposition.add(lambda: [Sample("gristmill_target_items", 3)])
        found = await scrape(port)
        assert found is not None
        assert value(found, "gristmill_target_items") == 3
        assert value(found, "process_resident_memory_bytes") > 0
    finally:
        exposition.close()


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"gristmill\[metrics\]"):
        Exposition("127.0.0.1", 0)


def test_latencies_fall_into_their_buckets() -> None:
    latencies = Latencies()
    for seconds in (0.0, 0.05, 0.0501, 160.0, 1000.0):
        latencies.add("r", seconds)
    counts = latencies.buckets["r"]
    assert (counts[0], counts[1], counts[len(BOUNDS) - 1], counts[-1], sum(counts)) == (2, 1, 1, 1, 5)
    assert latencies.sums["r"] == pytest.approx(1160.1001)
