"""The pool of a fleet's texts: each has one owner, whoever asks at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest
from fleet_connections import connected
from redis_server import RedisServer

from gristmill.agents.state import Pool
from gristmill.evals.duplicates.exact import ExactPool, text_key
from gristmill.evals.duplicates.shared import RedisPool
from gristmill.storage.redis_connection import RedisConnection

MakePool = Callable[[], Awaitable[Pool]]


@pytest.fixture(params=["exact", "redis"])
def make_pool(request: pytest.FixtureRequest, two: tuple[RedisConnection, RedisConnection], campaign: str) -> MakePool:
    """Makes pools that hold the same texts."""
    exact = ExactPool()

    async def make() -> Pool:
        pool = exact if request.param == "exact" else RedisPool(two[0], campaign)
        await pool.restore([(text_key("What is a mill?"), "0a1b2c3d")])
        return pool

    return make


async def test_a_pool_gives_each_text_to_one_owner_until_it_is_released(make_pool: MakePool) -> None:
    pool = await make_pool()
    assert (await pool.claim("what is a MILL", "task-1")).twin == "0a1b2c3d"
    assert (await pool.claim("What is flour?", "task-1")).twin is None
    assert (await pool.claim("what is flour", "task-1")).twin is None  # its own text again: the task ran twice
    assert (await pool.claim("What is flour?", "task-2")).twin == "task-1"
    assert await pool.held("task-1") == [text_key("What is flour?")]
    await pool.release("task-1")
    await pool.release("task-1")
    assert await pool.held("task-1") == []
    assert (await pool.claim("What is flour?", "task-2-of-many")).twin is None
    await pool.keep("task-2-of-many")
    await pool.release("task-2-of-many")
    assert await pool.held("task-2-of-many") == []
    assert (await pool.claim("What is flour?", "task-2-of-many")).twin is None
    twin = (await pool.claim("What is flour?", "task-3")).twin
    assert twin is not None
    assert "task-2-of-many".startswith(twin)
    again = await make_pool()
    assert (await again.claim("What is flour?", "task-4")).twin == twin


async def test_tasks_whose_ids_begin_alike_are_told_apart(make_pool: MakePool) -> None:
    one, other = (f"task-abc{number:021x}" for number in (2**80, 2**81))
    pool = await make_pool()
    assert (await pool.claim("When was it built?", one)).twin is None
    await pool.keep(one)
    await pool.restore([(text_key("Who built it?"), one)])
    for text in ("When was it built?", "Who built it?"):
        assert (await pool.claim(text, one)).twin is None  # it ran twice
        twin = (await pool.claim(text, other)).twin
        assert twin is not None
        assert len(twin) >= 15
        assert one.startswith(twin)


async def test_of_many_that_claim_a_text_at_once_one_gets_it(
    two: tuple[RedisConnection, RedisConnection], campaign: str
) -> None:
    pools = [RedisPool(connection, campaign) for connection in two]
    for text in ("When was it built?", "Who built it?"):
        claims = (pools[number % 2].claim(text, f"task-{number}") for number in range(200))
        holders = [claimed.twin for claimed in await asyncio.gather(*claims)]
        winners = [number for number, holder in enumerate(holders) if holder is None]
        assert len(winners) == 1
        assert set(holders) - {None} == {f"task-{winners[0]}"}


async def test_a_million_texts_take_few_bytes(own_redis: RedisServer, campaign: str) -> None:
    async with connected(own_redis.url) as connection:
        pool = RedisPool(connection, campaign)

        async def used() -> int:
            return int((await connection.client.info("memory"))["used_memory"])

        await pool.restore((os.urandom(16), os.urandom(16).hex()) for _ in range(100_000))
        before = await used()
        await pool.restore((os.urandom(16), os.urandom(16).hex()) for _ in range(100_000))
        assert (await used() - before) / 100_000 < 40
