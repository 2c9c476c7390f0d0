"""What a second start of a campaign must know of the first: claims, plan, budget, why it stopped."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, Draft, FlowContext, FlowState, Message, Request, Scripted, Status, Task
from gristmill.agents.novelty import novelty
from gristmill.storage.store import RunStore


def campaign(folder: Path, **values: Any) -> Campaign:
    defaults: dict[str, Any] = {"models": {"default": Scripted(answer)}, "prompts": [str(PROMPTS)], "concurrency": 4}
    values = {"flow": flow(), **defaults, **values}
    return Campaign("test", [folder / "rows.jsonl"], runs=str(folder / "runs"), **values)


def answer(request: Request) -> Any:
    return f"Explain: {request.variables['passage']}" if request.role == "generator" else judged()


def gated() -> StateGraph[Any, Any, Any, Any]:
    """Every row asks one of three questions, and answers it in its own words."""

    async def write(state: FlowState) -> dict[str, Any]:
        number = int(state["chunks"][0].text.split(":")[0].removeprefix("Row "))
        question = f"What is number {number % 3}?"
        messages = (Message(role="user", content=question), Message(role="assistant", content=f"Answer {number}"))
        return {"drafts": [Draft(index=0, by="writer", messages=messages, fields={"question": question})]}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write)
    graph.add_node("gate", novelty())
    graph.add_edge(START, "write")
    graph.add_edge("write", "gate")
    graph.add_edge("gate", END)
    return graph


async def test_the_novelty_gate_remembers_across_starts(tmp_path: Path) -> None:
    rows(tmp_path, 30)
    first = await campaign(tmp_path, flow=gated(), max_tasks=10).execute()
    assert first.books.accepted == 3
    second = await campaign(tmp_path, flow=gated()).execute()
    assert second.books.planned == 30
    assert second.books.accepted == 3
    asked = [item.messages[0].content for item in RunStore.read(second.folder).items(Status.ACCEPTED)]
    assert len(asked) == len(set(asked)) == 3


def endless(view: Any, count: int, rng: random.Random, options: Any) -> list[Task]:
    """Draws without end and without a look at what is planned, as a user may write it."""
    key = view.chunks[0].id
    return [Task.of("chunk", chunks=(key,), seed=rng.getrandbits(40)) for _ in range(count)]


async def test_a_planner_that_draws_by_chance_goes_on_after_a_restart(tmp_path: Path) -> None:
    rows(tmp_path, 1)

    def numbered(request: Request) -> Any:
        return f"Question {request.sampling.seed}" if request.role == "generator" else judged()

    for target in (20, 200, 600):
        report = await campaign(
            tmp_path, planner=endless, models={"default": Scripted(numbered)}, target=target
        ).execute()
        assert report.stop.code == "target"
        assert report.books.balanced
        assert report.books.accepted >= target
