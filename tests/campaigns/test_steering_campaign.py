"""Steered campaigns: any planner, one process and fleets, killed and resumed; what a run tells of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from harness import accepting, assert_accounted, write_campaign
from mock_server import MockServer
from places import CORPUS
from processes import Start, until
from rich.console import Console
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, ModelSpec, Request, Scripted
from gristmill.campaigns.report import print_status, status_of
from gristmill.campaigns.steering.curves import ALL, curves
from gristmill.cli import main
from gristmill.errors import ConfigError
from gristmill.storage.records import Status
from gristmill.storage.store import RunStore

STEER: dict[str, Any] = {"on": True, "dimensions": ["kind", "chunk"]}


def answer(request: Request) -> Any:
    return f"Explain: {request.variables['passage']}" if request.role == "generator" else judged()


def campaign(folder: Path, count: int = 100, **values: Any) -> Campaign:
    rows(folder, count)
    values = {"planner": "twins:plan", "steer": STEER, "concurrency": 8, **values}
    return Campaign("test", [folder / "rows.jsonl"], flow=flow(), models={"default": Scripted(answer)},
                    prompts=[str(PROMPTS)], runs=str(folder / "runs"), **values)  # fmt: skip


def kinds(folder: Path, status: Status | None = None) -> Counter[str]:
    found = RunStore.read(folder).tasks()
    return Counter(task.attributes["kind"] for task, now in found if status in (None, now))


@pytest.mark.parametrize("planner", ["twins:plan", "twins:walk"])
async def test_steering_stops_drawing_what_repeats(tmp_path: Path, planner: str) -> None:
    steered = await campaign(tmp_path, planner=planner).execute()
    assert steered.stop.code == "saturated"
    assert "kind=twin" in steered.stop.text
    assert steered.books.balanced
    counted = kinds(steered.folder)
    assert counted["own"] == 100
    assert counted["twin"] < 50
    (tmp_path / "off").mkdir()
    plain = await campaign(tmp_path / "off", planner=planner, steer={}).execute()
    assert kinds(plain.folder)["twin"] == 100
    assert plain.books.accepted == steered.books.accepted
    assert plain.books.planned - steered.books.planned > 50


async def test_a_run_tells_its_cells_and_their_curves(tmp_path: Path) -> None:
    report = await campaign(tmp_path).execute()
    store = RunStore.read(report.folder)
    status = status_of(store)
    assert [row["cell"] for row in status["steering"]["worst"]][:1] == ["kind=twin"]
    console = Console(record=True, width=200)
    print_status(console, status)
    assert "kind=twin: novelty 0." in console.export_text()
    found = {curve.cell: curve for curve in curves(store, most=200)}
    assert found[ALL].tasks == report.books.planned
    assert found["kind=own"].points[-1].novelty == pytest.approx(1.0, abs=0.2)
    assert found["kind=twin"].newest == 0.0
    assert sum(curve.tasks for cell, curve in found.items() if cell.startswith("kind=")) == report.books.planned
    shown = CliRunner().invoke(main, ["status", str(report.folder), "--curves"])
    assert shown.exit_code == 0
    assert any(line.split()[:1] == ["kind=twin"] and "▁" in line for line in shown.output.splitlines())
    told = orjson.loads(CliRunner().invoke(main, ["status", str(report.folder), "--curves", "--json"]).output)["curves"]
    assert told[0]["cell"] == ALL
    assert sum(point["tasks"] for point in told[0]["points"][-1:]) == report.books.planned


async def test_max_tasks_and_the_target_hold_with_steering(tmp_path: Path) -> None:
    report = await campaign(tmp_path, max_tasks=37).execute()
    assert (report.stop.code, report.books.planned) == ("exhausted", 37)
    more = await campaign(tmp_path, max_tasks=60, target=40).execute()
    assert more.stop.code == "target"
    assert 40 <= more.books.accepted <= 42


async def test_what_was_learnt_is_known_after_a_restart_and_settings_may_change(tmp_path: Path) -> None:
    first = await campaign(tmp_path).execute()
    mark = status_of(RunStore.read(first.folder))["steering"]
    assert mark["saturated"] > 0
    again = await campaign(tmp_path, steer={**STEER, "exploration": 0.0}).execute()
    assert again.stop.code == "saturated"
    assert again.books.planned == first.books.planned, "none is drawn to learn again what the books say"
    assert mark["worst"] == status_of(RunStore.read(first.folder))["steering"]["worst"]
    off = await campaign(tmp_path, steer={"on": False}).execute()
    assert off.books.planned == 200
    assert status_of(RunStore.read(first.folder))["steering"] is None


async def test_quotas_hold_over_a_whole_campaign(tmp_path: Path) -> None:
    steer = {**STEER, "at_most": {"kind=own": 20}, "weights": {"kind=twin": 0.0}}
    report = await campaign(tmp_path, steer=steer).execute()
    assert (report.stop.code, report.books.planned, report.books.accepted) == ("exhausted", 20, 20)
    assert "steer.at_most" in report.stop.text


async def test_a_misspelt_cell_is_told_at_the_end(tmp_path: Path) -> None:
    report = await campaign(tmp_path, steer={**STEER, "weights": {"kind=onw": 2.0}}).execute()
    assert "kind=onw was never drawn" in report.stop.text


async def test_wrong_dimensions_are_refused_before_anything_is_planned(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs no graph"):
        await campaign(tmp_path, steer={"on": True, "dimensions": ["community"]}).execute()
    with pytest.raises(ConfigError, match="has no 'entity'"):
        await campaign(tmp_path, steer={**STEER, "weights": {"entity=x": 2.0}}).execute()


@pytest.mark.parametrize("recipe", ["entigraph", "graph-reasoning"])
async def test_recipes_over_the_graph_are_steered_by_entities_relations_and_communities(
    tmp_path: Path, recipe: str
) -> None:
    dimensions = ["draw", "entity", "relation", "community", "document"]
    report = await Campaign(
        "graph", [CORPUS], recipe=recipe, models={"default": ModelSpec(model="offline")}, target=8,
        runs=str(tmp_path / "runs"), steer={"on": True, "dimensions": dimensions, "window": 4},
    ).execute()  # fmt: skip
    assert report.stop.code == "target"
    found = {curve.cell.partition("=")[0] for curve in curves(RunStore.read(report.folder), most=10_000)}
    assert {"draw", "entity", "document"} <= found


async def test_a_fleet_is_steered_by_its_coordinator(tmp_path: Path, gristmill: Start) -> None:
    async with MockServer(latency=0.01, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 100, planner="twins:walk", steer={**STEER, "window": 8})
        code, out, err = await (await gristmill("run", path, "--workers", "2")).ended()
        assert code == 0, err
        assert "saturated" in out
    counted = kinds(tmp_path / "runs/faults")
    assert counted["own"] == 100
    assert counted["twin"] < 60


@pytest.mark.parametrize("planner", ["twins:plan", "twins:walk"])
async def test_a_killed_campaign_goes_on_with_what_its_books_say(
    tmp_path: Path, gristmill: Start, planner: str
) -> None:
    async with MockServer(latency=0.05, answer=accepting) as server:
        path = write_campaign(tmp_path, server, 120, planner=planner, steer={**STEER, "window": 8})
        folder = tmp_path / "runs/faults"
        for calls in (40, 120):
            command = await gristmill("run", path)
            await until(lambda calls=calls: len(server.log) >= calls)  # type: ignore[misc]
            await command.killed()
        server.latency = 0.0
        code, out, err = await (await gristmill("run", path)).ended()
        assert code == 0, err
        assert "saturated" in out
    store = RunStore.read(folder)
    assert_accounted(folder, planned=store.books().planned)
    counted = kinds(folder)
    assert counted["own"] == 120
    assert counted["twin"] < 70
