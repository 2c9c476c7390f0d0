"""The connection to Redis: waits for a server that is gone, and says what is wrong without a password."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis_server import RedisServer

from gristmill.errors import ConfigError, RedisUnavailable, StoreError
from gristmill.storage.redis_connection import RedisConnection, Script


@pytest.fixture
def campaign() -> str:
    return uuid.uuid4().hex


@asynccontextmanager
async def connected(url: str, **more: float) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(url, **more)
    try:
        yield connection
    finally:
        await connection.aclose()


async def test_commands_wait_for_a_server_that_is_gone_and_for_scripts_that_it_forgot(own_redis: RedisServer) -> None:
    add = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    async with connected(own_redis.url, patience=10) as connection:
        assert await asyncio.gather(*(connection.run(add, ["n"], [1]) for _ in range(600))) == list(range(1, 601))
        own_redis.kill()
        waiting = [asyncio.create_task(connection.run(add, ["n"], [1])) for _ in range(3)]
        blocking = asyncio.create_task(connection.steady(lambda: connection.client.get("n")))
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in (*waiting, blocking))
        own_redis.start()
        assert sorted(await asyncio.gather(*waiting)) == [1, 2, 3]
        assert await blocking in (None, b"1", b"2", b"3")


async def test_patience_ends_with_an_error_that_names_the_server_and_no_password(own_redis: RedisServer) -> None:
    url = own_redis.url.replace("//", "//worker:canary-word@")
    async with connected(url, patience=0.3) as connection:
        with pytest.raises(ConfigError, match="check user and password") as refused:
            await connection.call("PING")
        assert "canary-word" not in str(refused.value)
    own_redis.kill()
    async with connected(url, patience=0.3) as connection:
        for ask in (connection.call("PING"), connection.steady(lambda: connection.client.get("n"))):
            with pytest.raises(
                RedisUnavailable, match=rf"127.0.0.1:{own_redis.port}/0 has not answered for 0.3 s"
            ) as gone:
                await ask
            assert "canary-word" not in str(gone.value)
    with pytest.raises(ConfigError, match="redis://host:port") as wrong:
        RedisConnection("http://worker:canary-word@somewhere")
    assert "canary-word" not in str(wrong.value)


async def test_what_is_posted_is_sent_before_the_connection_closes(redis_url: str, campaign: str) -> None:
    async with connected(redis_url) as connection:
        for _ in range(10):
            connection.post(Script("return redis.call('INCR', KEYS[1])"), [campaign])
    async with connected(redis_url) as connection:
        assert await connection.call("GET", campaign) == b"10"
        with pytest.raises(StoreError, match="unknown command"):
            await connection.call("NOSUCH")
