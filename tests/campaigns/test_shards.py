"""Shards: disjoint and complete parts of one campaign, and the one dataset that their runs become."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Done, typed
from write_and_judge import PROMPTS, flow, judged, rows

from gristmill import Campaign, Request, Scripted
from gristmill.campaigns.datasets import export_runs
from gristmill.campaigns.shards import Shard, missing
from gristmill.campaigns.spec import make_spec
from gristmill.campaigns.spec_file import load_spec
from gristmill.errors import ConfigError
from gristmill.storage.datasets.repeats import Repeats
from gristmill.storage.documents import Skipped, read_documents
from gristmill.storage.records import Document, Status
from gristmill.storage.store import Books, RunStore

COUNT = 5


def answer(request: Request) -> Any:
    if request.role == "generator":
        return f"Explain: {request.variables['passage']}"
    return judged()


def sharded(folder: Path, number: int, count: int = COUNT, **values: Any) -> Campaign:
    defaults: dict[str, Any] = {"prompts": [str(PROMPTS)], "runs": str(folder / "runs"), "concurrency": 4}
    values = {**defaults, "flow": flow(), "models": {"default": Scripted(answer)}, **values}
    return Campaign("mills", [folder / "rows.jsonl"], shard=f"{number}/{count}", **values)


@given(st.lists(st.text(), unique=True), st.integers(1, 9999))
def test_every_key_falls_to_exactly_one_shard(keys: list[str], count: int) -> None:
    shards = [Shard(number, count) for number in {1, count, *range(1, min(count, 40))}]
    taken = [sum(shard.takes(key) for shard in shards) for key in keys]
    assert all(times <= 1 for times in taken)
    if count < 40:
        assert all(times == 1 for times in taken)


@given(st.integers(0, 10**12), st.integers(1, 200))
def test_the_parts_of_a_limit_sum_up_to_it(whole: int, count: int) -> None:
    parts = [Shard(number, count).part(whole) for number in range(1, count + 1)]
    assert sum(parts) == whole
    assert max(parts) - min(parts) <= 1


def test_shards_are_about_equal_and_stay_what_they_are() -> None:
    keys = [Document.of("x", f"text {number}").id for number in range(8000)]
    sizes = Counter(shard for key in keys for shard in range(1, 9) if Shard(shard, 8).takes(key))
    assert min(sizes.values()) > 900
    # Known values: a resumed or a second machine's shard must be the same one, in any version.
    assert [Shard(number, 3).takes("doc-1") for number in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/0", "a/b", "1/10000", "-1/3", "1/2/3", " 1/2", "\u0661/\u0662"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write NUMBER/COUNT"):
        Shard.parse(text)


def test_documents_are_divided_with_what_cannot_be_read(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.md").write_text(f"# Mill {number % 20}\n\nIt grinds {number % 20} sacks.")
        (tmp_path / f"{number}.bin").write_bytes(b"\0\1")
    lines = [json.dumps({"text": f"row {number}"}) for number in range(50)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "{broken"]))

    def told(found: Document | Skipped) -> tuple[str, str]:
        return (found.name, found.reason if isinstance(found, Skipped) else found.id)

    whole = [told(found) for found in read_documents([tmp_path])]
    parts = [
        [told(found) for found in read_documents([tmp_path], takes=Shard(number, 4).takes)] for number in range(1, 5)
    ]
    assert sorted(pair for part in parts for pair in part) == sorted(whole)  # the ten twice-said texts too
    assert Counter(reason for _, reason in whole)["duplicate"] == 10
    assert all(part == [pair for pair in whole if pair in part] for part in parts)  # in the same order


def test_limits_are_divided_and_the_name_says_which_part(tmp_path: Path) -> None:
    values = {"name": "mills", "documents": ["d"], "target": 10, "max_tasks": 101, "shard": "2/4"}
    values["budget"] = {"tokens": 1002, "usd": 2.0, "minutes": 5.0}
    spec = make_spec(values)
    assert (spec.name, spec.target, spec.max_tasks) == ("mills-0002-of-0004", 3, 25)
    assert (spec.budget.tokens, spec.budget.usd, spec.budget.minutes) == (251, 0.5, 5.0)
    (tmp_path / "mills.toml").write_text('name = "mills"\ndocuments = ["d"]\ntarget = 10\n')
    assert load_spec(tmp_path / "mills.toml", shard="1/3").target == 4
    assert load_spec(tmp_path / "mills.toml", shard=None).name == "mills"
    with pytest.raises(ConfigError, match="target 10 leaves nothing for shard 11/12"):
        load_spec(tmp_path / "mills.toml", shard="11/12")
    with pytest.raises(ConfigError, match="shorten it"):
        make_spec({**values, "name": "m" * 95})


async def test_shards_become_one_dataset_with_each_text_once(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    runs, books = [], Books()
    for number in range(1, COUNT + 1):
        report = await sharded(tmp_path, number).execute()
        assert report.name == f"mills-{number:04d}-of-0005"
        books += report.books
        runs.append(report.folder)
    planned = [task.id for run in runs for task, _ in RunStore.read(run).tasks()]
    assert len(planned) == len(set(planned)) == books.planned == 60

    exported = export_runs(runs, out=tmp_path / "all", formats=["jsonl", "rejects", "huggingface"])
    assert exported.books == books
    lines = [json.loads(line) for line in (tmp_path / "all/jsonl/train.jsonl").read_text().splitlines()]
    assert {line["task"] for line in lines} == set(planned)
    assert all(line["documents"] for line in lines)
    card = (tmp_path / "all/huggingface/README.md").read_text()
    assert "pretty_name: mills\n" in card
    assert not any("of 5 shards" in note for note in exported.report.notes)
    part = export_runs(runs[1:4], out=tmp_path / "part", formats=["chat"])
    assert any("of 5 shards these are not among the runs: 1, 5" in note for note in part.report.notes)


async def test_a_text_of_two_runs_is_exported_once_and_booked(tmp_path: Path) -> None:
    def same(request: Request) -> Any:  # one answer for every row of one length: shards cannot know of each other
        if request.role == "generator":
            return f"Question {len(request.variables['passage'])}?"
        return judged()

    rows(tmp_path, 60)
    runs = []
    for number in (1, 2):
        campaign = sharded(tmp_path, number, 2, models={"default": Scripted(same)}, flow=flow_of_question())
        runs.append((await campaign.execute()).folder)
    accepted = [
        ["\n".join(message.content for message in item.messages) for item in RunStore.read(run).items(Status.ACCEPTED)]
        for run in runs
    ]
    both = set(accepted[0]) & set(accepted[1])
    assert both
    exported = export_runs([*runs, runs[0]], out=tmp_path / "out", formats=["text", "rejects"], validation=0.0)
    texts = [json.loads(line)["text"] for line in (tmp_path / "out/text/train.jsonl").read_text().splitlines()]
    assert len(texts) == len(set(texts)) == len(set(accepted[0]) | set(accepted[1]))
    assert any(note.startswith(f"{len(both)} accepted items have the text") for note in exported.report.notes)
    refused = [json.loads(line) for line in (tmp_path / "out/rejects/rejects.jsonl").read_text().splitlines()]
    assert sum(row["reasons"] == ["duplicate"] for row in refused) >= len(both)
    report = exported.report
    assert report.items == report.counts["text"]["train"] + sum(report.left_out["text"].values())
    assert not list((tmp_path / "out").glob(".export-*"))


def test_repeats_are_those_of_another_source_only(tmp_path: Path) -> None:
    keys = [bytes([number % 7]) * 16 for number in range(7)]
    repeats = Repeats(tmp_path)
    added = [(0, keys[0]), (0, keys[1]), (0, keys[0]), (1, keys[2]), (1, keys[1]), (2, keys[1]), (2, keys[2])]
    for source, key in added:
        repeats.add(source, key)
    repeats.decide()
    assert [repeats.repeats(place) for place in range(len(added))] == [False] * 4 + [True] * 3
    assert repeats.found == 3
    assert list(tmp_path.iterdir()) == []


def test_missing_shards_are_named() -> None:
    assert missing([]) == ""
    assert missing(["1/2", "2/2"]) == ""
    assert missing(["2/3"]) == "of 3 shards these are not among the runs: 1, 3"


async def test_a_shard_without_documents_says_so(tmp_path: Path) -> None:
    rows(tmp_path, 1)
    whole = next(iter(read_documents([tmp_path / "rows.jsonl"])))
    assert isinstance(whole, Document)
    other = next(number for number in range(1, 4) if not Shard(number, 3).takes(whole.id))
    with pytest.raises(ConfigError, match=f"none falls to shard {other}/3"):
        await sharded(tmp_path, other, 3).execute()


def test_shards_from_the_command_line(tmp_path: Path) -> None:
    def gristmill(*arguments: str) -> Done:
        return typed(*arguments, cwd=tmp_path)

    (tmp_path / "documents").mkdir()
    for number in range(6):
        text = f"# Mill {number}\n\nMill number {number} of Holm was built by Anna Berg in {1700 + number}."
        (tmp_path / f"documents/{number}.md").write_text(text)
    assert gristmill("init", "mills").returncode == 0
    for shard in ("1/2", "2/2"):
        done = gristmill("run", "mills.toml", "--shard", shard, "--plain", "--max-tasks", "12")
        assert done.returncode == 0, done.stderr
        assert f"runs/mills-000{shard[0]}-of-0002" in done.stdout
    runs = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "runs").iterdir())
    assert gristmill("export", *runs).stderr.endswith("give --out FOLDER\n")
    done = gristmill("export", *runs, "--out", "all", "--format", "chat")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 runs\nplanned ")
    assert (tmp_path / "all/chat/train.jsonl").read_text()
    assert gristmill("worker", runs[0], "--shard", "1/2").stderr.startswith("gristmill: --shard 1/2 goes with --redis")


def flow_of_question() -> Any:
    """The flow of the other tests, but an item's answer is its question: what a row says is not in it."""
    from langgraph.graph import END, START, StateGraph

    from gristmill import Decision, Draft, FlowContext, FlowState, Message, Verdict

    async def write(state: Any, runtime: Any) -> dict[str, Any]:
        passage = state["chunks"][0].text
        reply = await runtime.context.ask("generator", "row-write", {"passage": passage}, task=state["task"])
        messages = (Message(role="user", content=reply.text), Message(role="assistant", content=reply.text))
        return {
            "drafts": [Draft(index=0, by="generator", messages=messages)],
            "verdicts": [Verdict(by="critic", draft=0, decision=Decision.ACCEPT)],
            "decision": Decision.ACCEPT,
        }

    graph: Any = StateGraph(FlowState, context_schema=FlowContext)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph
