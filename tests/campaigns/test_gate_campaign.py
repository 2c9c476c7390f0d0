"""The gate in a campaign: a duplicate is written again before a critic is paid, then rejected with its twin."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from gate_parts import ByTopic
from gated_runs import LONG, OTHER, answering, campaign, items, rows
from mock_server import MockServer

from gristmill.campaigns.admission import Admission
from gristmill.campaigns.campaign import Campaign
from gristmill.campaigns.outcome import outcome_of
from gristmill.errors import BadReply, BudgetExceeded, ConfigError, ServerLost
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.marks import Mark, squeezed, tag_of
from gristmill.evals.numeric import Matrix
from gristmill.models.layers.meter import Lineage
from gristmill.models.scripted import Scripted
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Decision, Draft, Message, Status, Task, Usage
from gristmill.storage.store import RunStore

CLOSE = LONG.replace("old", "oldest")


async def test_a_duplicate_is_written_again_with_what_to_avoid_before_a_critic_is_paid(tmp_path: Path) -> None:
    seen: list[Any] = []
    model = answering([LONG, CLOSE, OTHER], seen)
    report = await campaign(tmp_path, model, 2).execute()
    assert report.books.accepted == 2
    assert [avoid for avoid, _, _ in seen] == [[], [], [CLOSE]]
    assert CLOSE in seen[2][2]
    assert [sample for _, sample, _ in seen] == [0, 0, 1]  # another draw, also for a prompt that shows nothing of it
    assert sum(request.role == "critic" for request in model.requests) == 2
    first, second = items(report.folder)
    assert [(verdict.decision, verdict.scores) for verdict in first.verdicts if verdict.by == "novelty"] == [
        (Decision.ACCEPT, {"novelty": 1.0})
    ]
    again, last = (verdict for verdict in second.verdicts if verdict.by == "novelty")
    assert (again.draft, again.decision, again.reasons) == (0, Decision.REVISE, ("duplicate",))
    assert again.scores["novelty"] < 0.25
    assert f"nearly the same text as in {first.task}" in again.text
    assert (last.draft, last.decision) == (1, Decision.ACCEPT)
    assert second.fields["question"] == OTHER


async def test_after_so_many_attempts_a_duplicate_is_rejected_with_its_twins_id(tmp_path: Path) -> None:
    for attempts in (0, 2):
        folder = tmp_path / str(attempts)
        folder.mkdir()
        model = answering([LONG, *[CLOSE] * (attempts + 1)], [])
        report = await campaign(folder, model, 2, novelty={"attempts": attempts}).execute()
        assert (report.books.accepted, report.reasons[("rejected", "duplicate")]) == (1, 1)
        first, second = items(report.folder)
        assert len(second.drafts) == attempts + 1
        assert first.task in second.verdicts[-1].text
        assert second.verdicts[-1].decision is Decision.REJECT
        assert sum(request.role == "critic" for request in model.requests) == 1


async def test_a_prompt_of_the_users_own_that_knows_no_avoid_is_drawn_again(tmp_path: Path) -> None:
    prompt = tmp_path / "prompts" / "write-question-answer.md"
    prompt.parent.mkdir()
    prompt.write_text("---\nschema: QuestionAnswer\n---\n## user\nAsk about {{ passage | data }}\n")
    seen: list[Any] = []
    report = await campaign(tmp_path, answering([LONG, CLOSE, OTHER], seen), 2, prompts=[str(prompt.parent)]).execute()
    assert report.books.accepted == 2
    assert seen[1][2] == seen[2][2]


async def test_without_near_only_equal_texts_are_duplicates(tmp_path: Path) -> None:
    model = answering([LONG, CLOSE, LONG.upper(), LONG.upper()], [])
    report = await campaign(tmp_path, model, 3, novelty={"near": 0}).execute()
    assert (report.books.accepted, report.reasons[("rejected", "duplicate")]) == (2, 1)
    assert all("novelty" not in verdict.scores for item in items(report.folder) for verdict in item.verdicts)


async def test_a_resumed_run_knows_what_is_near_to_it_also_when_it_began_without(tmp_path: Path) -> None:
    for near in (0.0, 0.8):
        folder = tmp_path / str(near)
        folder.mkdir()
        first = await campaign(folder, answering([LONG], []), 2, max_tasks=1, novelty={"near": near}).execute()
        assert first.books.accepted == 1
        report = await campaign(folder, answering([CLOSE, CLOSE], []), 2, max_tasks=2).execute()
        assert report.reasons[("rejected", "duplicate")] == 1


async def test_earlier_runs_and_data_sets_are_held_against(tmp_path: Path) -> None:
    before = await campaign(tmp_path, answering([LONG], []), 1).execute()
    held = tmp_path / "held.jsonl"
    held.write_bytes(orjson.dumps({"id": 1, "question": "Unlike."}) + b"\n\n" + orjson.dumps({"question": OTHER}))
    (tmp_path / "later").mkdir()
    model = answering([CLOSE, OTHER + " ", "What is it?"], [])
    rules = {"against": [str(before.folder), str(held)], "attempts": 0}
    report = await campaign(tmp_path / "later", model, 3, novelty=rules).execute()
    assert (report.books.accepted, report.reasons[("rejected", "duplicate")]) == (1, 2)
    first, second, _ = items(report.folder)
    assert f"gate:{items(before.folder)[0].id}" in first.verdicts[-1].text
    assert second.verdicts[-1].text == "the same text as in held.jsonl:3"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "no such file or folder is here; .* an earlier run is named by its folder"),
        ("set.txt", b"question\n", "files of kind '.txt' are not read"),
        ("set.csv", b"question\n", "has no row, and nothing would be held against it"),
        ("set.jsonl", b"", "has no row, and nothing would be held against it"),
        ("set.jsonl", b'{"label": 3}\n', "has the columns label, and none of them is known.*set.jsonl:COLUMN"),
        ("set.jsonl", b'\n{"question": "caf\xe9"}\n', "row 2 of .* is not JSON: .* not valid UTF-8"),
        ("set.jsonl", b"[1]\n", "row 1 of .* is JSON, but a list and no object"),
        ("set.jsonl", b"{\n", "row 1 of .* is not JSON"),
        ("set.parquet", b"nothing", "is no Parquet file"),
        ("set.jsonl.gz", gzip.compress(b'{"question": "One?"}\n' * 999)[:-9], "cannot be read"),
    ],
)
async def test_a_data_set_that_cannot_be_held_against_is_an_error(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        await campaign(tmp_path, answering([LONG], []), 1, novelty={"against": [str(tmp_path / name)]}).execute()


async def test_parquet_and_folders_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    parquet.write_table(pa.table({"question": ["One?", OTHER]}), folder / "data" / "train.parquet")
    messages = [[{"role": "system", "content": "Be kind."}, {"role": "user", "content": LONG}]]
    table = pa.table({"messages": messages})
    with pa.OSFile(str(folder / "data.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    rules = {"against": [str(folder)], "attempts": 0}
    report = await campaign(tmp_path, answering([CLOSE, OTHER], []), 2, novelty=rules).execute()
    assert report.reasons == {("rejected", "duplicate"): 2}
    texts = {item.verdicts[-1].text.partition(" (")[0] for item in items(report.folder)}
    assert texts == {"nearly the same text as in data.arrow:1", "the same text as in data/train.parquet:2"}


async def test_items_on_one_passage_are_no_twins_for_their_passage(tmp_path: Path) -> None:
    model = answering([LONG, OTHER], [])
    given = {"kinds": ["fact", "definition"], "propose": False, "on_passage": True}
    report = await Campaign(
        "gate", [rows(tmp_path, 1)], recipe="grounded-qa", options=given, models={"default": model},
        runs=str(tmp_path / "runs"), concurrency=1,
    ).execute()  # fmt: skip
    assert report.books.accepted == 2


async def test_an_embedding_server_that_is_gone_stops_the_campaign_and_it_goes_on_later(tmp_path: Path) -> None:
    numbers = iter(range(100))

    def of(base_url: str) -> Campaign:
        questions = [f"{LONG} {next(numbers)}" for _ in range(20)]
        embedding = ModelSpec(model="openai_api/bge", base_url=base_url, retries=8, patience=0.5, timeout=5)
        return Campaign(
            "gate", [rows(tmp_path, 6)], recipe="grounded-qa", options={"kinds": ["fact"], "propose": False},
            models={"default": answering(questions, []), "bge": embedding},
            runs=str(tmp_path / "runs"), concurrency=1,
            novelty={"near": 0, "semantic": 0.999, "embedder": "bge", "attempts": 0},
        )  # fmt: skip

    async with MockServer() as server:
        url = server.url
        first = of(url)
        first.spec.__dict__["max_tasks"] = 2
        report = await first.execute()
        assert report.books.accepted == 2
        assert report.books.balanced
    with pytest.raises(ConfigError, match=r"'openai_api/bge' at .* cannot be reached"):
        await of(url).execute()  # said before anything is spent

    def goes(body: dict[str, Any]) -> None:
        if "input" in body:
            server.faults = {"reset": 1.0}

    async with MockServer(answer=goes) as server:  # and it may go later
        with pytest.raises(ServerLost):
            await of(server.url).execute()
    held = len(items(report.folder))
    assert 2 <= held < 6
    async with MockServer() as server:
        last = await of(server.url).execute()
    assert last.books.accepted == 6
    assert (last.books.failed, last.books.pending) == (0, 0)
    scores = [
        verdict.scores["novelty"]
        for item in items(report.folder)
        for verdict in item.verdicts
        if verdict.by == "novelty"
    ]
    assert len(scores) == 6
    assert all(0 <= score <= 1 for score in scores)


async def test_another_model_under_the_name_of_the_embedder_stops_a_run_before_anything_is_taken(
    tmp_path: Path,
) -> None:
    def of(width: int) -> Campaign:
        def vectors(request: Any) -> list[list[float]]:
            return [[float(len(text) % 7), 1.0] + [0.5] * (width - 2) for text in request.inputs]

        questions = [f"{LONG} {number} {width}" for number in range(9)]
        return Campaign(
            "gate", [rows(tmp_path, 3)], recipe="grounded-qa", options={"kinds": ["fact"], "propose": False},
            models={"default": answering(questions, []), "bge": Scripted(vectors, name="bge")},
            runs=str(tmp_path / "runs"), concurrency=1, max_tasks=1 if width == 4 else 3,
            novelty={"near": 0, "semantic": 1.0, "embedder": "bge", "attempts": 0},
        )  # fmt: skip

    first = await of(4).execute()
    assert first.books.accepted == 1
    with pytest.raises(ConfigError, match="'bge' gives vectors of 6 numbers, and gave 4 for texts that are taken"):
        await of(6).execute()
    assert len(items(first.folder)) == 1
    pool = GatePool(Likeness(semantic=0.9), ByTopic())
    await pool.claim("mill on the brook", "task-1")
    other = Mark(b"h" * 16, 0, b"", tag_of("by-topic"), squeezed(np.ones(5, dtype=np.float32)))
    with pytest.raises(ConfigError, match="vectors of 5 numbers, and gave 8"):
        await pool.restore([(other.packed(), "task-2")])


async def test_a_text_that_the_embedder_cannot_do_with_at_the_end_costs_its_task_only(tmp_path: Path) -> None:
    """What a worker without Redis accepted is looked at once more, by an embedder that may have another answer."""

    class Broken(ByTopic):
        async def embed(self, texts: Any) -> Matrix:
            raise BadReply("a vector with values that are not finite", raw="")

    task = Task.of("fact", chunks=())
    draft = Draft(index=0, by="writer", fields={"question": LONG}, messages=(Message(role="user", content=LONG),))
    state: Any = {"task": task, "drafts": [draft], "decision": Decision.ACCEPT}
    store = RunStore.open(tmp_path / "run")
    try:
        await store.plan([task])
        pool = GatePool(Likeness(semantic=0.9), Broken())
        ended = await Admission(store, pool, "sft", ("question",)).admit(
            task, outcome_of(task, state, "sft", Usage(), Lineage())
        )
        assert (ended.status, ended.reason) == (Status.FAILED, "bad_reply")
        assert store.books().balanced
        assert store.books().failed == 1
        assert (await pool.claim(LONG, "task-2", alike=False)).twin is None
    finally:
        await store.close()


def test_keys_that_cannot_work_are_refused(tmp_path: Path) -> None:
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"near": 0.1}, "near is 0.1; give a Jaccard index of 0.2 to 1"),
        ({"semantic": 1.5}, "less than or equal to 1"),
        ({"against": "runs/other"}, "must be a list"),
        ({"against": [""]}, "has an empty text"),
        ({"attempts": 99}, "less than or equal to 10"),
        ({"embeder": "x"}, "did you mean 'embedder'"),
    )
    for rules, said in refused:
        with pytest.raises(ConfigError, match=said):
            campaign(tmp_path, answering([], []), 1, novelty=rules)


async def test_an_embedder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"semantic": 0.9, "embedder": "bge"}, "no model is called 'bge'; there are"),
        ({"against": [str(tmp_path / "runs" / "of-last-year")]}, "of-last-year.: no such file or folder is here"),
    )
    for rules, said in wrong:
        model = answering([LONG], [])
        with pytest.raises(ConfigError, match=said):
            await campaign(tmp_path, model, 1, novelty=rules).execute()
        assert not model.requests
        assert not (tmp_path / "runs").exists()  # it is said before a document is read


async def test_a_budget_that_is_spent_on_vectors_ends_the_run_in_order(tmp_path: Path) -> None:
    first = await campaign(tmp_path, answering([LONG], []), 2, max_tasks=1).execute()
    assert first.books.accepted == 1

    def spent(request: Any) -> Any:
        raise BudgetExceeded("tokens", "the budget of 10 tokens is spent")

    last = await Campaign(
        "gate", [rows(tmp_path, 2)], recipe="grounded-qa", options={"kinds": ["fact"], "propose": False},
        models={"default": answering([LONG], []), "bge": Scripted(spent, name="bge")}, concurrency=1,
        runs=str(tmp_path / "runs"), novelty={"semantic": 0.9, "embedder": "bge"},
    ).execute()  # fmt: skip
    assert last.stop.code == "tokens"
    assert last.books.balanced
