"""From every draft and verdict back to the raw replies that made it: campaigns, fleets, old runs, hostile bodies."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness import Wire, accepting, run_of, write_campaign
from in_process import typed
from mock_server import MockServer
from places import CORPUS
from processes import Start

from gristmill import Campaign, Message, Request, Scripted
from gristmill.campaigns.datasets import export_run
from gristmill.models.factory import wrap
from gristmill.models.layers.meter import Meter
from gristmill.prompts.schemas import Proposal
from gristmill.review.item.calls import FAILED, GONE, NO_CACHE, NOT_TOLD, keys_of, read, said_without, steps_of
from gristmill.storage.records import Call, Draft, Item, Status, Usage
from gristmill.storage.store import RunStore

PROSE = "Let me think.\n```json\n{}\n```\nI hope that this helps! <b>bold</b>"
QUOTE = "The valve opens at 20 degrees."
SOURCE = f"# Valves\n\n{QUOTE} It is made of brass, and it is cleaned every spring by two men."


def answered(request: Request) -> str:
    """Every reply has prose around it; the critic's first one misses a field, so that it is asked again."""
    asked_again = len(request.messages) > 2 and "cannot be used" in request.messages[-1].content
    if request.prompt == "propose-question":
        value: dict[str, Any] = {"suitable": True, "topic": "the valve", "quote": QUOTE, "angle": "when it opens"}
    elif request.role == "critic":
        scores = [{"name": name, "value": 0.9} for name in ("grounded", "answerable", "nontrivial", "clear")]
        value = {"decision": "reject", "scores": scores, "reasons": ["trivial"], "comment": "", "evidence": []}
        if not asked_again:
            del value["decision"]
    else:
        value = {"question": "When does the valve open?", "answer": "At 20 degrees.", "evidence": [QUOTE]}
    return PROSE.format(json.dumps(value))


async def run(folder: Path, **more: Any) -> tuple[Path, list[Item]]:
    (folder / "source.md").write_text(SOURCE)
    keys: dict[str, Any] = {"recipe": "grounded-qa", "max_tasks": 1, "runs": str(folder / "runs")}
    models = {"default": Scripted(answered, repairs=None)}
    report = await Campaign("raw", [folder / "source.md"], **{**keys, "models": models, **more}).execute()
    return report.folder, items_of(report.folder)


def items_of(folder: Path) -> list[Item]:
    store = RunStore.read(folder)
    try:
        return list(store.items())
    finally:
        store.close_reading()


def bodies_of(folder: Path, item: Item, url: str = "") -> dict[str, bytes]:
    store = RunStore.read(folder, url)
    try:
        return store.replies(keys_of(item))
    finally:
        store.close_reading()


def booked(calls: tuple[Call, ...]) -> tuple[int, int, int, int]:
    return (
        sum(not call.cached for call in calls),
        sum(call.cached for call in calls),
        sum(call.input_tokens for call in calls),
        sum(call.output_tokens for call in calls),
    )


async def test_every_step_leads_to_what_the_model_said(tmp_path: Path) -> None:
    folder, (item,) = await run(tmp_path)
    assert item.status is Status.REJECTED
    assert [call.role for call in item.calls] == ["proposer"]
    (draft,) = item.drafts
    assert [call.prompt for call in draft.calls] == ["write-question-answer"]
    by_critic = {verdict.by: verdict.calls for verdict in item.verdicts}
    assert by_critic["grounding"] == ()
    assert len(by_critic["critic"]) == 2, "the answer that could not be used is part of the story"
    assert booked(item.all_calls) == (4, 0, item.usage.input_tokens, item.usage.output_tokens)
    steps = steps_of(item, bodies_of(folder, item))
    assert [(step.what, step.by, step.draft) for step in steps] == [
        ("", "proposer", None),
        ("draft", "generator", 0),
        ("verdict", "critic", 0),
    ]
    for step in steps:
        for one in step.calls:
            assert one.reply is not None
            (text,) = one.reply.texts
            assert text.startswith("Let me think.")
            assert text.endswith("<b>bold</b>")
    first, second = [one.reply.texts[0] for one in steps[2].calls if one.reply]
    assert '"decision"' not in first
    assert '"decision": "reject"' in second
    assert sum(step.input_tokens for step in steps) == item.usage.input_tokens


