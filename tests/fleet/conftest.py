"""What tests of a fleet share: a campaign of their own, and two workers' connections."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from gristmill.storage.redis_connection import RedisConnection


@pytest.fixture
def campaign() -> str:
    return uuid.uuid4().hex


@pytest.fixture
async def two(redis_url: str) -> AsyncIterator[tuple[RedisConnection, RedisConnection]]:
    """The connections of two workers."""
    one, other = RedisConnection(redis_url, patience=5), RedisConnection(redis_url, patience=5)
    yield one, other
    await one.aclose()
    await other.aclose()
