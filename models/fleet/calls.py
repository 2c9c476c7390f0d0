"""The call cache of a fleet, in Redis: an answer that one worker paid for is a hit for all.

Bodies stand in one hash, with a sorted set of their last uses beside it, so that the script that keeps one also drops
the least recently used. Who finds nothing claims the key for a few seconds, renewed while the model works; others that
want the same answer wait for it. A worker that dies lets its claims lapse, and the next one asks.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from ...errors import ConfigError, RedisUnavailable, StoreFull
from ...storage.redis_connection import RedisConnection
from ...storage.stopping import stopped
from .scripts import key_of, script, token

LOG = logging.getLogger(__name__)
LOOK_UP, KEEP, RENEW = script("look_up"), script("keep"), script("renew_claims")
ENTRY = 300  # bytes that Redis needs for an entry beside its body: measured 270 to 280 for bodies of 300 to 2,000
CLAIM = 10.0  # seconds after which others stop waiting for the answer that a dead worker had asked for, at most
LOOK_FIRST, LOOK_MOST = 0.05, 0.5  # seconds between looks at what somebody else is asking
UNSAVED = 64 * 2**20  # bytes of answers that this process keeps for itself while Redis takes none


class RedisCalls:
    """The fleet's `CallStore`: at most `max_bytes` in Redis, each body for `ttl` seconds after its last use or so.

    Raises:
        ConfigError: `max_bytes` or `ttl` is not above 0.
    """

    def __init__(
        self,
        connection: RedisConnection,
        campaign: str,
        *,
        max_bytes: int = 16 * 2**20,
        ttl: float = 7 * 86400,
        claim: float = CLAIM,
    ) -> None:
        if max_bytes <= 0 or ttl <= 0:
            raise ConfigError(f"the call cache has max_bytes {max_bytes} and ttl {ttl:g}; give numbers above 0")
        self.max_bytes, self.ttl, self.claim = max_bytes, ttl, claim
        self.not_kept = 0  # answers that Redis did not take: too large, or no memory left
        self._connection = connection
        self._campaign = campaign
        self._bodies, self._uses = key_of(campaign, "calls"), key_of(campaign, "calls", "uses")
        self._bytes = key_of(campaign, "calls", "bytes")
        self._token = token()
        self._asking: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None
        self._unsaved: dict[str, bytes] = {}

    def pace(self, lease: float) -> None:
        """Takes over the fleet's lease, in seconds: a dead worker's tasks, back then, must not wait for its claims."""
        self.claim = min(self.claim, lease / 2)

    async def get(self, key: str) -> bytes | None:
        """Returns the body kept under `key`, or None: then the caller asks, and says so with `put` or `abandon`.

        Waits while another worker asks the same. Raises `RedisUnavailable`.
        """
        if (raw := self._unsaved.get(key)) is not None:
            return raw
        pause = LOOK_FIRST
        while True:
            found = await self._connection.run(
                LOOK_UP, (self._bodies, self._uses, self._claim(key)), (key, self._token, int(self.claim * 1000))
            )
            if isinstance(found, bytes):
                return found
            if found == 0:
                self._asking.add(key)
                if self._renewing is None:
                    self._renewing = asyncio.get_running_loop().create_task(self._renew())
                return None
            await asyncio.sleep(min(found / 1000, pause) * random.uniform(0.5, 1.0))  # noqa: S311  # spreads load
            pause = min(LOOK_MOST, pause * 2)

    async def put(self, key: str, raw: bytes) -> None:
        """Keeps `raw`. An answer that Redis does not take now stays in this process: it is paid for, its task goes on.

        Nothing is raised for a Redis that is full or gone: the next command that needs it says so.
        """
        self._asking.discard(key)
        try:
            await self._keep(key, raw)
        except (RedisUnavailable, StoreFull) as error:
            self._remember(key, raw, error)
            self.abandon(key)
        else:
            if self._unsaved:
                await self._save()

    def abandon(self, key: str) -> None:
        """Ends the claim of a caller who got no answer, so that others need not wait for one."""
        self._asking.discard(key)
        self._connection.post(RENEW, (self._claim(key),), (self._token, 0))

    async def kept(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns the bodies kept under `keys`, and neither waits for one nor counts as its use."""
        found = await self._connection.call("HMGET", self._bodies, *keys) if keys else ()
        return {key: raw for key, raw in zip(keys, found, strict=True) if raw is not None}

    async def size(self) -> int:
        """Returns how many bytes the cache holds now, as it counts them."""
        return int(await self._connection.call("GET", self._bytes) or 0)

    async def aclose(self) -> None:
        """Saves what could not be saved before, when Redis takes it now, and ends the claims. The connection stays."""
        if self._renewing is not None:
            await stopped(self._renewing)
        for asked in list(self._asking):
            self.abandon(asked)
        if self._unsaved:
            await self._save()

    def _claim(self, asked: str) -> str:
        return key_of(self._campaign, "asking", asked)

    async def _keep(self, asked: str, raw: bytes) -> None:
        keys = (self._bodies, self._uses, self._bytes, self._claim(asked))
        kept = await self._connection.run(KEEP, keys, (asked, raw, self.max_bytes, int(self.ttl * 1000), ENTRY))
        if kept < 0:
            self.not_kept += 1
            LOG.warning("an answer of %d bytes is not kept: the cache has %d in all", len(raw), self.max_bytes)

    def _remember(self, asked: str, raw: bytes, error: Exception) -> None:
        self.not_kept += 1
        self._unsaved[asked] = raw
        total = sum(map(len, self._unsaved.values()))
        LOG.warning("an answer is kept by this worker alone (%d bytes so far): %s", total, error)
        while total > UNSAVED:
            oldest = next(iter(self._unsaved))
            total -= len(self._unsaved.pop(oldest))

    async def _save(self) -> None:
        for asked, raw in list(self._unsaved.items()):
            try:
                await self._keep(asked, raw)
            except (RedisUnavailable, StoreFull):
                return  # the rest waits for the next put
            if self._unsaved.pop(asked, None) is not None:
                self.not_kept -= 1

    async def _renew(self) -> None:
        try:
            while self._asking:
                await asyncio.sleep(self.claim / 3)
                if self._asking:
                    claims = [self._claim(asked) for asked in self._asking]
                    self._connection.post(RENEW, claims, (self._token, int(self.claim * 1000)))
        finally:
            self._renewing = None
