"""Campaigns in process: the books, the stops, resuming, and what is refused before anything is spent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from places import CORPUS
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import (
    Campaign,
    CampaignReport,
    Draft,
    FlowContext,
    FlowState,
    GristmillError,
    Message,
    ModelSpec,
    Request,
    Scripted,
)
from gristmill.campaigns.forecast import forecast
from gristmill.errors import AccessDenied, ConfigError, FlowError, ModelError, PromptError, RunLocked
from gristmill.storage.records import Status
from gristmill.storage.store import RunStore


def answer(request: Request) -> Any:
    if request.role == "generator":
        return f"Explain: {request.variables['passage']}"
    return judged()


def campaign(folder: Path, model: Any, count: int = 20, **values: Any) -> Campaign:
    if not (folder / "rows.jsonl").exists():
        rows(folder, count)
    defaults: dict[str, Any] = {"prompts": [str(PROMPTS)], "runs": str(folder / "runs"), "concurrency": 8}
    values = {**defaults, "flow": flow(), "models": {"default": model}, **values}
    return Campaign("test", [folder / "rows.jsonl"], **values)


def items_of(report: CampaignReport, status: Status | None = None) -> list[Any]:
    return list(RunStore.read(report.folder).items(status))


def assert_balanced(report: CampaignReport, planned: int) -> None:
    books = report.books
    assert books.planned == planned
    assert books.balanced
    ended = [item.task for item in items_of(report)]
    assert len(ended) == len(set(ended)) == planned - books.pending


async def test_a_campaign_accepts_what_its_critic_accepts(tmp_path: Path) -> None:
    def critic(request: Request) -> Any:
        if request.role == "generator":
            return answer(request)
        number = int(request.variables["passage"].split(":")[0].removeprefix("Row "))
        return judged("reject", "trivial") if number % 4 == 0 else judged()

    report = await campaign(tmp_path, Scripted(critic)).execute()
    assert report.stop.code == "exhausted"
    assert (report.books.accepted, report.books.rejected) == (15, 5)
    assert report.reasons == {("accepted", ""): 15, ("rejected", "trivial"): 5}
    assert_balanced(report, 20)
    item = items_of(report, Status.ACCEPTED)[0]
    assert item.messages[0].content.startswith("Explain: Row ")
    assert len(item.drafts) == len(item.verdicts) == 1
    assert item.usage.calls == 2
    assert item.models == {"critic": "scripted", "generator": "scripted"}


async def test_a_second_start_does_nothing_again(tmp_path: Path) -> None:
    await campaign(tmp_path, Scripted(answer)).execute()
    again = Scripted(answer)
    report = await campaign(tmp_path, again).execute()
    assert again.requests == []
    assert_balanced(report, 20)


async def test_a_target_stops_close_to_it_and_more_goes_on(tmp_path: Path) -> None:
    report = await campaign(tmp_path, Scripted(answer, delay=0.005), count=60, target=10).execute()
    assert report.stop.code == "target"
    assert 10 <= report.books.accepted <= 12
    assert report.books.balanced
    more = await campaign(tmp_path, Scripted(answer), target=30).execute()
    assert 30 <= more.books.accepted <= 32
    everything = await campaign(tmp_path, Scripted(answer)).execute()
    assert_balanced(everything, 60)
    assert everything.books.accepted == 60


async def test_max_tasks_bounds_the_plan(tmp_path: Path) -> None:
    report = await campaign(tmp_path, Scripted(answer), max_tasks=7).execute()
    assert_balanced(report, 7)
    assert report.stop.code == "exhausted"


async def test_every_kind_of_failure_ends_one_task_with_its_reason(tmp_path: Path) -> None:
    def faulty(request: Request) -> Any:
        number = int(request.variables["passage"].split(":")[0].removeprefix("Row "))
        if request.role == "critic" and number == 1:
            return "this is not JSON"
        if number == 2:
            raise ModelError("the model said no")
        if number == 3:
            raise ZeroDivisionError("a bug in the user's model")
        return answer(request)

    report = await campaign(tmp_path, Scripted(faulty)).execute()
    assert_balanced(report, 20)
    assert report.books.accepted == 17
    failed = {item.reasons[0]: item for item in items_of(report, Status.FAILED)}
    assert set(failed) == {"schema_mismatch", "model_error", "flow_error:ZeroDivisionError"}
    assert failed["schema_mismatch"].raw == "this is not JSON"
    assert "a bug in the user's model (test_campaign.py, line " in failed["flow_error:ZeroDivisionError"].error
    assert ", in faulty)" in failed["flow_error:ZeroDivisionError"].error


async def test_failed_tasks_run_again_when_asked(tmp_path: Path) -> None:
    def refuse(request: Request) -> Any:
        raise ModelError("not today")

    first = await campaign(tmp_path, Scripted(refuse)).execute()
    assert first.books.failed == 20
    second = await campaign(tmp_path, Scripted(answer)).execute(retry_failed=True)
    assert_balanced(second, 20)
    assert second.books.accepted == 20


async def test_equal_texts_are_accepted_once(tmp_path: Path) -> None:
    def same(request: Request) -> Any:
        return "The same instruction" if request.role == "generator" else judged()

    (tmp_path / "rows.jsonl").write_text('{"text": "The valve opens."}\n{"text": "the VALVE opens!"}\n')
    report = await campaign(tmp_path, Scripted(same)).execute()
    assert (report.books.accepted, report.books.rejected) == (1, 1)
    (rejected,) = items_of(report, Status.REJECTED)
    (accepted,) = items_of(report, Status.ACCEPTED)
    assert rejected.reasons == ("duplicate",)
    assert accepted.task in rejected.verdicts[-1].text


async def test_a_flow_that_never_accepts_is_stopped_and_says_why(tmp_path: Path) -> None:
    def harsh(request: Request) -> Any:
        return answer(request) if request.role == "generator" else judged("reject", "trivial")

    report = await campaign(tmp_path, Scripted(harsh), count=400, stop={"after": 40}).execute()
    assert report.stop.code == "rejecting"
    assert "trivial" in report.stop.text
    assert report.books.rejected < 80
    assert report.books.balanced


async def test_saturation_stops_a_campaign_that_only_repeats(tmp_path: Path) -> None:
    lines = [f'{{"text": "Row {n}: x"}}\n' for n in range(300)]
    (tmp_path / "rows.jsonl").write_text("".join(lines))

    @flow_of
    async def same(state: FlowState) -> dict[str, Any]:
        number = int(state["chunks"][0].text.split(":")[0].removeprefix("Row "))
        return {"drafts": [Draft(index=0, by="generator", messages=(Message(role="user", content=f"q{number % 9}"),))]}

    report = await campaign(tmp_path, Scripted([]), flow=same, stop={"after": 60, "window": 60}).execute()
    assert report.stop.code == "saturated"
    assert report.books.accepted == 9
    assert report.books.balanced


def flow_of(node: Any) -> StateGraph[Any, Any, Any, Any]:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("only", node)
    graph.add_edge(START, "only")
    graph.add_edge("only", END)
    return graph


async def test_a_token_budget_stops_before_it_is_passed_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    limit = 4000
    report = await campaign(tmp_path, Scripted(answer), count=60, budget={"tokens": limit}).execute()
    assert report.stop.code == "tokens"
    assert report.books.balanced
    assert 0 < report.books.accepted < 60
    spent = RunStore.read(report.folder).mark("spent")
    assert 0 < spent["tokens"] <= limit
    fresh = Scripted(answer)
    more = await campaign(tmp_path, fresh, budget={"tokens": 1_000_000}).execute()
    assert more.books.accepted == 60
    assert_balanced(more, 60)
    assert RunStore.read(report.folder).mark("spent")["tokens"] > spent["tokens"]


async def test_a_time_budget_stops(tmp_path: Path) -> None:
    report = await campaign(
        tmp_path, Scripted(answer, delay=0.2), count=200, concurrency=2, budget={"minutes": 0.01}
    ).execute()
    assert report.stop.code == "time"
    assert report.books.pending > 0
    assert report.books.balanced


async def test_access_denied_stops_and_leaves_tasks_pending(tmp_path: Path) -> None:
    calls = 0

    def denied(request: Request) -> Any:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise AccessDenied("the quota is spent")
        return answer(request)

    chosen = campaign(tmp_path, Scripted(denied))
    with pytest.raises(AccessDenied, match="quota"):
        await chosen.execute()
    books = RunStore.read(chosen.spec.folder).books()
    assert books.balanced
    assert books.failed == 0
    assert books.pending > 0
    report = await campaign(tmp_path, Scripted(answer)).execute()
    assert report.books.accepted == 20


async def test_a_run_is_worked_on_by_one_at_a_time(tmp_path: Path) -> None:
    slow = asyncio.create_task(campaign(tmp_path, Scripted(answer, delay=0.2)).execute())
    await asyncio.sleep(0.3)
    with pytest.raises(RunLocked, match="process"):
        await campaign(tmp_path, Scripted(answer)).execute()
    await slow


async def test_a_run_is_resumed_with_the_settings_that_made_it(tmp_path: Path) -> None:
    await campaign(tmp_path, Scripted(answer)).execute()
    with pytest.raises(ConfigError, match=r"seed \(was 0, is 1\).*another name"):
        await campaign(tmp_path, Scripted(answer), seed=1).execute()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": 0}, "target: must be greater than 0"),
        ({"target": -3}, "target: must be greater than 0"),
        ({"recipy": "rows"}, "recipy: no such key; did you mean 'recipe'"),
        ({"recipe": "grounded-qq"}, "did you mean 'grounded-qa'"),
        ({"roles": {"critic": "judge"}}, "roles.critic"),
        ({"budget": {"token": 5}}, "budget.token: no such key; did you mean 'tokens'"),
        ({"chunks": {"max_tokens": 50, "overlap": 60}}, "overlap 60 must be smaller"),
        ({"models": {"default": "opneai_api/x"}}, "openai_api"),
        ({"prompts": ["/nowhere/at/all"]}, "prompt folder '/nowhere/at/all' does not exist"),
        ({"flow": "no.such.module:flow"}, "no.such.module"),
        ({"flow": "write_and_judge:nothing"}, "nothing"),
        ({"name": "../escape"}, "name"),
        ({"models": {}}, "no model"),
    ],
)
async def test_what_cannot_run_is_refused_with_the_key_and_the_mend(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    rows(tmp_path, 2)
    model = Scripted(answer)
    arguments: dict[str, Any] = {"flow": flow(), "models": {"default": model}, "prompts": [str(PROMPTS)], **values}
    if "recipe" in values:
        arguments.pop("flow")
    with pytest.raises(ConfigError) as caught:
        await Campaign(
            arguments.pop("name", "test"), [tmp_path / "rows.jsonl"], runs=str(tmp_path), **arguments
        ).execute()
    assert message in str(caught.value)
    assert model.requests == []


async def test_an_unknown_role_and_a_missing_variable_are_refused_before_spending(tmp_path: Path) -> None:
    model = Scripted(answer)
    with pytest.raises(FlowError, match="critic"):
        await campaign(tmp_path, model, models={"generator": model}).execute()
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "row-write.md").write_text("---\ndescription: x\n---\n## user\n{{ passage }} for {{ audience }}\n")
    with pytest.raises(FlowError, match="audience"):
        await campaign(tmp_path, model, prompts=[str(prompts), str(PROMPTS)]).execute()
    (prompts / "row-write.md").write_text("no front matter")
    with pytest.raises((PromptError, FlowError), match="front matter"):
        await campaign(tmp_path, model, prompts=[str(prompts), str(PROMPTS)]).execute()
    assert model.requests == []


async def test_empty_and_missing_documents_are_refused(tmp_path: Path) -> None:
    model = Scripted(answer)
    with pytest.raises(GristmillError, match="nowhere"):
        await Campaign("test", [tmp_path / "nowhere"], flow=flow(), models={"default": model},
                       prompts=[str(PROMPTS)], runs=str(tmp_path / "runs")).execute()  # fmt: skip
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.md").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"a\.md: empty"):
        await Campaign("test2", [tmp_path / "empty"], flow=flow(), models={"default": model},
                       prompts=[str(PROMPTS)], runs=str(tmp_path / "runs")).execute()  # fmt: skip
    assert model.requests == []


async def test_unreadable_documents_are_booked_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.md").write_text("# Valve\n\nThe valve opens at 20 degrees.")
    (folder / "empty.md").write_bytes(b"")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 10)
    (folder / "latin.txt").write_bytes("Grüße aus Köln".encode("latin-1"))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is not a PDF")
    report = await Campaign("test", [folder], flow=flow(), models={"default": Scripted(answer)},
                            prompts=[str(PROMPTS)], runs=str(tmp_path / "runs")).execute()  # fmt: skip
    assert report.books.accepted == 1
    skipped = {name: reason for name, reason, _ in RunStore.read(report.folder).skipped()}
    assert skipped["empty.md"] == "empty"
    assert skipped["binary.txt"] == "binary"
    assert skipped["latin.txt"] == "encoding"
    assert skipped["broken.pdf"] in {"unreadable", "malformed"}
    assert sum(report.ingested.skipped.values()) == 4


async def test_the_same_documents_make_the_same_tasks_and_items(tmp_path: Path) -> None:
    reports = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        reports.append(await campaign(tmp_path / name, Scripted(answer)).execute())
    first, second = ({item.id: item.messages for item in items_of(report)} for report in reports)
    assert first == second


async def test_a_forecast_projects_its_pilot_and_is_not_paid_twice(tmp_path: Path) -> None:
    model = Scripted(answer)
    chosen = campaign(tmp_path, model, count=50, target=40)
    found = await forecast(chosen, pilot=5)
    assert (found.pilot_tasks, found.pilot_accepted) == (5, 5)
    assert found.tasks[1] == 40
    assert found.tasks[0] <= found.tasks[1] <= found.tasks[2]
    assert found.total.calls == 80
    assert found.drawn == 50
    assert len(model.requests) == 10
    again = await forecast(chosen, pilot=5)
    assert (again.total.calls, again.total.input_tokens) == (found.total.calls, found.total.input_tokens)
    assert again.paid.calls == 0
    assert len(model.requests) == 10
    report = await campaign(tmp_path, model, target=40).execute()
    assert report.books.accepted >= 40
    assert len(model.requests) == 2 * report.books.accepted


async def test_offline_runs_a_recipe_with_a_graph(tmp_path: Path) -> None:
    corpus = CORPUS
    chosen = Campaign(
        "graph",
        [corpus],
        recipe="entigraph",
        models={"default": ModelSpec(model="offline")},
        target=5,
        runs=str(tmp_path / "runs"),
    )
    report = await chosen.execute()
    assert report.books.accepted >= 5
    assert report.books.balanced
    store = RunStore.read(report.folder)
    assert store.count("entities") > 20
    assert all(item.kind == "pretraining" and item.chunks and len(item.entities) >= 2 for item in store.items())


async def test_a_changed_setting_is_named_with_both_values(tmp_path: Path) -> None:
    await campaign(tmp_path, Scripted(answer), count=2, graph={"model_share": 0.5}).execute()
    with pytest.raises(ConfigError, match=r"graph\.model_share \(was 0\.5, is 0\.6\); put them back"):
        await campaign(tmp_path, Scripted(answer), graph={"model_share": 0.6}).execute()
