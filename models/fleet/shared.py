"""All that the workers of one campaign share around their model calls, over one connection."""

from __future__ import annotations

from ...storage.redis_connection import RedisConnection
from ..layers.limiter import AnyLimiter
from .budget import RedisBudget
from .calls import RedisCalls
from .limiter import RedisLimiter


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
