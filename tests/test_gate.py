"""The novelty gate: pools that know near and like-minded texts, alone and shared, and what a campaign makes of them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from mock_server import MockServer
from redis_server import RedisServer
from write_and_judge import judged

from gristmill.agents.state import Pool
from gristmill.campaigns.admission import Admission
from gristmill.campaigns.campaign import Campaign
from gristmill.campaigns.outcome import outcome_of
from gristmill.errors import BadReply, BudgetExceeded, ConfigError, ServerLost, StoreError, Unreachable
from gristmill.evals.duplicates.claimed import Claimed
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.marks import Mark, restored, squeezed, tag_of
from gristmill.evals.duplicates.near import signature
from gristmill.evals.duplicates.replica import Replica, entry_of
from gristmill.evals.duplicates.semantic_index import SemanticIndex
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.evals.numeric import Matrix
from gristmill.models.layers.meter import Lineage
from gristmill.models.scripted import Scripted
from gristmill.models.spec import ModelSpec
from gristmill.storage.records import Decision, Draft, Item, Message, Status, Task, Usage
from gristmill.storage.redis_connection import RedisConnection
from gristmill.storage.store import RunStore

NEAR = Likeness(near=0.7)
VOCABULARY = [f"word{number}" for number in range(3000)]
BASE = " ".join(VOCABULARY[:60])
MakePool = Callable[[], Awaitable[Pool]]


def variant(number: int, text: str = BASE) -> str:
    """The text with one word changed, each number another one: a Jaccard index of 0.9 to it, 0.85 to each other."""
    found = text.split()
    found[number % len(found)] = f"other{number}"
    return " ".join(found)


@pytest.fixture
async def connections(own_redis: RedisServer) -> AsyncIterator[list[RedisConnection]]:
    made = [RedisConnection(own_redis.url, patience=5) for _ in range(4)]
    yield made
    for one in made:
        await one.aclose()


@pytest.fixture(params=["here", "redis"])
def make_pool(request: pytest.FixtureRequest) -> MakePool:
    """Makes pools that hold nothing, or over one Redis the same."""
    if request.param == "here":

        async def here() -> Pool:
            return GatePool(NEAR)

        return here
    connection = request.getfixturevalue("connections")[0]

    async def there() -> Pool:
        return RedisPool(connection, uuid.uuid4().hex, NEAR)

    return there


async def test_a_near_text_has_a_twin_with_its_likeness(make_pool: MakePool) -> None:
    pool = await make_pool()
    first = await pool.claim(BASE, "task-1")
    assert first == Claimed(measured=True)
    assert first.novelty == 1.0
    near = await pool.claim(variant(5), "task-2")
    assert (near.twin, near.how, near.measured) == ("task-1", "near", True)
    assert near.likeness == pytest.approx(0.9, abs=0.13)
    assert near.novelty == pytest.approx(1 - near.likeness)
    same = await pool.claim(BASE.upper(), "task-2")
    assert (same.twin, same.how, same.likeness) == ("task-1", "exact", 1.0)
    assert await pool.held("task-2") == []
    apart = await pool.claim(" ".join(VOCABULARY[100:160]), "task-2")
    assert apart.twin is None
    # Only equal texts count where that is asked; a text without words is near nothing.
    assert (await pool.claim(variant(9), "task-3", alike=False)).twin is None
    assert [(await pool.claim(text, f"task-{text}")).twin for text in ("", "?!")] == [None, None]


async def test_drafts_of_one_task_and_versions_of_one_item_are_no_twins(make_pool: MakePool) -> None:
    pool = await make_pool()
    assert (await pool.claim(BASE, "task-1")).twin is None
    again = await pool.claim(variant(1), "task-1")
    assert again.twin is None
    assert again.novelty == 1.0  # its own earlier draft is no other text
    await pool.keep("task-1")
    assert (await pool.claim(variant(2), "task-2")).twin is not None
    version = await pool.claim(variant(2), "task-2", besides=("task-1-of-something", "task-1"))
    assert version.twin is None
    assert (await pool.claim(BASE, "task-2", besides=("task-1",))).twin is None  # and it stays with task-1
    await pool.release("task-2")
    assert (await pool.claim(BASE, "task-3")).twin is not None


async def test_behind_a_version_another_twin_is_found(make_pool: MakePool) -> None:
    pool = await make_pool()
    assert (await pool.claim(BASE, "task-1")).twin is None
    assert (await pool.claim(variant(30), "task-2", besides=("task-1",))).twin is None
    found = await pool.claim(variant(31), "task-3", besides=("task-2",))
    assert found.twin == "task-1"


async def test_what_is_released_is_free_and_what_is_kept_is_found_after_a_restart(make_pool: MakePool) -> None:
    pool = await make_pool()
    assert (await pool.claim(BASE, "task-1")).twin is None
    await pool.release("task-1")
    assert (await pool.claim(variant(3), "task-2")).twin is None
    marks = await pool.held("task-2")
    assert [Mark.unpacked(mark).signature for mark in marks] == [signature(variant(3))]
    await pool.keep("task-2")
    await pool.release("task-2")
    assert (await pool.claim(BASE, "task-3")).how == "near"
    later: Any = await make_pool()
    await later.restore([(mark, "task-2") for mark in marks])
    await later.restore([(mark, "task-2") for mark in marks])
    for text, how in ((BASE, "near"), (variant(3), "exact")):
        claimed = await later.claim(text, "task-3")
        assert claimed.how == how
        assert claimed.twin is not None
        assert "task-2".startswith(claimed.twin)
    assert (await later.claim(variant(3), "task-2")).twin is None  # its own task, run again


async def test_marks_of_other_settings_are_passed_over(make_pool: MakePool) -> None:
    pool: Any = await make_pool()
    other = GatePool(Likeness(near=0.7, shingle=2))
    await other.claim(BASE, "task-1")
    await pool.restore([(mark, "task-1") for mark in await other.held("task-1")])
    assert (await pool.claim(BASE, "task-2")).how == "exact"
    assert (await pool.claim(variant(1), "task-3")).twin is None


async def test_the_index_in_redis_answers_as_the_one_in_memory(connections: list[RedisConnection]) -> None:
    rng = random.Random(5)
    here, there = GatePool(NEAR), RedisPool(connections[0], uuid.uuid4().hex, NEAR)
    bases = [" ".join(rng.choices(VOCABULARY, k=40)) for _ in range(30)]
    for number in range(400):
        text = rng.choice(bases)
        for _ in range(rng.randrange(6)):
            text = variant(rng.randrange(40), text)
        owner = f"task-{number:020x}"
        one, other = await here.claim(text, owner), await there.claim(text, owner)
        assert (one.twin is None) == (other.twin is None)
        assert one.likeness == pytest.approx(other.likeness)
        if rng.random() < 0.3:
            await here.release(owner)
            await there.release(owner)


async def test_of_many_clients_that_claim_like_texts_at_once_one_gets_them(connections: list[RedisConnection]) -> None:
    campaign = uuid.uuid4().hex
    pools = [RedisPool(connection, campaign, NEAR) for connection in connections]
    for base in (BASE, " ".join(VOCABULARY[200:260])):
        texts = [base if number % 3 else variant(number, base) for number in range(120)]
        claims = [pools[number % 4].claim(text, f"task-{number}") for number, text in enumerate(texts)]
        found = await asyncio.gather(*claims)
        winners = [number for number, claimed in enumerate(found) if claimed.twin is None]
        assert len(winners) == 1
        assert {claimed.twin for claimed in found} == {None, f"task-{winners[0]}"}


async def test_a_claim_is_one_round_trip(connections: list[RedisConnection]) -> None:
    connection = connections[0]
    pool = RedisPool(connection, uuid.uuid4().hex, NEAR)
    await pool.claim(BASE, "task-0")  # the script is known now
    before = await connection.client.info("stats")
    for number in range(20):
        await pool.claim(variant(number), f"task-{number}")
    after = await connection.client.info("stats")
    # One command comes over the wire for each claim, and those of the script and of INFO are counted beside.
    assert after["total_net_input_bytes"] - before["total_net_input_bytes"] < 20 * 600


async def test_a_redis_that_lost_its_memory_is_told_again(connections: list[RedisConnection]) -> None:
    pool = RedisPool(connections[0], uuid.uuid4().hex, NEAR)
    await pool.claim(BASE, "task-1")
    kept = [(mark, "task-1") for mark in await pool.held("task-1")]
    await pool.keep("task-1")
    await connections[1].client.flushall()
    assert (await pool.claim(variant(1), "task-2")).twin is None
    await pool.release("task-2")
    await pool.restore(kept)
    assert (await pool.claim(variant(1), "task-2")).how == "near"
    assert (await pool.claim(variant(1), "task-2")).twin is not None


async def test_a_near_text_takes_less_than_a_kilobyte_of_redis(connections: list[RedisConnection]) -> None:
    connection = connections[0]
    pool = RedisPool(connection, uuid.uuid4().hex, Likeness(near=0.8))
    rng = random.Random(1)

    def marks(count: int) -> list[tuple[bytes, str]]:
        return [
            (Mark(rng.randbytes(16), 3, rng.randbytes(128)).packed(), f"task-{number:020x}") for number in range(count)
        ]

    async def used() -> int:
        return int((await connection.client.info("memory"))["used_memory"])

    await pool.restore(marks(40_000))  # the buckets are there
    before = await used()
    await pool.restore(marks(20_000))
    assert (await used() - before) / 20_000 < 900


class ByTopic:
    """An embedder for which texts that name one topic mean the same, more or less."""

    name, sees = "by-topic", "topics"

    def __init__(self) -> None:
        self.asked = 0

    async def embed(self, texts: Any) -> Matrix:
        self.asked += len(texts)
        await asyncio.sleep(0)
        rows = np.zeros((len(texts), 8), dtype=np.float32)
        for place, text in enumerate(texts):
            if text == "down":
                raise Unreachable("the embedding server is gone")
            rows[place, len(text.split()[0]) % 8] = 1.0
            rows[place, 7] += 0.2 * (len(text) % 3)
        found: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return found


async def test_texts_that_mean_the_same_are_twins_within_a_run_and_after_a_restart() -> None:
    rules = Likeness(near=0.8, semantic=0.9)
    pool = GatePool(rules, ByTopic())
    assert (await pool.claim("mill on the brook", "task-1")).twin is None
    claimed = await pool.claim("flow of water turns wheels", "task-2")
    assert (claimed.twin, claimed.how) == ("task-1", "semantic")
    assert claimed.likeness > 0.9
    assert await pool.held("task-2") == []
    marks = await pool.held("task-1")
    await pool.keep("task-1")
    later = GatePool(rules, ByTopic())
    await later.restore([(mark, "task-1") for mark in marks])
    assert (await later.claim("flow of water turns wheels", "task-2")).how == "semantic"
    assert (await later.claim("mill on the brook", "task-1")).twin is None
    assert (await later.claim("bees", "task-4", besides=("task-1",))).twin is None
    with pytest.raises(Unreachable):
        await later.claim("down", "task-5")
    assert await later.held("task-5") == []


async def test_two_that_wait_for_the_embedder_with_one_text_do_not_both_get_it() -> None:
    pool = GatePool(Likeness(semantic=0.9), ByTopic())
    found = await asyncio.gather(*(pool.claim("mill on the brook", f"task-{number}") for number in range(10)))
    assert [claimed.twin for claimed in found].count(None) == 1


async def test_a_refined_draft_with_its_text_asks_no_embedder_again() -> None:
    embedder = ByTopic()
    pool = GatePool(Likeness(semantic=0.9), embedder)
    first = await pool.claim("mill on the brook", "task-1")
    assert await pool.claim("mill on the brook", "task-1") == first
    assert embedder.asked == 1


def test_marks_are_read_as_they_were_written() -> None:
    row = np.array([0.6, -0.8, 0.0], dtype=np.float32)
    for mark in (
        Mark(b"h" * 16),
        Mark(b"h" * 16, 3, b"s" * 128),
        Mark(b"h" * 16, 0, b"", tag_of("a"), squeezed(row)),
        Mark(b"h" * 16, 5, b"s" * 128, tag_of("a"), squeezed(row)),
    ):
        assert Mark.unpacked(mark.packed()) == mark
    assert np.allclose(restored(squeezed(row)), row, atol=0.01)
    assert squeezed(np.zeros(3, dtype=np.float32)) == b""
    for broken in (b"", b"h" * 15, b"h" * 16 + b"\x03" + b"s" * 5, b"h" * 16 + b"\x00abc"):
        with pytest.raises(StoreError, match="a claim of"):
            Mark.unpacked(broken)


async def test_a_log_is_followed_in_blocks_as_it_is_one_by_one() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((300, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    tag = tag_of("a")
    marks = [Mark(bytes([at // 256, at % 256]) * 8, 0, b"", tag, squeezed(row)) for at, row in enumerate(rows)]
    log: list[bytes] = []
    for at, mark in enumerate(marks):
        log.append(entry_of(mark))
        if at % 5 == 4:  # freed while it is new, and long after; one of them is there again
            log.append(mark.hash[:8])
            log.append(marks[at // 2].hash[:8])
        if at % 15 == 14:
            log.append(entry_of(mark))
    log[7] = b""  # stood here, and was freed
    whole, single = Replica(), Replica()
    await whole.follow(b"log", 0, log)
    for place, entry in enumerate(log):
        await single.follow(b"log", place, [entry])
    assert (len(whole), whole.known) == (len(single), single.known) == (len(single), len(log))
    for mark in marks:
        assert await whole.nearest(mark.vector) == await single.nearest(mark.vector)
    with pytest.raises(ValueError, match="came to vectors of 24"):
        index_of(rows).add_all([7], np.ones((1, 3), dtype=np.int8))


def index_of(rows: Matrix) -> SemanticIndex:
    index = SemanticIndex()
    index.add_all(list(range(len(rows))), rows)
    return index


# In a campaign


def rows(folder: Path, count: int) -> str:
    path = folder / "documents.jsonl"
    lines = [
        {"text": f"Passage number {number} tells of the mill, of flour and of the brook."} for number in range(count)
    ]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return str(path)


def answering(questions: list[str], seen: list[Any]) -> Scripted:
    """Writes the questions one after the other; notes what each prompt told it."""
    waiting = iter(questions)

    def write(request: Any) -> dict[str, Any]:
        seen.append((request.variables.get("avoid"), request.sample, request.messages[-1].content))
        return {"question": next(waiting), "answer": "Yes.", "evidence": ["tells of the mill, of flour"]}

    return Scripted({"write-question-answer": write, "judge-question-answer": lambda request: judged()})


def items(folder: Path) -> list[Item]:
    store = RunStore.read(folder)
    try:
        return list(store.items())
    finally:
        store.close_reading()


LONG = (
    "What does the old account of the parish say about the mill on the brook, about the flour that it made in the dry "
    "summers before the great flood, and about the four families who lived and worked there until the road was built?"
)
CLOSE = LONG.replace("old", "oldest")
OTHER = "Which of the tools in the wheelwright's yard were sold to the monastery after the great flood of that year?"


def campaign(tmp_path: Path, model: Scripted, documents: int, **given: Any) -> Campaign:
    return Campaign(
        "gate", [rows(tmp_path, documents)], recipe="grounded-qa", options={"kinds": ["fact"], "propose": False},
        models={"default": model}, runs=str(tmp_path / "runs"), concurrency=1, **given,
    )  # fmt: skip


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
    assert second.verdicts[-1].text == "the same text as in held.jsonl:2"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.jsonl", None, "is not there"),
        ("set.csv", b"question\n", "is no data set that is read"),
        ("set.jsonl", b'{"label": 3}\n', "has the columns label, and none of them is known"),
        ("set.jsonl", b"[1]\n", "no JSON object"),
        ("set.jsonl", b"{\n", "line 1 of .* is not JSON"),
        ("set.parquet", b"nothing", "cannot be read"),
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
    assert texts == {"nearly the same text as in data.arrow:1", "the same text as in train.parquet:2"}


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
        ({"attempts": 99}, "less than or equal to 10"),
        ({"embeder": "x"}, "did you mean 'embedder'"),
    )
    for rules, said in refused:
        with pytest.raises(ConfigError, match=said):
            campaign(tmp_path, answering([], []), 1, novelty=rules)


async def test_an_embedder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"semantic": 0.9, "embedder": "bge"}, "no model is called 'bge'; there are"),
        ({"against": [str(tmp_path / "runs" / "of-last-year")]}, "of-last-year is not there"),
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
