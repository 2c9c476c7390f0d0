"""Every recipe that starts from documents, end to end: its books, a campaign that was stopped, its exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recipe_scripts import SCRIPTS, accepted, campaign, lines

from gristmill.agents.state import info_of
from gristmill.campaigns.datasets import export_runs
from gristmill.graphs.flows.check import require_flow
from gristmill.graphs.recipes.base import NEEDS
from gristmill.graphs.recipes.catalogue import recipe
from gristmill.prompts.library import PromptLibrary


def told(folder: Path, name: str) -> list[tuple[Any, ...]]:
    return sorted((item.id, item.messages, str(item.fields)) for item in accepted(folder, name))


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_stopped_campaign_ends_with_the_items_of_a_whole_one(name: str, tmp_path: Path) -> None:
    script = SCRIPTS[name]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    report = await campaign(name, script, whole).execute()
    assert report.books.balanced
    assert (report.stop.code, report.books.accepted, report.books.failed) == ("exhausted", script.target, 0)
    for most in (1, 4, None):
        report = await campaign(name, script, parts, max_tasks=most).execute()
        assert report.books.balanced
    assert told(parts, name) == told(whole, name)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_what_is_accepted_is_exported(name: str, tmp_path: Path) -> None:
    script = SCRIPTS[name]
    report = await campaign(name, script, tmp_path).execute()
    gives = recipe(name).gives
    shape = {"pretraining": "text", "retrieval": "retrieval"}.get(gives, "chat")
    out = tmp_path / "out"
    exported = export_runs([report.folder], out=out, formats=["jsonl", "parquet", shape])
    assert exported.report.counts == {form: {"train": script.target} for form in ("jsonl", "parquet", shape)}
    rows = lines(out / "jsonl" / "train.jsonl")
    assert {row["kind"] for row in rows} == {gives}
    assert len({row["id"] for row in lines(out / shape / "train.jsonl")}) == script.target


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_flow_asks_its_roles_and_no_other(name: str) -> None:
    found = recipe(name)
    assert found.flow is not None
    assert found.needs <= set(NEEDS)
    flow = found.flow(found.options.model_validate(dict(SCRIPTS[name].options)))
    require_flow(flow, roles=set(found.roles), prompts=PromptLibrary())
    infos = [info_of(getattr(node.runnable, "afunc", None)) for node in flow.nodes.values()]
    asked = {part.role for info in infos if info for part in (info, *info.parts) if part.role}
    assert asked == set(found.roles)
