"""A prompt edited between two starts of a run: the run goes on, says so, and counts what was made with which."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from rich.console import Console
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, FlowContext, FlowState, Message, Request, RunStore, Scripted
from gristmill.campaigns.fleet.manifest import manifest_of, require_same
from gristmill.campaigns.progress import Progress
from gristmill.campaigns.report import print_status, status_of
from gristmill.errors import ConfigError
from gristmill.prompts.library import PromptLibrary
from gristmill.storage.records import Draft


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def answer(request: Request) -> Any:
    if request.role != "critic":
        return f"Explain: {request.variables['passage']}"
    return judged() if "7" not in request.variables["passage"] else judged(decision="reject")


def campaign(folder: Path, **values: Any) -> Campaign:
    (folder / "prompts").mkdir(exist_ok=True)
    values = {"models": {"default": Scripted(answer)}, "flow": flow(), "concurrency": 4, **values}
    prompts = [str(folder / "prompts"), str(PROMPTS)]
    return Campaign("edited", [folder / "rows.jsonl"], runs=str(folder / "runs"), prompts=prompts, **values)


async def ran(folder: Path, tasks: int, store: str = "", **values: Any) -> tuple[list[str], dict[str, Any], str]:
    """Runs until so many tasks are planned in all; returns what was said, the status, and it as printed."""
    heard = Heard()
    report = await campaign(folder, max_tasks=tasks, **values).execute(heard, store=store)
    opened = RunStore.read(report.folder, store)
    try:
        found = status_of(opened)
    finally:
        opened.close_reading()
    console = Console(file=io.StringIO(), width=160)
    print_status(console, found)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    return [line for line in heard.lines if "edited" in line], json.loads(json.dumps(found["prompts"])), printed


def edit(folder: Path, name: str, more: str) -> None:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / f"{name}.md").write_text((PROMPTS / f"{name}.md").read_text() + more)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def test_a_run_says_which_prompts_were_edited_and_what_was_made_with_each(tmp_path: Path, store: str) -> None:
    rows(tmp_path, 20)
    said, found, printed = await ran(tmp_path, 4, store)
    assert (said, found, "was edited" in printed) == ([], {}, False)
    said, found, _ = await ran(tmp_path, 6, store)
    assert (said, found) == ([], {}), "nothing was edited"

    edit(tmp_path, "row-judge", "\nBe strict.\n")
    said, found, printed = await ran(tmp_path, 10, store)
    (line,) = said
    old, new = found["row-judge"]
    assert line == (
        f"prompt 'row-judge' was edited since the last start: 6 items were made with {old['version']} and stay; what "
        f"follows is made with {new['version']}"
    )
    assert ([old["items"], old["accepted"]], [new["items"], new["accepted"]]) == ([6, 6], [4, 3])
    assert f"{new['version']}, since {new['since'][:16].replace('T', ' ')}: 4 items, 3 accepted" in printed
    assert list(found) == ["row-judge"], "the other prompt is as it was"

    (tmp_path / "prompts" / "row-judge.md").unlink()
    said, found, _ = await ran(tmp_path, 12, store)
    assert [one["version"] for one in found["row-judge"]] == [new["version"], old["version"]], "back to the first"
    assert [one["items"] for one in found["row-judge"]] == [4, 8]
    assert "4 items were made with" in said[0]
    assert (await ran(tmp_path, 12, store))[0] == [], "said once"


async def test_versions_that_nothing_was_made_with_are_not_told(tmp_path: Path) -> None:
    rows(tmp_path, 20)
    await ran(tmp_path, 2)
    for more in ("a", "b", "c"):
        edit(tmp_path, "row-write", f"\n{more}\n")
        await ran(tmp_path, 2)
    said, found, _ = await ran(tmp_path, 4)
    assert said == []
    assert [one["items"] for one in found["row-write"]] == [2, 2]


async def test_an_edit_before_anything_was_asked_is_none(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    with pytest.raises(ConfigError, match="nothing could be read"):
        await ran(tmp_path, 2)
    edit(tmp_path, "row-write", "\nBriefly.\n")
    rows(tmp_path, 20)
    said, found, _ = await ran(tmp_path, 2)
    assert (said, found) == ([], {})


async def test_a_quotation_of_a_version_in_a_text_does_not_count(tmp_path: Path) -> None:
    rows(tmp_path, 20)
    version = PromptLibrary.of([PROMPTS]).get("row-judge").version

    def quoting(request: Request) -> Any:
        return judged() if request.role == "critic" else f'"row-judge":"{version}" "row-write":"{version}"'

    model = {"default": Scripted(quoting)}
    await ran(tmp_path, 3, models=model)
    edit(tmp_path, "row-judge", "\nBe strict.\n")
    _, found, _ = await ran(tmp_path, 5, models=model)
    assert [one["items"] for one in found["row-judge"]] == [3, 2]


def untold() -> StateGraph[Any, Any, Any, Any]:
    """A flow whose node does not say which prompt it asks."""

    async def write(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
        passage = state["chunks"][0].text
        reply = await runtime.context.ask("generator", "row-write", {"passage": passage}, task=state["task"])
        messages = (Message(role="user", content=reply.text), Message(role="assistant", content=passage))
        return {"drafts": [Draft(index=0, by="generator", messages=messages, model=reply.model)]}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph


async def test_prompts_that_no_node_tells_of_are_known_by_the_items(tmp_path: Path) -> None:
    rows(tmp_path, 20)
    await ran(tmp_path, 3, flow=untold())
    edit(tmp_path, "row-write", "\nBriefly.\n")
    said, found, _ = await ran(tmp_path, 5, flow=untold())
    assert "prompt 'row-write' was edited since the last start: 3 items were made with" in said[0]
    assert [one["items"] for one in found["row-write"]] == [3, 2]


@pytest.mark.parametrize("told", [flow, untold])
def test_a_worker_whose_prompts_are_others_is_refused(tmp_path: Path, told: Any) -> None:
    """Also where the flow tells of no prompt: all of the user's folders count then."""
    rows(tmp_path, 2)
    edit(tmp_path, "row-write", "\nBriefly.\n")

    def manifest() -> dict[str, Any]:
        one = campaign(tmp_path, flow=told())
        return manifest_of(one.spec, one.prepare())

    coordinator = manifest()
    require_same(coordinator, manifest())
    edit(tmp_path, "row-write", "\nAt length.\n")
    with pytest.raises(
        ConfigError, match=r"prompts 'row-write': the coordinator has [0-9a-f]{12}, this worker [0-9a-f]{12}"
    ):
        require_same(coordinator, manifest())
