"""The shared fixtures do what they promise: a real Redis, no way off this machine, no key of the user's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import aiohttp
import pytest
from isolation import CANARY, KEYS, NetworkTouched
from redis.asyncio import Redis
from redis_server import NoRedisBinary, RedisServer, binary


async def test_redis_url_is_a_real_server(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        entry = await redis.xadd("test_fixtures", {"id": "1"})
        assert await redis.xrange("test_fixtures") == [(entry, {b"id": b"1"})]
        assert (await redis.info("server"))["process_id"] != os.getpid()
        await redis.delete("test_fixtures")


async def test_own_redis_comes_back_empty_after_a_kill(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        await redis.set("kept", "no")
    first = own_redis.pid
    own_redis.kill()
    assert not own_redis.answers()
    own_redis.start()
    assert own_redis.pid != first
    async with Redis.from_url(own_redis.url) as redis:
        assert await redis.get("kept") is None


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, options=("--no-such-option", "1"))
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()
    assert server.process is None


def test_a_missing_redis_fails_with_the_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("REDIS_SERVER", raising=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(NoRedisBinary, match="make redis"):
        binary()


async def test_no_test_leaves_this_machine() -> None:
    with pytest.raises(NetworkTouched), socket.socket() as plain:
        plain.connect(("192.0.2.1", 80))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NetworkTouched):
            await session.get("http://192.0.2.1/")


def test_keys_are_hidden_by_default() -> None:
    assert [name for name in KEYS if name in os.environ] == []


def test_canary_keys_are_set(canary_keys: dict[str, str]) -> None:
    assert all(CANARY in os.environ[name] for name in KEYS)
    assert len(set(canary_keys.values())) == len(KEYS)
