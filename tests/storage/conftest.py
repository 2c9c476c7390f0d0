"""What tests of stores and queues share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from queue_pair import QueuePair
from redis_queues import pair_on


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[tuple[QueuePair, Any]]:
    async with pair_on(redis_url) as made:
        yield made