async def test_an_item_that_was_made_again_names_answers_from_the_cache(tmp_path: Path) -> None:
    folder, (item,) = await run(tmp_path)
    with sqlite3.connect(folder / "run.sqlite3") as store:
        store.execute("DELETE FROM items")
        store.execute("UPDATE tasks SET status = 'pending'")
    _, (again,) = await run(tmp_path)
    assert again.usage.calls == 0
    assert [call.key for call in again.all_calls] == [call.key for call in item.all_calls]
    assert all(call.cached and call.input_tokens == 0 for call in again.all_calls)
    before, after = (steps_of(one, bodies_of(folder, one)) for one in (item, again))
    assert [step.output_tokens for step in after] == [step.output_tokens for step in before]
    assert all(step.usd == 0 for step in after)


async def test_a_failed_item_names_every_attempt(tmp_path: Path) -> None:
    model = Scripted(
        lambda request: answered(request) if request.role == "proposer" else "no <i>JSON</i>", repairs=None
    )
    folder, (item,) = await run(tmp_path, models={"default": model})
    assert item.status is Status.FAILED
    assert [call.role for call in item.calls] == ["proposer", *["generator"] * 3]
    *_, step = steps_of(item, bodies_of(folder, item))
    assert [one.reply and one.reply.texts for one in step.calls] == [("no <i>JSON</i>",)] * 3


async def test_a_call_that_fails_says_so(tmp_path: Path) -> None:
    def refusing(request: Request) -> Any:
        return answered(request) if request.role == "proposer" else b"<html>Bad gateway, api_key=sk-abcdef123456</html>"

    folder, (item,) = await run(tmp_path, models={"default": Scripted(refusing)})
    assert item.status is Status.FAILED
    *_, step = steps_of(item, bodies_of(folder, item))
    (one,) = step.calls
    assert (one.call.error, one.call.key, one.reply, one.why) == ("bad_reply", "", None, FAILED)


@pytest.mark.parametrize("recipe", ["grounded-qa", "graph-reasoning", "entigraph"])
async def test_recipes_name_all_their_calls(tmp_path: Path, recipe: str) -> None:
    """Panels of judges, solvers that draw several solutions, suggesters: with the offline model, which is real."""
    campaign = Campaign(
        "offline",
        [CORPUS / "estuaries.html", CORPUS / "mudflats.txt"],
        recipe=recipe,
        options={"solutions": 3} if recipe == "graph-reasoning" else {},
        models={"default": "offline"},
        max_tasks=12,
        runs=str(tmp_path),
    )
    report = await campaign.execute()
    found = items_of(report.folder)
    linked = 0
    for item in found:
        assert not any(call.role in ("generator", "critic", "judge", "solver", "refiner") for call in item.calls)
        for made in (*item.drafts, *item.verdicts):
            assert bool(made.calls) == bool(made.model), made
            linked += len(made.calls)
        keys = {call.key for call in item.all_calls}
        assert "" not in keys
        bodies = bodies_of(report.folder, item)
        assert set(bodies) == keys
        assert said_without(item) == ""
        for step in steps_of(item, bodies):
            assert all(one.reply is not None and one.reply.texts and not one.why for one in step.calls)
    assert linked > len(found)
    if recipe == "graph-reasoning":
        votes = Counter(len(draft.calls) for item in found for draft in item.drafts if draft.by == "solver")
        assert set(votes) == {3}
        judges = {verdict.by: verdict.calls for item in found for verdict in item.verdicts if ":" in verdict.by}
        assert len({calls[0].key for calls in judges.values()}) == len(judges) > 1


async def test_without_a_cache_there_are_counts_and_no_text() -> None:
    meter = Meter()
    model = wrap(Scripted(['{"suitable": false}']), calls=None, budget=None, meter=meter)
    request = Request(messages=(Message(role="user", content="?"),), schema=Proposal, task="t", role="proposer")
    reply = await model.complete(request)
    (call,) = reply.calls
    assert (call.key, call.role) == ("", "proposer")
    assert call.input_tokens == reply.usage.input_tokens > 0
    assert meter.take("t")[1].calls == [call]
    (step,) = steps_of(Item(id="i", task="t", kind="k", status=Status.REJECTED, calls=reply.calls), {})
    assert step.calls[0].why == NO_CACHE


