"""Texts that mean the same, over a real Redis: one of many workers gets each, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import (
    FAST,
    SLOW,
    Wire,
    accepting,
    all_ended,
    assert_accounted,
    completed,
    coordinator,
    run_of,
    write_campaign,
)
from mock_server import MockServer
from processes import Start
from redis_server import RedisServer

from gristmill.errors import ConfigError, Unreachable
from gristmill.evals.duplicates.gate import GatePool, Likeness
from gristmill.evals.duplicates.marks import Mark, restored, squeezed, tag_of
from gristmill.evals.duplicates.replica import Replica
from gristmill.evals.duplicates.shared import TOLD, RedisPool
from gristmill.evals.numeric import Matrix
from gristmill.storage.records import Status
from gristmill.storage.redis_connection import RedisConnection
from gristmill.storage.store import RunStore

WIDTH = 48
RULES = Likeness(semantic=0.9)


class Told:
    """An embedder that is told what its vectors are, by text; others are random, each always the same."""

    name, sees = "told", "what it is told"

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.rows: dict[str, Matrix] = {}
        self.asked = 0
        self.gone = False

    def tell(self, text: str, row: Matrix) -> str:
        self.rows[text] = (row / np.linalg.norm(row)).astype(np.float32)
        return text

    async def embed(self, texts: Sequence[str]) -> Matrix:
        self.asked += len(texts)
        await asyncio.sleep(0)
        if self.gone:
            raise Unreachable("the embedding server is gone")
        for text in texts:
            if text not in self.rows:
                self.tell(text, np.random.default_rng(list(text.encode())).normal(size=self.width))
        return np.stack([self.rows[text][: self.width] for text in texts])


def owner(number: int) -> str:
    """An id as tasks have it: its beginning tells it from others."""
    return f"task-{number:010x}{0:054x}"


def alike(embedder: Told, count: int, of: str = "the mill stands by the brook") -> list[str]:
    """So many wordings of one thing, at cosines of about 0.97 to each other."""
    centre = np.random.default_rng(len(of)).normal(size=WIDTH)
    rng = np.random.default_rng(1)
    return [embedder.tell(f"{of} {n}", centre + 0.17 * rng.normal(size=WIDTH)) for n in range(count)]


@pytest.fixture
async def connections(own_redis: RedisServer) -> AsyncIterator[list[RedisConnection]]:
    made = [RedisConnection(own_redis.url, patience=60) for _ in range(4)]
    yield made
    for one in made:
        await one.aclose()


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


async def test_a_pool_of_many_workers_answers_as_the_pool_of_one_process(
    connections: list[RedisConnection], name: str
) -> None:
    rng, embedder, vectors = np.random.default_rng(3), Told(), random.Random(3)
    here = GatePool(RULES, embedder)
    pools = [RedisPool(connection, name, RULES, embedder) for connection in connections]
    made: list[Matrix] = []
    twins = 0
    for number in range(600):
        noise = rng.normal(size=WIDTH)
        made.append(noise if number % 3 else vectors.choice(made or [noise]) + 0.3 * noise)
        text = embedder.tell(f"text {number}", made[-1])
        pool = vectors.choice(pools)
        one, other = await here.claim(text, owner(number)), await pool.claim(text, owner(number))
        assert (one.twin is None) == (other.twin is None)
        assert one.how == other.how
        assert one.likeness == pytest.approx(other.likeness, abs=0.02)  # vectors of a byte a dimension, each with each
        assert other.measured
        twins += other.twin is not None
        for each in (here, vectors.choice(pools)):
            await (each.release if number % 4 == 0 else each.keep)(owner(number))
    assert 50 < twins < 200


async def test_of_many_that_come_with_one_meaning_at_once_one_gets_it(
    connections: list[RedisConnection], name: str
) -> None:
    embedder = Told()
    pools = [RedisPool(connection, name, RULES, embedder) for connection in connections]
    for of in ("the mill stands by the brook", "tides turn the wheel", "flour is ground at night in the old mill"):
        texts = alike(embedder, 150, of)
        claims = [pools[number % 4].claim(text, owner(number)) for number, text in enumerate(texts)]
        found = await asyncio.gather(*claims)
        winners = [number for number, claimed in enumerate(found) if claimed.twin is None]
        assert len(winners) == 1
        assert {claimed.twin for claimed in found} == {None, owner(winners[0])}
        assert all(claimed.likeness >= 0.9 for claimed in found if claimed.twin)
        assert {claimed.how for claimed in found} == {"", "semantic"}


async def test_a_claim_is_one_script_and_a_worker_that_joins_follows_first(
    connections: list[RedisConnection], name: str
) -> None:
    embedder = Told()
    pool, other = (RedisPool(connection, name, RULES, embedder) for connection in connections[:2])

    async def scripts() -> int:
        said = await connections[2].client.info("commandstats")
        return sum(int(said.get(f"cmdstat_{kind}", {}).get("calls", 0)) for kind in ("eval", "evalsha"))

    await pool.claim("the first", owner(0))
    await other.claim("the second", owner(1))
    before = await scripts()
    for number in range(2, 60):
        assert (await pool.claim(f"text {number}", owner(number))).twin is None
    assert await scripts() - before == 58
    before = await scripts()
    assert (await other.claim("text 2", owner(100))).twin == owner(2)  # the very text: nothing is compared
    assert (await other.claim("text 100", owner(100))).twin is None  # 60 came since, which the script compares
    assert await scripts() - before == 2
    texts = alike(embedder, 2)
    await pool.claim(texts[0], owner(200))
    for number in range(201, 2 * TOLD):
        await pool.claim(f"text {number}", owner(number))
    before = await scripts()
    joined = RedisPool(connections[3], name, RULES, embedder)
    found = await asyncio.gather(*(joined.claim(texts[1], owner(5000 + number)) for number in range(10)))
    assert {claimed.twin for claimed in found} == {owner(200)}
    assert await scripts() - before <= 10 + 4 + 10  # all ten were behind, one followed, all came again


async def test_what_is_released_is_free_and_may_be_taken_by_another(
    connections: list[RedisConnection], name: str
) -> None:
    embedder = Told()
    one, other = (RedisPool(connection, name, RULES, embedder) for connection in connections[:2])
    texts = alike(embedder, 4)
    for number in range(3):  # the same text again and again, which every index knew before
        assert (await one.claim(texts[0], owner(number))).twin is None
        assert (await other.claim(texts[1], owner(10))).twin == owner(number)
        await (one, other)[number % 2].release(owner(number))
    assert (await other.claim(texts[1], owner(11))).twin is None
    assert (await one.claim(texts[0], owner(12))).how == "semantic"
    await one.keep(owner(11))
    await one.release(owner(11))
    assert (await one.claim(texts[2], owner(12))).twin == owner(11)[:15]
    assert (await one.claim(texts[2], owner(11))).twin is None  # its own
    assert (await one.claim(texts[3], owner(13), besides=(owner(11),))).twin is None
    assert await one.held(owner(12)) == []


async def test_a_redis_that_lost_its_memory_is_told_again(connections: list[RedisConnection], name: str) -> None:
    embedder = Told()
    pool, other = (RedisPool(connection, name, RULES, embedder) for connection in connections[:2])
    texts = alike(embedder, 5)
    await pool.claim(texts[0], owner(1))
    for number in range(10, 90):
        await pool.claim(f"text {number}", owner(number))
    await other.claim("text", owner(2))
    kept = [(mark, owner(1)) for mark in await pool.held(owner(1))]
    await pool.keep(owner(1))
    await connections[3].client.flushall()
    # Before it is told, nobody has anything, whatever the indexes of the workers say.
    assert (await other.claim(texts[1], owner(3))).twin is None
    await other.release(owner(3))
    coordinator = RedisPool(connections[2], name, RULES, embedder)
    await coordinator.restore(kept)
    await coordinator.restore(kept)
    for each in (pool, other, coordinator):
        claimed = await each.claim(texts[2], owner(4))
        assert (claimed.twin, claimed.how) == (owner(1)[:15], "semantic")
    length = await connections[3].call("LLEN", (await connections[3].client.keys("*:log"))[0])
    assert length == 3  # freed, the note of it, and what was restored, once


async def test_vectors_of_another_length_or_another_embedder_are_no_likeness(
    connections: list[RedisConnection], name: str
) -> None:
    pool = RedisPool(connections[0], name, RULES, Told())
    assert (await pool.claim("the mill", owner(1))).twin is None
    wider = RedisPool(connections[1], name, RULES, Told(WIDTH + 8))
    with pytest.raises(ConfigError, match=rf"'told' gives vectors of {WIDTH + 8} numbers, and gave {WIDTH} for texts"):
        await wider.claim("the brook", owner(2))
    assert await wider.held(owner(2)) == []
    short = Mark(b"h" * 16, 0, b"", tag_of("told"), squeezed(np.ones(5, dtype=np.float32)))
    with pytest.raises(ConfigError, match="vectors of 5 numbers, and gave"):
        await pool.restore([(short.packed(), owner(3))])
    elsewhere = Mark(b"i" * 16, 0, b"", tag_of("another"), squeezed(np.ones(5, dtype=np.float32)))
    await pool.restore([(elsewhere.packed(), owner(3))])
    assert len(await connections[0].client.keys("*:log")) == 1


async def test_an_embedder_that_fails_takes_nothing_and_texts_without_words_ask_none(
    connections: list[RedisConnection], name: str
) -> None:
    embedder = Told()
    pool = RedisPool(connections[0], name, Likeness(near=0.8, semantic=0.9), embedder)
    embedder.gone = True
    with pytest.raises(Unreachable):
        await pool.claim("the mill", owner(1))
    assert await pool.held(owner(1)) == []
    assert (await pool.claim("?!", owner(1))).twin is None
    assert (await pool.claim("the mill", owner(1), alike=False)).twin is None
    embedder.gone = False
    embedder.tell("silence", np.zeros(WIDTH) + 1e-30)
    embedder.rows["silence"][:] = 0  # an embedder that says nothing of a text: near is looked for all the same
    assert (await pool.claim("silence", owner(2))).twin is None
    assert (await pool.claim("silence", owner(3))).how == "exact"


async def test_who_asks_first_makes_no_vector_of_what_a_worker_has_claimed(
    connections: list[RedisConnection], name: str
) -> None:
    embedder, theirs = Told(), Told()
    worker = RedisPool(connections[0], name, RULES, theirs)
    coordinator = RedisPool(connections[1], name, RULES, embedder, asks_first=True)
    texts = alike(theirs, 2)
    embedder.rows = theirs.rows
    assert (await worker.claim(texts[0], owner(1))).twin is None
    assert (await worker.claim(texts[0], owner(1))).twin is None
    assert theirs.asked == 1
    assert (await coordinator.claim(texts[0], owner(1))).twin is None
    assert embedder.asked == 0
    assert (await coordinator.claim(texts[1], owner(2))).twin == owner(1)
    assert embedder.asked == 1


async def test_nearly_every_pair_at_the_threshold_is_found(connections: list[RedisConnection], name: str) -> None:
    """Texts of a model whose cosines lie close together, as of sentence embedders: 0.6 without any likeness."""
    rng, embedder = np.random.default_rng(8), Told(384)
    cone = rng.normal(size=384)
    texts, pairs = [], []
    for number in range(1500):
        row = cone / np.linalg.norm(cone) * 1.22 + (noise := rng.normal(size=384)) / np.linalg.norm(noise)
        texts.append(embedder.tell(f"text {number}", row))
    for number in range(0, 1500, 5):
        row = embedder.rows[texts[number]]
        across = rng.normal(size=384)
        across -= (across @ row) * row
        found = 0.91 * row + np.sqrt(1 - 0.91**2) * across / np.linalg.norm(across)
        pairs.append((embedder.tell(f"again {number}", found), owner(number)))
    pool, other = (RedisPool(connection, name, RULES, embedder) for connection in connections[:2])
    for number, text in enumerate(texts):
        assert (await pool.claim(text, owner(number))).twin is None
    found_twins = [(await other.claim(text, owner(9999))).twin for text, _ in pairs]
    assert sum(twin == right for twin, (_, right) in zip(found_twins, pairs, strict=True)) >= 0.97 * len(pairs)


async def test_a_vector_takes_little_more_than_its_bytes(connections: list[RedisConnection], name: str) -> None:
    pool = RedisPool(connections[0], name, RULES, Told(384))
    rng = random.Random(1)
    tag = tag_of("told")

    def marks(count: int) -> list[tuple[bytes, str]]:
        return [
            (Mark(rng.randbytes(16), 0, b"", tag, rng.randbytes(384)).packed(), owner(number))
            for number in range(count)
        ]

    async def used() -> int:
        return int((await connections[0].client.info("memory"))["used_memory"])

    await pool.restore(marks(20_000))  # the buckets are there
    before = await used()
    await pool.restore(marks(10_000))
    assert (await used() - before) / 10_000 < 600  # half as much again as the vector, with its text


async def test_a_replica_leaves_what_it_knows_and_what_comes_too_early() -> None:
    row = np.random.default_rng(0).normal(size=8)
    vector = squeezed((row / np.linalg.norm(row)).astype(np.float32))
    squares = int(np.square(np.frombuffer(vector, dtype=np.int8).astype(int)).sum()).to_bytes(4, "big")
    entries = [bytes([n]) * 8 + squares + (np.frombuffer(vector, np.uint8) ^ 0x80).tobytes() for n in (1, 2, 3)]
    replica = Replica()
    await replica.follow(b"log", 0, entries[:2])
    await replica.follow(b"log", 0, entries)
    await replica.follow(b"log", 7, entries)  # a gap
    await replica.follow(b"other", 3, entries)  # of a log that it does not follow
    assert (replica.known, len(replica)) == (3, 3)
    await replica.follow(b"log", 3, [b"\x01" * 8, b""])
    assert (replica.known, len(replica)) == (5, 2)
    assert len(await replica.nearest(vector)) == 2 * 16
    await replica.follow(b"other", 0, entries[:1])
    assert (replica.known, len(replica)) == (1, 1)
    assert np.allclose(restored(vector), row / np.linalg.norm(row), atol=0.01)


# A fleet

MEANINGS = 30


def topic(row: int) -> str:
    """One of 30 questions about what the row says: of even rows a word apart, of odd ones in other words."""
    group = row % MEANINGS
    if row // MEANINGS % 2:
        return f"Tell of matter{group} what variant{row} other{row} wording{row} says in passing{row}, topic{group}."
    words = [f"group{group}word{number}" for number in range(40)]
    words[row % 40] = f"changed{row}"
    return " ".join([*words, f"topic{group}"])


def answering(body: dict[str, Any]) -> str | bytes | None:
    """Asks about the row's topic; embeds by the topic alone."""
    if "input" in body:
        data = []
        for index, text in enumerate(body["input"]):
            group = int(text.rstrip(".").rpartition("topic")[2]) if "topic" in text else -1  # whether it is there
            row = np.random.default_rng(group + 1).normal(size=32) + 0.02 * np.random.default_rng(len(text)).normal(
                size=32
            )
            data.append({"index": index, "embedding": row.tolist()})
        return json.dumps({"model": "bge", "data": data, "usage": {"prompt_tokens": 9}}).encode()
    said = "\n".join(message["content"] for message in body["messages"])
    return accepting(body) or topic(int(said.partition("Row ")[2].partition(":")[0]))


