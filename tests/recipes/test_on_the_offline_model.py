"""Every recipe runs to its end on the offline model, with its example rows or the example documents, and exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from places import CORPUS

from gristmill import Campaign
from gristmill.campaigns.campaign import CampaignReport
from gristmill.campaigns.datasets import export_run
from gristmill.graphs.recipes.catalogue import recipes
from gristmill.graphs.recipes.examples import example_of

# The roles that a recipe compares with others: they get the second model.
WEAKER = {
    "active-inheritance": ["teacher-b"], "codeclm": ["target"], "mixture-of-agents": ["writer-b"],
    "reverse-gen": ["target"], "sense": ["weak"], "toa": ["writer-b", "writer-c"],
}  # fmt: skip
WITH_A_FLOW = [name for name, found in recipes().items() if found.flow is not None]
# What a recipe rejects is made wrong, or found wrong, by the offline model itself.
REJECTING = {
    "dart": "incorrect", "rest": "incorrect", "reverse-gen": "target_right", "cotam": "wrong_label",
}  # fmt: skip


def campaign(name: str, folder: Path, **values: Any) -> Campaign:
    example, given = example_of(recipes()[name]), dict[str, Any]()
    if example.rows:
        given["documents"] = [folder / "rows.jsonl"]
        given["documents"][0].write_text("".join(json.dumps(row) + "\n" for row in example.rows))
    elif recipes()[name].needs & {"documents", "graph"}:
        given |= {"documents": [sorted(CORPUS.glob("*.md"))[0]], "chunks": {"max_tokens": 150}}
    return Campaign(
        "t",
        recipe=name,
        options=example.filled,
        models={"default": "offline", "weak": "offline/weak"},
        roles=dict.fromkeys(WEAKER.get(name, ()), "weak"),
        runs=str(folder / "runs"),
        concurrency=3,
        **{"target": 3, "max_tasks": 30, **given, **values},
    )


def exported(report: CampaignReport) -> int:
    return sum(
        len(path.read_text().splitlines()) for path in export_run(report.folder).files if path.suffix == ".jsonl"
    )


@pytest.mark.parametrize("name", WITH_A_FLOW)
def test_a_recipe_runs_to_its_end_on_its_example_and_exports(name: str, tmp_path: Path) -> None:
    report = campaign(name, tmp_path).run()
    books = report.books
    assert report.stop.code == "target", report.reasons
    assert books.planned == books.accepted + books.rejected + books.failed + books.pending
    assert (books.failed, report.usage.usd) == (0, 0.0)
    assert exported(report) >= report.accepted >= 3


@pytest.mark.parametrize("name", REJECTING)
def test_a_recipe_that_looks_for_errors_finds_some(name: str, tmp_path: Path) -> None:
    report = campaign(name, tmp_path, target=None, max_tasks=40).run()
    assert report.accepted > 0
    assert report.reasons["rejected", REJECTING[name]] > 0
