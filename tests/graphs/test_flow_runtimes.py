"""Whole campaigns on both runtimes: the same items, whichever runs the flow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from gristmill import Campaign, Chunk, FlowContext, RunStore, Scripted, Task
from gristmill.campaigns.prepare import prepare
from gristmill.graphs.flows.runner import FlowRunner, runner_of
from gristmill.prompts.library import PromptLibrary

RUNTIMES = ("langgraph", "auto")


@pytest.mark.parametrize("recipe", ["grounded-qa", "entigraph", "graph-reasoning"])
def test_a_recipe_makes_the_same_items(recipe: str, tmp_path: Path) -> None:
    found: list[Any] = []
    for runtime in RUNTIMES:
        campaign = Campaign(
            "both",
            [ROOT / "examples" / "corpus" / "estuaries.html", ROOT / "examples" / "corpus" / "mudflats.txt"],
            recipe=recipe,
            models={"default": "offline"},
            runtime=runtime,
            runs=str(tmp_path / runtime),
            max_tasks=12,
            concurrency=1,  # the pool holds a text for whoever comes first
        )
        runner = runner_of(prepare(campaign.spec).flow, runtime=campaign.spec.runtime)
        assert isinstance(runner, FlowRunner)
        assert (runner.direct is not None) == (runtime == "auto")
        report = campaign.run()
        assert report.books.balanced
        assert report.books.accepted
        found.append([_without_times(item) for item in RunStore.read(report.folder).items()])
    assert found[0] == found[1]


def _without_times(item: Any) -> Any:
    data = item.model_dump(mode="json")
    data["usage"].pop("seconds", None)
    for call in (*data["calls"], *(call for one in (*data["drafts"], *data["verdicts"]) for call in one["calls"])):
        call.pop("seconds")
    return data


async def test_the_flow_of_the_page_makes_the_same_state(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "flows.md").read_text(encoding="utf-8"), re.DOTALL)
    source = next(block for block in blocks if "def build()" in block)
    page: dict[str, Any] = {}
    exec(compile(source, "flows.md", "exec"), page)
    for name in ("summarise-passage", "rewrite-summary"):
        (tmp_path / f"{name}.md").write_text("---\ndescription: a test\n---\n## user\n{{ passage | data }}\n")
    text = "The mill at Ashford was built in 1820. It ground grain until 1911."
    chunk = Chunk.of("doc", 0, 0, len(text), text)
    ends = []
    for runtime in RUNTIMES:
        writer = Scripted(
            [
                "Here is a summary: the mill at Ashford ground grain until 1911.",
                "The mill at Ashford, built in 1820, ground grain until 1911.",
            ]
        )
        context = FlowContext(models={"writer": writer}, prompts=PromptLibrary.of([tmp_path]))
        run = runner_of(page["build"](), runtime=runtime)  # type: ignore[arg-type]
        assert isinstance(run, FlowRunner)
        ends.append(await run({"task": Task.of("chunk", chunks=(chunk.id,)), "chunks": [chunk]}, context))
        assert (run.direct is not None) == (runtime == "auto")
    assert ends[0] == ends[1]
    assert ends[0]["decision"] == "accept"
    assert len(ends[0]["drafts"]) == 2
