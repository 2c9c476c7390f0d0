"""Who leads a campaign on a Redis: one that lives is not replaced, one that is dead is, whatever it said last."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from gristmill.campaigns.fleet.leader import Leader
from gristmill.errors import RunLocked
from gristmill.storage.redis_connection import RedisConnection

LEASE = 1.0


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(redis_url)
    yield connection
    await connection.aclose()


def leader(connection: RedisConnection, campaign: str) -> Leader:
    return Leader(connection, campaign, LEASE, asyncio.Event())


async def test_a_leader_that_lives_is_not_replaced_and_one_that_left_is_at_once(connection: RedisConnection) -> None:
    campaign = uuid.uuid4().hex
    first, second = leader(connection, campaign), leader(connection, campaign)
    await first.take()
    with pytest.raises(RunLocked, match="coordinates campaign"):
        await second.take()
    await first.leave()
    await second.take()
    await second.leave()


async def test_a_dead_leader_is_replaced_although_its_last_renewal_came_late(connection: RedisConnection) -> None:
    """A Redis that was frozen reads what a coordinator sent before it was killed, and the lease begins anew."""
    campaign = uuid.uuid4().hex
    key = f"gristmill:{{{campaign}}}:leader"
    await connection.call("SET", key, "process 1 on nowhere", "PX", 1400)
    second = leader(connection, campaign)
    taking = asyncio.create_task(second.take())
    await asyncio.sleep(1.2)
    await connection.call("PEXPIRE", key, 1000)
    async with asyncio.timeout(30):
        await taking
    await second.leave()
