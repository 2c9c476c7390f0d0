"""Tasks that could end a whole campaign: what a flow leaves that cannot be read, stored or counted costs one task."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from write_and_judge import PROMPTS, rows

from gristmill import Campaign, CampaignReport, Draft, FlowContext, FlowState, Message, Scripted, Status, Task
from gristmill.campaigns.signals import drained_by_signals
from gristmill.errors import ConfigError
from gristmill.storage.store import RunStore

COUNT = 12


def number_of(state: FlowState) -> int:
    return int(state["chunks"][0].text.split(":")[0].removeprefix("Row "))


def draft(number: int, **fields: Any) -> Draft:
    return Draft(index=0, by="writer", messages=(Message(role="user", content=f"Question {number}"),), fields=fields)


async def run(folder: Path, spoil: Any, **values: Any) -> CampaignReport:
    """Runs a flow of one node that gives `spoil(draft, state)` for row 3 and a plain draft for all others."""

    async def only(state: FlowState) -> dict[str, Any]:
        number = number_of(state)
        return spoil(number) if number == 3 else {"drafts": [draft(number)]}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("only", only)
    graph.add_edge(START, "only")
    graph.add_edge("only", END)
    rows(folder, COUNT)
    campaign = Campaign("test", [folder / "rows.jsonl"], flow=graph, models={"default": Scripted([])},
                        prompts=[str(PROMPTS)], runs=str(folder / "runs"), concurrency=4, **values)  # fmt: skip
    return await campaign.execute()


def raising(message: str) -> Any:
    def spoil(number: int) -> Any:
        raise RuntimeError(message)

    return spoil


def cancelled(number: int) -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda number: {"drafts": [draft(number, what=object())]}, "flow_error:PydanticSerializationError"),
        (lambda number: {"drafts": [draft(number, text="\ud800")]}, "flow_error:PydanticSerializationError"),
        (lambda number: {"drafts": [draft(number)], "decision": "perhaps"}, "flow_error:ValueError"),
        (lambda number: {"drafts": [{"text": "not a draft"}]}, "flow_error:AttributeError"),
        (lambda number: {"decision": "reject", "reasons": (7,)}, "flow_error:ValidationError"),
        (raising("half a character: \ud800"), "flow_error:RuntimeError"),
        (cancelled, "flow_error:NodeCancelledError"),
    ],
)  # fmt: skip
async def test_what_cannot_be_stored_fails_its_task_and_no_other(tmp_path: Path, spoil: Any, reason: str) -> None:
    report = await run(tmp_path, spoil)
    assert report.stop.code == "exhausted"
    books = report.books
    assert books.balanced
    assert (books.planned, books.accepted, books.failed, books.pending) == (COUNT, COUNT - 1, 1, 0)
    (failed,) = RunStore.read(report.folder).items(Status.FAILED)
    assert failed.reasons == (reason,)
    assert failed.error


async def test_a_task_of_a_chunk_that_is_not_there_fails_alone(tmp_path: Path) -> None:
    def planner(view: Any, count: int, rng: Any, options: Any) -> list[Task]:
        keys = [*[chunk.id for chunk in view.chunks], "chunk-nowhere"]
        tasks = [Task.of("chunk", chunks=(key,)) for key in keys]
        return [task for task in tasks if not view.is_planned(task.id)][:count]

    report = await run(tmp_path, lambda number: {"drafts": [draft(number)]}, planner=planner)
    assert (report.books.accepted, report.books.failed) == (COUNT, 1)
    (failed,) = RunStore.read(report.folder).items(Status.FAILED)
    assert "chunk-nowhere" in failed.error


async def test_a_planner_that_breaks_is_named(tmp_path: Path) -> None:
    def planner(view: Any, count: int, rng: Any, options: Any) -> list[Task]:
        raise ZeroDivisionError("a bug in the user's planner")

    with pytest.raises(ConfigError, match=r"planner .*ZeroDivisionError: a bug"):
        await run(tmp_path, lambda number: {"drafts": [draft(number)]}, planner=planner)


async def test_a_planner_that_gives_too_much_passes_no_limit(tmp_path: Path) -> None:
    def planner(view: Any, count: int, rng: Any, options: Any) -> list[Task]:
        return [Task.of("chunk", chunks=(chunk.id,)) for chunk in view.chunks]

    report = await run(tmp_path, lambda number: {"drafts": [draft(number)]}, planner=planner, max_tasks=5)
    assert report.books.planned == 5


async def test_a_third_interruption_leaves_nothing_behind() -> None:
    drained = []

    async def pressed() -> None:
        with drained_by_signals(lambda: drained.append(1)):
            try:
                await asyncio.sleep(30)
            finally:
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(0.05)

    running = asyncio.create_task(pressed())
    await asyncio.sleep(0.05)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.02)
    await asyncio.wait_for(running, 5)
    assert drained == [1]
    assert running.cancelling() == 0
