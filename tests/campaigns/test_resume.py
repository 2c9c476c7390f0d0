"""What a second start of a campaign must know of the first: claims, plan, budget, why it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from mock_server import MockServer
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, Draft, FlowContext, FlowState, Message, ModelSpec, Request, Scripted, Status, Task
from gristmill.agents.verifiers.novelty import novelty
from gristmill.campaigns.forecast import forecast
from gristmill.campaigns.loop import Loop
from gristmill.campaigns.outcome import Outcome
from gristmill.campaigns.progress import Progress
from gristmill.campaigns.spec import BudgetSpec, StopSpec
from gristmill.campaigns.stops import Stop, Stops
from gristmill.errors import ConfigError, ServerLost
from gristmill.storage.store import RunStore


def accepting(body: dict[str, Any]) -> str | None:
    return json.dumps(judged()) if body.get("response_format") else None


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


async def test_a_start_that_read_nothing_takes_other_settings_and_one_that_paid_does_not(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "Row 0: who turns the wheel of the mill?"}\n')

    with pytest.raises(ConfigError, match="set text_field to the one"):
        await campaign(tmp_path, text_field="text").execute()
    store = RunStore.open(tmp_path / "runs" / "test")
    await store.put("paid", b"{}")
    await store.close()
    with pytest.raises(ConfigError, match=r"other settings: text_field .* another name$"):
        await campaign(tmp_path, text_field="question").execute()
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(ConfigError, match="set text_field to the one"):
        await campaign(tmp_path, text_field="text").execute()
    assert (await campaign(tmp_path, text_field="question").execute()).books.accepted == 1


async def test_a_server_that_is_lost_stops_the_campaign_and_fails_no_task(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    async with MockServer(latency=0.01, answer=accepting) as server:
        spec = ModelSpec(model="openai_api/mock", base_url=server.url, patience=0.5)

        async def die() -> None:
            while len(server.log) < 30:  # noqa: ASYNC110  # the server's own log has no event
                await asyncio.sleep(0.01)
            await server.die(3)

        dying = asyncio.create_task(die())
        with pytest.raises(ServerLost, match="same command"):
            await campaign(tmp_path, models={"default": spec}).execute()
        await dying
        await asyncio.sleep(3.2)  # until it listens again
        store = RunStore.read(tmp_path / "runs" / "test")
        books = store.books()
        assert books.balanced
        assert books.failed == 0
        assert books.pending > 0
        assert "has not answered" in store.mark("stop")["text"]
        report = await campaign(tmp_path, models={"default": spec}).execute()
        assert report.books.accepted == 60


async def test_a_graph_is_not_made_of_what_a_lost_server_left(tmp_path: Path) -> None:
    rows(tmp_path, 12)

    def lost(request: Request) -> Any:
        raise ServerLost("gone")

    entigraph: dict[str, Any] = {"recipe": "entigraph", "flow": "", "prompts": []}
    with pytest.raises(ServerLost):
        await campaign(tmp_path, models={"default": Scripted(lost)}, **entigraph).execute()
    store = RunStore.read(tmp_path / "runs" / "test")
    assert store.count("extractions") == 0
    assert store.mark("graph") is None


async def test_a_chunk_whose_extraction_breaks_fails_alone(tmp_path: Path) -> None:
    rows(tmp_path, 12)

    def broken(request: Request) -> Any:
        if "number 3 " in str(request.variables.get("passage")):
            raise ZeroDivisionError("a bug in the user's model")
        return {"entities": [], "relations": []}

    entigraph: dict[str, Any] = {"recipe": "entigraph", "flow": "", "prompts": []}
    with pytest.raises(ConfigError, match="no entity was found"):
        await campaign(tmp_path, models={"default": Scripted(broken)}, **entigraph).execute()
    ledger = RunStore.read(tmp_path / "runs" / "test").mark("graph")
    assert ledger["failed"] == {"ZeroDivisionError": 1}


async def test_a_budget_spent_on_the_graph_keeps_what_was_in_flight_and_says_so(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    model = Scripted(lambda request: {"entities": [], "relations": []}, delay=0.02)
    entigraph: dict[str, Any] = {"recipe": "entigraph", "flow": "", "prompts": []}
    report = await campaign(
        tmp_path, models={"default": model}, graph={"max_gleanings": 0}, budget={"tokens": 8_000}, **entigraph
    ).execute()
    assert report.stop.code == "tokens"
    store = RunStore.read(report.folder)
    assert store.mark("stop")["code"] == "tokens"
    assert len(model.requests) == store.count("calls") == store.count("extractions") > 0


async def test_a_time_budget_counts_while_the_graph_is_built(tmp_path: Path) -> None:
    rows(tmp_path, 40)
    model = Scripted(lambda request: {"entities": [], "relations": []}, delay=0.3)
    entigraph: dict[str, Any] = {"recipe": "entigraph", "flow": "", "prompts": []}
    report = await campaign(
        tmp_path, models={"default": model}, budget={"minutes": 0.01}, concurrency=2, **entigraph
    ).execute()
    assert report.stop.code == "time"
    assert len(model.requests) < 30


async def test_asking_for_an_end_while_documents_are_read_is_heard(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.md").write_text(f"# Valve {number}\n\n" + f"The valve {number} opens. " * 200)
    read: list[str] = []

    class Interrupting(Progress):
        def step(self, name: str = "") -> None:
            read.append(name)
            if len(read) == 5:
                os.kill(os.getpid(), signal.SIGINT)

    folder = campaign(tmp_path)
    chosen = Campaign("test", [tmp_path], flow=flow(), models={"default": Scripted(answer)},
                      prompts=[str(PROMPTS)], runs=str(tmp_path / "runs"))  # fmt: skip
    report = await chosen.execute(Interrupting())
    assert folder.spec.folder == report.folder
    assert report.stop.code == "interrupted"
    assert len(read) < 20
    again = await Campaign("test", [tmp_path], flow=flow(), models={"default": Scripted(answer)}, max_tasks=1,
                           prompts=[str(PROMPTS)], runs=str(tmp_path / "runs")).execute()  # fmt: skip
    assert again.ingested.documents == 300


async def test_failures_of_what_was_in_flight_do_not_rename_an_interruption() -> None:
    rules = StopSpec(after=10, window=10)
    stops = Stops(target=None, rules=rules, budget=BudgetSpec())
    loop = Loop(Tasks(), Rejecting(stops), stops, concurrency=20, on_outcome=lambda *_: None)  # type: ignore[arg-type]
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(0.05)
    loop.drain(Stop("interrupted", "asked to"))
    assert (await running).code == "interrupted"


async def test_an_error_of_who_watches_ends_the_run_and_is_raised(tmp_path: Path) -> None:
    """It was lost with the asyncio task that it came up in, and the campaign ran on unseen."""

    class Broken(Progress):
        def outcome(self, outcome: Outcome) -> None:
            super().outcome(outcome)
            if self.done == 2:
                raise BrokenPipeError("nobody reads on")

    rows(tmp_path, 30)
    chosen = campaign(tmp_path, concurrency=3)
    with pytest.raises(BrokenPipeError, match="nobody reads on"):
        await chosen.execute(Broken())
    store = RunStore.read(chosen.spec.folder)
    try:
        books = store.books()
        assert books.balanced
        assert 2 <= books.planned - books.pending <= 5, "those in flight ended, and no more began"
        assert store.mark("stop") == {"code": "error", "text": "nobody reads on"}
    finally:
        store.close_reading()
    assert (await campaign(tmp_path).execute()).books.pending == 0


class Tasks:
    """A plan without end."""

    def __init__(self) -> None:
        self.drawn = 0

    async def next(self) -> Task:
        self.drawn += 1
        return Task.of("chunk", seed=self.drawn)

    def finished(self, task: Task, status: Status, items: object) -> None:
        pass


class Rejecting:
    """A worker that rejects, slowly."""

    def __init__(self, stops: Stops) -> None:
        self.stops = stops

    def withdraw(self) -> None:
        pass

    async def run(self, task: Task) -> Outcome:
        await asyncio.sleep(0.2)
        return Outcome(Status.REJECTED, (), "trivial")


async def test_what_a_forecast_spends_counts_towards_the_budget(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    budget = {"tokens": 5_000}
    await forecast(campaign(tmp_path, budget=budget), pilot=5)
    spent = RunStore.read(tmp_path / "runs" / "test").mark("spent")
    assert spent["tokens"] > 100
    assert spent["seconds"] == 0
    model = Scripted(answer)
    await forecast(campaign(tmp_path, budget=budget, models={"default": model}), pilot=5)
    assert model.requests == []
    assert RunStore.read(tmp_path / "runs" / "test").mark("spent")["tokens"] == spent["tokens"]
    report = await campaign(tmp_path, budget=budget).execute()
    assert report.stop.code == "tokens"
    assert RunStore.read(tmp_path / "runs" / "test").mark("spent")["tokens"] > spent["tokens"]


async def test_a_forecast_from_kept_replies_still_knows_the_time(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    values: dict[str, Any] = {"target": 60, "concurrency": 4}
    first = await forecast(campaign(tmp_path, models={"default": Scripted(answer, delay=0.2)}, **values), pilot=4)
    again = await forecast(campaign(tmp_path, models={"default": Scripted(answer, delay=0.2)}, **values), pilot=4)
    assert first.seconds > 4
    assert again.paid.calls == 0
    assert again.seconds == pytest.approx(first.seconds, rel=0.2)
