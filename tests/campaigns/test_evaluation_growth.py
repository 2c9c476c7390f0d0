"""What a report draws: how cost and coverage grew, what the money went to, bars of two sets that compare."""

from __future__ import annotations

import io
import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from click.testing import CliRunner
from evaluated_runs import figures, typed
from places import ROOT
from rich.console import Console

from gristmill.campaigns.evaluation.growth import POINTS, Growth
from gristmill.campaigns.evaluation.tallies import Spread
from gristmill.cli import main
from gristmill.review.report.table import print_report
from gristmill.storage.records import Usage
from gristmill.storage.store import RunStore

CAMPAIGN = """
name = "NAME"
documents = ["CORPUS"]
recipe = "RECIPE"
target = 12
seed = 7
runs = "runs"
[models.default]
model = "offline"
price_in = 1.0
price_out = 2.0
"""


def grown(count: int, known: frozenset[str] = frozenset()) -> tuple[Growth, dict[str, Counter[str]]]:
    growth, cells = Growth({"chunk": known} if known else {}), {"kind": Counter[str]()}
    for number in range(count):
        accepted = number % 2 == 0
        if accepted:
            growth.touch("chunk", [f"chunk-{number}"])
            cells["kind"][f"kind {number % 10}"] += 1
        growth.add(Usage(input_tokens=3, output_tokens=1), 0.5, accepted=accepted, cells=cells)
    return growth, cells


