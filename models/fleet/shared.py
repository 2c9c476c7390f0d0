"""All that the workers of one campaign share around their model calls, over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...storage.redis_connection import LIFE_MS, RedisConnection
from ..contract import PerMinute
from ..layers.limiter import AnyLimiter
from ..layers.rates import NO_LIMIT
from . import budget, limiter
from .budget import RedisBudget
from .calls import RedisCalls
from .limiter import RedisLimiter
from .scripts import key_of

LEAST = 3.0  # seconds that a permit lives: who waits for one is heard of every 1.2 s, and is dropped when silent
COUNTS, TEXTS, ANSWERS = ("budget", "limit"), ("pool", "held"), ("calls", "asking")  # the first parts of key names


class SharedLayers:
    """What `models.factory.build` takes in a fleet: `calls`, `budget`, and `limiter` as its `make_limiter`.

    Limits of None are no limits; `calls_bytes` is the size of the call cache. Raises `ConfigError` for a limit that is
    not above 0.
    """

    def __init__(
        self,
        connection: RedisConnection,
        campaign: str,
        *,
        tokens: int | None = None,
        usd: float | None = None,
        seconds: float | None = None,
        calls_bytes: int = 16 * 2**20,
    ) -> None:
        self.connection = connection
        self.campaign = campaign
        self.calls = RedisCalls(connection, campaign, max_bytes=calls_bytes)
        self.budget = RedisBudget(connection, campaign, tokens, usd, seconds)
        self._limiters: list[RedisLimiter] = []
        self._permit_life = limiter.LIFE

    def pace(self, lease: float) -> None:
        """Takes over the fleet's lease, in seconds, for limiters that are made from now on too.

        What a dead worker was asking and had in flight must not stand in the way for longer than its tasks do: whoever
        runs them next asks the same.
        """
        self.calls.pace(lease)
        self.budget.life = min(budget.LIFE, lease)
        self._permit_life = min(limiter.LIFE, max(LEAST, lease))

    def limiter(self, label: str, most: int, patience: float, rates: PerMinute = NO_LIMIT) -> AnyLimiter:
        """Makes the limiter of the server that `label` names."""
        made = RedisLimiter(self.connection, self.campaign, label, most, patience, rates=rates, life=self._permit_life)
        self._limiters.append(made)
        return made

    async def aclose(self) -> None:
        """Gives back what is held and sends what is still to be said. The connection stays open."""
        for one in self._limiters:
            await one.aclose()
        await self.calls.aclose()
        await self.budget.aclose()
        await self.connection.flush()

    async def renew(self) -> None:
        """Lets what is shared live for `LIFE_MS` from now; the answers of models have a life of their own."""
        for name in (*COUNTS, *TEXTS):
            async for found in self._keys(name):
                await asyncio.gather(*(self.connection.call("PEXPIRE", key, LIFE_MS) for key in found))

    async def forget(self, *, calls: bool = True) -> int:
        """Removes from Redis all that this campaign's workers shared, the pool too; returns how many keys that were.

        For a campaign that has ended: its accepted texts and what it spent are in the store. Without `calls` the
        answers of models stay until they expire, so that a restart need not pay for them again.
        """
        removed = 0
        for name in (*COUNTS, *TEXTS, *(ANSWERS if calls else ())):
            async for found in self._keys(name):
                removed += int(await self.connection.call("UNLINK", *found))
        return removed

    async def _keys(self, name: str) -> AsyncIterator[list[bytes]]:
        """Yields the keys of this campaign that start with `name`, some at a time."""
        pattern = f"{key_of(self.campaign, name)}*"
        cursor: int | bytes = 0
        while True:
            cursor, found = await self.connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            if found:
                yield found
            if int(cursor) == 0:
                return
