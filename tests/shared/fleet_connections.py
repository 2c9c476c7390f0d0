"""A connection to Redis that is closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gristmill.storage.redis_connection import RedisConnection


@asynccontextmanager
async def connected(url: str, **more: float) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(url, **more)
    try:
        yield connection
    finally:
        await connection.aclose()