@pytest.mark.parametrize("count", [0, 1, 2, POINTS - 1, POINTS, POINTS + 1, 10_007])
def test_moments_are_few_evenly_apart_and_end_with_all(count: int) -> None:
    growth, cells = grown(count)
    moments = growth.moments(cells)
    assert len(moments) <= POINTS
    assert len(moments) >= min(count, POINTS // 2 - 1)
    for one in moments:
        assert one.accepted == (one.items + 1) // 2
        assert (one.tokens, one.usd) == (4 * one.items, 0.5 * one.items)
    if moments:
        assert moments[-1].items == count
        gaps = {later.items - one.items for one, later in pairwise(moments[:-1])}
        assert len(gaps) <= 1


def test_only_what_is_known_counts_as_touched() -> None:
    growth, cells = grown(20, frozenset({"chunk-0", "chunk-4", "chunk-5"}))
    last = growth.moments(cells)[-1]
    assert last.seen == {"kind": 5, "chunk": 2}  # chunk-5 is of no accepted item


@pytest.mark.parametrize(
    ("mine", "other", "edges"),
    [
        ((1, 1, 2), (2, 3), [1.0, 2.0, 3.0, 4.0]),
        ((1.0, 1.0), (0.62,), [place / 20 for place in range(21)]),  # shares: on all of their scale
        ((0.0,), (), [place / 20 for place in range(21)]),
    ],
)
def test_bars_of_two_sets_have_the_same_edges(
    mine: tuple[float, ...], other: tuple[float, ...], edges: list[float]
) -> None:
    spreads = Spread("score"), Spread("score")
    for spread, values in zip(spreads, (mine, other), strict=True):
        for value in values:
            spread.add(value)
    here, there = spreads[0].as_dict(spreads[1]), spreads[1].as_dict(spreads[0])
    assert [bar[0] for bar in here["bars"]] + [here["bars"][-1][1]] == pytest.approx(edges)
    assert sum(bar[2] for bar in here["bars"]) == len(mine)
    if other:
        assert [bar[:2] for bar in there["bars"]] == [bar[:2] for bar in here["bars"]]
    for start, end, count in here["bars"]:
        last = end == here["bars"][-1][1]
        assert count == sum(start <= value < end or (last and value == end) for value in mine)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Reports of a run that began with a dry run, and of one over a graph beside it; each with what its run spent."""
    folder = tmp_path_factory.mktemp("grown")
    found = {}
    for name, recipe in (("tried", "grounded-qa"), ("graph", "entigraph")):
        file = folder / f"{name}.toml"
        corpus = str(ROOT / "examples" / "corpus")
        file.write_text(CAMPAIGN.replace("NAME", name).replace("CORPUS", corpus).replace("RECIPE", recipe))
        for more in [["--dry-run"], []] if name == "tried" else [[]]:
            done = CliRunner().invoke(main, ["run", str(file), *more])
            assert done.exit_code == 0, done.output
        run = folder / "runs" / name
        beside = [] if name == "tried" else ["--against", str(folder / "runs" / "tried")]
        done = typed(run, *beside)
        assert done.exit_code == 0, done.output
        report = json.loads((run / "report" / "report.json").read_text())
        found[name] = {**report, "printed": done.output, "booked": RunStore.read(run).mark("spent")}
    return found


@pytest.mark.parametrize("name", ["tried", "graph"])
def test_what_it_went_to_adds_up_to_what_the_run_spent(told: dict[str, dict[str, Any]], name: str) -> None:
    side, booked = told[name]["set"], told[name]["booked"]
    accepted = side["status"]["accepted"]
    by_name = figures(side)
    assert by_name["run_tokens_per_accepted"]["value"] * accepted == pytest.approx(booked["tokens"])
    assert by_name["run_usd_per_accepted"]["value"] * accepted == pytest.approx(booked["usd"])
    assert sum(row["tokens"] for row in side["spent"]) == booked["tokens"]
    assert sum(row["usd"] for row in side["spent"]) == pytest.approx(booked["usd"])
    (rest,) = (row for row in side["spent"] if row["status"] == "no item")  # the dry run; the graph
    assert rest["tokens"] > 0
    assert by_name["run_tokens_per_accepted"]["value"] > by_name["tokens_per_accepted"]["value"]
    growth = side["growth"]
    assert growth["tokens"][-1] / accepted == pytest.approx(by_name["tokens_per_accepted"]["value"])
    assert growth["items"][-1] == side["items"]


def test_the_curve_of_the_coverage_ends_where_the_figure_is(told: dict[str, dict[str, Any]]) -> None:
    side = told["graph"]["set"]
    by_name = figures(side)
    assert {"chunk", "entity"} <= set(side["growth"]["coverage"])
    for name, curve in side["growth"]["coverage"].items():
        assert curve["touched"] == sorted(curve["touched"])
        assert curve["touched"][-1] / curve["known"] == pytest.approx(by_name[f"{name}_coverage"]["value"])


def test_both_sets_are_on_the_map_and_cells_have_names(told: dict[str, dict[str, Any]]) -> None:
    points = told["graph"]["map"]["points"]
    assert {point["set"] for point in points} == {0, 1}
    assert {point["set"] for point in told["tried"]["map"]["points"]} == {0}
    named = {row["name"] for report in told.values() for row in report["novelty"]}
    assert not any("chunk-" in name or "entity-" in name for name in named)
    assert any(", chunk 1" in name for name in named)


def test_totals_of_two_runs_stand_side_by_side(told: dict[str, dict[str, Any]]) -> None:
    row = {row["name"]: row for row in told["graph"]["beside"]}["run_tokens_per_accepted"]
    assert row["difference"]["value"] == pytest.approx(row["here"]["value"] - row["there"]["value"])
    assert row["difference"]["note"] == "totals"


def test_no_figure_of_the_table_is_cut(told: dict[str, dict[str, Any]]) -> None:
    assert "\u2026" not in told["graph"]["printed"]
    assert "calls_per_accepted" in told["graph"]["printed"]
    narrow = io.StringIO()
    given = {name: value for name, value in told["graph"].items() if name not in ("printed", "booked")}
    print_report(Console(file=narrow, width=80, force_terminal=True, color_system=None), given)
    assert "\u2026" not in narrow.getvalue()
    assert all(len(line) <= 80 for line in narrow.getvalue().splitlines())
