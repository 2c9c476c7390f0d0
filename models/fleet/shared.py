"""All that the workers of one campaign share around their model calls, over one connection."""

from __future__ import annotations

from ...storage.redis_connection import RedisConnection
from ..layers.limiter import AnyLimiter
from .budget import RedisBudget
from .calls import RedisCalls
from .limiter import RedisLimiter
from .scripts import key_of


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
        calls_bytes: int = 32 * 2**20,
    ) -> None:
        self.connection = connection
        self.campaign = campaign
        self.calls = RedisCalls(connection, campaign, max_bytes=calls_bytes)
        self.budget = RedisBudget(connection, campaign, tokens, usd, seconds)
        self._limiters: list[RedisLimiter] = []

    def limiter(self, label: str, most: int, patience: float) -> AnyLimiter:
        """Makes the limiter of the server that `label` names."""
        made = RedisLimiter(self.connection, self.campaign, label, most, patience)
        self._limiters.append(made)
        return made

    async def aclose(self) -> None:
        """Gives back what is held and sends what is still to be said. The connection stays open."""
        for limiter in self._limiters:
            await limiter.aclose()
        await self.calls.aclose()
        await self.budget.aclose()
        await self.connection.flush()

    async def forget(self) -> int:
        """Removes from Redis all that this campaign's workers shared, the pool too; returns how many keys that were.

        For a campaign that has ended: its accepted texts are in the store, its answers expire, the rest would stay.
        """
        removed = 0
        for name in ("calls", "asking", "budget", "limit", "pool", "held"):
            pattern = f"{key_of(self.campaign, name)}*"
            cursor: int | bytes = 0
            while True:
                cursor, found = await self.connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
                if found:
                    removed += int(await self.connection.call("UNLINK", *found))
                if int(cursor) == 0:
                    break
        return removed