@pytest.mark.parametrize("semantic", [False, True], ids=["near", "semantic"])
async def test_a_fleet_accepts_no_two_alike_also_when_a_worker_is_killed(
    tmp_path: Path, gristmill: Start, own_redis: RedisServer, semantic: bool
) -> None:
    wire, count = Wire(own_redis.url), 180
    rules = {"near": 0.5, "semantic": 0.9 if semantic else 0.0, "embedder": "bge" if semantic else "hashed"}
    async with MockServer(latency=SLOW / 4, answer=answering) as server:
        bge = {"model": "openai_api/bge", "base_url": server.url}
        path = write_campaign(
            tmp_path,
            server,
            count,
            flow="write_and_judge:gated_flow",
            novelty=rules,
            stop={"saturation_ratio": 1.0},
            **{"models.bge": bge},
        )
        folder = run_of(path)
        command = await coordinator(gristmill, path, wire)
        victim = (await wire.workers(folder, 2))[0]
        victim = await wire.worker(folder, victim.name, done=3)
        held = await wire.held(folder, victim.name)
        os.kill(victim.pid, signal.SIGKILL)
        await all_ended(folder, held)
        server.latency = FAST
        await completed(command)
        books = assert_accounted(folder, planned=count)
        store = RunStore.read(folder)
        try:
            accepted = list(store.items(Status.ACCEPTED))
            rejected = list(store.items(Status.REJECTED))
        finally:
            store.close_reading()
        assert {item.reasons for item in rejected} == {("duplicate",)}
        groups = Counter(int(item.messages[0].content.rstrip(".").rpartition("topic")[2]) for item in accepted)
        if semantic:
            assert groups == dict.fromkeys(range(MEANINGS), 1)
        else:  # other wordings stay; of those a word apart one of each group
            near = Counter(
                int(item.messages[0].content.rpartition("topic")[2])
                for item in accepted
                if not item.messages[0].content.startswith("Tell of")
            )
            assert near == dict.fromkeys(range(MEANINGS), 1)
            assert books.accepted == MEANINGS + count // 2
