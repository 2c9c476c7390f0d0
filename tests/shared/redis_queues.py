"""A coordinator's and a worker's queue on one server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from queue_pair import QueuePair, result_of
from redis.asyncio import Redis

from gristmill.storage.redis_queue import RedisWorkerQueue


@asynccontextmanager
async def pair_on(url: str) -> AsyncIterator[tuple[QueuePair, Any]]:
    """A campaign of its own, and a plain client that looks at it and tampers."""
    pair = QueuePair("redis", url, f"test-{uuid.uuid4().hex[:12]}")
    async with Redis.from_url(url) as client:
        try:
            yield pair, client
        finally:
            await pair.close()


def key(pair: QueuePair, name: str) -> str:
    return f"gristmill:{{{pair.campaign}}}:{name}"


async def run_all(worker: RedisWorkerQueue | Any, count: int = 1000) -> int:
    """Leases and finishes until nothing comes."""
    done = 0
    while leases := await worker.lease(count):
        done += sum(await asyncio.gather(*(worker.finish(lease, result_of(lease)) for lease in leases)))
    return done
