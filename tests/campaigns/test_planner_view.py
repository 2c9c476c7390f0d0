"""What a planner is shown and may say: accepted items, a row's other columns, `WAIT`, and a plan from nothing."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from gristmill import Campaign, Draft, FlowContext, FlowState, Message, RunStore, Scripted, Status, Task, describe
from gristmill.campaigns.planning.accepted import AcceptedItems, EndedItems
from gristmill.campaigns.planning.planning import Plan
from gristmill.errors import ConfigError, NotStored
from gristmill.graphs.planners.base import WAIT, PlanView, lazily

LEAST = 3


@describe(role="base", prompt="go-on", variables=("start",), reads=("task",), writes=("drafts",))
async def go_on(state: FlowState, runtime: Runtime[FlowContext]) -> dict[str, Any]:
    start = state["task"].attributes["start"]
    reply = await runtime.context.ask("base", "go-on", {"start": start}, task=state["task"])
    return {"drafts": [Draft(index=0, by="base", messages=(Message(role="assistant", content=reply.text),))]}


def flow() -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("go_on", go_on)
    graph.add_edge(START, "go_on")
    graph.add_edge("go_on", END)
    return graph


def prompts(folder: Path) -> Path:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "go-on.md").write_text(
        '---\ndescription: Goes on with a text.\ntop_p: 0.9\nmax_tokens: 20\nstop: ["\\n\\n"]\n---\n'
        "## text\n{{ start }} and\n{{ '\\n' }}"
    )
    return folder / "prompts"


@lazily
def generations(view: PlanView, rng: random.Random, options: Any) -> Iterator[Task | None]:
    """Four seeds; children of two accepted parents each once three are accepted."""
    for number in range(4):
        yield Task.of("seed", attributes={"start": f"seed {number}"})
    while len(view.accepted) < LEAST:
        yield None
    for number in range(3):
        parents = view.accepted.sample(rng, 2)
        yield Task.of("child", attributes={"start": " x ".join(parent.task for parent in parents)}, seed=number)


def campaign(folder: Path, model: Scripted, planner: Any, **values: Any) -> Campaign:
    return Campaign(
        "t",
        flow=flow(),
        planner=planner,
        models={"default": model},
        prompts=[str(prompts(folder))],
        runs=str(folder / "runs"),
        **values,
    )


@contextmanager
def reading(folder: Path) -> Iterator[RunStore]:
    store = RunStore.read(folder / "runs" / "t")
    yield store
    store.close_reading()


def echo() -> Scripted:
    return Scripted(lambda request: f"went on from {request.text!r}")


def test_a_planner_waits_for_accepted_items_and_draws_from_them(tmp_path: Path) -> None:
    report = campaign(tmp_path, echo(), generations, concurrency=2).run()
    assert (report.accepted, report.stop.code) == (7, "exhausted")
    with reading(tmp_path) as store:
        tasks = [task for task, _ in store.tasks()]
        assert [task.kind for task in tasks] == ["seed"] * 4 + ["child"] * 3
        ids = {task.id for task in tasks}
        assert all(set(task.attributes["start"].split(" x ")) <= ids for task in tasks[4:])


def test_a_planner_that_waits_for_nothing_ends_the_campaign(tmp_path: Path) -> None:
    def never(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        return WAIT

    report = campaign(tmp_path, echo(), never).run()
    assert (report.stop.code, report.books.planned) == ("exhausted", 0)
    assert "waits for a task to end, and none is left" in report.stop.text


def test_a_prompt_of_one_text_is_gone_on_with_exactly(tmp_path: Path) -> None:
    model = echo()
    campaign(tmp_path, model, generations, max_tasks=1).run()
    (request,) = model.requests
    assert (request.kind, request.text, request.messages) == ("completion", "seed 0 and\n\n", ())
    assert (request.sampling.top_p, request.sampling.max_tokens, request.sampling.stop) == (0.9, 20, ("\n\n",))


def test_a_row_shows_its_other_columns(tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text('{"text": "the valve", "label": "hardware", "score": 2}\n')
    seen = []

    def labels(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        seen.extend(dict(view.meta(chunk)) for chunk in view.chunks)
        return []

    campaign(tmp_path, echo(), labels, documents=[tmp_path / "seeds.jsonl"]).run()
    assert seen == [{"label": "hardware", "score": 2}]


def test_a_recipe_that_needs_documents_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to work from: recipe 'grounded-qa' needs documents"):
        Campaign("t", recipe="grounded-qa", models={"default": "offline"}).prepare()


async def test_a_planner_that_says_wait_while_the_last_task_ends_is_asked_again(tmp_path: Path) -> None:
    """The first draw is made in a thread: what it waits for may end before it has answered."""
    looking, ended = threading.Event(), threading.Event()
    first, second = Task.of("first"), Task.of("second")

    def planner(view: PlanView, count: int, rng: random.Random, options: Any) -> Sequence[Task]:
        seen = view.coverage.get("draw=first", 0)
        looking.set()
        assert ended.wait(60)
        return WAIT if seen else [second]

    store = RunStore.open(tmp_path / "run")
    try:
        await store.plan([first])
        plan = Plan(store, planner, None, chunks=[], graph=None, seed=1, window=1, max_tasks=None)
        assert await plan.next() == first
        asking = asyncio.create_task(plan.next())
        assert await asyncio.to_thread(looking.wait, 60)
        plan.finished(first, Status.REJECTED)
        ended.set()
        assert await asking == second
    finally:
        await store.close()


def test_a_planner_sees_what_tasks_ended_with_in_order(tmp_path: Path) -> None:
    def refusing(request: Any) -> str:
        return "went on" if "seed" in request.text else "went on again"

    campaign(tmp_path, Scripted(refusing), generations, concurrency=1).run()
    with reading(tmp_path) as store:
        items = EndedItems(store)
        found = items.after(0, 99)
        assert [item for _, item in found] == list(store.items())
        assert {item.status for _, item in found} == {Status.ACCEPTED, Status.REJECTED}
        assert items.after(0, 2) + items.after(found[1][0], 99) == found
        assert items.after(found[-1][0], 99) == items.after(0, 0) == []
        assert all(items.at(number) == item for number, item in found)
        with pytest.raises(NotStored, match="no item is numbered 999"):
            items.at(999)


def test_accepted_items_are_drawn_alike_and_counted_live(tmp_path: Path) -> None:
    campaign(tmp_path, echo(), generations).run()
    with reading(tmp_path) as store:
        accepted = AcceptedItems(store)
        rng = random.Random(1)
        assert len(accepted) == len(accepted) == 7
        assert len({item.id for item in accepted.sample(rng, 99)}) == 7
        drawn = [item.id for _ in range(700) for item in accepted.sample(rng, 1)]
        assert len(set(drawn)) == 7
        assert all(60 < drawn.count(one) < 150 for one in set(drawn))
        newest = [item.id for item in store.items(Status.ACCEPTED)][:-3:-1]
        assert [item.id for item in accepted.newest(2)] == newest
        assert accepted.sample(rng, 0) == accepted.newest(0) == []