def test_items_of_earlier_runs_open_and_say_what_is_not_kept() -> None:
    old = '{"id":"i","task":"t","kind":"k","status":"accepted","drafts":[{"index":0,"by":"g","messages":[]}],%s}'
    item = Item.model_validate_json(old % '"usage":{"calls":2}')
    assert steps_of(item, {}) == ()
    assert said_without(item) == NOT_TOLD
    assert said_without(item.model_copy(update={"usage": Usage()})) == ""
    dropped = item.model_copy(update={"drafts": (Draft(index=0, by="g", messages=(), calls=(Call(key="k" * 32),)),)})
    assert steps_of(dropped, {})[0].calls[0].why == GONE


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xff\xfe<b>", b"null", b"[]", b"{}", b'"text"', b'{"choices": 1}', b'{"choices": []}',
        b'{"choices": [null, 3, []]}', b'{"choices": [{"message": 4}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": {"a": 1}}}], "usage": 7, "model": {}}', b"[" * 5000,
    ],
)  # fmt: skip
def test_a_body_of_any_shape_is_shown_as_it_is(raw: bytes) -> None:
    found = read(raw)
    assert found.texts == found.thoughts == ()
    assert found.whole == raw.decode("utf-8", "replace")


def test_what_is_read_of_a_reply() -> None:
    choices = [
        {"message": {"content": "one", "reasoning_content": "because"}, "finish_reason": "length"},
        {"message": {"content": "my key is sk-abcdef1234567890"}},
        {"text": "three"},
    ]
    usage = {"prompt_tokens": 5, "completion_tokens": 10**30}
    body = json.dumps({"choices": choices, "usage": usage, "model": "served"}).encode()
    found = read(body)
    assert found.texts == ("one", "my key is [redacted]", "three")
    assert (found.thoughts, found.finish, found.model) == (("because",), "length", "served")
    assert (found.input_tokens, found.output_tokens, found.cut) == (5, 0, 0)
    short = read(body, 4)
    assert short.texts == ("one", "m", "")
    assert short.cut == len("y key is [redacted]three") + len("because")


def test_a_page_has_an_end() -> None:
    calls = tuple(Call(key=f"{number:032}", role="r") for number in range(1000))
    item = Item(id="i", task="t", kind="k", status=Status.REJECTED, calls=calls)
    body = json.dumps({"choices": [{"message": {"content": "x" * 50_000}}]}).encode()
    (step,) = steps_of(item, dict.fromkeys(keys_of(item), body))
    assert sum(len(text) for one in step.calls if one.reply for text in one.reply.texts) == 400_000
    assert sum(bool(one.why) for one in step.calls) == 992


async def test_exports_leave_calls_out(tmp_path: Path) -> None:
    folder, (item,) = await run(tmp_path)
    keys = {call.key for call in item.all_calls}
    export_run(folder, out=tmp_path / "out", formats=("rejects",))
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.jsonl"))
    handed = typed("review", "export", str(folder), "--all", "--out", "-", cwd=tmp_path).stdout
    for text in (written, handed):
        assert item.id in text
        assert '"calls": [' not in text
        assert '"calls":[' not in text
        assert not any(key in text for key in keys)


async def test_the_terminal_shows_raw_replies_when_asked(tmp_path: Path) -> None:
    folder, (item,) = await run(tmp_path)
    plain = typed("review", str(folder), "--show", item.id, cwd=tmp_path).stdout
    assert "I hope that this helps!" not in plain
    shown = typed("review", str(folder), "--show", item.id, "--raw", cwd=tmp_path).stdout
    assert shown.count("I hope that this helps! <b>bold</b>") == 4
    for title in ("proposer\n", "draft 1 by generator\n", "verdict of critic on draft 1\n"):
        assert f"\n{title}" in shown
    told = json.loads(typed("review", str(folder), "--show", item.id, "--raw", "--json", cwd=tmp_path).stdout)
    keys = [call["key"] for verdict in told["item"]["verdicts"] for call in verdict["calls"]]
    assert "I hope that this helps!" in told["replies"][keys[0]]
    with sqlite3.connect(folder / "run.sqlite3") as store:
        store.execute("DELETE FROM calls")
    emptied = typed("review", str(folder), "--show", item.id, "--raw", cwd=tmp_path).stdout
    assert emptied.count(GONE) == 4


async def test_a_fleet_leaves_its_replies_in_the_store(tmp_path: Path, gristmill: Start, wire: Wire) -> None:
    """Over Redis too, where workers know no store and the shared cache is emptied at the end."""
    async with MockServer(answer=accepting) as server:
        path = write_campaign(tmp_path, server, 60)
        code, _, err = await (await gristmill("run", path, *wire.options, "--workers", "2")).ended()
        assert code == 0, err
    found = items_of(run_of(path))
    assert len(found) == 60
    for item in found:
        assert len(item.all_calls) == 2
        assert set(bodies_of(run_of(path), item)) == {call.key for call in item.all_calls}
