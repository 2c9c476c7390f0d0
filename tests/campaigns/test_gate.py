"""The novelty gate: pools that know near and like-minded texts, alone and shared, and what a campaign makes of them."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from gate_parts import ByTopic
from redis_server import RedisServer

from gristmill.agents.state import Pool
from gristmill.errors import StoreError, Unreachable
from gristmill.evals.duplicates.claimed import Claimed
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.marks import Mark, restored, squeezed, tag_of
from gristmill.evals.duplicates.near import signature
from gristmill.evals.duplicates.replica import Replica, entry_of
from gristmill.evals.duplicates.semantic_index import SemanticIndex
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.evals.numeric import Matrix
from gristmill.storage.redis_connection import RedisConnection

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
